//! The health check `thresholds`: error rate, latency and failures against fixed levels, and against the
//! control cohort where that is set.

use interlock_plugin_sdk::prelude::*;

mod metric;
mod settings;

use metric::Metric;
pub use settings::Settings;

/// The ids of the queries that count targets.
const EXPOSED: &str = "exposed";
const FAILED: &str = "failed";
const SILENT: &str = "silent";

/// The health check. It has no state of its own: the host measures for it.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds;

/// Compares error rate, latency and failures with fixed levels and with the control cohort.
#[health(name = "thresholds")]
impl Health for Thresholds {
    fn needs(_: &Change, settings: &Settings) -> Result<Vec<Query>, Fault> {
        let window = settings.window_secs.saturating_mul(1000);
        let query =
            |id: &str, metric: String, aggregation| Query { id: id.into(), metric, window, aggregation };
        let devices = Metric::ALL.map(|metric| query(metric.name, metric.name.into(), metric.aggregation));
        let targets =
            [EXPOSED, FAILED, SILENT].map(|id| query(id, format!("interlock.{id}"), Aggregation::Sum));
        Ok(devices.into_iter().chain(targets).collect())
    }

    fn judge(observations: &[Observation], settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
        let mut findings = Vec::new();
        for metric in &Metric::ALL {
            findings.extend(metric.judge(Observation::of(observations, metric.name)?, settings));
        }
        findings.extend(judge_failures(observations, settings)?);
        Ok(findings.into_iter().collect())
    }
}

/// The share of the exposed targets that failed or fell silent. No control: its targets were offered nothing.
fn judge_failures(observations: &[Observation], settings: &Settings) -> Result<Option<Finding>, Fault> {
    // A count without a sample is none: the host counts what happened, and nothing did.
    let count = |id| Ok(Observation::of(observations, id)?.treatment.value.unwrap_or(0.0));
    let (exposed, lost) = (count(EXPOSED)?, count(FAILED)? + count(SILENT)?);
    let finding = if !(exposed.is_finite() && lost.is_finite()) {
        Some(Finding::critical("failures-not-a-number", "the host's counts of targets are not numbers"))
    } else if exposed < 1.0 {
        let message = "no target was offered the change yet, so there are no failures to judge";
        Some(unjudged("failures-no-samples", message.into(), settings))
    } else {
        let share_bp = lost / exposed * 10_000.0;
        let shown = metric::basis_points(share_bp);
        let described = format!("{lost} of {exposed} targets failed or fell silent: {shown}");
        metric::against_levels("failures", &described, share_bp, settings.failures_bp, metric::basis_points)
    };
    Ok(finding.map(|finding| finding.about("failures")))
}

/// Too little was seen to say anything.
fn unjudged(code: &str, message: String, settings: &Settings) -> Finding {
    if settings.require_samples { Finding::critical(code, message) } else { Finding::info(code, message) }
}

#[cfg(test)]
mod tests;
