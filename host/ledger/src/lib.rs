//! The ledger of Interlock: the append-only, Merkle-hashed record of everything, and the proof of it.
//!
//! Values in, values out: no network, no SQL, no clock. Formats are those of C2SP (tlog-tiles, checkpoints, signed
//! notes, tlog-proof), RFC 6962 and RFC 8785, so that other people's tools can check what we wrote.

pub mod canonical;
mod digest;

pub use canonical::{CanonicalError, parse_strict, to_canonical};
pub use digest::{Digest, DigestError};
