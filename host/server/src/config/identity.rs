//! How somebody proves who they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How somebody proves who they are.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Most keys of one account that work at the same time: two, so that a new one can be in place before the old one ends.
    pub keys_live_max: usize,
}

impl Default for Identity {
    fn default() -> Self {
        Self { keys_live_max: 2 }
    }
}
