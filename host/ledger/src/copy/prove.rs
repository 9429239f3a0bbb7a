//! What whoever has a copy can prove to others: that it continues what was kept, and that an entry is in it.

use super::proved::{Proved, Stopped};
use super::{CopyError, Files};
use crate::checkpoint::Checkpoint;
use crate::keys::Keyring;
use crate::note::SignedNote;
use crate::proof::Receipt;
use crate::tree::ProofPlan;
use crate::verify::Finding;

/// What came of asking whether a copy continues what was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continuation {
    /// The newest checkpoint of the copy, with all signatures.
    pub note: Vec<u8>,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// Why it does not continue what was kept; `None` when it does.
    pub finding: Option<Finding>,
}

/// Whether a copy continues an earlier checkpoint, by a few tiles.
///
/// # Errors
/// When it has no checkpoint by the log, or a file cannot be read.
pub fn continues(
    files: &(impl Files + ?Sized),
    earlier: &Checkpoint,
    origin: &str,
    keys: &Keyring,
) -> Result<Continuation, CopyError> {
    let copy = Proved::open("the log", files, origin, keys)?;
    let (note, checkpoint) = (copy.note.clone(), copy.checkpoint.clone());
    let found = |finding| Ok(Continuation { note: note.clone(), checkpoint: checkpoint.clone(), finding });
    if checkpoint.size < earlier.size {
        let (expected, size) = (format!("{} entries", earlier.size), format!("{} entries", checkpoint.size));
        return found(Some(Finding::tampered(None, "log is shorter than what was kept", expected, size)));
    }
    if earlier.size == 0 {
        return found(None);
    }
    match copy.root(earlier.size) {
        Ok(root) if root == earlier.root => found(None),
        Ok(root) => {
            let (expected, root) = (hex::encode(earlier.root), hex::encode(root));
            found(Some(Finding::tampered(None, "log does not continue what was kept", expected, root)))
        }
        Err(Stopped::Unproved(finding)) => found(Some(finding)),
        Err(Stopped::Read(error)) => Err(error.into()),
    }
}

/// The receipt of an entry of a copy, with the entry where its bundle is kept. It has been verified.
///
/// # Errors
/// When there is no such entry, its tiles do not lead to the checkpoint, or a file cannot be read.
pub fn receipt(
    files: &(impl Files + ?Sized),
    index: u64,
    origin: &str,
    keys: &Keyring,
) -> Result<Receipt, CopyError> {
    let copy = Proved::open("the log", files, origin, keys)?;
    let unproved = |why: String| CopyError::Unproved { index, why };
    let plan =
        ProofPlan::inclusion(index, copy.checkpoint.size).map_err(|error| unproved(error.to_string()))?;
    let proof = copy.build(&plan).map_err(|stopped| match stopped {
        Stopped::Unproved(finding) => unproved(finding.to_string()),
        Stopped::Read(error) => error.into(),
    })?;
    let body = copy.body(index)?.ok_or_else(|| unproved("its bundle of entries is not there".to_owned()))?;
    let checkpoint = SignedNote::parse(&copy.note).map_err(|error| CopyError::Checkpoint(error.into()))?;
    let receipt = Receipt { index, proof, checkpoint, extra: Some(body.clone()) };
    receipt.verify(&body, origin, keys).map_err(|error| unproved(error.to_string()))?;
    Ok(receipt)
}
