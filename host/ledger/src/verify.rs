//! The offline verifier: reads a ledger as it is stored and says everything that is wrong with it, and where.
//!
//! Each row is checked on its own ([`RowChecker`], in as many threads as one likes); then the rows are taken in order
//! ([`Verifier`]), which only compares hashes. Memory does not grow with the ledger.

mod remembered;
mod report;
mod row;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

pub use remembered::Remembered;
pub use report::{FINDINGS_MAX, Finding, FindingKind, Report, Verdict};
pub use row::{Projection, RowCheck, RowChecker, StoredRow};

use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, NO_PREDECESSOR};
use crate::keys::Keyring;
use crate::tree::{Frontier, Hash, NodeId};
use report::Findings;

/// Takes the rows of one log in order and collects what is wrong.
#[derive(Debug)]
pub struct Verifier {
    checker: RowChecker,
    tree: Frontier,
    /// Nodes that became complete and that nobody has asked for yet.
    nodes: Vec<(NodeId, Hash)>,
    rows: u64,
    next: u64,
    last: Option<Last>,
    expected: BTreeMap<u64, Vec<Expected>>,
    findings: Findings,
}

/// What the tree must have been at one size, and who says so.
#[derive(Debug, Clone)]
struct Expected {
    checkpoint: Checkpoint,
    remembered: bool,
}

impl Expected {
    /// What it means when the root is another.
    fn differs(&self) -> &'static str {
        if self.remembered {
            "log does not continue the remembered checkpoint"
        } else {
            "root differs from the checkpoint"
        }
    }

    /// What it means when there are fewer entries.
    fn falls_short(&self) -> &'static str {
        if self.remembered {
            "log is shorter than the remembered checkpoint"
        } else {
            "entries are missing at the end"
        }
    }
}

/// The row before.
#[derive(Debug, Clone, Copy)]
struct Last {
    leaf: Hash,
    stored: Hash,
}

impl Verifier {
    /// Verifies the log `origin` from its first entry. `keys` holds the emitters' keys and the log's own.
    #[must_use]
    pub fn new(origin: &str, keys: Keyring) -> Self {
        let before_first = Last { leaf: NO_PREDECESSOR, stored: NO_PREDECESSOR };
        Self::from(origin, keys, Frontier::new(), before_first)
    }

    /// Goes on where an earlier verification ended: `tree` and `last_leaf` come from the verifier's own memory, never from the
    /// log, which could otherwise vouch for itself.
    #[must_use]
    pub fn resume(origin: &str, keys: Keyring, tree: Frontier, last_leaf: Hash) -> Self {
        Self::from(origin, keys, tree, Last { leaf: last_leaf, stored: last_leaf })
    }

    fn from(origin: &str, keys: Keyring, tree: Frontier, last: Last) -> Self {
        Self {
            checker: RowChecker::new(origin, keys),
            rows: 0,
            nodes: Vec::new(),
            next: tree.size(),
            tree,
            last: Some(last),
            expected: BTreeMap::new(),
            findings: Findings::default(),
        }
    }

    /// Leaves the emitters' signatures out, which take nearly all the time. The tree still guards everything that a checkpoint
    /// covers, but entries that a thief of the database slipped in before sealing stay unseen.
    #[must_use]
    pub fn without_emitter_signatures(mut self) -> Self {
        self.checker = self.checker.without_emitter_signatures();
        self
    }

    /// Demands that the tree had this root at this size. Call before the rows come; any number of checkpoints will do.
    pub fn expect(&mut self, checkpoint: &Checkpoint) {
        self.await_size(Expected { checkpoint: checkpoint.clone(), remembered: false });
    }

    /// Demands that the log continues a checkpoint that the caller kept from an earlier verification: it is the only witness of
    /// what a database looked like before somebody who holds all of it cut or rewrote it. Call before the rows come.
    pub fn continues(&mut self, remembered: &Remembered) {
        if let Err(error) =
            Checkpoint::open_note(remembered.note(), self.checker.origin(), self.checker.keys())
        {
            let expected = format!("a checkpoint signed by {}", self.checker.origin());
            let what = "remembered checkpoint is refused";
            self.findings.tampered(None, what, expected, error.to_string());
        }
        // Whoever signed it: the caller remembers it, and the log must still lead there.
        self.await_size(Expected { checkpoint: remembered.checkpoint().clone(), remembered: true });
    }

