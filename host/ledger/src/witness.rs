//! What a witness decides (C2SP tlog-witness): whether a checkpoint continues what it cosigned before.
//!
//! Pure: the caller keeps the newest cosigned checkpoint, calls [`judge`] and replaces it, all under one lock.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::keys::{KeyKind, Keyring, VerifyingKey};
use crate::note::{NoteError, SignedNote};
use crate::tree::{EMPTY_ROOT, Hash, TreeError, verify_consistency};

/// Most lines of a consistency proof.
pub const PROOF_LINES_MAX: usize = 63;

/// The largest submission in bytes: a proof, and a checkpoint with many signatures.
pub const SUBMISSION_BYTES_MAX: usize = 1 << 18;

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotCosigned {
    /// Not a submission in form.
    #[error("not a submission: {reason}")]
    Malformed {
        /// The rule it breaks.
        reason: String,
    },
    /// The old size is larger than the checkpoint's.
    #[error(
        "the old size `{old}` is larger than the checkpoint's `{size}`: send the size of an earlier checkpoint"
    )]
    OldBeyondSize {
        /// What was sent as the old size.
        old: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// A log that this witness does not know.
    #[error("log `{origin}` is unknown here: have its key added")]
    UnknownLog {
        /// What it calls itself.
        origin: String,
    },
    /// No good signature by the log.
    #[error(transparent)]
    NotByLog(CheckpointError),
    /// The old size is not the size that was cosigned last.
    #[error("the newest checkpoint cosigned here has `{size}` entries: prove consistency from there")]
    Conflict {
        /// The size that was cosigned last.
        size: u64,
    },
    /// It does not continue what was cosigned: the log forked, or the proof is wrong.
    #[error("it does not continue what was cosigned: {0}")]
    Inconsistent(TreeError),
    /// The empty tree has one root, and needs no proof.
    #[error("an empty tree has the root of no leaves, and takes no proof")]
    Empty,
}

/// What a log sends to `add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size from which the proof leads.
    pub old: u64,
    /// The consistency proof.
    pub proof: Vec<Hash>,
    /// The checkpoint.
    pub note: SignedNote,
}

impl Submission {
    /// Reads a submission. This checks its form only.
    ///
    /// # Errors
    /// When the bytes break the format or a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotCosigned> {
        let malformed = |reason: &str| NotCosigned::Malformed { reason: reason.to_owned() };
        if bytes.len() > SUBMISSION_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, note) = text
            .split_once("\n\n")
            .ok_or_else(|| malformed("a blank line must come before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(|digits| digits.parse::<u64>().ok().filter(|n| n.to_string() == digits));
        let old = old.ok_or_else(|| malformed("it must begin with `old` and a decimal number"))?;
        let proof: Option<Vec<Hash>> = lines
            .take(PROOF_LINES_MAX + 1)
            .map(|line| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()))
            .collect();
        let proof = proof
            .filter(|proof| proof.len() <= PROOF_LINES_MAX)
            .ok_or_else(|| malformed("each proof line is one hash in base64, at most 63 of them"))?;
        let note = SignedNote::parse(note.as_bytes())
            .map_err(|error| NotCosigned::Malformed { reason: error.to_string() })?;
        Ok(Self { old, proof, note })
    }
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

/// The logs that a witness knows, by their origin.
#[derive(Debug, Clone, Default)]
pub struct KnownLogs(BTreeMap<String, Vec<VerifyingKey>>);

impl KnownLogs {
    /// The keys of a log; `None` when it is unknown.
    #[must_use]
    pub fn keys(&self, origin: &str) -> Option<Keyring> {
        self.0.get(origin).map(|keys| keys.iter().cloned().collect())
    }

    /// What the logs call themselves.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<VerifyingKey> for KnownLogs {
    /// A log's key is named like the log. Keys of witnesses speak for no log and are left out.
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        let mut logs: BTreeMap<String, Vec<VerifyingKey>> = BTreeMap::new();
        for key in keys.into_iter().filter(|key| key.kind() == KeyKind::Note) {
            logs.entry(key.name().to_owned()).or_default().push(key);
        }
        Self(logs)
    }
}

/// Decides on a submission, given the newest checkpoint of the same log that was cosigned. `latest` is asked for by origin,
/// once the log has proved to have signed.
///
/// # Errors
/// Why it must not be cosigned, in the order of the specification.
pub fn judge(
    submission: &Submission,
    logs: &KnownLogs,
    latest: impl FnOnce(&str) -> Option<Checkpoint>,
) -> Result<Checkpoint, NotCosigned> {
    let claimed: Checkpoint = submission
        .note
        .unverified_text()
        .parse()
        .map_err(|error: CheckpointError| NotCosigned::Malformed { reason: error.to_string() })?;
    let unknown = || NotCosigned::UnknownLog { origin: claimed.origin.chars().take(200).collect() };
    let keys = logs.keys(&claimed.origin).ok_or_else(unknown)?;
    let opened =
        Checkpoint::open_note(&submission.note, &claimed.origin, &keys).map_err(NotCosigned::NotByLog)?;
    let new = opened.checkpoint();
    let old = submission.old;
    if old > new.size {
        return Err(NotCosigned::OldBeyondSize { old, size: new.size });
    }
    let latest = latest(&new.origin);
    let size = latest.as_ref().map_or(0, |latest| latest.size);
    if old != size {
        return Err(NotCosigned::Conflict { size });
    }
    if new.size == 0 && new.root != EMPTY_ROOT {
        return Err(NotCosigned::Empty);
    }
    match latest.filter(|latest| latest.size > 0) {
        None if submission.proof.is_empty() => {}
        None => return Err(NotCosigned::Empty),
        Some(latest) => {
            verify_consistency((latest.size, &latest.root), (new.size, &new.root), &submission.proof)
                .map_err(NotCosigned::Inconsistent)?;
        }
    }
    Ok(new.clone())
}

/// Takes the cosignatures of trusted witnesses out of an answer to `add-checkpoint`, and leaves all others.
///
/// # Errors
/// When the lines are no signature lines, or none is a good one by a trusted witness.
pub fn cosigned(note: &SignedNote, lines: &str, witnesses: &Keyring) -> Result<SignedNote, NoteError> {
    let answer = SignedNote::parse(format!("{}\n{lines}", note.unverified_text()).as_bytes())?;
    answer.only_by(witnesses)
}

#[cfg(test)]
mod tests;
