//! The strategy `canary`: a few targets first, then ever more.

use interlock_plugin_sdk::prelude::*;

mod settings;

pub use settings::{OnWarning, Settings, StageSettings};

/// The strategy. It has no state of its own: the host tells it the situation.
#[derive(Clone, Copy, Debug)]
pub struct Canary;

/// Leads a rollout through stages of rising exposure and rolls back when health or too many targets fail.
#[strategy(name = "canary")]
impl Strategy for Canary {
    fn plan(_: &Change, _: &Population, settings: &Settings) -> Result<Vec<Stage>, Fault> {
        let stage = |stage: &StageSettings| Stage {
            name: percent(stage.percent_bp.into()),
            exposure: Exposure::Percent(stage.percent_bp),
            hold: stage.hold_secs.saturating_mul(1000),
        };
        Ok(settings.stages.iter().map(stage).collect())
    }

    fn advance(situation: &Situation, settings: &Settings) -> Result<Directive, Fault> {
        if let Some(failing) = situation.failing() {
            return Ok(Directive::RollBack(failing.reason()));
        }
        if fails_too_often(situation, settings) {
            return Ok(Directive::RollBack(situation.progress.failure_reason(settings.max_failure_bp)));
        }
        let Some((index, _)) = situation.current()? else { return Ok(Directive::EnterStage(0)) };
        // A promotion is a person's answer to the warning as much as to the hold time.
        if let Some(warning) = situation.warning().filter(|_| !situation.promoted) {
            match settings.on_warning {
                OnWarning::Pause => return Ok(Directive::Pause(warning.reason())),
                OnWarning::Wait => return Ok(Directive::Wait(situation.until_changed())),
                OnWarning::Continue => {}
            }
        }
        let next = index.saturating_add(1);
        Ok(match situation.stay()? {
            Some(instant) => Directive::Wait(instant),
            None if situation.plan.get(next as usize).is_some() => Directive::EnterStage(next),
            None => Directive::Complete,
        })
    }
}

/// While a stage is under way its first failures say little, so `min_finished` holds the judgement back; once
/// it settled there is nothing more to wait for.
fn fails_too_often(situation: &Situation, settings: &Settings) -> bool {
    let enough = situation.settled_at.is_some() || situation.progress.finished() >= settings.min_finished;
    enough && situation.progress.fails_more_than(settings.max_failure_bp)
}

#[cfg(test)]
mod tests;
