//! The ledger: its keys, its signer, its witnesses.

use std::{collections::BTreeSet, path::PathBuf};

use interlock_ledger::{KeyKind, VerifyingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, LedgerAnchor, LedgerCopy, anchors, copies};

/// The ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// What every log's name begins with.
    pub origin: String,
    /// The file with the signing key; made in the data folder when empty.
    pub key_file: PathBuf,
    /// The folder in which the signer remembers what it signed; one in the data folder when empty. Keep it where whoever can
    /// write to the database cannot: a database that was cut off or put back to yesterday is compared with it.
    pub signer_dir: PathBuf,
    /// The shortest time between two signatures of a busy log, in milliseconds.
    pub sign_every_ms: u64,
    /// Most entries of a log that wait to be signed. Beyond it a write is answered with 503 and `Retry-After`.
    pub unsigned_max: u64,
    /// How long an entry may wait to be signed before writes are answered with 503, in milliseconds.
    pub unsigned_ms_max: u64,
    /// After how long a silence an entry is written that says only that the log lives, in milliseconds; never when 0.
    pub heartbeat_ms: u64,
    /// For what admission and each stage wait, so that what they were decided on can be proved: `committed`, `integrated` (it is
    /// under a checkpoint of the log), or `witnessed` (enough witnesses cosigned one). Without it a change does not go on;
    /// ordinary events do.
    #[schemars(with = "String")]
    pub admission_waits_for: Provable,
    /// For what electronic signatures wait before they count, and for what the answer to whoever signs waits as long as it may
    /// take: `committed`, `integrated`, or `witnessed`.
    #[schemars(with = "String")]
    pub signatures_wait_for: Provable,
    /// Who cosigns checkpoints: servers that speak C2SP tlog-witness, such as `interlock ledger witness`. Best run by others.
    pub witnesses: Vec<LedgerWitness>,
    /// How many of them must cosign before a checkpoint counts as witnessed; all of them when 0.
    pub witness_quorum: usize,
    /// How long a witness may take, in milliseconds.
    pub witness_timeout_ms: u64,
    /// How often it is looked whether something is to be cosigned, in milliseconds.
    pub witness_every_ms: u64,
    /// Copies of every log that nobody overwrites. Best on other machines, run by others.
    pub copies: Vec<LedgerCopy>,
    /// Who comes to know of each log's checkpoint from time to time.
    pub anchors: Vec<LedgerAnchor>,
    /// How often what is new in each log is verified, in milliseconds.
    pub watch_every_ms: u64,
    /// How often all of each log, and the tables by it, are verified, in milliseconds; once at every start, too.
    pub watch_all_every_ms: u64,
    /// Most entries of one export.
    pub export_entries_max: u64,
    /// How soon each entry must be reviewed by a person who signs for it, in milliseconds; `0` when nobody has to. What nobody
    /// reviewed in time is said in the tenant's status.
    pub review_within_ms: u64,
}

/// How far an entry of the ledger has come: the later, the more it proves.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Provable {
    /// It is durable, with what it records.
    Committed,
    /// It is under a signed checkpoint of the log.
    Integrated,
    /// It is under a checkpoint that enough witnesses cosigned.
    Witnessed,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LedgerWitness {
    /// Its public key, one for cosignatures (`name+id+base64`).
    pub key: String,
    /// Where it is: its submission prefix.
    pub url: String,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            origin: "interlock.local/ledger".to_owned(),
            key_file: PathBuf::new(),
            signer_dir: PathBuf::new(),
            sign_every_ms: 20,
            unsigned_max: 65_536,
            unsigned_ms_max: 60_000,
            heartbeat_ms: 60_000,
            admission_waits_for: Provable::Integrated,
            signatures_wait_for: Provable::Integrated,
            witnesses: Vec::new(),
            witness_quorum: 0,
            witness_timeout_ms: 1_000,
            witness_every_ms: 1_000,
            copies: Vec::new(),
            anchors: Vec::new(),
            watch_every_ms: 60_000,
            watch_all_every_ms: 21_600_000,
            export_entries_max: 10_000,
            review_within_ms: 0,
        }
    }
}

impl Ledger {
    /// How many witnesses must cosign.
    pub(crate) fn quorum(&self) -> usize {
        if self.witness_quorum == 0 { self.witnesses.len() } else { self.witness_quorum }
    }

