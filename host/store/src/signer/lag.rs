//! How far signing is behind what was committed: what this process wrote and does not know to be signed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use interlock_domain::Timestamp;

/// How far the signing of a log is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// Entries that are not signed yet.
    pub entries: u64,
    /// When the oldest of them was written.
    pub since: Timestamp,
}

/// What waits to be signed, by log.
#[derive(Debug, Default)]
pub(crate) struct Lag(Mutex<BTreeMap<String, Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    signed: u64,
    /// The size after each transaction that is not signed yet, and when it was. No more of them than entries may wait.
    committed: VecDeque<(u64, Timestamp)>,
}

impl Lag {
    /// A transaction made a log grow from one size to another.
    pub(crate) fn committed(&self, log: &str, before: u64, after: u64, at: Timestamp) {
        let mut lag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lag.get_mut(log) {
            Some(waiting) => waiting.committed.push_back((after, at)),
            None => {
                // Whatever was before is another process's, or was signed when this one began.
                let waiting = Waiting { signed: before, committed: VecDeque::from([(after, at)]) };
                lag.insert(log.to_owned(), waiting);
            }
        }
    }

    /// A log is signed up to a size.
    pub(crate) fn signed(&self, log: &str, size: u64) {
        let mut lag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = lag.get_mut(log) else { return };
        waiting.signed = waiting.signed.max(size);
        while waiting.committed.front().is_some_and(|(after, _)| *after <= size) {
            waiting.committed.pop_front();
        }
        if waiting.committed.is_empty() {
            lag.remove(log);
        }
    }

    /// How far a log is behind; `None` when it is not.
    pub(crate) fn of(&self, log: &str) -> Option<Behind> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(log).and_then(Waiting::behind)
    }

    /// Every log that is behind.
    pub(crate) fn all(&self) -> BTreeMap<String, Behind> {
        let lag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lag.iter().filter_map(|(log, waiting)| Some((log.clone(), waiting.behind()?))).collect()
    }
}

impl Waiting {
    fn behind(&self) -> Option<Behind> {
        let ((_, since), (newest, _)) = (self.committed.front()?, self.committed.back()?);
        Some(Behind { entries: newest.saturating_sub(self.signed), since: *since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn what_is_not_signed_is_counted_from_the_first_of_it() {
        let lag = Lag::default();
        assert_eq!(lag.of("mercy"), None);
        lag.committed("mercy", 1_000, 1_003, at(5));
        lag.committed("mercy", 1_003, 1_004, at(6));
        assert_eq!(lag.of("mercy"), Some(Behind { entries: 4, since: at(5) }));
        lag.signed("mercy", 1_003);
        assert_eq!(lag.all().get("mercy"), Some(&Behind { entries: 1, since: at(6) }));
        lag.signed("mercy", 1_004);
        assert_eq!((lag.of("mercy"), lag.all().len()), (None, 0));
        // Another replica wrote and signed meanwhile.
        lag.committed("mercy", 2_000, 2_001, at(7));
        assert_eq!(lag.of("mercy"), Some(Behind { entries: 1, since: at(7) }));
    }
}
