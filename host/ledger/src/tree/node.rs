//! Perfect subtrees: how they are named, where their hashes come from, and how a range of leaves falls into them.

use super::{Hash, bag, node_hash};
use crate::tile::TILE_HEIGHT;

/// A perfect subtree: the leaves `[index·2^level, (index+1)·2^level)`. Its hash never changes once it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height: 0 is a leaf.
    pub level: u32,
    /// Position from the left among the nodes of this height.
    pub index: u64,
}

impl NodeId {
    /// Whether its hash stands in a tile above the lowest level: it is the root of a whole tile.
    #[must_use]
    pub fn is_above_a_tile(self) -> bool {
        self.level > 0 && self.level.is_multiple_of(TILE_HEIGHT)
    }

    /// The perfect subtrees that make up the leaves `[start, end)`, left to right.
    ///
    /// For a range that RFC 6962 takes the Merkle tree hash of (one that starts at a multiple of the smallest power of two
    /// not below its length) they are also largest first.
    pub(crate) fn covering(start: u64, end: u64) -> impl Iterator<Item = NodeId> {
        let mut at = start;
        std::iter::from_fn(move || {
            let left = end.checked_sub(at).filter(|left| *left > 0)?;
            let level = at.trailing_zeros().min(left.ilog2());
            let node = NodeId { level, index: at >> level };
            at += 1 << level;
            Some(node)
        })
    }
}

/// Where the hashes of complete subtrees are kept: a table of nodes, tiles, or the leaves themselves.
pub trait HashSource {
    /// What can go wrong while reading.
    type Error;

    /// The hash of one perfect subtree that lies wholly within the tree.
    ///
    /// # Errors
    /// When the hash cannot be had.
    fn subtree(&self, node: NodeId) -> Result<Hash, Self::Error>;
}

/// The Merkle tree hash of the first `size` leaves.
///
/// # Errors
/// What the source reports.
pub fn root_at<S: HashSource + ?Sized>(size: u64, source: &S) -> Result<Hash, S::Error> {
    hash_of(0, size, source)
}

pub(super) fn hash_of<S: HashSource + ?Sized>(start: u64, end: u64, source: &S) -> Result<Hash, S::Error> {
    let peaks =
        NodeId::covering(start, end).map(|node| source.subtree(node)).collect::<Result<Vec<_>, _>>()?;
    Ok(bag(&peaks))
}

/// Leaf hashes in memory as a source; computes inner nodes anew each time.
#[derive(Debug, Clone, Copy)]
pub struct Leaves<'a>(pub &'a [Hash]);

/// A leaf that was asked for and is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("leaves below node `{index}` at level `{level}` are missing: load them first")]
pub struct MissingLeaves {
    level: u32,
    index: u64,
}

impl HashSource for Leaves<'_> {
    type Error = MissingLeaves;

    fn subtree(&self, node: NodeId) -> Result<Hash, MissingLeaves> {
        let missing = MissingLeaves { level: node.level, index: node.index };
        let width = 1usize.checked_shl(node.level).ok_or(missing)?;
        let start = usize::try_from(node.index).ok().and_then(|i| i.checked_mul(width)).ok_or(missing)?;
        let end = start.checked_add(width).ok_or(missing)?;
        self.0.get(start..end).map(perfect_root).ok_or(missing)
    }
}

/// The root over leaves, or nodes of one level, whose number is a power of two.
pub(crate) fn perfect_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            node_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}
