//! The Merkle tree of RFC 6962: hashes, the append state, and (in the submodules) proofs and their verification.

mod check;
mod node;
mod plan;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use check::{verify_consistency, verify_inclusion};
pub(crate) use node::perfect_root;
pub use node::{HashSource, Leaves, NodeId, root_at};
pub use plan::ProofPlan;

/// A node of the tree: a SHA-256 value.
pub type Hash = [u8; 32];

/// The root of the tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Why a proof cannot be made or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The leaf is not in a tree of that size.
    #[error("entry `{index}` is not in a tree of `{size}` entries: ask for an index below the size")]
    IndexBeyondSize {
        /// The leaf asked for.
        index: u64,
        /// The leaves there are.
        size: u64,
    },
    /// Consistency needs 0 < old ≤ new.
    #[error(
        "a tree of `{old}` entries cannot be shown to have grown into one of `{new}`: give sizes with 0 < old ≤ new"
    )]
    SizesOutOfOrder {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
    /// A proof has exactly one length; a longer or shorter one is no proof.
    #[error("the proof has `{found}` hashes where this tree needs `{expected}`")]
    ProofLength {
        /// How many hashes the sizes call for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to root `{found}`, not to `{expected}`: entry or tree were altered")]
    RootMismatch {
        /// The root to be shown, in hex.
        expected: String,
        /// The root that came out, in hex.
        found: String,
    },
    /// Bytes that are no frontier.
    #[error("`{found}` bytes are no frontier of a tree of `{size}` entries: read it again from its source")]
    FrontierLength {
        /// The size that the first eight bytes give.
        size: u64,
        /// How many bytes there are.
        found: usize,
    },
}

/// The hash of a leaf: SHA-256(0x00 ‖ body).
#[must_use]
pub fn leaf_hash(body: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(body).finalize().into()
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// The right edge of a growing tree: all that is needed to append and to know the root.
///
/// Holds the roots of the perfect subtrees that make up the leaves so far, largest first: one per set bit of the size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf, given its [`leaf_hash`].
    pub fn push(&mut self, leaf: Hash) {
        self.push_noting(leaf, |_, _| {});
    }

    /// Appends a leaf and tells `note` each node that is thereby complete for good, the leaf first.
    pub fn push_noting(&mut self, leaf: Hash, mut note: impl FnMut(NodeId, &Hash)) {
        let mut hash = leaf;
        note(NodeId { level: 0, index: self.size }, &hash);
        // As in binary counting: each trailing one is a subtree of the same height, waiting for its right sibling.
        for level in 1..=self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
            note(NodeId { level, index: self.size >> level }, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle tree hash of all leaves so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        bag(&self.peaks)
    }

    /// Size (eight bytes, big-endian), then the peaks: what a database row keeps between appends.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.peaks.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(self.peaks.as_flattened());
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the length does not fit the size. The hashes themselves prove nothing: compare the root.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        let wrong = |size| TreeError::FrontierLength { size, found: bytes.len() };
        let (size, rest) = bytes.split_first_chunk().ok_or(wrong(0))?;
        let size = u64::from_be_bytes(*size);
        let (peaks, []) = rest.as_chunks::<32>() else { return Err(wrong(size)) };
        if peaks.len() != size.count_ones() as usize {
            return Err(wrong(size));
        }
        Ok(Self { size, peaks: peaks.to_vec() })
    }
}

/// Folds perfect subtrees, largest and leftmost first, into the root over all of them.
fn bag(peaks: &[Hash]) -> Hash {
    peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT)
}

#[cfg(test)]
mod tests;
