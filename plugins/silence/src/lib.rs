//! The health check `silence`: treated targets keep talking as much as the others do.
//!
//! Firmware that hangs reports no errors. So what counts here is not what targets say, but that they say it: targets that
//! fell silent, and metrics that treated targets report less often than those of the control cohort.

use interlock_plugin_sdk::prelude::*;

/// 100 % in basis points.
const WHOLE_BP: f64 = 10_000.0;
const EXPOSED: &str = "exposed";
const SILENT: &str = "silent";

/// What an operator sets for the check.
#[settings(check = Settings::check)]
pub struct Settings {
    /// The share of the exposed targets that may be silent before it warns, in basis points.
    #[default(100)]
    #[schemars(range(max = 10_000))]
    pub silent_warning_bp: u32,
    /// The share from which on it fails.
    #[default(500)]
    #[schemars(range(max = 10_000))]
    pub silent_critical_bp: u32,
    /// The metrics that targets should keep reporting.
    #[default(vec!["error_rate".to_owned()])]
    #[schemars(length(max = 50))]
    pub metrics: Vec<String>,
    /// How far to look back for them, in seconds.
    #[default(300)]
    #[schemars(range(min = 1, max = 86_400))]
    pub window_secs: u64,
    /// The fewest reports per treated target, as a share of those per control target, in basis points.
    #[default(5_000)]
    #[schemars(range(max = 10_000))]
    pub min_reports_bp: u32,
    /// How many reports the control cohort must have made before it is compared with.
    #[default(20)]
    pub min_control_samples: u64,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        if self.silent_warning_bp > self.silent_critical_bp {
            let message = format!("a warning comes before {}, where it fails", self.silent_critical_bp);
            problems.push(SettingsProblem::at("/silent_warning_bp", message));
        }
        for (field, share) in [
            ("/silent_warning_bp", self.silent_warning_bp),
            ("/silent_critical_bp", self.silent_critical_bp),
            ("/min_reports_bp", self.min_reports_bp),
        ] {
            if f64::from(share) > WHOLE_BP {
                problems.push(SettingsProblem::at(field, "a share is at most 10000"));
            }
        }
        for (index, metric) in self.metrics.iter().enumerate() {
            if metric.is_empty() || metric == EXPOSED || metric == SILENT {
                let message = "name a metric that targets report";
                problems.push(SettingsProblem::at(format!("/metrics/{index}"), message));
            }
        }
        problems
    }
}

/// The health check. It has no state of its own: the host measures for it.
#[derive(Clone, Copy, Debug)]
pub struct Silence;

/// Fails when treated targets fall silent or report less than the others.
#[health(name = "silence")]
impl Health for Silence {
    fn needs(_: &Change, settings: &Settings) -> Result<Vec<Query>, Fault> {
        let window = settings.window_secs.saturating_mul(1000);
        let query =
            |id: &str, metric: String, aggregation| Query { id: id.into(), metric, window, aggregation };
        let counts = [EXPOSED, SILENT].map(|id| query(id, format!("interlock.{id}"), Aggregation::Sum));
        let reports = settings.metrics.iter().map(|metric| query(metric, metric.clone(), Aggregation::Count));
        Ok(counts.into_iter().chain(reports).collect())
    }

    fn judge(observations: &[Observation], settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
        let silent = silent_targets(observations, settings)?;
        let quiet = settings.metrics.iter().map(|metric| quiet_metric(observations, metric, settings));
        let quiet: Vec<Option<Finding>> = quiet.collect::<Result<_, _>>()?;
        Ok(silent.into_iter().chain(quiet.into_iter().flatten()).collect())
    }
}

fn silent_targets(observations: &[Observation], settings: &Settings) -> Result<Option<Finding>, Fault> {
    let count = |id| Ok(Observation::of(observations, id)?.treatment.value.unwrap_or(0.0));
    let (exposed, silent) = (count(EXPOSED)?, count(SILENT)?);
    if !(exposed.is_finite() && silent.is_finite()) {
        let message = "the host's counts of targets are not numbers";
        return Ok(Some(Finding::critical("silence-not-a-number", message)));
    }
    if silent < 1.0 || exposed < 1.0 {
        return Ok(None);
    }
    let share_bp = silent / exposed * WHOLE_BP;
    let described = format!("{silent} of {exposed} exposed targets are silent");
    let finding = if share_bp >= f64::from(settings.silent_critical_bp) {
        let at = percent(settings.silent_critical_bp.into());
        Some(Finding::critical("silence-critical", format!("{described}; it is critical from {at} on")))
    } else if share_bp >= f64::from(settings.silent_warning_bp) {
        let at = percent(settings.silent_warning_bp.into());
        Some(Finding::warning("silence-warning", format!("{described}; it is worrying from {at} on")))
    } else {
        None
    };
    Ok(finding.map(|finding| finding.about(SILENT)))
}

/// A metric that treated targets report less often than the others do.
fn quiet_metric(
    observations: &[Observation],
    metric: &str,
    settings: &Settings,
) -> Result<Option<Finding>, Fault> {
    let observed = Observation::of(observations, metric)?;
    let (Some(treated), Some(usual)) = (rate(&observed.treatment), rate(&observed.control)) else {
        // Nobody was treated, or nobody is left to compare with.
        return Ok(None);
    };
    if observed.control.samples < settings.min_control_samples
        || treated * WHOLE_BP >= usual * f64::from(settings.min_reports_bp)
    {
        return Ok(None);
    }
    let message = format!(
        "treated targets reported `{metric}` {} times each, the others {} times; at least {} of that is expected",
        rounded(treated),
        rounded(usual),
        percent(settings.min_reports_bp.into())
    );
    Ok(Some(Finding::critical("metric-falls-silent", message).about(metric)))
}

/// Reports per target; nothing without targets.
fn rate(series: &Series) -> Option<f64> {
    // Cohorts are far smaller than what f64 counts exactly.
    (series.targets > 0).then(|| series.samples as f64 / series.targets as f64)
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