    /// Refuses what could never be witnessed.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let senseless = |key, detail: String| Err(ConfigError::Senseless { key, detail });
        let mut names = BTreeSet::new();
        for witness in &self.witnesses {
            let key: VerifyingKey = match witness.key.parse() {
                Ok(key) => key,
                Err(error) => return senseless("ledger.witnesses", format!("{error}")),
            };
            if key.kind() != KeyKind::Cosignature {
                let detail =
                    format!("`{}` is no key for cosignatures; ask the witness for its own", key.label());
                return senseless("ledger.witnesses", detail);
            }
            if !names.insert(key.name().to_owned()) {
                return senseless(
                    "ledger.witnesses",
                    format!("two are named `{}`; one would count twice", key.name()),
                );
            }
            if !witness.url.starts_with("http://") && !witness.url.starts_with("https://") {
                return senseless(
                    "ledger.witnesses",
                    format!("`{}` is no http:// or https:// address", witness.url),
                );
            }
        }
        let waits = [
            ("ledger.admission_waits_for", self.admission_waits_for),
            ("ledger.signatures_wait_for", self.signatures_wait_for),
        ];
        for (key, waits_for) in waits {
            if waits_for == Provable::Witnessed && self.witnesses.is_empty() {
                let detail = "there are no witnesses to wait for; name some in `ledger.witnesses`".to_owned();
                return senseless(key, detail);
            }
        }
        if self.unsigned_max == 0 || self.unsigned_ms_max == 0 {
            let detail =
                "it and `unsigned_ms_max` must be at least 1, or nothing could be written".to_owned();
            return senseless("ledger.unsigned_max", detail);
        }
        if self.witness_quorum > self.witnesses.len() {
            let detail = format!("there are {} witnesses; ask for at most as many", self.witnesses.len());
            return senseless("ledger.witness_quorum", detail);
        }
        if self.witness_timeout_ms == 0 || self.witness_every_ms == 0 {
            return senseless(
                "ledger.witness_timeout_ms",
                "it and `witness_every_ms` must be at least 1".to_owned(),
            );
        }
        if self.watch_every_ms == 0 || self.watch_all_every_ms < self.watch_every_ms {
            return senseless(
                "ledger.watch_every_ms",
                "it must be at least 1, and `watch_all_every_ms` no less than it".to_owned(),
            );
        }
        copies::check(&self.copies)?;
        anchors::check(&self.anchors)
    }
}

#[cfg(test)]
mod tests {
    use interlock_ledger::SigningKey;

    use super::*;

    fn said(alter: impl FnOnce(&mut Ledger)) -> String {
        let mut ledger = Ledger::default();
        alter(&mut ledger);
        ledger.check().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn witnesses_that_could_not_witness_are_refused_by_name() {
        let key = |name: &str, seed| SigningKey::from_seed(name, &[seed; 32]).unwrap();
        let url = "http://127.0.0.1:1".to_owned();
        let good = LedgerWitness { key: key("w1", 1).cosigning_key().unwrap().to_string(), url: url.clone() };
        assert_eq!(said(|ledger| ledger.witnesses = vec![good.clone()]), "");
        assert!(
            said(|ledger| ledger.witnesses = vec![good.clone(), good.clone()]).contains("two are named `w1`")
        );
        let note = LedgerWitness { key: key("w1", 1).verifying_key().to_string(), url };
        assert!(said(|ledger| ledger.witnesses = vec![note]).contains("no key for cosignatures"));
        let nowhere = LedgerWitness { url: "ftp://x".to_owned(), ..good.clone() };
        assert!(said(|ledger| ledger.witnesses = vec![nowhere]).contains("ftp://x"));
        let stray = LedgerWitness { key: "x".to_owned(), ..good };
        assert!(said(|ledger| ledger.witnesses = vec![stray]).contains("ledger.witnesses"));
        assert!(
            said(|ledger| ledger.admission_waits_for = Provable::Witnessed)
                .contains("no witnesses to wait for")
        );
        assert!(
            said(|ledger| ledger.signatures_wait_for = Provable::Witnessed)
                .contains("ledger.signatures_wait_for")
        );
        assert!(said(|ledger| ledger.unsigned_max = 0).contains("ledger.unsigned_max"));
        assert!(said(|ledger| ledger.witness_quorum = 1).contains("ledger.witness_quorum"));
        assert!(said(|ledger| ledger.watch_every_ms = 0).contains("ledger.watch_every_ms"));
        let seldom = |ledger: &mut Ledger| ledger.watch_all_every_ms = ledger.watch_every_ms;
        assert_eq!(said(seldom), "");
        assert!(said(|ledger| ledger.watch_all_every_ms = 59_999).contains("watch_all_every_ms"));
    }
}
