//! Making proofs (RFC 6962 §2.1.1 and §2.1.2), in two steps: which nodes are needed, then the proof from their hashes.
//!
//! The steps are apart so that a store can fetch all nodes with one query, and no I/O is needed here.

use super::node::{HashSource, NodeId, hash_of};
use super::{Hash, TreeError};

/// A proof before its hashes are known: each element is the hash over one range of leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofPlan {
    ranges: Vec<(u64, u64)>,
}

impl ProofPlan {
    /// The proof that the leaf `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    /// When `index` is not below `size`.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, TreeError> {
        if index >= size {
            return Err(TreeError::IndexBeyondSize { index, size });
        }
        let mut ranges = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        ranges.reverse();
        Ok(Self { ranges })
    }

    /// The proof that the tree of `new` leaves begins with the tree of `old` leaves.
    ///
    /// # Errors
    /// Unless 0 < `old` ≤ `new`.
    pub fn consistency(old: u64, new: u64) -> Result<Self, TreeError> {
        if old == 0 || old > new {
            return Err(TreeError::SizesOutOfOrder { old, new });
        }
        let mut ranges = Vec::new();
        let (mut start, mut end) = (0, new);
        while old < end {
            let middle = start + split(end - start);
            if old <= middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        // When the old tree is itself a node of the new one, the verifier has its hash: the old root.
        if start > 0 {
            ranges.push((start, end));
        }
        ranges.reverse();
        Ok(Self { ranges })
    }

    /// The nodes whose hashes the proof is made of, for fetching them in one go.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.ranges.iter().flat_map(|&(start, end)| NodeId::covering(start, end))
    }

    /// The proof, leaf side first.
    ///
    /// # Errors
    /// What the source reports.
    pub fn build<S: HashSource + ?Sized>(&self, source: &S) -> Result<Vec<Hash>, S::Error> {
        self.ranges.iter().map(|&(start, end)| hash_of(start, end, source)).collect()
    }
}

/// The largest power of two below `width`: how many leaves go left. `width` is at least 2.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}
