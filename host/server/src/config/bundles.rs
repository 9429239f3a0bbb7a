//! How large a bundle or an application may be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How large the bundle of the server's folder, one that is proposed, and a tenant's application may be. What was in force once
/// is read again whatever these say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BundleLimits {
    /// Most files.
    pub files_max: usize,
    /// Most bytes in one file.
    pub file_bytes_max: usize,
    /// Most bytes in all files.
    pub bundle_bytes_max: usize,
    /// Most bytes in one path.
    pub path_bytes_max: usize,
    /// Most policies in all files.
    pub policies_max: usize,
}

impl Default for BundleLimits {
    fn default() -> Self {
        let limits = interlock_policy::Limits::default();
        Self {
            files_max: limits.files_max,
            file_bytes_max: limits.file_bytes_max,
            bundle_bytes_max: limits.bundle_bytes_max,
            path_bytes_max: limits.path_bytes_max,
            policies_max: limits.policies_max,
        }
    }
}

impl From<&BundleLimits> for interlock_policy::Limits {
    fn from(limits: &BundleLimits) -> Self {
        Self {
            files_max: limits.files_max,
            file_bytes_max: limits.file_bytes_max,
            bundle_bytes_max: limits.bundle_bytes_max,
            path_bytes_max: limits.path_bytes_max,
            policies_max: limits.policies_max,
        }
    }
}
