//! What an operator sets for the health check.

use interlock_plugin_sdk::prelude::*;

/// What an operator sets for the health check.
#[settings(check = Settings::check)]
pub struct Settings {
    /// Mean of the metric `error_rate` (0 to 1), in basis points.
    #[default(Levels { warning: 100, critical: 200 })]
    pub error_rate_bp: Levels,
    /// 95th percentile of the metric `latency_ms`, in milliseconds.
    #[default(Levels { warning: 200, critical: 500 })]
    pub latency_ms: Levels,
    /// Failed and silent targets among those that were offered the change, in basis points.
    #[default(Levels { warning: 200, critical: 500 })]
    pub failures_bp: Levels,
    /// How much worse than the control cohort error rate and latency may be, in basis points of the control value: with
    /// 2000 the treatment may be 20 % worse. Left out, only the levels count.
    #[default]
    pub relative_to_control_bp: Option<u64>,
    /// Fewer device samples than this in the window are not judged.
    #[default(5)]
    #[schemars(range(min = 1))]
    pub min_samples: u64,
    /// Fail when a metric has too few samples to be judged, instead of noting it.
    #[default(false)]
    pub require_samples: bool,
    /// How far to look back, in seconds.
    #[default(300)]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub window_secs: u64,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let levels = [
            ("/error_rate_bp", self.error_rate_bp),
            ("/latency_ms", self.latency_ms),
            ("/failures_bp", self.failures_bp),
        ];
        let mut problems: Vec<SettingsProblem> =
            levels.into_iter().filter_map(|(path, levels)| levels.problem(path)).collect();
        if self.min_samples == 0 {
            problems.push(SettingsProblem::at("/min_samples", "must be at least 1"));
        }
        if self.window_secs == 0 {
            problems.push(SettingsProblem::at("/window_secs", "must be at least 1"));
        }
        problems
    }
}
