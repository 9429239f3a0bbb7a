//! The strategy `waves`: named groups of targets, one after the other.
//!
//! Where a percentage would scatter over every ward, a wave takes one site whole: the people there know what happens on
//! which day. Every target is reached in the end, also one that no group holds.

use interlock_plugin_sdk::prelude::*;

mod settings;

pub use settings::{Settings, WaveSettings};

/// The strategy. It has no state of its own: the host tells it the situation.
#[derive(Clone, Copy, Debug)]
pub struct Waves;

/// Leads a rollout through groups of targets in the operator's order, and what is left over comes last.
#[strategy(name = "waves")]
impl Strategy for Waves {
    fn plan(_: &Change, population: &Population, settings: &Settings) -> Result<Vec<Stage>, Fault> {
        let Some((last, waves)) = settings.waves.split_last() else {
            return Err(Fault::internal("there is no wave to plan"));
        };
        let mut stages = Vec::new();
        // Exposure is cumulative, so a stage names the groups of the waves before it as well.
        let mut reached = Vec::new();
        for (index, wave) in waves.iter().enumerate() {
            let before = reached.len();
            let names = population.groups.iter().map(|group| &group.name);
            reached.extend(names.filter(|name| settings.wave_of(name) == Some(index)).cloned());
            // The settings serve many changes; a wave whose groups this one does not touch is no stage of it.
            if reached.len() > before {
                stages.push(Stage {
                    name: format!("wave {}: {}", index + 1, wave.title()),
                    exposure: Exposure::Groups(reached.clone()),
                    hold: settings.hold(wave),
                });
            }
        }
        let title =
            if last.groups.is_empty() { "the rest".into() } else { format!("{} and the rest", last.title()) };
        let name = format!("wave {}: {title}", settings.waves.len());
        stages.push(Stage { name, exposure: Exposure::All, hold: settings.hold(last) });
        Ok(stages)
    }

    fn advance(situation: &Situation, settings: &Settings) -> Result<Directive, Fault> {
        let &Settings { max_failure_bp, min_finished, on_warning, .. } = settings;
        situation.walk(&Walk { max_failure_bp, min_finished, on_warning })
    }
}

#[cfg(test)]
mod tests;
