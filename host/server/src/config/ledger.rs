//! The ledger: its keys, its signer, its witnesses.

use std::{collections::BTreeSet, path::PathBuf};

use interlock_ledger::{KeyKind, VerifyingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

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
    /// For what admission and each stage wait, so that what they were decided on can be proved: `nothing`, `signed`, or
    /// `witnessed`. Without it a change does not go on; ordinary events do.
    #[schemars(with = "String")]
    pub admission_waits_for: Provable,
    /// Who cosigns checkpoints: servers that speak C2SP tlog-witness, such as `interlock ledger witness`. Best run by others.
    pub witnesses: Vec<LedgerWitness>,
    /// How many of them must cosign before a checkpoint counts as witnessed; all of them when 0.
    pub witness_quorum: usize,
    /// How long a witness may take, in milliseconds.
    pub witness_timeout_ms: u64,
    /// How often it is looked whether something is to be cosigned, in milliseconds.
    pub witness_every_ms: u64,
    /// Most entries of one export.
    pub export_entries_max: u64,
    /// How soon each entry must be reviewed by a person who signs for it, in milliseconds; `0` when nobody has to. What nobody
    /// reviewed in time is said in the tenant's status.
    pub review_within_ms: u64,
}

/// What a change goes on by must be provable how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provable {
    /// Not yet: what was committed is enough.
    Nothing,
    /// By a checkpoint of the log.
    Signed,
    /// By a checkpoint that enough witnesses cosigned.
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
            admission_waits_for: Provable::Signed,
            witnesses: Vec::new(),
            witness_quorum: 0,
            witness_timeout_ms: 1_000,
            witness_every_ms: 1_000,
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
        if self.admission_waits_for == Provable::Witnessed && self.witnesses.is_empty() {
            let detail = "there are no witnesses to wait for; name some in `ledger.witnesses`".to_owned();
            return senseless("ledger.admission_waits_for", detail);
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
        Ok(())
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
        assert!(said(|ledger| ledger.witness_quorum = 1).contains("ledger.witness_quorum"));
    }
}
