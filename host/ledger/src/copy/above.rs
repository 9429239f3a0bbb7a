//! The tiles above the lowest: worked out from the entries, and compared with what is kept.

use super::{Files, ReadError, bundle};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileKind};
use crate::tree::{Hash, NodeId};
use crate::verify::Finding;

/// What is known of the tile that grows on each level.
#[derive(Default)]
pub(super) struct Above {
    levels: Vec<Level>,
}

/// The rightmost tile of a level.
#[derive(Default)]
struct Level {
    index: u64,
    hashes: Vec<Hash>,
}

impl Above {
    /// Takes nodes that became complete, in order, and compares each tile that they fill.
    pub(super) fn take(
        &mut self,
        files: &(impl Files + ?Sized),
        nodes: impl IntoIterator<Item = (NodeId, Hash)>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ReadError> {
        let wide = u64::from(TILE_WIDTH);
        for (node, hash) in nodes {
            let Some(at) = (node.level / TILE_HEIGHT).checked_sub(1) else { continue };
            let at = at as usize;
            while self.levels.len() <= at {
                self.levels.push(Level::default());
            }
            let level = &mut self.levels[at];
            if level.index != node.index / wide {
                *level = Level { index: node.index / wide, hashes: Vec::new() };
            }
            // Behind a gap, a tile that is not known from its beginning is not compared; the gap has been said.
            if level.hashes.len() as u64 == node.index % wide {
                level.hashes.push(hash);
            }
            if level.hashes.len() == usize::from(TILE_WIDTH) {
                let whole = std::mem::take(level);
                compare(files, at, &whole, u64::MAX, findings)?;
                self.levels[at].index = whole.index + 1;
            }
        }
        Ok(())
    }

    /// Compares the partial tiles at the right edge of a tree of `size` entries.
    pub(super) fn finish(
        &self,
        files: &(impl Files + ?Sized),
        size: u64,
        findings: &mut Vec<Finding>,
    ) -> Result<(), ReadError> {
        for (at, level) in self.levels.iter().enumerate().filter(|(_, level)| !level.hashes.is_empty()) {
            compare(files, at, level, size, findings)?;
        }
        Ok(())
    }
}

fn compare(
    files: &(impl Files + ?Sized),
    at: usize,
    level: &Level,
    size: u64,
    findings: &mut Vec<Finding>,
) -> Result<(), ReadError> {
    let kind = TileKind::Hashes(u8::try_from(at + 1).unwrap_or(u8::MAX));
    let tile = match size {
        u64::MAX => Tile::whole_at(kind, level.index),
        size => Tile::of_size(kind, level.index, size),
    };
    let Some(tile) = tile.filter(|tile| usize::from(tile.width()) == level.hashes.len()) else {
        return Ok(());
    };
    let Some(kept) = bundle::hashes(files, tile, findings)? else { return Ok(()) };
    for ((node, expected), found) in tile.nodes().zip(&level.hashes).zip(&kept) {
        if expected != found {
            // Said of the entry that completes it.
            let idx = ((node.index + 1) << node.level) - 1;
            let what = format!("`{tile}` has another hash than its entries");
            findings.push(Finding::tampered(Some(idx), what, hex::encode(expected), hex::encode(found)));
        }
    }
    Ok(())
}
