//! The strategy `shadow-canary`: it watches for a while before it touches anybody, then goes as a canary does.
//!
//! The shadow stage reaches no target. Health is judged all the same, on what the targets do today, so that a fleet that
//! is unwell anyway is found out before the change can be blamed for it, and models that run beside the live ones (the
//! operator's own health checks look at them) have their day.

use interlock_plugin_sdk::prelude::*;

/// What an operator sets.
#[settings(check = Settings::check)]
pub struct Settings {
    /// How long health must be good before the first target is touched, in seconds.
    #[default(24 * 60 * 60)]
    #[schemars(range(max = 31_536_000))]
    pub shadow_secs: u64,
    /// The shares of the population that the stages after that reach in total, in basis points.
    #[default(vec![500, 1000, 2500, 5000, 10_000])]
    #[schemars(length(min = 1, max = 100))]
    pub stages_bp: Vec<u32>,
    /// How long health must stay good after the last target of each stage settled, in seconds.
    #[default(2 * 60 * 60)]
    #[schemars(range(max = 31_536_000))]
    pub hold_secs: u64,
    /// Roll back when more than this share of the finished targets failed or fell silent, in basis points.
    #[default(500)]
    #[schemars(range(max = 10_000))]
    pub max_failure_bp: u32,
    /// What to do while a health check warns.
    #[default(OnWarning::Wait)]
    pub on_warning: OnWarning,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        let mut below = 0;
        for (index, &share) in self.stages_bp.iter().enumerate() {
            if share <= below || share > 10_000 {
                let message = format!("stages rise to 10000; {share} does not follow {below}");
                problems.push(SettingsProblem::at(format!("/stages_bp/{index}"), message));
            }
            below = share;
        }
        if self.stages_bp.last() != Some(&10_000) {
            problems.push(SettingsProblem::at("/stages_bp", "the last stage must reach all, 10000"));
        }
        if self.max_failure_bp > 10_000 {
            problems.push(SettingsProblem::at("/max_failure_bp", "a share is at most 10000"));
        }
        problems
    }
}

/// The strategy. It has no state of its own: the host tells it the situation.
#[derive(Clone, Copy, Debug)]
pub struct ShadowCanary;

/// Watches first, then leads a rollout through stages of rising exposure.
#[strategy(name = "shadow-canary")]
impl Strategy for ShadowCanary {
    fn plan(_: &Change, _: &Population, settings: &Settings) -> Result<Vec<Stage>, Fault> {
        let shadow = Stage {
            name: "shadow".into(),
            exposure: Exposure::Shadow,
            hold: settings.shadow_secs.saturating_mul(1000),
        };
        let stages = settings.stages_bp.iter().map(|&share| Stage {
            name: percent(share.into()),
            exposure: Exposure::Percent(share),
            hold: settings.hold_secs.saturating_mul(1000),
        });
        Ok([shadow].into_iter().chain(stages).collect())
    }

    fn advance(situation: &Situation, settings: &Settings) -> Result<Directive, Fault> {
        let &Settings { max_failure_bp, on_warning, .. } = settings;
        situation.walk(&Walk { max_failure_bp, min_finished: 1, on_warning })
    }
}

#[cfg(test)]
mod tests;
