//! What goes into a copy is proved first: what is written once cannot be put right.

use std::collections::HashMap;

use interlock_ledger::{
    Frontier, Hash, Tile, TileKind,
    tile::{parse_bundle, parse_hashes},
    tree::{Leaves, NodeId, leaf_hash, root_at},
};

/// Levels of the tree in a tile.
const HEIGHT: u32 = 8;

/// A tree that leads to what was signed, and what is known of it for sure.
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) tree: Frontier,
    /// The roots of full tiles that were completed since it began.
    full: HashMap<NodeId, Hash>,
}

impl Proved {
    /// Goes on from a tree.
    pub(super) fn from(tree: Frontier) -> Self {
        Self { tree, full: HashMap::new() }
    }

    /// Adds those entries of a bundle that come after the tree.
    pub(super) fn add(&mut self, tile: Tile, bundle: &[u8]) -> Result<(), String> {
        let bodies = parse_bundle(bundle, tile.width()).map_err(|error| format!("`{tile}`: {error}"))?;
        let before = usize::try_from(self.tree.size().saturating_sub(tile.first())).unwrap_or(usize::MAX);
        for body in bodies.into_iter().skip(before) {
            let full = &mut self.full;
            self.tree.push_noting(leaf_hash(body), |node, hash| {
                if node.level > 0 && node.level.is_multiple_of(HEIGHT) {
                    full.insert(node, *hash);
                }
            });
        }
        Ok(())
    }

    /// Whether the bytes of a tile or bundle are what the tree has there.
    pub(super) fn holds(&self, tile: Tile, bytes: &[u8]) -> bool {
        let (level, hashes) = match tile.kind() {
            TileKind::Entries => match parse_bundle(bytes, tile.width()) {
                Ok(bodies) => (0, bodies.into_iter().map(leaf_hash).collect::<Vec<_>>()),
                Err(_) => return false,
            },
            TileKind::Hashes(level) => match parse_hashes(bytes, tile.width()) {
                Ok(hashes) => (u32::from(level), hashes.to_vec()),
                Err(_) => return false,
            },
        };
        let root = |hashes: &[Hash]| root_at(hashes.len() as u64, &Leaves(hashes)).ok();
        if tile.width() == interlock_ledger::tile::TILE_WIDTH {
            let node = NodeId { level: (level + 1) * HEIGHT, index: tile.index() };
            return self.full.get(&node).copied() == root(&hashes);
        }
        // The subtrees that a partial tile is made of are those at the right edge of the tree.
        let mut rest = hashes.as_slice();
        for height in (0..HEIGHT).rev().filter(|height| tile.width() >> height & 1 == 1) {
            let (subtree, after) = rest.split_at(1 << height);
            if self.peak(level * HEIGHT + height) != root(subtree) {
                return false;
            }
            rest = after;
        }
        true
    }

    /// The root of the subtree of that height at the right edge.
    fn peak(&self, height: u32) -> Option<Hash> {
        let size = self.tree.size();
        if size.checked_shr(height)? & 1 == 0 {
            return None;
        }
        // Largest first, after eight bytes of size.
        let before = size.checked_shr(height + 1).unwrap_or_default().count_ones() as usize;
        self.tree.to_bytes().get(8 + 32 * before..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use interlock_ledger::tile::{encode_bundle, encode_hashes};

    use super::*;

    fn bodies(from: u64, to: u64) -> Vec<[u8; 8]> {
        (from..to).map(u64::to_be_bytes).collect()
    }

    /// The bytes of every tile between two sizes, as a sound log has them.
    fn tiles(old: u64, new: u64) -> Vec<(Tile, Vec<u8>)> {
        let mut levels: HashMap<u32, Vec<Hash>> = HashMap::new();
        let mut tree = Frontier::new();
        for body in bodies(0, new) {
            tree.push_noting(leaf_hash(&body), |node, hash| {
                if node.level.is_multiple_of(HEIGHT) {
                    levels.entry(node.level / HEIGHT).or_default().push(*hash);
                }
            });
        }
        let bytes = |tile: Tile| match tile.kind() {
            TileKind::Entries => {
                encode_bundle(bodies(tile.first(), tile.first() + u64::from(tile.width()))).unwrap()
            }
            TileKind::Hashes(level) => {
                let from = usize::try_from(tile.first()).unwrap();
                encode_hashes(&levels[&u32::from(level)][from..from + usize::from(tile.width())])
            }
        };
        Tile::grown(old, new).map(|tile| (tile, bytes(tile))).collect()
    }

    #[test]
    fn sound_tiles_hold_and_none_holds_with_a_bit_altered() {
        for (old, new) in [(0, 1), (0, 255), (0, 256), (3, 700), (700, 701), (65_000, 66_500), (500, 66_048)]
        {
            let mut tree = Frontier::new();
            bodies(0, old).iter().for_each(|body| tree.push(leaf_hash(body)));
            let mut proved = Proved::from(tree);
            let tiles = tiles(old, new);
            for (tile, bytes) in tiles.iter().filter(|(tile, _)| tile.kind() == TileKind::Entries) {
                proved.add(*tile, bytes).unwrap();
            }
            assert_eq!(proved.tree.size(), new);
            for (tile, bytes) in tiles {
                assert!(proved.holds(tile, &bytes), "{tile} between {old} and {new}");
                for at in [2, bytes.len() / 2, bytes.len() - 1] {
                    let mut altered = bytes.clone();
                    altered[at] ^= 1;
                    assert!(!proved.holds(tile, &altered), "{tile} altered at {at}");
                }
                assert!(!proved.holds(tile, &bytes[1..]));
            }
        }
    }
}
