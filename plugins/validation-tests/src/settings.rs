//! What an operator sets for the tests.

use interlock_plugin_sdk::prelude::*;

/// 100 % in basis points.
const WHOLE_BP: u64 = 10_000;

/// What an operator sets for the tests. A test that is `null` is not run.
#[settings(check = Settings::check)]
pub struct Settings {
    /// `minimum-accuracy`: the lowest mean of `accuracy` (0 to 1), in basis points.
    #[default(Some(8_500))]
    #[schemars(range(max = 10_000))]
    pub min_accuracy_bp: Option<u64>,
    /// `maximum-error-rate`: the highest mean of `error_rate` (0 to 1), in basis points.
    #[default(Some(500))]
    #[schemars(range(max = 10_000))]
    pub max_error_rate_bp: Option<u64>,
    /// `accuracy-drop`: how far mean `accuracy` is below the baseline, as a share of the baseline, in basis points.
    #[default(Some(Levels { warning: 200, critical: 500 }))]
    pub accuracy_drop_bp: Option<Levels>,
    /// The baseline when the control cohort shows none, in basis points: in the last stage nobody is left in it.
    #[default]
    #[schemars(range(min = 1, max = 10_000))]
    pub baseline_accuracy_bp: Option<u64>,
    /// `error-rate`: mean of `error_rate`, in basis points.
    #[default(Some(Levels { warning: 100, critical: 200 }))]
    pub error_rate_bp: Option<Levels>,
    /// `latency`: 95th percentile of `latency_ms`.
    #[default(Some(Levels { warning: 200, critical: 500 }))]
    pub latency_ms: Option<Levels>,
    /// `drift`: the highest mean of `drift` (0 to 1), in basis points.
    #[default(Some(1_000))]
    #[schemars(range(max = 10_000))]
    pub max_drift_bp: Option<u64>,
    /// `data-quality`: the lowest mean of `data_quality` (0 to 1), in basis points.
    #[default(Some(9_500))]
    #[schemars(range(max = 10_000))]
    pub min_data_quality_bp: Option<u64>,
    /// A metric with fewer samples than this in the window is not tested.
    #[default(5)]
    #[schemars(range(min = 1))]
    pub min_samples: u64,
    /// Fail when a test cannot be run for want of samples, instead of noting it.
    #[default(false)]
    pub require_samples: bool,
    /// How far to look back, in seconds.
    #[default(300)]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub window_secs: u64,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        for (path, share) in [
            ("/min_accuracy_bp", self.min_accuracy_bp),
            ("/max_error_rate_bp", self.max_error_rate_bp),
            ("/baseline_accuracy_bp", self.baseline_accuracy_bp),
            ("/max_drift_bp", self.max_drift_bp),
            ("/min_data_quality_bp", self.min_data_quality_bp),
        ] {
            if share.is_some_and(|share| share > WHOLE_BP) {
                problems.push(SettingsProblem::at(path, "a share is at most 10000"));
            }
        }
        for (path, levels) in [
            ("/accuracy_drop_bp", self.accuracy_drop_bp),
            ("/error_rate_bp", self.error_rate_bp),
            ("/latency_ms", self.latency_ms),
        ] {
            problems.extend(levels.and_then(|levels| levels.problem(path)));
        }
        if self.baseline_accuracy_bp == Some(0) {
            problems.push(SettingsProblem::at("/baseline_accuracy_bp", "must be at least 1"));
        }
        if self.min_samples == 0 {
            problems.push(SettingsProblem::at("/min_samples", "must be at least 1"));
        }
        if self.window_secs == 0 {
            problems.push(SettingsProblem::at("/window_secs", "must be at least 1"));
        }
        problems
    }
}