    /// As [`Verifier::expect`], for the checkpoint as the log published it: one that does not open is itself a finding.
    pub fn expect_signed(&mut self, note: &[u8]) -> Option<Checkpoint> {
        match Checkpoint::open(note, self.checker.origin(), self.checker.keys()) {
            Ok(opened) => {
                self.expect(opened.checkpoint());
                Some(opened.checkpoint().clone())
            }
            Err(error) => {
                let expected = format!("a checkpoint signed by {}", self.checker.origin());
                self.findings.tampered(None, "checkpoint is refused", expected, error.to_string());
                None
            }
        }
    }

    /// Adds what the caller found out about what surrounds the log, so that one report says all.
    pub fn note(&mut self, finding: Finding) {
        self.findings.extend([finding]);
    }

    fn await_size(&mut self, expected: Expected) {
        let size = expected.checkpoint.size;
        self.expected.entry(size).or_default().push(expected);
        if size == self.next {
            self.meet_expectations();
        }
    }

    /// The part that checks single rows, for use in other threads.
    #[must_use]
    pub fn checker(&self) -> RowChecker {
        self.checker.clone()
    }

    /// Takes the next row. Gives the entry back if nothing is wrong with the row by itself.
    pub fn push(&mut self, row: &StoredRow) -> Option<Entry> {
        let check = self.checker.check(row);
        self.accept(check)
    }

