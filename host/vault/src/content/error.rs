//! What can go wrong with content.

use std::ops::Range;
use std::path::PathBuf;

use interlock_ledger::Digest;
use thiserror::Error;

use super::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};

/// Any error of somebody else.
pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Why content was not stored or cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VaultError {
    // What an uploader did. Nothing was stored.
    /// The content ended too early.
    #[error("the content ends after {found} bytes but {expected} were announced: upload it again")]
    CutShort {
        /// The announced size.
        expected: u64,
        /// The size received.
        found: u64,
    },
    /// The content went on too long.
    #[error("the content goes on after the {expected} bytes that were announced: announce its whole size")]
    LongerThanAnnounced {
        /// The announced size.
        expected: u64,
        /// The size received when it was refused.
        found: u64,
    },
    /// The content is larger than allowed.
    #[error(
        "the content has {found} bytes or more but at most {size_bytes_max} are allowed: make it smaller or raise the limit"
    )]
    TooLarge {
        /// The limit.
        size_bytes_max: u64,
        /// The size announced, or received when it was refused.
        found: u64,
    },
    /// The content is not what was announced, or not what was stored.
    #[error("the content is `{found}` but `{expected}` was announced: check the file and upload it again")]
    DigestMismatch {
        /// The announced digest.
        expected: Digest,
        /// The digest of what was received.
        found: Digest,
    },
    /// The sender broke off.
    #[error("the content broke off after {received_bytes} bytes: upload it again")]
    Interrupted {
        /// How much had come.
        received_bytes: u64,
        /// What the transport said.
        #[source]
        source: AnyError,
    },

    // What a reader asked.
    /// The range is not inside the content.
    #[error("bytes {} to {} were asked for but the content has {size_bytes}: ask for less", .range.start, .range.end)]
    RangeOutside {
        /// The range asked for.
        range: Range<u64>,
        /// The size of the content.
        size_bytes: u64,
    },

    // What happened to stored content.
    /// The object is gone.
    #[error("stored content `{digest}` is gone: restore it from a backup or push it again")]
    Absent {
        /// The content.
        digest: Digest,
    },
    /// The object is shorter or longer than what was written.
    #[error(
        "stored content `{digest}` has {found} bytes but {expected} were written: restore it from a backup"
    )]
    StoredSize {
        /// The content.
        digest: Digest,
        /// The size written, encrypted.
        expected: u64,
        /// The size found, encrypted.
        found: u64,
    },
    /// A chunk does not decrypt.
    #[error("chunk {chunk} of stored content `{digest}` was altered: restore it from a backup")]
    ChunkAltered {
        /// The content.
        digest: Digest,
        /// Counted from 0.
        chunk: u64,
    },
    /// A chunk is sound but belongs somewhere else.
    #[error(
        "chunk {chunk} of stored content `{digest}` is chunk {belongs_at} in the wrong place: restore it from a backup"
    )]
    ChunkOutOfPlace {
        /// The content.
        digest: Digest,
        /// Where it lies, counted from 0.
        chunk: u64,
        /// Where it belongs.
        belongs_at: u64,
    },
    /// The record of how content was sealed does not open, or is about other content.
    #[error("the seal of stored content `{digest}` was altered: restore its record from a backup")]
    SealAltered {
        /// The content.
        digest: Digest,
    },
    /// The record of how content was sealed is of a kind that this program does not read.
    #[error(
        "the seal of stored content `{digest}` cannot be read, because {reason}: use the version that wrote it"
    )]
    SealUnknown {
        /// The content.
        digest: Digest,
        /// What is unknown.
        reason: String,
    },
    /// The key that wrapped the data key is not there.
    #[error(
        "stored content `{digest}` was sealed under key `{key_id}`, which is not loaded: add it as an older key"
    )]
    KekUnknown {
        /// The content.
        digest: Digest,
        /// The key-encryption key.
        key_id: String,
    },

    // What the machine did.
    /// The object store failed.
    #[error("cannot {action} content in the object store")]
    Storage {
        /// What was tried.
        action: &'static str,
        /// What the store said.
        #[source]
        source: object_store::Error,
    },
    /// The directory of a local store.
    #[error("cannot use `{path}` as an object store: give a directory that may be written")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: AnyError,
    },
    /// A chunk size that cannot be used.
    #[error("chunks of {found} bytes cannot be used: choose from {CHUNK_BYTES_MIN} to {CHUNK_BYTES_MAX}")]
    ChunkBytes {
        /// The size asked for.
        found: u32,
    },
    /// The crypto library refused what it never refuses.
    #[error("cannot encrypt content: try again, and check the machine's randomness when it stays")]
    Encryption,
}
