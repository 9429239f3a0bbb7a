//! How often somebody may do something: a bucket that fills steadily, as one number (GCRA, the generic cell rate algorithm of
//! ITU-T I.371).
//!
//! The number is the *theoretical arrival time*: when the bucket is full again. It is all there is to keep, a later one
//! means a fuller use, and one in the past is as good as none.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// So many a minute, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How many in a minute; 0 is no limit.
    pub per_minute: u32,
    /// How many at once, after a pause.
    pub burst: u32,
}

/// When a bucket is full again, in microseconds since 1970. One that was never used is [`Used::default`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Used(i64);

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// What to remember.
    pub used: Used,
    /// How many are left at once.
    pub left: u32,
    /// How long until as many are left as can be, in milliseconds, rounded up.
    pub full_in_ms: u64,
}

/// Too often. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How long until one is left, in milliseconds, rounded up; at least 1.
    pub retry_in_ms: u64,
    /// How long until as many are left as can be.
    pub full_in_ms: u64,
}

impl Quota {
    /// No limit.
    pub const NONE: Quota = Quota { per_minute: 0, burst: 0 };

    /// Whether there is a limit at all.
    pub fn is_limit(&self) -> bool {
        self.per_minute > 0
    }

    /// Takes one at `now`.
    pub fn take(&self, used: Used, now: Timestamp) -> Result<Taken, Wait> {
        let (now, each) = (micros(now), self.each());
        let most = self.most();
        // A clock that was set back must not lock anybody out for longer than a full bucket takes.
        let before = used.0.clamp(now, now.saturating_add(most));
        let after = before.saturating_add(each);
        let over = after - now - most;
        if over > 0 {
            return Err(Wait { retry_in_ms: millis(over), full_in_ms: millis(before - now) });
        }
        let left = if each == 0 { u32::MAX } else { u32::try_from(-over / each).unwrap_or(u32::MAX) };
        Ok(Taken { used: Used(after), left, full_in_ms: millis(after - now) })
    }

    /// Gives one back that was taken and turned out not to count.
    pub fn give_back(&self, used: Used) -> Used {
        Used(used.0.saturating_sub(self.each()))
    }

    /// Whether one could be taken, without taking it.
    pub fn allows(&self, used: Used, now: Timestamp) -> bool {
        self.take(used, now).is_ok()
    }

    /// How long one takes to come back.
    fn each(&self) -> i64 {
        if self.is_limit() { 60_000_000 / i64::from(self.per_minute) } else { 0 }
    }

    /// How long a whole bucket takes to come back.
    fn most(&self) -> i64 {
        self.each() * i64::from(self.burst.max(1))
    }
}

impl Used {
    /// Whether it is as good as never used.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.0 <= micros(now)
    }
}

fn micros(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(1_000)
}

fn millis(micros: i64) -> u64 {
    u64::try_from(micros.max(0)).unwrap_or_default().div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { per_minute: 600, burst: 20 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn a_burst_and_not_one_more_then_one_at_a_time() {
        let mut used = Used::default();
        for left in (0..20).rev() {
            let taken = QUOTA.take(used, at(0)).unwrap();
            assert_eq!(taken.left, left);
            used = taken.used;
        }
        assert_eq!(QUOTA.take(used, at(0)), Err(Wait { retry_in_ms: 100, full_in_ms: 2_000 }));
        assert_eq!(QUOTA.take(used, at(99)).unwrap_err().retry_in_ms, 1);
        let used = QUOTA.take(used, at(100)).unwrap().used;
        assert!(!QUOTA.allows(used, at(100)));
        assert_eq!(QUOTA.take(used, at(2_100)).unwrap().left, 19, "after a pause there is a burst again");
        assert!(used.is_over(at(2_100)) && !used.is_over(at(2_099)));
    }

    #[test]
    fn being_refused_costs_nothing() {
        let mut used = Used::default();
        while let Ok(taken) = QUOTA.take(used, at(0)) {
            used = taken.used;
        }
        for _ in 0..1_000 {
            assert!(QUOTA.take(used, at(50)).is_err());
        }
        assert!(QUOTA.take(used, at(100)).is_ok());
    }

    #[test]
    fn what_is_given_back_is_there_again_and_no_more_than_a_bucket_holds() {
        let mut used = Used::default();
        for _ in 0..1_000 {
            used = QUOTA.give_back(QUOTA.take(used, at(0)).unwrap().used);
        }
        assert_eq!(QUOTA.take(used, at(0)).unwrap().left, 19);
        let twice = QUOTA.give_back(QUOTA.give_back(used));
        assert_eq!(QUOTA.take(twice, at(0)).unwrap().left, 19);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_long() {
        let used = QUOTA.take(Used::default(), at(3_600_000)).unwrap().used;
        assert_eq!(QUOTA.take(used, at(0)).unwrap_err().retry_in_ms, 100);
    }

    #[test]
    fn no_limit_is_none() {
        let mut used = Used::default();
        for _ in 0..10_000 {
            used = Quota::NONE.take(used, at(0)).unwrap().used;
        }
    }
}
