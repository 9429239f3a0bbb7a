//! The health check `my-plugin`.
use interlock_plugin_sdk::prelude::*;

const ERRORS: &str = "errors";

/// What an operator sets for the check.
#[settings]
pub struct Settings {
    /// The highest share of errors among treated targets, in basis points.
    #[schemars(range(min = 1, max = 10_000))]
    #[default(100)]
    pub max_error_bp: u32,
    /// How far to look back, in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    #[default(900)]
    pub window_secs: u64,
}

/// The check. It has no state of its own: the host tells it what was observed.
#[derive(Clone, Copy, Debug)]
pub struct Check;

/// Fails when treated targets report more errors than the operator allows.
#[health(name = "my-plugin")]
impl Health for Check {
    fn needs(_: &Change, settings: &Settings) -> Result<Vec<Query>, Fault> {
        let window = settings.window_secs * 1000;
        let (id, metric) = (ERRORS.to_owned(), "error_rate".to_owned());
        Ok(vec![Query { id, metric, window, aggregation: Aggregation::Mean }])
    }

    fn judge(observations: &[Observation], settings: &Settings, _: Instant) -> Result<Verdict, Fault> {
        let Some(rate) = Observation::of(observations, ERRORS)?.treatment.value else {
            let message = "no treated target has reported `error_rate` yet; wait for more";
            return Ok(Finding::warning("errors-unknown", message).about(ERRORS).into());
        };
        // Not `rate > max`: what is not a number is larger than nothing, and must not pass.
        if rate * 10_000.0 <= f64::from(settings.max_error_bp) {
            return Ok(Verdict::pass());
        }
        let message =
            format!("treated targets report more than {} basis points of errors", settings.max_error_bp);
        Ok(Finding::critical("errors-too-high", message).about(ERRORS).into())
    }
}
