//! Advisories about packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Advisories about packages.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Advisories {
    /// Most packages that one record is about.
    pub packages_max: usize,
    /// Most bytes that one part of an import makes in the database: what is kept of its records, and the names of their
    /// packages.
    pub bytes_max: u64,
    /// How far ahead of this server's clock the times of a record may be, in milliseconds. A record that says it was altered
    /// later is refused: it would keep genuine ones out until then.
    pub skew_ms: u64,
}

impl Default for Advisories {
    fn default() -> Self {
        Self { packages_max: 1_000, bytes_max: 4 << 20, skew_ms: 300_000 }
    }
}
