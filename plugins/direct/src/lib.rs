//! The strategy `direct`: the whole population in one stage.

use interlock_plugin_sdk::prelude::*;

/// What an operator sets for a direct rollout.
#[settings]
pub struct Settings {
    /// The smoke test: how long health must stay good after the last target settled, in seconds.
    #[default(0)]
    #[schemars(range(max = 31_536_000))]
    pub hold_secs: u64,
    /// Roll back when more than this share of the finished targets failed or fell silent, in basis points.
    #[default(500)]
    #[schemars(range(max = 10_000))]
    pub max_failure_bp: u32,
}

/// The strategy. It has no state of its own: the host tells it the situation.
#[derive(Clone, Copy, Debug)]
pub struct Direct;

/// Reaches the whole population in one stage and rolls back when health fails.
#[strategy(name = "direct")]
impl Strategy for Direct {
    fn plan(_: &Change, _: &Population, settings: &Settings) -> Result<Vec<Stage>, Fault> {
        let hold = settings.hold_secs.saturating_mul(1000);
        Ok(vec![Stage { name: "all".into(), exposure: Exposure::All, hold }])
    }

    fn advance(situation: &Situation, settings: &Settings) -> Result<Directive, Fault> {
        if let Some(failing) = situation.failing() {
            return Ok(Directive::RollBack(failing.reason()));
        }
        if situation.progress.fails_more_than(settings.max_failure_bp) {
            return Ok(Directive::RollBack(situation.progress.failure_reason(settings.max_failure_bp)));
        }
        Ok(if situation.current()?.is_none() {
            Directive::EnterStage(0)
        } else if let Some(instant) = situation.stay()? {
            Directive::Wait(instant)
        } else if situation.warning().is_some() && !situation.promoted {
            // There is no later stage in which a warning could become clear, so a person decides or time does.
            Directive::Wait(situation.until_changed())
        } else {
            Directive::Complete
        })
    }
}

#[cfg(test)]
mod tests;
