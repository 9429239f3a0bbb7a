//! The strategy `canary`: a few targets first, then ever more.

use interlock_plugin_sdk::prelude::*;

mod settings;

pub use settings::{Settings, StageSettings};

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
        situation.walk(&Walk {
            max_failure_bp: settings.max_failure_bp,
            min_finished: settings.min_finished,
            on_warning: settings.on_warning,
        })
    }
}

#[cfg(test)]
mod tests;
