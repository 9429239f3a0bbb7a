//! A log as files: checkpoint, tiles and entry bundles as C2SP tlog-tiles lays them out, wherever they are kept (a folder, a
//! bucket, a server), verified without the help of whoever keeps them.
//!
//! [`survey`] reads all of it: each entry is hashed again, each tile worked out again, the chain followed, the signatures of
//! servers, log and witnesses checked. [`compare`] finds the first entry in which two copies differ, with a few tiles.
//! Memory does not grow with the log.

mod above;
mod bundle;
mod compare;
mod every_file;
mod prove;
mod proved;
mod survey;
mod writer;

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

pub use compare::{Comparison, Difference, compare};
pub use prove::{Continuation, continues, receipt};
pub use survey::{Demands, Step, Survey, survey};
pub use writer::Writer;

use crate::checkpoint::CheckpointError;
use crate::tile::Tile;

/// Where the newest checkpoint is.
pub const CHECKPOINT: &str = "checkpoint";

/// A file that may be there and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read `{path}`: {reason}")]
pub struct ReadError {
    /// Which.
    pub path: String,
    /// What the medium said.
    pub reason: String,
}

impl ReadError {
    /// Of this file, for this reason.
    pub fn new(path: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { path: path.into(), reason: reason.to_string() }
    }
}

/// Where the files of a log are. Several threads read at a time.
pub trait Files: Sync {
    /// The bytes of the file at this path; `None` when there is none.
    ///
    /// # Errors
    /// When nobody can tell.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError>;

    /// Shows the path of every file, in any order. False when that cannot be told, as of a server.
    ///
    /// # Errors
    /// What `visit` gives, and when the list cannot be read.
    fn each(&self, visit: &mut dyn FnMut(&str) -> Result<(), ReadError>) -> Result<bool, ReadError> {
        let _ = visit;
        Ok(false)
    }
}

/// Files in memory.
impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.get(path).cloned())
    }

    fn each(&self, visit: &mut dyn FnMut(&str) -> Result<(), ReadError>) -> Result<bool, ReadError> {
        self.keys().try_for_each(|path| visit(path)).map(|()| true)
    }
}

/// Why a copy could not be looked at, so that nothing can be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A copy without a checkpoint is a heap of hashes.
    #[error("there is no `checkpoint` in {place}: name the folder, or the address, that it is in")]
    NoCheckpoint {
        /// Which copy.
        place: String,
    },
    /// There is no proof of an entry.
    #[error("entry `{index}` cannot be proved: {why}")]
    Unproved {
        /// Which.
        index: u64,
        /// What is missing or does not fit.
        why: String,
    },
    /// Its checkpoint is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Reads a tile or bundle that is at least this wide: a partial one may have given way to a whole one.
fn read(files: &(impl Files + ?Sized), tile: Tile) -> Result<Option<(Tile, Vec<u8>)>, ReadError> {
    let whole = tile.whole();
    if let Some(bytes) = files.read(&tile.to_string())? {
        return Ok(Some((tile, bytes)));
    }
    if whole == tile {
        return Ok(None);
    }
    Ok(files.read(&whole.to_string())?.map(|bytes| (whole, bytes)))
}

#[cfg(test)]
mod tests;
