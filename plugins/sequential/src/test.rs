//! Wald's sequential probability ratio test for a rate.

use crate::Settings;

/// What the test says of what was seen so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The evidence is for the acceptable rate.
    Acceptable,
    /// The evidence is for the rate that is not acceptable.
    Unacceptable,
    /// Not enough either way.
    Undecided {
        /// How many more targets without a failure would make it acceptable.
        more: u64,
    },
}

/// The test with its two hypotheses and its two limits, all as natural logarithms.
pub(crate) struct Sprt {
    /// What a failure adds to the log likelihood ratio.
    failure: f64,
    /// What a success takes from it.
    success: f64,
    /// At or below it the rate is acceptable.
    lower: f64,
    /// At or above it the rate is not.
    upper: f64,
}

impl Sprt {
    pub(crate) fn new(settings: &Settings) -> Self {
        let share = |bp: u32| f64::from(bp) / 10_000.0;
        let (good, bad) = (share(settings.acceptable_bp), share(settings.unacceptable_bp));
        let (alpha, beta) = (share(settings.false_alarm_bp), share(settings.missed_bp));
        Self {
            failure: (bad / good).ln(),
            success: ((1.0 - bad) / (1.0 - good)).ln(),
            lower: (beta / (1.0 - alpha)).ln(),
            upper: ((1.0 - beta) / alpha).ln(),
        }
    }

    pub(crate) fn decide(&self, failures: u64, finished: u64) -> Decision {
        let successes = finished.saturating_sub(failures);
        // Counts of targets are far below what f64 counts exactly.
        let ratio = failures as f64 * self.failure + successes as f64 * self.success;
        if ratio >= self.upper {
            Decision::Unacceptable
        } else if ratio <= self.lower {
            Decision::Acceptable
        } else {
            // Both are negative, so this is how many steps down are left.
            let more = ((self.lower - ratio) / self.success).ceil();
            Decision::Undecided { more: more as u64 }
        }
    }
}
