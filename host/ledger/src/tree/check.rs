//! Checking proofs. Each pair of sizes calls for exactly one proof length, which is checked before any hash.

use super::{Hash, TreeError, node_hash};

/// Checks that `leaf` is entry `index` of the tree with this `root` and `size`.
///
/// # Errors
/// When the index is not below the size, the proof has another length than RFC 6962 gives it, or another root results.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), TreeError> {
    if index >= size {
        return Err(TreeError::IndexBeyondSize { index, size });
    }
    let path = Path::of(index, size);
    let (inner, border) = path.split(proof)?;
    same_root(root, &up_border(up_inner(*leaf, index, inner), border))
}

/// Checks that the tree `new` (size and root) begins with the tree `old`.
///
/// # Errors
/// Unless 0 < old ≤ new, the proof has exactly the length of RFC 6962, and both roots result from it.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), TreeError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 || old_size > new_size {
        return Err(TreeError::SizesOutOfOrder { old: old_size, new: new_size });
    }
    if old_size == new_size {
        Path { inner: 0, border: 0 }.split(proof)?;
        return same_root(old_root, new_root);
    }
    // Climb from the last perfect subtree of the old tree, whose height is the number of trailing zeros of its size.
    let height = old_size.trailing_zeros();
    let index = (old_size - 1) >> height;
    let mut path = Path::of(old_size - 1, new_size);
    path.inner -= height as usize;
    // When that subtree is the whole old tree its hash is the old root; otherwise the proof starts with it.
    let (seed, rest) = match proof {
        _ if old_size.is_power_of_two() => (old_root, proof),
        [seed, rest @ ..] => (seed, rest),
        [] => return Err(TreeError::ProofLength { expected: path.inner + path.border + 1, found: 0 }),
    };
    let (inner, border) = path.split(rest).map_err(|_| TreeError::ProofLength {
        expected: path.inner + path.border + proof.len() - rest.len(),
        found: proof.len(),
    })?;
    // The old tree ends at this path, so what lies to its right is not part of it.
    let old_edge = inner
        .iter()
        .enumerate()
        .filter(|(height, _)| index >> height & 1 == 1)
        .fold(*seed, |right, (_, left)| node_hash(left, &right));
    same_root(old_root, &up_border(old_edge, border))?;
    same_root(new_root, &up_border(up_inner(*seed, index, inner), border))
}

/// How many steps lead from a leaf to the root: first `inner` ones with siblings on either side, up to where the path meets
/// the right edge of the tree; from there `border` ones with siblings only on the left.
#[derive(Clone, Copy)]
struct Path {
    inner: usize,
    border: usize,
}

impl Path {
    fn of(index: u64, size: u64) -> Self {
        let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        Self { inner: inner as usize, border: border as usize }
    }

    fn split(self, proof: &[Hash]) -> Result<(&[Hash], &[Hash]), TreeError> {
        let expected = self.inner + self.border;
        if proof.len() != expected {
            return Err(TreeError::ProofLength { expected, found: proof.len() });
        }
        Ok(proof.split_at(self.inner))
    }
}

fn up_inner(seed: Hash, index: u64, siblings: &[Hash]) -> Hash {
    siblings.iter().enumerate().fold(seed, |hash, (height, sibling)| match index >> height & 1 {
        0 => node_hash(&hash, sibling),
        _ => node_hash(sibling, &hash),
    })
}

fn up_border(seed: Hash, siblings: &[Hash]) -> Hash {
    siblings.iter().fold(seed, |right, left| node_hash(left, &right))
}

fn same_root(expected: &Hash, found: &Hash) -> Result<(), TreeError> {
    if expected == found {
        return Ok(());
    }
    Err(TreeError::RootMismatch { expected: hex::encode(expected), found: hex::encode(found) })
}
