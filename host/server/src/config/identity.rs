//! How somebody proves who they are.

mod jwt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::jwt::JwtIssuer;
pub(crate) use self::jwt::{SECRET_BYTES_MIN, is_safe};
use super::ConfigError;
use crate::api;

/// The longest that a signed request may be good, and how far clocks may be apart, at most: five minutes.
const LIFE_MS_MAX: u64 = 300_000;
/// See [`LIFE_MS_MAX`].
pub(super) const SKEW_MS_MAX: u64 = 300_000;

/// How somebody proves who they are.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Most keys of one account that work at the same time: two, so that a new one can be in place before the old one ends.
    pub keys_live_max: usize,
    /// What must be signed (RFC 9421) whoever asks: methods and paths below the tenant as the API document has them, for example
    /// `POST /keys` or `POST /changes/{id}/approve`.
    pub signed_operations: Vec<String>,
    /// The longest that a signed request may be good, in milliseconds; at most five minutes.
    pub signature_life_ms_max: u64,
    /// How far the clocks of who signs and of this server may be apart, in milliseconds; at most five minutes.
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
        // A misspelt one would leave open what the operator believes is closed.
        if let Some(wrong) = self.signed_operations.iter().find(|text| !api::has_operation(text)) {
            let detail = format!(
                "there is no operation `{wrong}` below a tenant; write it as the API document (`/openapi.json`) does"
            );
            return Err(ConfigError::Senseless { key: "identity.signed_operations", detail });
        }
        if !(1_000..=LIFE_MS_MAX).contains(&self.signature_life_ms_max) {
            let detail =
                format!("must be 1000 to {LIFE_MS_MAX}: signatures count in seconds, and live for minutes");
            return Err(ConfigError::Senseless { key: "identity.signature_life_ms_max", detail });
        }
        if self.signature_skew_ms > SKEW_MS_MAX {
            let detail = format!("must be at most {SKEW_MS_MAX}; set the clocks right instead");
            return Err(ConfigError::Senseless { key: "identity.signature_skew_ms", detail });
        }
        self.jwt.iter().try_for_each(JwtIssuer::check)
    }
}

fn is_operation(text: &str) -> bool {
    let methods = ["POST", "PUT", "PATCH", "DELETE", "GET"];
    text.split_once(' ').is_some_and(|(method, path)| methods.contains(&method) && path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(alter: impl FnOnce(&mut Identity)) -> String {
        let mut identity = Identity::default();
        alter(&mut identity);
        identity.check().unwrap_err().to_string()
    }

    #[test]
    fn an_operation_that_is_misspelt_is_refused_because_it_would_protect_nothing() {
        let of = |text: &str| refused(|identity| identity.signed_operations = vec![text.to_owned()]);
        for wrong in
            ["POST /key", "PUT /keys", "post /keys", "POST /keys/", "POST /accounts/{account}/confirm"]
        {
            assert!(of(wrong).contains(&format!("`{wrong}`")), "{wrong}");
        }
        let right =
            ["POST /keys", "PUT /accounts/{id}/roles", "POST /changes/{id}/approve", "DELETE /keys/{id}"];
        let signed_operations = right.map(str::to_owned).to_vec();
        assert!(Identity { signed_operations, ..Identity::default() }.check().is_ok());
    }

    #[test]
    fn a_signed_request_lives_for_minutes_whatever_is_configured() {
        assert!(
            refused(|identity| identity.signature_life_ms_max = 300_001).contains("signature_life_ms_max")
        );
        assert!(refused(|identity| identity.signature_life_ms_max = 999).contains("signature_life_ms_max"));
        assert!(refused(|identity| identity.signature_skew_ms = 300_001).contains("signature_skew_ms"));
    }
}
