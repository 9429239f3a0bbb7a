//! A checkpoint that somebody kept elsewhere since an earlier verification.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::SignedNote;

/// A signed checkpoint from the caller's own memory. Its signature is judged while verifying, so that one by a key that is no
/// longer the log's becomes a finding and not a refusal to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    note: SignedNote,
    checkpoint: Checkpoint,
}

impl Remembered {
    /// Reads the text of a signed checkpoint. This checks its form only.
    ///
    /// # Errors
    /// When the bytes are no signed note, or the note is no checkpoint.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(bytes)?;
        let checkpoint = note.unverified_text().parse()?;
        Ok(Self { note, checkpoint })
    }

    /// What it says, whoever signed it.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    pub(super) fn note(&self) -> &SignedNote {
        &self.note
    }
}
