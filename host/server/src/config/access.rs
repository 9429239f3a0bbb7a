//! Requests for what the tenants' applications denied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Requests for access that a tenant's application denied, and the approvals that come of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// How long after a denial a request can be made of it, in milliseconds.
    pub offer_ms: u64,
    /// How long a request waits for an answer, in milliseconds.
    pub pending_ms: u64,
    /// How long an approval holds unless the request or the approver says otherwise, in milliseconds.
    pub approval_ms: u64,
    /// The longest that an approval may hold, in milliseconds.
    pub approval_ms_max: u64,
    /// Most requests of a tenant that wait at once.
    pub pending_max: u64,
    /// Most requests about one subject that wait at once.
    pub pending_of_subject_max: u64,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            offer_ms: 900_000,
            pending_ms: 72 * 3_600_000,
            approval_ms: 3_600_000,
            approval_ms_max: 24 * 3_600_000,
            pending_max: 1_000,
            pending_of_subject_max: 5,
        }
    }
}
