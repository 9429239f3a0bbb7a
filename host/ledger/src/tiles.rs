//! Proofs from tiles: which tiles a proof needs, and the hashes of nodes from them.
//!
//! Whoever has the tiles can make any proof, so that a log serves nothing else, and a proof from a log of millions reads a
//! handful of them.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::{
    tile::{TILE_HEIGHT, Tile, TileKind},
    tree::{Hash, HashSource, NodeId, perfect_root},
};

/// A tile that was needed and is not there, or is too narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a tile with node `{index}` of level `{level}` is missing: fetch it first")]
pub struct MissingTile {
    level: u32,
    index: u64,
}

/// Tiles that were fetched, as a source of proofs.
#[derive(Debug, Clone, Default)]
pub struct Tiles(BTreeMap<(u8, u64), Vec<Hash>>);

impl Tiles {
    /// The tiles, as a tree of `size` entries has them, in which the hashes of these nodes stand.
    pub fn needed(nodes: impl IntoIterator<Item = NodeId>, size: u64) -> BTreeSet<Tile> {
        let place = |node: NodeId| {
            let (level, first, _) = within(node)?;
            Tile::of_size(TileKind::Hashes(level), first >> TILE_HEIGHT, size)
        };
        nodes.into_iter().filter_map(place).collect()
    }

    /// Adds the hashes of a tile; those of an entry bundle are of no use here.
    pub fn insert(&mut self, tile: Tile, hashes: Vec<Hash>) {
        if let TileKind::Hashes(level) = tile.kind() {
            self.0.insert((level, tile.index()), hashes);
        }
    }
}

/// The tile level, the first hash of that level below a node, and how many.
fn within(node: NodeId) -> Option<(u8, u64, usize)> {
    let (level, height) = (u8::try_from(node.level / TILE_HEIGHT).ok()?, node.level % TILE_HEIGHT);
    Some((level, node.index.checked_mul(1 << height)?, 1 << height))
}

impl HashSource for Tiles {
    type Error = MissingTile;

    fn subtree(&self, node: NodeId) -> Result<Hash, MissingTile> {
        let missing = MissingTile { level: node.level, index: node.index };
        let (level, first, count) = within(node).ok_or(missing)?;
        let tile = self.0.get(&(level, first >> TILE_HEIGHT)).ok_or(missing)?;
        // Less than 256: a tile's worth.
        let start = (first & ((1 << TILE_HEIGHT) - 1)) as usize;
        tile.get(start..start + count).map(perfect_root).ok_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::{Frontier, Leaves, ProofPlan, leaf_hash, root_at};

    /// The leaves of a tree, and all its hash tiles.
    fn tree(size: u64) -> (Vec<Hash>, Tiles) {
        let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut levels: BTreeMap<u32, Vec<Hash>> = BTreeMap::new();
        let mut frontier = Frontier::new();
        for leaf in &leaves {
            frontier.push_noting(*leaf, |node, hash| {
                if node.level.is_multiple_of(TILE_HEIGHT) {
                    levels.entry(node.level / TILE_HEIGHT).or_default().push(*hash);
                }
            });
        }
        let mut tiles = Tiles::default();
        for tile in Tile::grown(0, size) {
            if let TileKind::Hashes(level) = tile.kind() {
                let from = usize::try_from(tile.first()).unwrap();
                let hashes = &levels[&u32::from(level)][from..from + usize::from(tile.width())];
                tiles.insert(tile, hashes.to_vec());
            }
        }
        (leaves, tiles)
    }

    #[test]
    fn the_tiles_that_a_proof_needs_are_all_it_needs() {
        let (leaves, all) = tree(70_000);
        let mut most = 0;
        for size in [1, 2, 255, 256, 257, 512, 65_535, 65_536, 65_537, 70_000] {
            for index in [0, size / 3, size / 2, size - 1] {
                let plans = [
                    ProofPlan::inclusion(index, size).unwrap(),
                    ProofPlan::consistency(index + 1, size).unwrap(),
                ];
                for plan in plans {
                    let needed = Tiles::needed(plan.nodes(), size);
                    most = most.max(needed.len());
                    let mut some = Tiles::default();
                    for tile in needed {
                        let TileKind::Hashes(level) = tile.kind() else { panic!("{tile}") };
                        let whole = &all.0[&(level, tile.index())];
                        some.insert(tile, whole[..usize::from(tile.width())].to_vec());
                    }
                    let expected = plan.build(&Leaves(&leaves)).unwrap();
                    assert_eq!(plan.build(&some), Ok(expected), "{index} of {size}");
                }
            }
        }
        assert!(most <= 6, "{most} tiles for one proof");
        assert_eq!(root_at(70_000, &all), Ok(root_at(70_000, &Leaves(&leaves)).unwrap()));
    }

    #[test]
    fn a_tile_that_is_missing_or_too_narrow_is_said() {
        let (_, mut tiles) = tree(300);
        let node = NodeId { level: 3, index: 32 };
        assert!(tiles.subtree(node).is_ok());
        tiles.insert(Tile::of_size(TileKind::Hashes(0), 1, 300).unwrap(), vec![[0; 32]; 7]);
        assert!(tiles.subtree(node).is_err());
        for absent in [
            NodeId { level: 0, index: 600 },
            NodeId { level: 63, index: u64::MAX },
            NodeId { level: 16, index: 0 },
        ] {
            assert!(tiles.subtree(absent).is_err(), "{absent:?}");
        }
    }

    #[test]
    fn a_tile_is_as_wide_as_its_tree_allows() {
        let width = |kind, index, size| Tile::of_size(kind, index, size).map(Tile::width);
        let (lowest, above) = (TileKind::Hashes(0), TileKind::Hashes(1));
        // The example of the specification.
        assert_eq!(width(lowest, 273, 70_000), Some(112));
        assert_eq!(width(above, 1, 70_000), Some(17));
        assert_eq!(width(TileKind::Hashes(2), 0, 70_000), Some(1));
        assert_eq!(width(above, 0, 256), Some(1));
        assert_eq!(width(TileKind::Entries, 272, 70_000), Some(256));
        for (kind, index, size) in
            [(lowest, 274, 70_000), (above, 0, 255), (lowest, 0, 0), (TileKind::Hashes(7), u64::MAX, 9)]
        {
            assert_eq!(width(kind, index, size), None, "{kind:?} {index} {size}");
        }
    }

    proptest! {
        #[test]
        fn no_node_is_out_of_reach_of_the_arithmetic(level in 0u32..300, index: u64, size: u64) {
            let node = NodeId { level, index };
            let _ = Tiles::needed([node], size);
            prop_assert!(Tiles::default().subtree(node).is_err());
        }
    }
}
