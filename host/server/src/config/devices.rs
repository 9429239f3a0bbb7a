//! The device protocol.

use std::collections::BTreeMap;

use interlock_domain::{Environment, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The device protocol.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Devices {
    /// How often a device should poll, in milliseconds; told to it in whole seconds.
    pub poll_ms: u64,
    /// The attribute in `configData` that carries the firmware version.
    pub version_attribute: String,
    /// The attribute in `configData` that carries the health.
    pub health_attribute: String,
    /// How long a device may take to restart into what it says it installed, in milliseconds. A client may say so before
    /// it restarts; an old version that is reported after this time is a failure.
    pub restart_ms: u64,
    /// SHA-256 (hexadecimal) of the gateway token of each tenant that has one.
    #[schemars(with = "BTreeMap<String, String>")]
    pub gateway_token_sha256: BTreeMap<TenantId, String>,
    /// The environment of devices that nobody registered and a gateway speaks for. No release should select it.
    #[schemars(with = "String")]
    pub gateway_environment: Environment,
    /// Largest feedback, configData or telemetry body in bytes.
    pub body_bytes_max: usize,
    /// How long telemetry is kept, in milliseconds.
    pub telemetry_keep_ms: u64,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            poll_ms: 300_000,
            version_attribute: "firmware_version".to_owned(),
            health_attribute: "health".to_owned(),
            restart_ms: 300_000,
            gateway_token_sha256: BTreeMap::new(),
            gateway_environment: unassigned(),
            body_bytes_max: 256 << 10,
            telemetry_keep_ms: 24 * 3_600_000,
        }
    }
}

#[expect(clippy::expect_used, reason = "this text is an environment name")]
fn unassigned() -> Environment {
    "unassigned".parse().expect("an environment name")
}
