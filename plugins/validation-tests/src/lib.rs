//! The health check `validation-tests`: named tests of what targets report, for models and applications as well as firmware.
//!
//! A deployment is validated when every test has passed. So each test is reported, with its score and its threshold, and not
//! only those that fail.

use interlock_plugin_sdk::prelude::*;

mod settings;
mod test;

pub use settings::Settings;
use test::Test;

/// The health check. It has no state of its own: the host measures for it.
#[derive(Clone, Copy, Debug)]
pub struct ValidationTests;

/// Runs named tests of accuracy, errors, latency, drift and data quality, and reports each with its score.
#[health(name = "validation-tests")]
impl Health for ValidationTests {
    fn needs(_: &Change, settings: &Settings) -> Result<Vec<Query>, Fault> {
        // Two tests may share a metric; they stand beside each other.
        let mut metrics: Vec<_> = Test::wanted(settings).iter().map(|test| test.metric).collect();
        metrics.dedup();
        let query = |metric: &test::Metric| Query {
            id: metric.name().into(),
            metric: metric.name().into(),
            window: settings.window_secs.saturating_mul(1000),
            aggregation: metric.aggregation(),
        };
        Ok(metrics.iter().map(query).collect())
    }

    fn judge(observations: &[Observation], settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
        Test::wanted(settings)
            .iter()
            .map(|test| Ok(test.run(Observation::of(observations, test.metric.name())?, settings)))
            .collect::<Result<Vec<Finding>, Fault>>()
            .map(Verdict::from_iter)
    }
}

#[cfg(test)]
mod tests;
