//! Reviews of the ledger: who looked at which entries, what they found, and since when entries wait to be looked at.
//!
//! **Invariant:** a review begins where the one before ended, so that no entry is skipped; what is signed names the entries, the tree
//! that they are in, and the exact text that was shown.

use std::fmt::Write as _;

use interlock_ledger::{CanonicalError, Digest, to_canonical};
use serde::{Deserialize, Serialize};

use crate::{
    DecisionId, Meaning, SignatureBinding, SignatureId, SignedClock, Signer, SigningProof, Timestamp,
};

/// The sentence that stands above a review's signature.
pub const REVIEW_SENTENCE: &str =
    "I have reviewed these entries of the ledger and found what is written here.";

/// Which entries were reviewed, and in which tree they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewedPart {
    /// What the log is called.
    pub origin: String,
    /// The first entry.
    pub from: u64,
    /// The entry after the last.
    pub until: u64,
    /// The size of the checkpoint that was there.
    pub size: u64,
    /// Its root, hexadecimal.
    pub root: String,
}

/// What a reviewer is about to sign. A passkey signs its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewIntent {
    /// 1.
    pub v: u32,
    /// The signature's id, which is the review's.
    pub sig_id: SignatureId,
    /// Who.
    pub signer: Signer,
    /// `review`.
    pub meaning: Meaning,
    /// That, in the words that they were shown.
    pub sentence: String,
    /// What they found, in their words.
    pub findings: String,
    /// What.
    pub record: ReviewedPart,
    /// SHA-256 of the text as it was shown.
    pub view_sha256: Digest,
    /// SHA-256 of the session's id.
    pub session_sha256: Digest,
    /// When it was shown.
    pub issued_at: Timestamp,
    /// Until when it can be signed.
    pub expires_at: Timestamp,
}

/// The payload of a review's envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewRecord {
    /// What was signed.
    #[serde(flatten)]
    pub intent: ReviewIntent,
    /// When.
    pub signed_at: Timestamp,
    /// By which clock.
    pub clock: SignedClock,
    /// How the signer proved who they are.
    pub auth: SigningProof,
    /// What binds it.
    pub binding: SignatureBinding,
    /// The policy decision that let them.
    pub decision: DecisionId,
}

/// A review as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReview {
    /// Its id.
    pub id: SignatureId,
    /// The first entry.
    pub from: u64,
    /// The entry after the last.
    pub until: u64,
    /// The reviewer.
    pub person: crate::PersonId,
    /// What they are called.
    pub name: String,
    /// What they found.
    pub findings: String,
    /// When they signed.
    pub signed_at: Timestamp,
    /// The DSSE envelope around the record, as JSON text.
    pub envelope: String,
}

/// How far the ledger was reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewStanding {
    /// How many entries from the beginning on were reviewed.
    pub reviewed: u64,
    /// When the oldest of the others was written; absent when there is none.
    pub waiting_since: Option<Timestamp>,
    /// By when that must be reviewed; absent when nothing has to be.
    pub due_at: Option<Timestamp>,
    /// Whether nobody did in time; exactly at the instant it is overdue.
    pub overdue: bool,
}

impl ReviewIntent {
    /// SHA-256 of the canonical JSON: the challenge that a passkey signs.
    pub fn challenge(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest::of(to_canonical(self)?))
    }
}

impl ReviewedPart {
    /// The text that is shown to whoever signs.
    pub fn view(&self, signer: &Signer, findings: &str) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // One line each: what somebody wrote cannot pass for another line.
            let value: String =
                value.chars().map(|c| if crate::esign::disorders(c) { ' ' } else { c }).collect();
            let _ = writeln!(text, "{name}: {value}");
        };
        line("Log", &self.origin);
        line("Entries", &format!("{} to {}", self.from, self.until.saturating_sub(1)));
        line("Checkpoint", &format!("{} entries, root {}", self.size, self.root));
        line("Signer", &format!("{} ({}), {}", signer.name, signer.title, signer.organization));
        line("Findings", findings);
        line("Meaning", REVIEW_SENTENCE);
        text
    }
}

impl ReviewStanding {
    /// Of a ledger of which so many entries were reviewed, and whose next one is of this time. Nothing has to be reviewed where
    /// `within_ms` is 0.
    pub fn of(reviewed: u64, next: Option<Timestamp>, within_ms: u64, now: Timestamp) -> Self {
        let within = i64::try_from(within_ms).ok().filter(|within| *within > 0);
        let due_at = next.zip(within).map(|(since, within)| since.plus_millis(within));
        Self { reviewed, waiting_since: next, due_at, overdue: due_at.is_some_and(|due| now >= due) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_is_overdue_exactly_at_its_instant_and_never_where_nobody_asks_for_one() {
        let at = Timestamp::from_millis;
        let standing = |now| ReviewStanding::of(7, Some(at(1_000)), 500, at(now));
        assert!(!standing(1_499).overdue && standing(1_500).overdue);
        assert_eq!(standing(0).due_at, Some(at(1_500)));
        assert!(!ReviewStanding::of(7, Some(at(0)), 0, at(i64::MAX)).overdue);
        assert!(!ReviewStanding::of(7, None, 1, at(i64::MAX)).overdue);
    }
}
