//! Entries written out as files, in order.

use std::collections::BTreeMap;

use crate::note::SignedNote;
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileError, TileKind, encode_bundle, encode_hashes};
use crate::tree::{Frontier, Hash, leaf_hash};

use super::CHECKPOINT;

/// Turns entries into the files of a copy. Each file is given away as soon as it is full, so that memory does not grow.
#[derive(Debug, Default)]
pub struct Writer {
    tree: Frontier,
    bodies: Vec<Vec<u8>>,
    levels: BTreeMap<u8, Vec<Hash>>,
}

impl Writer {
    /// A copy without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree over the entries so far, whose root is what to sign.
    #[must_use]
    pub fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// Adds an entry, and gives `keep` the files that are full by it, under their paths.
    ///
    /// # Errors
    /// When an entry is longer than a bundle can hold.
    pub fn push(&mut self, body: Vec<u8>, mut keep: impl FnMut(String, Vec<u8>)) -> Result<(), TileError> {
        let levels = &mut self.levels;
        self.tree.push_noting(leaf_hash(&body), |node, hash| {
            if node.level.is_multiple_of(TILE_HEIGHT)
                && let Ok(level) = u8::try_from(node.level / TILE_HEIGHT)
            {
                levels.entry(level).or_default().push(*hash);
            }
        });
        self.bodies.push(body);
        let wide = usize::from(TILE_WIDTH);
        if self.bodies.len() < wide {
            return Ok(());
        }
        self.files(|tile| tile.width() == TILE_WIDTH, &mut keep)?;
        self.bodies.clear();
        self.levels.values_mut().filter(|hashes| hashes.len() == wide).for_each(Vec::clear);
        Ok(())
    }

    /// Gives `keep` the files at the right edge that are not full, and last of all the signed checkpoint.
    ///
    /// # Errors
    /// When an entry is longer than a bundle can hold.
    pub fn finish(
        &self,
        checkpoint: &SignedNote,
        mut keep: impl FnMut(String, Vec<u8>),
    ) -> Result<(), TileError> {
        self.files(|_| true, &mut keep)?;
        keep(CHECKPOINT.to_owned(), checkpoint.to_string().into_bytes());
        Ok(())
    }

    /// The files that grow just now, as wide as they are.
    fn files(
        &self,
        which: impl Fn(Tile) -> bool,
        keep: &mut impl FnMut(String, Vec<u8>),
    ) -> Result<(), TileError> {
        let at = |kind, shown: u64| {
            let last = shown.checked_sub(1)? / u64::from(TILE_WIDTH);
            Tile::of_size(kind, last, self.tree.size())
        };
        let bundle = at(TileKind::Entries, self.tree.size());
        if let Some(bundle) = bundle.filter(|tile| !self.bodies.is_empty() && which(*tile)) {
            keep(bundle.to_string(), encode_bundle(&self.bodies)?);
        }
        for (level, hashes) in &self.levels {
            let nodes = self.tree.size() >> (u32::from(*level) * TILE_HEIGHT);
            let tile = at(TileKind::Hashes(*level), nodes);
            if let Some(tile) = tile.filter(|tile| !hashes.is_empty() && which(*tile)) {
                keep(tile.to_string(), encode_hashes(hashes));
            }
        }
        Ok(())
    }
}
