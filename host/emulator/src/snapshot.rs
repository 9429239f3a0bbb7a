//! What the fleet has seen so far.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// A poll that takes longer than its timeout is a failed one, so a minute is more than any latency.
const LATENCY_MICROS_MAX: u64 = 60_000_000;
const LATENCY_DIGITS: u8 = 3;

/// The fleet at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Polls that were answered.
    pub polls: u64,
    /// Polls that were not: no connection, too late, another status than 200, or no sense in the answer.
    pub failed_polls: u64,
    /// How many devices run which version.
    pub by_version: BTreeMap<String, usize>,
    /// Installations that ended in success, as the devices say.
    pub installs: u64,
    /// Installations that ended in failure, as the devices say.
    pub failures: u64,
    /// Deployments that were cancelled before they ended.
    pub cancelled: u64,
    /// Devices that will not be heard of again.
    pub silent: usize,
    /// Median time of an answered poll, in milliseconds. Counted from when the poll was due, so that a server that keeps
    /// devices waiting cannot look fast.
    pub poll_p50_ms: f64,
    /// The same for the slowest of a hundred.
    pub poll_p99_ms: f64,
}

/// Counts as devices go.
pub(crate) struct Tally(Mutex<Counts>);

struct Counts {
    snapshot: Snapshot,
    latency_micros: Histogram<u32>,
}

impl Tally {
    pub(crate) fn new<'a>(
        versions: impl Iterator<Item = &'a str>,
    ) -> Result<Self, hdrhistogram::CreationError> {
        let latency_micros = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, LATENCY_DIGITS)?;
        let mut snapshot = Snapshot::default();
        for version in versions {
            *snapshot.by_version.entry(version.to_owned()).or_default() += 1;
        }
        Ok(Self(Mutex::new(Counts { snapshot, latency_micros })))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let counts = self.counts();
        let ms = |percentile| counts.latency_micros.value_at_percentile(percentile) as f64 / 1_000.0;
        Snapshot { poll_p50_ms: ms(50.0), poll_p99_ms: ms(99.0), ..counts.snapshot.clone() }
    }

    pub(crate) fn polled(&self, took: Duration) {
        let mut counts = self.counts();
        counts.snapshot.polls += 1;
        counts.latency_micros.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn poll_failed(&self) {
        self.counts().snapshot.failed_polls += 1;
    }

    pub(crate) fn installed(&self) {
        self.counts().snapshot.installs += 1;
    }

    pub(crate) fn failed(&self) {
        self.counts().snapshot.failures += 1;
    }

    pub(crate) fn cancelled(&self) {
        self.counts().snapshot.cancelled += 1;
    }

    pub(crate) fn fell_silent(&self) {
        self.counts().snapshot.silent += 1;
    }

    pub(crate) fn moved(&self, from: &str, to: &str) {
        let by_version = &mut self.counts().snapshot.by_version;
        if let Some(count) = by_version.get_mut(from) {
            *count -= 1;
            if *count == 0 {
                by_version.remove(from);
            }
        }
        *by_version.entry(to.to_owned()).or_default() += 1;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counting cannot panic half-way, so what a poisoned lock guards is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
