//! A copy that has to prove, with a few tiles, that its checkpoint is of the tree that it shows.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{CHECKPOINT, CopyError, Files, ReadError, read};
use crate::checkpoint::Checkpoint;
use crate::keys::Keyring;
use crate::tile::{TILE_WIDTH, Tile, TileKind, parse_bundle, parse_hashes};
use crate::tiles::{MissingTile, Tiles};
use crate::tree::{Hash, NodeId, ProofPlan, root_at, verify_consistency};
use crate::verify::Finding;

/// Tiles that are remembered between two steps.
const TILES_MAX: usize = 4_096;

/// Why nothing was proved.
pub(super) enum Stopped {
    /// The files do not prove it.
    Unproved(Finding),
    /// A file cannot be read.
    Read(ReadError),
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// The copy, its checkpoint opened with the log's key.
pub(super) struct Proved<'a, F: ?Sized> {
    name: &'static str,
    files: &'a F,
    pub(super) note: Vec<u8>,
    pub(super) checkpoint: Checkpoint,
    tiles: RefCell<(Tiles, BTreeSet<Tile>)>,
}

impl<'a, F: Files + ?Sized> Proved<'a, F> {
    pub(super) fn open(
        name: &'static str,
        files: &'a F,
        origin: &str,
        keys: &Keyring,
    ) -> Result<Self, CopyError> {
        let no_checkpoint = || CopyError::NoCheckpoint { place: name.to_owned() };
        let note = files.read(CHECKPOINT)?.ok_or_else(no_checkpoint)?;
        let opened = Checkpoint::open(&note, origin, keys)?;
        let checkpoint = opened.checkpoint().clone();
        Ok(Self { name, files, note, checkpoint, tiles: RefCell::default() })
    }

    /// The root over the first `size` entries, of which its checkpoint is shown to be a continuation.
    pub(super) fn root(&self, size: u64) -> Result<Hash, Stopped> {
        let Checkpoint { size: whole, root: newest, .. } = &self.checkpoint;
        if size == *whole {
            return Ok(*newest);
        }
        let unproved = |why: String| {
            let what = format!("the tiles of {} do not lead to its checkpoint", self.name);
            let expected = format!("a tree of {size} entries that one of {whole} begins with");
            Stopped::Unproved(Finding::tampered(None, what, expected, why))
        };
        let plan = ProofPlan::consistency(size, *whole).map_err(|error| unproved(error.to_string()))?;
        self.fetch(NodeId::covering(0, size).chain(plan.nodes()))?;
        let tiles = &self.tiles.borrow().0;
        let root = root_at(size, tiles).map_err(|error| self.absent(&error))?;
        let proof = plan.build(tiles).map_err(|error| self.absent(&error))?;
        verify_consistency((size, &root), (*whole, newest), &proof)
            .map_err(|error| unproved(error.to_string()))?;
        Ok(root)
    }

    /// The hashes of a proof, which prove nothing yet.
    pub(super) fn build(&self, plan: &ProofPlan) -> Result<Vec<Hash>, Stopped> {
        self.fetch(plan.nodes())?;
        plan.build(&self.tiles.borrow().0).map_err(|error| self.absent(&error))
    }

    fn absent(&self, error: &MissingTile) -> Stopped {
        let what = format!("a tile of {} is not there", self.name);
        Stopped::Unproved(Finding::missing(None, what, "its hashes", error.to_string()))
    }

    fn fetch(&self, nodes: impl Iterator<Item = NodeId>) -> Result<(), ReadError> {
        let mut kept = self.tiles.borrow_mut();
        if kept.1.len() > TILES_MAX {
            *kept = Default::default();
        }
        for tile in Tiles::needed(nodes, self.checkpoint.size) {
            if !kept.1.insert(tile) {
                continue;
            }
            let Some((found, bytes)) = read(self.files, tile)? else { continue };
            if let Ok(hashes) = parse_hashes(&bytes, found.width()) {
                kept.0.insert(tile, hashes.to_vec());
            }
        }
        Ok(())
    }

    /// The bytes of an entry, where its bundle is kept.
    pub(super) fn body(&self, index: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let wide = u64::from(TILE_WIDTH);
        let Some(bundle) = Tile::of_size(TileKind::Entries, index / wide, self.checkpoint.size) else {
            return Ok(None);
        };
        let Some((found, bytes)) = read(self.files, bundle)? else { return Ok(None) };
        let bodies = parse_bundle(&bytes, found.width()).unwrap_or_default();
        Ok(bodies.get((index % wide) as usize).map(|body| body.to_vec()))
    }
}
