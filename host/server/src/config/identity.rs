//! How somebody proves who they are.

mod jwt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::jwt::JwtIssuer;
pub(crate) use self::jwt::{SECRET_BYTES_MIN, is_safe};
use super::ConfigError;

/// How somebody proves who they are.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Most keys of one account that work at the same time: two, so that a new one can be in place before the old one ends.
    pub keys_live_max: usize,
    /// What must be signed (RFC 9421) whoever asks: methods and paths below the tenant as the API document has them, for example
    /// `POST /keys` or `POST /changes/{id}/approve`.
    pub signed_operations: Vec<String>,
    /// The longest that a signed request may be good, in milliseconds.
    pub signature_life_ms_max: u64,
    /// How far the clocks of who signs and of this server may be apart, in milliseconds.
    pub signature_skew_ms: u64,
    /// The issuers whose signed access tokens (JWT) prove who asks.
    pub jwt: Vec<JwtIssuer>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            keys_live_max: 2,
            signed_operations: Vec::new(),
            signature_life_ms_max: 300_000,
            signature_skew_ms: 30_000,
            jwt: Vec::new(),
        }
    }
}

impl Identity {
    /// What makes no sense.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(wrong) = self.signed_operations.iter().find(|text| !is_operation(text)) {
            let detail = format!(
                "`{wrong}` is no operation; write `POST /keys`, `PUT /accounts/{{id}}/roles` and the like"
            );
            return Err(ConfigError::Senseless { key: "identity.signed_operations", detail });
        }
        if self.signature_life_ms_max < 1_000 {
            let detail = "must be at least 1000: signatures count in seconds".to_owned();
            return Err(ConfigError::Senseless { key: "identity.signature_life_ms_max", detail });
        }
        self.jwt.iter().try_for_each(JwtIssuer::check)
    }
}

fn is_operation(text: &str) -> bool {
    let methods = ["POST", "PUT", "PATCH", "DELETE", "GET"];
    text.split_once(' ').is_some_and(|(method, path)| methods.contains(&method) && path.starts_with('/'))
}
