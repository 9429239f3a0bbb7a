//! What a verification found.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::tree::Hash;

/// How many findings a report keeps; beyond that it only counts.
pub const FINDINGS_MAX: usize = 1_000;

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Something needed for the check is not there; nothing shows that it was altered.
    Missing,
    /// The ledger is not what was signed.
    Tampered,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The entry at fault, where it is known.
    pub idx: Option<u64>,
    /// What it means.
    pub kind: FindingKind,
    /// What is wrong.
    pub what: Cow<'static, str>,
    /// What should have been there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Finding {
    /// Something that was altered.
    pub fn tampered(
        idx: Option<u64>,
        what: impl Into<Cow<'static, str>>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (kind, what) = (FindingKind::Tampered, what.into());
        Self { idx, kind, what, expected: expected.into(), found: found.into() }
    }

    /// Something without which a check cannot be made.
    pub fn missing(
        idx: Option<u64>,
        what: impl Into<Cow<'static, str>>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { kind: FindingKind::Missing, ..Self::tampered(idx, what, expected, found) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idx, what, expected, found, .. } = self;
        match idx {
            Some(idx) => write!(f, "entry `{idx}`: {what}: expected `{expected}`, found `{found}`"),
            None => write!(f, "{what}: expected `{expected}`, found `{found}`"),
        }
    }
}

/// The outcome in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Sound,
    /// Something could not be checked.
    Unverifiable,
    /// Something was altered.
    Tampered,
}

/// All that a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many rows were read.
    pub entries: u64,
    /// The root over the rows as they were read.
    pub root: Hash,
    /// What is wrong, in the order of reading: the first [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub findings_total: u64,
}

impl Report {
    /// The outcome in one word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.kind).max() {
            None => Verdict::Sound,
            Some(FindingKind::Missing) => Verdict::Unverifiable,
            Some(FindingKind::Tampered) => Verdict::Tampered,
        }
    }
}

/// Findings while they are collected.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    total: u64,
}

impl Findings {
    pub(super) fn tampered(&mut self, idx: Option<u64>, what: &'static str, expected: String, found: String) {
        self.extend([Finding::tampered(idx, what, expected, found)]);
    }

    pub(super) fn missing(&mut self, idx: Option<u64>, what: &'static str, expected: String, found: String) {
        self.extend([Finding::missing(idx, what, expected, found)]);
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.total += 1;
            if self.kept.len() < FINDINGS_MAX {
                self.kept.push(finding);
                continue;
            }
            // A full report must not hide that something was altered behind a thousand absent payloads.
            let milder = self.kept.last_mut().filter(|last| last.kind < finding.kind);
            if let Some(last) = milder {
                *last = finding;
            }
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Finding>, u64) {
        (self.kept, self.total)
    }
}
