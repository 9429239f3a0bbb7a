//! The strategy `blue-green`: everybody is switched at once, watched, and switched back at more than a few errors.
//!
//! For targets that keep the old version beside the new one and switch in a moment. The limit is a count, not a share: ten
//! broken ventilators are ten too many, however large the hospital is.

use interlock_plugin_sdk::prelude::*;

/// What an operator sets.
#[settings]
pub struct Settings {
    /// How long everybody is watched after the last target switched, in seconds.
    #[default(300)]
    #[schemars(range(max = 31_536_000))]
    pub watch_secs: u64,
    /// Switch back when more targets than this failed or fell silent.
    #[default(10)]
    pub errors_max: u64,
}

/// The strategy. It has no state of its own: the host tells it the situation.
#[derive(Clone, Copy, Debug)]
pub struct BlueGreen;

/// Switches the whole population at once and back at more than a few errors.
#[strategy(name = "blue-green")]
impl Strategy for BlueGreen {
    fn plan(_: &Change, _: &Population, settings: &Settings) -> Result<Vec<Stage>, Fault> {
        let hold = settings.watch_secs.saturating_mul(1000);
        Ok(vec![Stage { name: "green".into(), exposure: Exposure::All, hold }])
    }

    fn advance(situation: &Situation, settings: &Settings) -> Result<Directive, Fault> {
        let errors = situation.progress.unsuccessful();
        if errors > settings.errors_max {
            let reason =
                format!("{errors} targets failed or fell silent; at most {} may", settings.errors_max);
            return Ok(Directive::RollBack(reason));
        }
        // The count is the limit: no share of the finished targets is too large for it.
        situation.walk(&Walk { max_failure_bp: 10_000, min_finished: 1, on_warning: OnWarning::Wait })
    }
}

#[cfg(test)]
mod tests;
