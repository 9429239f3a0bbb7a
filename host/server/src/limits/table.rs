//! A table of fixed size that may forget, and never in anybody's favour.
//!
//! Each key belongs to one small set of places, chosen with a seed that nobody outside knows. When all places of a set are in
//! use, a new key takes the one that is used least, *with what was used of it*. So what is remembered is at least what was
//! used: a key that was pushed out finds, when it comes back, no less than it left. A flood of addresses makes newcomers wait;
//! it gives nobody a new bucket.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use interlock_domain::{Quota, Taken, Timestamp, Used, Wait};

/// Places in a set.
const WAYS: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// The hash of the key. Two keys with one hash share a bucket, which happens to nobody on purpose.
    key: u64,
    used: Used,
}

#[derive(Debug)]
pub(super) struct Table {
    seed: RandomState,
    sets: Box<[Mutex<[Place; WAYS]>]>,
}

impl Table {
    /// A table for about so many keys.
    pub(super) fn new(keys: usize) -> Self {
        let sets = keys.div_ceil(WAYS).max(1);
        Self { seed: RandomState::new(), sets: (0..sets).map(|_| Mutex::default()).collect() }
    }

    /// Takes one.
    pub(super) fn take(&self, key: impl Hash, quota: Quota, now: Timestamp) -> Result<Taken, Wait> {
        let (key, mut set) = self.set(key);
        let place = place(&mut set, key, now);
        let taken = quota.take(place.used, now)?;
        *place = Place { key, used: taken.used };
        Ok(taken)
    }

    /// Gives back one that was taken. Whoever was forgotten meanwhile gets nothing: the place is another one's.
    pub(super) fn give_back(&self, key: impl Hash, quota: Quota) {
        let (key, mut set) = self.set(key);
        // What was over and came back may have left its old place behind.
        if let Some(place) = set.iter_mut().filter(|place| place.key == key).max_by_key(|place| place.used) {
            place.used = quota.give_back(place.used);
        }
    }

    /// What taking one would come to.
    pub(super) fn look(&self, key: impl Hash, quota: Quota, now: Timestamp) -> Result<Taken, Wait> {
        let (key, mut set) = self.set(key);
        quota.take(place(&mut set, key, now).used, now)
    }

    fn set(&self, key: impl Hash) -> (u64, MutexGuard<'_, [Place; WAYS]>) {
        let hash = self.seed.hash_one(key);
        let set = &self.sets[(hash % self.sets.len() as u64) as usize];
        (hash, set.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The key's own place, or the one that is used least: the next that it would get.
fn place(set: &mut [Place; WAYS], key: u64, now: Timestamp) -> &mut Place {
    let own = set.iter().position(|place| place.key == key && !place.used.is_over(now));
    let at = own.or_else(|| (0..WAYS).min_by_key(|&at| set[at].used)).unwrap_or_default();
    &mut set[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { per_minute: 60, burst: 5 };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn keys_are_counted_apart() {
        let table = Table::new(1_000);
        for key in ["a", "b"] {
            assert_eq!((0..9).filter(|_| table.take(key, QUOTA, at(0)).is_ok()).count(), 5, "{key}");
        }
        assert!(table.look("a", QUOTA, at(1_000)).is_ok());
        assert!(table.take("a", QUOTA, at(1_000)).is_ok() && table.take("a", QUOTA, at(1_000)).is_err());
    }

    #[test]
    fn a_flood_of_others_gives_nobody_a_new_bucket() {
        let table = Table::new(WAYS);
        for _ in 0..5 {
            table.take("greedy", QUOTA, at(0)).unwrap();
        }
        assert!(table.take("greedy", QUOTA, at(0)).is_err());
        let admitted = (0..10_000).filter(|other| table.take(other, QUOTA, at(0)).is_ok()).count();
        assert!(admitted <= (WAYS - 1) * 5, "{admitted} others got more than the places have");
        assert!(table.take("greedy", QUOTA, at(0)).is_err(), "being pushed out was a gain");
        assert!(table.take("greedy", QUOTA, at(5_000)).is_ok(), "time is what gives it back");
    }

    #[test]
    fn what_is_given_back_goes_to_whoever_took_it() {
        let table = Table::new(1_000);
        for _ in 0..5 {
            table.take("a", QUOTA, at(0)).unwrap();
            table.take("b", QUOTA, at(0)).unwrap();
        }
        table.give_back("a", QUOTA);
        table.give_back("nobody", QUOTA);
        assert!(table.take("a", QUOTA, at(0)).is_ok() && table.take("a", QUOTA, at(0)).is_err());
        assert!(table.take("b", QUOTA, at(0)).is_err());
        for _ in 0..100 {
            table.take("c", QUOTA, at(0)).unwrap();
            table.take("c", QUOTA, at(0)).unwrap();
            table.give_back("c", QUOTA);
            table.give_back("c", QUOTA);
        }
    }

    #[test]
    fn what_is_long_over_makes_room() {
        let table = Table::new(WAYS);
        for key in 0..100 {
            for _ in 0..5 {
                table.take(key, QUOTA, at(key * 10_000)).unwrap();
            }
        }
    }
}
