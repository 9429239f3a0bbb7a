//! How long delegations and emergencies last.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Approvals.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Approvals {
    /// The longest that a delegation may last, in milliseconds.
    pub delegation_ms_max: u64,
    /// How long the glass stays broken, in milliseconds: for the second person to come, and then for the change to proceed. One
    /// hour (3600000) at most.
    pub break_glass_ms: u64,
    /// How soon somebody has to review an incident, in milliseconds; until then `/ready` says how many wait, and after it that
    /// they are overdue.
    pub incident_review_ms: u64,
}

impl Approvals {
    /// The longest that the glass may stay broken.
    pub const BREAK_GLASS_MS_MAX: u64 = 3_600_000;
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            delegation_ms_max: 30 * 24 * 3_600_000,
            break_glass_ms: Self::BREAK_GLASS_MS_MAX,
            incident_review_ms: 24 * 3_600_000,
        }
    }
}
