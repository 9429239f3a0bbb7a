//! Whom a check believes, and what came of it.
//!
//! Checks of the ledger have exit codes of their own, so that a script can tell what happened: 0 sound, 1 tampered, 2 not
//! enough there to tell, 3 not what it should be in form.

use std::path::{Path, PathBuf};

use clap::Args;
use interlock_ledger::{
    Checkpoint, CheckpointError, Finding, FindingKind, KeyError, KeyKind, Keyring, NoteError,
    OpenedCheckpoint, ReceiptError, VerifyingKey,
};

use crate::{client::Failure, output::Outcome};

/// Keys that came from elsewhere.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// The log's public key (`name+id+base64`), or the file with it. Get it from whoever runs the server, not from the server.
    #[arg(long, value_name = "VKEY")]
    log_key: String,
    /// A witness's public key, or the file with it. May be given several times.
    #[arg(long, value_name = "VKEY")]
    witness_key: Vec<String>,
    /// How many of the witnesses must have cosigned; all of them when absent.
    #[arg(long, value_name = "NUMBER")]
    quorum: Option<usize>,
}

/// The keys, read.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) origin: String,
    pub(super) keys: Keyring,
    pub(super) quorum: usize,
    all: Vec<VerifyingKey>,
}

impl Trust {
    pub(super) fn read(&self) -> Result<Trusted, Problem> {
        trusted(&self.log_key, &self.witness_key, self.quorum)
    }
}

/// Reads the keys of a log and of its witnesses.
pub(super) fn trusted(log: &str, witnesses: &[String], quorum: Option<usize>) -> Result<Trusted, Problem> {
    let log = key(log, KeyKind::Note, "--log-key")?;
    let witnesses = witnesses.iter().map(|text| key(text, KeyKind::Cosignature, "--witness-key"));
    let witnesses: Vec<VerifyingKey> = witnesses.collect::<Result<_, _>>()?;
    let quorum = quorum.unwrap_or(witnesses.len());
    if quorum > witnesses.len() {
        let said = format!("--quorum {quorum} is more than the {} witnesses given", witnesses.len());
        return Err(Problem::malformed(said));
    }
    let origin = log.name().to_owned();
    let all: Vec<VerifyingKey> = witnesses.into_iter().chain([log]).collect();
    Ok(Trusted { origin, keys: all.iter().cloned().collect(), quorum, all })
}

/// The key of a server that writes entries.
pub(super) fn emitter(text: &str) -> Result<VerifyingKey, Problem> {
    key(text, KeyKind::Note, "--emitter-key")
}

impl Trusted {
    /// Believes these too.
    pub(super) fn add(&mut self, keys: Vec<VerifyingKey>) {
        self.all.extend(keys);
        self.keys = self.all.iter().cloned().collect();
    }

    /// How many of the witnesses cosigned this checkpoint of the log.
    pub(super) fn cosigned(&self, note: &str) -> usize {
        let opened = Checkpoint::open(note.as_bytes(), &self.origin, &self.keys);
        opened.map_or(0, |opened| opened.witnesses().count())
    }

    /// Whether enough witnesses cosigned, and who.
    pub(super) fn witnessed(&self, opened: &OpenedCheckpoint) -> Result<Vec<String>, Problem> {
        let names: Vec<String> = opened.witnesses().map(|witness| witness.name.clone()).collect();
        if names.len() < self.quorum {
            let said = format!(
                "{} of the {} witnesses that it takes cosigned the checkpoint",
                names.len(),
                self.quorum
            );
            return Err(Problem { found: Found::Unverifiable, said });
        }
        Ok(names)
    }
}

fn key(text: &str, kind: KeyKind, option: &str) -> Result<VerifyingKey, Problem> {
    let text = std::fs::read_to_string(text).unwrap_or_else(|_| text.to_owned());
    let key: Result<VerifyingKey, KeyError> = text.trim().parse();
    let key = key.map_err(|error| Problem::malformed(format!("{option}: {error}")))?;
    if key.kind() != kind {
        let said = format!(
            "{option}: `{}` is a key of the other kind; a witness's key is one for cosignatures",
            key.label()
        );
        return Err(Problem::malformed(said));
    }
    Ok(key)
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    Sound,
    Unverifiable,
    Malformed,
    Tampered,
}

impl Found {
    /// As an answer says it.
    pub(super) fn of(body: &serde_json::Value) -> Self {
        match body.get("outcome").and_then(serde_json::Value::as_str) {
            Some("sound") => Found::Sound,
            Some("tampered") => Found::Tampered,
            _ => Found::Unverifiable,
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Found::Sound => Outcome::Done,
            Found::Tampered => Outcome::Tampered,
            Found::Unverifiable => Outcome::Unverifiable,
            Found::Malformed => Outcome::Malformed,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Found::Sound => "sound",
            Found::Tampered => "tampered",
            Found::Unverifiable => "unverifiable",
            Found::Malformed => "malformed",
        }
    }
}

/// Why a check did not pass.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) found: Found,
    pub(super) said: String,
}

impl Problem {
    pub(super) fn malformed(said: impl Into<String>) -> Self {
        Self { found: Found::Malformed, said: said.into() }
    }

    pub(super) fn tampered(said: impl Into<String>) -> Self {
        Self { found: Found::Tampered, said: said.into() }
    }

    pub(super) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::malformed(format!("`{}`: {error}", path.display()))
    }

    /// Of this file.
    pub(super) fn at(self, path: &Path) -> Self {
        Self { said: format!("`{}`: {}", path.display(), self.said), ..self }
    }

    /// Says it, and ends the command with its code.
    pub(super) fn end(&self) -> Outcome {
        eprintln!("interlock: {}: {}", self.found.word(), self.said);
        self.found.outcome()
    }
}

impl From<CheckpointError> for Problem {
    fn from(error: CheckpointError) -> Self {
        let said = error.to_string();
        let found = match error {
            CheckpointError::Malformed { .. } | CheckpointError::Note(NoteError::Malformed { .. }) => {
                Found::Malformed
            }
            // Not signed by whom we trust: it may be another log's, or nobody's.
            CheckpointError::OtherLog { .. }
            | CheckpointError::NotByLog { .. }
            | CheckpointError::Note(NoteError::NotSigned { .. }) => Found::Unverifiable,
            _ => Found::Tampered,
        };
        Self { found, said }
    }
}

impl From<Finding> for Problem {
    fn from(finding: Finding) -> Self {
        let found = match finding.kind {
            FindingKind::Missing => Found::Unverifiable,
            FindingKind::Tampered => Found::Tampered,
        };
        Self { found, said: finding.to_string() }
    }
}

impl From<ReceiptError> for Problem {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Malformed { .. } => Self::malformed(error.to_string()),
            ReceiptError::Checkpoint(error) => error.into(),
            _ => Self::tampered(error.to_string()),
        }
    }
}

/// Where a receipt is kept.
pub(super) fn place(folder: &Path, tenant: &str, index: u64) -> PathBuf {
    folder.join(format!("{tenant}-{index}.tlog-proof"))
}

/// Reads a number from an answer.
pub(super) fn number(body: &serde_json::Value, pointer: &str) -> Result<u64, Failure> {
    body.pointer(pointer).and_then(serde_json::Value::as_u64).ok_or_else(|| {
        Failure::Unreachable(format!(
            "the server's answer has no number at `{pointer}`; is it of this version?"
        ))
    })
}
