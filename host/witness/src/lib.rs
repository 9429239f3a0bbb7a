//! A witness of transparency logs (C2SP tlog-witness): a small server of its own, best run by somebody else than the log.
//!
//! It remembers, of each log that it knows, the newest checkpoint that it cosigned, and cosigns another only when that
//! continues it. A log that is forked or cut off finds no witness any more, and whoever asks for a quorum of cosignatures
//! cannot be shown it.
//!
//! **Invariants.** What is compared and what is replaced are one step, under one lock. It is on the disk, synced, before it is
//! answered. When it cannot be made durable, nothing is cosigned until the process begins anew. No clock but the one it is
//! given.

mod http;
mod memory;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use interlock_ledger::{
    Checkpoint, NoteError, SignedNote, SigningKey,
    witness::{KnownLogs, NotCosigned, Submission, judge},
};

pub use self::http::{router, serve};
use self::memory::Memory;

/// Seconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Why nothing was cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The submission must not be cosigned.
    #[error(transparent)]
    Not(#[from] NotCosigned),
    /// What was remembered cannot be read, or what is new cannot be written.
    #[error("the witness cannot go on: {0}; see to its disk, then start it again")]
    Broken(String),
    /// The key cannot cosign.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// A witness.
pub struct Witness {
    key: SigningKey,
    logs: KnownLogs,
    clock: Clock,
    memory: Mutex<Memory>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Witness {
    /// A witness that signs with this key, knows these logs and keeps what it cosigned in this folder, which no other process
    /// uses meanwhile.
    ///
    /// # Errors
    /// When the folder cannot be used or another witness uses it.
    pub fn open(key: SigningKey, logs: KnownLogs, folder: PathBuf, clock: Clock) -> std::io::Result<Self> {
        let memory = Mutex::new(Memory::open(folder)?);
        Ok(Self { key, logs, clock, memory })
    }

    /// Cosigns a submission and gives the signature lines, or says why not.
    ///
    /// # Errors
    /// Why not; nothing was remembered then.
    pub fn add_checkpoint(&self, bytes: &[u8]) -> Result<String, WitnessError> {
        let submission = Submission::parse(bytes)?;
        // Compared and replaced under one lock: otherwise a slower request could put an older checkpoint back.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unreadable = None;
        let judged = judge(&submission, &self.logs, |origin| {
            memory.newest(origin).unwrap_or_else(|why| {
                unreadable = Some(why);
                None
            })
        });
        if let Some(why) = unreadable {
            return Err(WitnessError::Broken(why));
        }
        let checkpoint = judged.inspect_err(|why| tracing::warn!(%why, "a checkpoint was not cosigned"))?;
        let mut cosigned =
            submission.note.only_by(&self.logs.keys(&checkpoint.origin).unwrap_or_default())?;
        let mut own = SignedNote::new(submission.note.unverified_text())?;
        own.cosign(&self.key, (self.clock)())?;
        cosigned.merge(own.clone())?;
        memory.keep(&checkpoint, &cosigned).map_err(WitnessError::Broken)?;
        tracing::info!(origin = checkpoint.origin, size = checkpoint.size, "a checkpoint was cosigned");
        Ok(own.signature_lines())
    }

    /// The newest cosigned checkpoint of the log whose origin has this SHA-256, in lower-case hexadecimal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn newest(&self, origin_sha256: &str) -> Result<Option<String>, WitnessError> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let origin = self.logs.origins().find(|origin| memory::name(origin) == origin_sha256);
        let Some(origin) = origin else { return Ok(None) };
        memory.text(origin).map_err(WitnessError::Broken)
    }

    /// The public key that logs and verifiers trust: one for cosignatures.
    ///
    /// # Errors
    /// Never for a key that was made.
    pub fn vkey(&self) -> Result<String, WitnessError> {
        let key = self.key.cosigning_key().map_err(NoteError::from)?;
        Ok(key.to_string())
    }
}

/// What a kept text says; it was verified before it was kept, and is the witness's own.
fn read(text: &str) -> Result<Checkpoint, String> {
    let note = SignedNote::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    note.unverified_text().parse().map_err(|error: interlock_ledger::CheckpointError| error.to_string())
}
