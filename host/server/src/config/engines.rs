//! What other engines may ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gates that other engines ask: Flagger, Argo Rollouts, Kayenta, Kubernetes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Engines {
    /// The longest that a gate's token works, in milliseconds.
    pub token_life_ms_max: u64,
    /// Largest body of a question in bytes. Kubernetes sends an object before and after.
    pub body_bytes_max: usize,
    /// How long an answer may take, in milliseconds: less than the engines wait, which is 10 s by default. Afterwards the
    /// answer is no.
    pub timeout_ms: u64,
}

impl Default for Engines {
    fn default() -> Self {
        Self { token_life_ms_max: 90 * 24 * 3_600_000, body_bytes_max: 4 << 20, timeout_ms: 8_000 }
    }
}
