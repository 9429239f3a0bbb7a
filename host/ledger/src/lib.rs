//! The ledger of Interlock: the append-only, Merkle-hashed record of everything, and the proof of it.
//!
//! Values in, values out: no network, no SQL, no clock. Formats are those of C2SP (tlog-tiles, checkpoints, signed
//! notes, tlog-proof), RFC 6962 and RFC 8785, so that other people's tools can check what we wrote.
//!
//! The way of an entry: an [`EntryDraft`] is signed by its [`Emitter`] and sealed at its place; its leaf hash is pushed onto
//! the [`Frontier`]; the root goes into a [`Checkpoint`] that the log signs; a [`Receipt`] proves the entry to whoever holds the
//! log's key; the [`Verifier`] reads it all again and says which entry is wrong.

pub mod canonical;
pub mod checkpoint;
pub mod copy;
mod digest;
pub mod entry;
pub mod keys;
pub mod note;
pub mod proof;
pub mod tile;
mod tiles;
pub mod tree;
pub mod verify;
pub mod witness;

pub use canonical::{CanonicalError, parse_strict, to_canonical};
pub use checkpoint::{Checkpoint, CheckpointError, OpenedCheckpoint};
pub use digest::{Digest, DigestError};
pub use entry::{Actor, Emitter, Entry, EntryDraft, EntryError, Object, PolicyRef, Sealed, SignedEntry};
pub use keys::{KeyError, KeyId, KeyKind, Keyring, SigningKey, VerifyingKey};
pub use note::{NoteError, SignedNote};
pub use proof::{Receipt, ReceiptError};
pub use tile::{Tile, TileError, TileKind};
pub use tiles::{MissingTile, Tiles};
pub use tree::{Frontier, Hash, HashSource, NodeId, ProofPlan, TreeError};
pub use verify::{
    Finding, FindingKind, Projection, Remembered, Report, RowChecker, StoredRow, Verdict, Verifier,
};
