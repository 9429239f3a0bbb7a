//! The health check `sequential`: a sequential test of the failure rate, for few targets.
//!
//! A fixed threshold is blind at the beginning of a canary: one failure of two is 50 %, and zero of five proves nothing.
//! Wald's sequential probability ratio test (A. Wald, *Sequential Tests of Statistical Hypotheses*, Ann. Math. Stat. 16,
//! 1945) weighs each finished target as it comes: it stops as soon as the evidence is strong enough either way, with
//! error rates that the operator sets.

use interlock_plugin_sdk::prelude::*;

mod settings;
mod test;

pub use settings::{Settings, Undecided};
use test::{Decision, Sprt};

const VERIFIED: &str = "verified";
const FAILED: &str = "failed";
const SILENT: &str = "silent";

/// The health check. It has no state of its own: the host measures for it.
#[derive(Clone, Copy, Debug)]
pub struct Sequential;

/// Fails as soon as the failures of the finished targets speak for the rate that is not acceptable.
#[health(name = "sequential")]
impl Health for Sequential {
    fn needs(_: &Change, _: &Settings) -> Result<Vec<Query>, Fault> {
        let query = |id: &str| Query {
            id: id.into(),
            metric: format!("interlock.{id}"),
            window: 1_000,
            aggregation: Aggregation::Sum,
        };
        Ok([VERIFIED, FAILED, SILENT].map(query).into())
    }

    fn judge(observations: &[Observation], settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
        let count = |id| counted(observations, id);
        let failures = count(FAILED)?.saturating_add(count(SILENT)?);
        let finished = count(VERIFIED)?.saturating_add(failures);
        let sprt = Sprt::new(settings);
        let seen = format!("{failures} of {finished} finished targets failed or fell silent");
        let (good, bad) = (percent(settings.acceptable_bp.into()), percent(settings.unacceptable_bp.into()));
        Ok(match sprt.decide(failures, finished) {
            Decision::Acceptable => {
                Finding::info("failure-rate-acceptable", format!("{seen}: that speaks for at most {good}"))
                    .into()
            }
            Decision::Unacceptable => {
                let message = format!("{seen}: that speaks for {bad} and more rather than for {good}");
                Finding::critical("failure-rate-unacceptable", message).into()
            }
            Decision::Undecided { more } => {
                let message = format!(
                    "{seen}: too few to tell {good} from {bad}; {more} more without a failure would settle it"
                );
                match settings.undecided {
                    Undecided::Pass => Finding::info("failure-rate-undecided", message).into(),
                    Undecided::Warn => Finding::warning("failure-rate-undecided", message).into(),
                }
            }
        })
    }
}

/// A count of targets as the host states it. Anything but a count is a fault, which is a deny.
fn counted(observations: &[Observation], id: &str) -> Result<u64, Fault> {
    let observation = Observation::of(observations, id)?;
    let value = observation.treatment.value.unwrap_or(0.0);
    // Beyond 2^53 an f64 no longer counts; no fleet is that large.
    if value.is_finite() && (0.0..9e15).contains(&value) && value.fract() == 0.0 {
        return Ok(value as u64);
    }
    Err(Fault::Evidence(format!("the host counted {value} targets for `{id}`")))
}

#[cfg(test)]
mod tests;
