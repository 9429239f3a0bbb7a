//! Receipts: the `.tlog-proof` of C2SP, which shows without any network that an entry is in the log.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, OpenedCheckpoint};
use crate::keys::Keyring;
use crate::note::{NOTE_BYTES_MAX, NoteError, SignedNote};
use crate::tree::{Hash, TreeError, leaf_hash, verify_inclusion};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// More hashes than a tree with a 64-bit size can ask for.
const HASHES_MAX: usize = 64;

/// The largest receipt in bytes: a note, its proof, and an entry carried along.
const RECEIPT_BYTES_MAX: usize = NOTE_BYTES_MAX + (1 << 18);

/// Why a receipt is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The text is no receipt.
    #[error("not a tlog-proof: {reason}")]
    Malformed {
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The checkpoint inside is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not lead to the checkpoint.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl From<NoteError> for ReceiptError {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

/// An inclusion proof with the checkpoint that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which entry.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub proof: Vec<Hash>,
    /// The signed, perhaps cosigned, checkpoint.
    pub checkpoint: SignedNote,
    /// Not covered by any signature: a convenience, such as the entry itself, which [`Receipt::verify`] then checks.
    pub extra: Option<Vec<u8>>,
}

impl Receipt {
    /// Checks that `body` is the entry that this receipt is for, in the log `origin`, as its trusted key signed.
    ///
    /// # Errors
    /// When the checkpoint is not the log's or the entry is not in it.
    pub fn verify(
        &self,
        body: &[u8],
        origin: &str,
        keys: &Keyring,
    ) -> Result<OpenedCheckpoint, ReceiptError> {
        let opened = Checkpoint::open_note(&self.checkpoint, origin, keys)?;
        let Checkpoint { size, root, .. } = opened.checkpoint();
        verify_inclusion(&leaf_hash(body), self.index, *size, &self.proof, root)?;
        Ok(opened)
    }

    /// Reads a receipt. This checks its form only.
    ///
    /// # Errors
    /// When the bytes break the format or a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let malformed = |reason| ReceiptError::Malformed { reason };
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(malformed("it is longer than any receipt"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (head, note) =
            text.split_once("\n\n").ok_or(malformed("a blank line must come before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("its first line must be `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(|line| &line["extra ".len()..]);
        let extra = extra.map(|base64| STANDARD.decode(base64)).transpose();
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|digits| digits.parse::<u64>().ok().filter(|n| n.to_string() == digits));
        let proof: Option<Vec<Hash>> =
            lines.take(HASHES_MAX + 1).map(|line| STANDARD.decode(line).ok()?.try_into().ok()).collect();
        Ok(Self {
            index: index.ok_or(malformed("`index` and a decimal number must follow"))?,
            proof: proof
                .filter(|proof| proof.len() <= HASHES_MAX)
                .ok_or(malformed("each proof line is one hash in base64, at most 64 of them"))?,
            checkpoint: SignedNote::parse(note.as_bytes())?,
            extra: extra.map_err(|_| malformed("the extra data are not base64"))?,
        })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;
    use crate::tree::{Leaves, ProofPlan, root_at};

    const ORIGIN: &str = "interlock.example.com/ledger/t1";

    fn receipt(index: u64, extra: Option<Vec<u8>>) -> (Receipt, Vec<u8>, Keyring) {
        let bodies: Vec<_> = (0..21).map(|i| format!("entry {i}").into_bytes()).collect();
        let leaves: Vec<_> = bodies.iter().map(|body| leaf_hash(body)).collect();
        let key = SigningKey::from_seed(ORIGIN, &[4; 32]).unwrap();
        let root = root_at(21, &Leaves(&leaves)).unwrap();
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 21, root }.sign(&key).unwrap();
        let proof = ProofPlan::inclusion(index, 21).unwrap().build(&Leaves(&leaves)).unwrap();
        let keys = [key.verifying_key().clone()].into_iter().collect();
        (Receipt { index, proof, checkpoint, extra }, bodies[index as usize].clone(), keys)
    }

    #[test]
    fn a_receipt_proves_its_entry_offline_after_a_trip_through_text() {
        for extra in [None, Some(b"the entry".to_vec()), Some(Vec::new())] {
            let (receipt, body, keys) = receipt(13, extra);
            let again = Receipt::parse(receipt.to_string().as_bytes()).unwrap();
            assert_eq!(again, receipt);
            assert_eq!(again.verify(&body, ORIGIN, &keys).unwrap().checkpoint().size, 21);
        }
    }

    #[test]
    fn a_receipt_proves_nothing_else() {
        let (good, body, keys) = receipt(13, None);
        let tree_error =
            |r: &Receipt, body: &[u8]| matches!(r.verify(body, ORIGIN, &keys), Err(ReceiptError::Tree(_)));
        assert!(tree_error(&good, b"entry 14"));
        assert!(tree_error(&Receipt { index: 12, ..good.clone() }, &body));
        assert!(tree_error(&Receipt { index: 21, ..good.clone() }, &body));
        assert!(tree_error(&Receipt { proof: good.proof[1..].to_vec(), ..good.clone() }, &body));
        assert!(matches!(good.verify(&body, "other", &keys), Err(ReceiptError::Checkpoint(_))));
        assert!(matches!(good.verify(&body, ORIGIN, &Keyring::default()), Err(ReceiptError::Checkpoint(_))));
    }

    #[test]
    fn malformed_receipts_are_refused_cleanly() {
        let (receipt, ..) = receipt(13, Some(vec![1, 2, 3]));
        let good = receipt.to_string();
        for bad in [
            "",
            HEADER,
            &good.replace("@v1", "@v2"),
            &good.replace("index 13", "index 013"),
            &good.replace("index 13\n", ""),
            &good.replace("extra AQID", "extra AQI"),
            &good.replace("extra AQID", "extra"),
            &good.replace("\n\n", "\n"),
            &good.replace("index 13\n", "index 13\nAAAA\n"),
            &good.replace("index 13", "index -1"),
            &good.replace("index 13\n", &format!("index 13\n{}", "A".repeat(43).add_line(65))),
        ] {
            assert!(Receipt::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        for end in 0..good.len() {
            assert!(Receipt::parse(&good.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        assert!(Receipt::parse(&vec![b'a'; RECEIPT_BYTES_MAX + 1]).is_err());
    }

    trait AddLine {
        fn add_line(&self, times: usize) -> String;
    }

    impl AddLine for String {
        fn add_line(&self, times: usize) -> String {
            format!("{self}=\n").repeat(times)
        }
    }
}
