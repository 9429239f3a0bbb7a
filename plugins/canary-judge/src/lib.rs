//! The health check `canary-judge`: every sample of treatment against every sample of control.
//!
//! A level is blind to what is usual: 80 ms may be fine at one site and a disaster at another. This check asks whether the
//! treated targets differ from the others at this time, by the Mann-Whitney test, and makes one score of all metrics. It
//! judges as `NetflixACAJudge-v1.0` of Kayenta does, so that a canary configuration can move here; the README names the few
//! places where it does not.

use interlock_plugin_sdk::prelude::*;

mod brent;
mod classify;
mod mann_whitney;
mod report;
mod samples;
mod score;
mod settings;

use score::{Judged, Score};
pub use settings::{Direction, EffectSize, MetricSettings, NanStrategy, OutlierStrategy, Settings, Unjudged};

/// The health check. It has no state of its own: the host measures for it.
#[derive(Clone, Copy, Debug)]
pub struct CanaryJudge;

/// Compares the samples of treatment and control metric by metric and makes one score of them, as Kayenta's judge does.
#[health(name = "canary-judge")]
impl Health for CanaryJudge {
    fn needs(_: &Change, settings: &Settings) -> Result<Vec<Query>, Fault> {
        let query = |metric: &MetricSettings| Query {
            id: metric.name.clone(),
            metric: metric.name.clone(),
            window: settings.window_secs.saturating_mul(1000),
            aggregation: Aggregation::Raw,
        };
        Ok(settings.metrics.iter().map(query).collect())
    }

    fn judge(observations: &[Observation], settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
        let observed: Vec<(&MetricSettings, &Observation)> = settings
            .metrics
            .iter()
            .map(|metric| Ok((metric, Observation::of(observations, &metric.name)?)))
            .collect::<Result<_, Fault>>()?;
        if observed.iter().all(|(_, observation)| observation.treatment.targets == 0) {
            return Ok(report::nobody_treated().into());
        }
        if observed.iter().all(|(_, observation)| observation.control.targets == 0) {
            return Ok(report::nobody_to_compare_with(settings).into());
        }
        let judged: Vec<Judged<'_>> = observed
            .into_iter()
            .map(|(metric, observation)| {
                let prepare = |series: &Series| samples::prepare(&series.raw, metric, settings.samples_max);
                let (treatment, control) = (prepare(&observation.treatment), prepare(&observation.control));
                (metric, classify::classify(metric, &treatment, &control))
            })
            .collect();
        let score = Score::of(&judged, settings);
        let findings = judged.iter().filter_map(|(metric, classified)| report::metric(metric, classified));
        Ok(findings.chain([report::score(&score, settings)]).collect())
    }
}

#[cfg(test)]
mod tests;