    /// Takes the next rows, checking them in several threads; `each` sees the entries with which nothing is wrong by
    /// themselves, in order. A few thousand rows at a time keep the threads busy.
    pub fn push_batch(&mut self, rows: &[StoredRow], threads: NonZeroUsize, mut each: impl FnMut(&Entry)) {
        let checker = self.checker.clone();
        let check_all = |rows: &[StoredRow]| rows.iter().map(|row| checker.check(row)).collect::<Vec<_>>();
        let mut shares = rows.chunks(rows.len().div_ceil(threads.get()).max(1));
        let own = shares.next().unwrap_or_default();
        let checks = std::thread::scope(|scope| {
            let check_all = &check_all;
            let others: Vec<_> = shares.map(|share| scope.spawn(move || check_all(share))).collect();
            let mut checks = check_all(own);
            for other in others {
                match other.join() {
                    Ok(more) => checks.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            checks
        });
        for check in checks {
            if let Some(entry) = self.accept(check) {
                each(&entry);
            }
        }
    }

    /// Takes the next row, already checked by [`Verifier::checker`].
    pub fn accept(&mut self, check: RowCheck) -> Option<Entry> {
        let RowCheck { idx, leaf, stored, prev, entry, findings } = check;
        let sound = findings.is_empty();
        self.rows += 1;
        self.findings.extend(findings);
        if idx < self.next {
            let expected = format!("entry {} or later", self.next);
            self.findings.tampered(
                Some(idx),
                "row is stored twice or out of order",
                expected,
                format!("entry {idx}"),
            );
            return None;
        }
        if idx > self.next {
            let found = format!("entry {idx} follows");
            self.findings.tampered(
                Some(self.next),
                "entries are missing",
                format!("entry {}", self.next),
                found,
            );
            self.last = None;
        }
        if let (Some(last), Some(prev)) = (self.last, prev) {
            self.check_link(idx, last, prev, sound);
        }
        self.last = Some(Last { leaf, stored: stored.unwrap_or(leaf) });
        self.next = idx.saturating_add(1);
        let (nodes, known) = (&mut self.nodes, self.tree.size() == idx);
        self.tree.push_noting(leaf, |node, hash| {
            // Behind rows that are missing, places in the tree are not those of the log.
            if known && node.is_above_a_tile() {
                nodes.push((node, *hash));
            }
        });
        if self.expected.first_key_value().is_some_and(|(size, _)| *size <= self.next) {
            self.meet_expectations();
        }
        entry.filter(|_| sound)
    }

    /// Goes on at a later place, because the entries up to there are not kept, which the caller has noted: no tree can be worked
    /// out from here on.
    pub(crate) fn skip_to(&mut self, next: u64) {
        if next > self.next {
            (self.next, self.last) = (next, None);
            self.meet_expectations();
        }
    }

    /// Ends with the newest checkpoint, which the caller has opened with the log's key or remembers; without one, nothing shows
    /// whether the end was cut off.
    #[must_use]
    pub fn finish(mut self, newest: Option<&Checkpoint>) -> Report {
        if let Some(checkpoint) = newest {
            self.expect(checkpoint);
        }
        for (size, expected) in std::mem::take(&mut self.expected) {
            if size <= self.next {
                let advice = "announce it before the rows that it covers";
                let found = format!("size {size}");
                self.findings.missing(None, "checkpoint came too late to compare", advice.into(), found);
                continue;
            }
            // Of several at one size, the first: that the entries are not there need not be said twice.
            if let Some(expected) = expected.first() {
                self.check_origin(&expected.checkpoint);
                let found = format!("{} entries", self.next);
                let wanted = format!("{size} entries");
                self.findings.tampered(Some(self.next), expected.falls_short(), wanted, found);
            }
        }
        let (findings, findings_total) = self.findings.into_parts();
        Report { entries: self.rows, root: self.tree.root(), findings, findings_total }
    }

    /// Ends with the newest checkpoint as the log published it: a checkpoint that does not open is itself a finding.
    #[must_use]
    pub fn finish_signed(mut self, note: &[u8]) -> Report {
        self.expect_signed(note);
        self.finish(None)
    }

    /// What the tiles above the lowest level must hold by the rows so far, and was not taken before: for comparing with tiles
    /// that are stored.
    pub fn take_nodes(&mut self) -> Vec<(NodeId, Hash)> {
        std::mem::take(&mut self.nodes)
    }

    /// The tree over the rows so far, to be remembered for [`Verifier::resume`].
    #[must_use]
    pub fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// A broken link shows that one of two entries was altered. An entry commits to the one before it, so that the earlier one
    /// is at fault unless the later one is unsound by itself.
    fn check_link(&mut self, idx: u64, last: Last, prev: Hash, sound: bool) {
        // When the row before contradicts its own stored hash, and this entry agrees with that hash, it has been said.
        if prev == last.leaf || prev == last.stored {
            return;
        }
        let (named, actual) = (hex::encode(prev), hex::encode(last.leaf));
        match idx.checked_sub(1) {
            Some(before) if sound => {
                let what = "entry is not the one that its successor commits to";
                self.findings.tampered(Some(before), what, named, actual);
            }
            _ => self.findings.tampered(Some(idx), "entry does not commit to its predecessor", actual, named),
        }
    }

    fn meet_expectations(&mut self) {
        let complete = self.tree.size() == self.next;
        // Between rows that are missing the tree cannot be known; their absence has been reported.
        let due = self.expected.split_off(&self.next.saturating_add(1));
        for (size, expected) in std::mem::replace(&mut self.expected, due) {
            for expected in expected {
                self.check_origin(&expected.checkpoint);
                let root = self.tree.root();
                if complete && size == self.next && expected.checkpoint.root != root {
                    let wanted = hex::encode(expected.checkpoint.root);
                    self.findings.tampered(None, expected.differs(), wanted, hex::encode(root));
                }
            }
        }
    }

    fn check_origin(&mut self, checkpoint: &Checkpoint) {
        let origin = self.checker.origin();
        if checkpoint.origin != origin {
            let (expected, found) = (origin.to_owned(), checkpoint.origin.clone());
            self.findings.tampered(None, "checkpoint is of another log", expected, found);
        }
    }
}

#[cfg(test)]
mod tests;
