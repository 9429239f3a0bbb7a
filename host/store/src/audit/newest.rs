//! What was added to a log since it was looked at last, verified as a continuation of what whoever asks saw then.

use std::{num::NonZeroUsize, thread};

use interlock_ledger::{
    Checkpoint, Finding, Frontier, Hash, Report, Verifier, entry::NO_PREDECESSOR, tree::leaf_hash,
};

use super::{ENTRIES, aside};
use crate::{Store, StoreError};

/// How far somebody has verified a log: kept by whoever verifies, never beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    tree: Frontier,
    last: Hash,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { tree: Frontier::new(), last: NO_PREDECESSOR }
    }
}

impl Cursor {
    /// How many entries it has behind it.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }
}

impl Store {
    /// Verifies what was signed of a log since the cursor: each entry, the chain, the tree, and the signed checkpoint over all of
    /// it. The cursor moves on when nothing was altered.
    pub async fn audit_newest(&self, log: &str, cursor: Cursor) -> Result<(Report, Cursor), StoreError> {
        let origin = self.options().origin(log);
        let keys = self.keys().keyring(&origin)?;
        let signed = self.signed(log).await?;
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (mut next, mut last) = (cursor.size(), cursor.last);
        let mut verifier = Verifier::resume(&origin, keys.clone(), cursor.tree.clone(), last);
        let size = signed.as_ref().map_or(0, |signed| signed.size);
        if size < next {
            let (expected, found) = (format!("{next} signed entries"), format!("{size}"));
            verifier.note(Finding::tampered(
                Some(size),
                "log is shorter than it was when it was verified",
                expected,
                found,
            ));
        } else if let Some(signed) = &signed {
            match Checkpoint::open(signed.note.as_bytes(), &origin, &keys) {
                Ok(opened) => verifier.expect(opened.checkpoint()),
                Err(error) => {
                    let expected = format!("a checkpoint signed by {origin}");
                    verifier.note(Finding::tampered(
                        None,
                        "checkpoint is refused",
                        expected,
                        error.to_string(),
                    ));
                }
            }
        }
        while next < size {
            let mut rows = self.rows(log, next, ENTRIES).await?;
            rows.truncate(rows.partition_point(|row| row.idx < size));
            let Some(row) = rows.last() else { break };
            (next, last) = (row.idx + 1, leaf_hash(&row.body));
            verifier = aside(move || {
                verifier.push_batch(&rows, threads, |_| {});
                verifier
            })
            .await?;
            verifier.take_nodes();
        }
        let tree = verifier.tree().clone();
        let report = verifier.finish(None);
        let moved = report.verdict() != interlock_ledger::Verdict::Tampered;
        Ok((report, if moved { Cursor { tree, last } } else { cursor }))
    }
}
