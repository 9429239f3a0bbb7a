//! How answers to other programs' questions are recorded.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How answers to other programs' questions are recorded.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// Whether they are on this server's own disk before they are given, and come into the database by the file. Without it each
    /// is a transaction: slower by far, and right where a replica's disk does not outlive it.
    pub journal: bool,
    /// The folder of the journal; one in the data folder when empty. Replicas of one ledger on one machine may share it; one that holds
    /// the answers of another ledger is refused.
    pub dir: PathBuf,
    /// At which size a file goes to the database, in bytes.
    pub file_bytes_max: u64,
    /// After which time it does, in milliseconds.
    pub seal_after_ms: u64,
    /// Most bytes that are not in the database yet; beyond it questions get 503 until it has caught up.
    pub backlog_bytes_max: u64,
    /// Most files that are looked at for one part of a list of decisions; what is further back comes with the next part.
    pub segments_looked_at_max: usize,
    /// Whether each answer that lets somebody read is on record before they do, too. What is denied always is.
    pub reads: bool,
}

impl Default for Decisions {
    fn default() -> Self {
        Self {
            journal: true,
            dir: PathBuf::new(),
            file_bytes_max: 8 << 20,
            seal_after_ms: 1_000,
            backlog_bytes_max: 1 << 30,
            segments_looked_at_max: 20_000,
            reads: false,
        }
    }
}
