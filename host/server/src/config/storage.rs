//! Where everything is kept: the database, the ledger, artifacts.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:PATH` or `postgres://…`; a file in the data folder when empty.
    pub url: String,
    /// Most connections.
    pub pool_max: u32,
    /// How long to wait for one, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How old one may get, in milliseconds.
    pub max_lifetime_ms: u64,
    /// Most commits in one transaction.
    pub batch_max: usize,
    /// How long the writer waits for more commits, in milliseconds.
    pub batch_wait_ms: u64,
    /// Most commits that wait; beyond it callers get 503.
    pub queue_max: usize,
}

/// The ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// What every log's name begins with.
    pub origin: String,
    /// The file with the signing key; made in the data folder when empty.
    pub key_file: PathBuf,
}

/// Artifacts.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Artifacts {
    /// Where the encrypted content is kept; a folder in the data folder when empty.
    pub dir: PathBuf,
    /// The folder with the public keys whose signatures count (`*.pem`) and, in the file `revoked`, the ids of those that no
    /// longer do; one folder for all tenants. What changes in it counts at once.
    pub trusted_keys_dir: PathBuf,
    /// The file with the key that wraps the artifacts' keys; made in the data folder when empty.
    pub wrapping_key_file: PathBuf,
    /// Largest artifact in bytes.
    pub size_bytes_max: u64,
    /// Plain bytes in one encrypted chunk.
    pub chunk_bytes: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: String::new(),
            pool_max: 20,
            acquire_timeout_ms: 30_000,
            max_lifetime_ms: 1_800_000,
            batch_max: 256,
            batch_wait_ms: 2,
            queue_max: 4_096,
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self { origin: "interlock.local/ledger".to_owned(), key_file: PathBuf::new() }
    }
}

impl Default for Artifacts {
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            trusted_keys_dir: PathBuf::new(),
            wrapping_key_file: PathBuf::new(),
            size_bytes_max: 4 << 30,
            chunk_bytes: 64 << 10,
        }
    }
}
