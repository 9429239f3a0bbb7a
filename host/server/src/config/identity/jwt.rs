//! The issuers whose signed tokens (JWT) prove who asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use interlock_domain::{Role, TenantId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{super::ConfigError, SKEW_MS_MAX};
use crate::issuers::jws::Algorithm;

/// Shortest secret of HS256, in bytes: as many as its hash has (RFC 7518, 3.2).
pub(crate) const SECRET_BYTES_MIN: usize = 32;

/// An issuer whose signed access tokens (JWT) prove who asks in one tenant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtIssuer {
    /// The tenant.
    #[schemars(with = "String")]
    pub tenant: TenantId,
    /// `iss`, exactly as it stands in the tokens.
    pub issuer: String,
    /// A token must be for one of these: `aud`.
    pub audience: Vec<String>,
    /// What it signs with: `RS256`, `PS256`, `ES256`, `ES384`, `EdDSA` and their like; or `HS256` alone, with a secret. Never
    /// what a token says of itself.
    pub algorithms: Vec<String>,
    /// Where its public keys are (JWKS): `https`, or `http` on this machine.
    #[serde(default)]
    pub jwks_url: String,
    /// Or the file that they are in.
    #[serde(default)]
    pub jwks_file: PathBuf,
    /// Or, for `HS256`, the environment variable with the secret: at least 32 bytes.
    #[serde(default)]
    pub secret_env: String,
    /// Or the file with the secret; a line feed at its end is not part of it.
    #[serde(default)]
    pub secret_file: PathBuf,
    /// What `typ` may be in a token's header. `at+jwt` is an access token (RFC 9068); add `jwt` for issuers that do not say so.
    /// What is marked as an ID token is refused whatever stands here.
    #[serde(default = "access_tokens")]
    pub types: Vec<String>,
    /// The claim that says whose the token is. An administrator links what stands there to an account: see `interlock account
    /// link`.
    #[serde(default = "subject")]
    pub account_claim: String,
    /// The claim with the groups of whoever it is; read when `roles` is set.
    #[serde(default = "groups")]
    pub groups_claim: String,
    /// The roles of each group. When it is set, whoever comes with a token has the roles of their groups, and of those that
    /// take two administrators only what their account holds too. Without it they have those of their account.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub roles: BTreeMap<String, BTreeSet<Role>>,
    /// What a token may be used for: `read`, `write`, `admin`.
    #[serde(default = "read_and_write")]
    #[schemars(with = "Vec<String>")]
    pub scopes: Vec<interlock_domain::Scope>,
    /// How far the issuer's clock and this one may be apart, in milliseconds; at most five minutes.
    #[serde(default = "leeway")]
    pub leeway_ms: u64,
    /// The longest that a token may live, in milliseconds.
    #[serde(default = "lifetime")]
    pub lifetime_ms_max: u64,
    /// How long its keys are good before they are fetched again, in milliseconds. Also how long a key that it withdrew may
    /// still count.
    #[serde(default = "refresh")]
    pub refresh_ms: u64,
    /// How soon its keys are fetched again because a token names one that is not among them, in milliseconds.
    #[serde(default = "refetch")]
    pub refetch_ms: u64,
}

fn access_tokens() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}

fn subject() -> String {
    "sub".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

fn read_and_write() -> Vec<interlock_domain::Scope> {
    vec![interlock_domain::Scope::Read, interlock_domain::Scope::Write]
}

fn leeway() -> u64 {
    30_000
}

fn lifetime() -> u64 {
    24 * 3_600_000
}

fn refresh() -> u64 {
    600_000
}

fn refetch() -> u64 {
    60_000
}

impl JwtIssuer {
    /// What it signs with.
    pub(crate) fn pinned(&self) -> Result<Vec<Algorithm>, ConfigError> {
        let algorithms: Result<Vec<Algorithm>, _> = self.algorithms.iter().map(|name| name.parse()).collect();
        algorithms.map_err(|_| {
            self.senseless(
                "`algorithms` takes RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA or HS256",
            )
        })
    }

    /// What makes no sense.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.issuer.is_empty() || self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Err(
                self.senseless("`issuer` and `audience` say whose tokens count, and which: name both")
            );
        }
        let algorithms = self.pinned()?;
        if algorithms.is_empty() {
            return Err(self.senseless("`algorithms` names at least one"));
        }
        let symmetric = |algorithm: &Algorithm| *algorithm == Algorithm::HS256;
        let sources = [
            !self.jwks_url.is_empty(),
            !self.jwks_file.as_os_str().is_empty(),
            !self.secret_env.is_empty(),
            !self.secret_file.as_os_str().is_empty(),
        ];
        if sources.iter().filter(|named| **named).count() != 1 {
            return Err(
                self.senseless("name exactly one of `jwks_url`, `jwks_file`, `secret_env` and `secret_file`")
            );
        }
        // A public key is known to everybody: whoever took it for a secret would take their tokens.
        let secret = self.has_secret();
        if secret != algorithms.iter().any(symmetric) || (secret && algorithms != [Algorithm::HS256]) {
            return Err(self.senseless(
                "a secret goes with `HS256` alone, and public keys with the other algorithms alone",
            ));
        }
        if !self.jwks_url.is_empty() && !is_safe(&self.jwks_url) {
            return Err(
                self.senseless("`jwks_url` must be https, or http on this machine (127.0.0.1, [::1])")
            );
        }
        if [self.lifetime_ms_max, self.refresh_ms, self.refetch_ms].contains(&0) {
            return Err(self.senseless("`lifetime_ms_max`, `refresh_ms` and `refetch_ms` must be at least 1"));
        }
        if self.leeway_ms > SKEW_MS_MAX {
            let detail = format!("`leeway_ms` is at most {SKEW_MS_MAX}; set the clocks right instead");
            return Err(self.senseless(&detail));
        }
        Ok(())
    }

    /// Whether it signs with a secret that this server has too.
    pub(crate) fn has_secret(&self) -> bool {
        !self.secret_env.is_empty() || !self.secret_file.as_os_str().is_empty()
    }

    pub(crate) fn senseless(&self, detail: &str) -> ConfigError {
        let detail = format!("issuer `{}` of `{}`: {detail}", self.issuer, self.tenant);
        ConfigError::Senseless { key: "identity.jwt", detail }
    }
}

/// Whether nobody on the way can put other keys in the place of those there.
pub(crate) fn is_safe(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &str) -> Result<(), String> {
        let text =
            format!("tenant = \"mercy\"\nissuer = \"https://idp\"\naudience = [\"interlock\"]\n{more}");
        toml::from_str::<JwtIssuer>(&text).unwrap().check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_signs_is_named_and_fits_where_the_keys_come_from() {
        let url = "jwks_url = \"https://idp/keys\"";
        for good in [
            format!("algorithms = [\"RS256\", \"ES256\"]\n{url}"),
            "algorithms = [\"EdDSA\"]\njwks_file = \"/etc/keys\"".to_owned(),
            "algorithms = [\"HS256\"]\nsecret_env = \"SECRET\"".to_owned(),
            "algorithms = [\"RS256\"]\njwks_url = \"http://127.0.0.1:1/keys\"".to_owned(),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        for (bad, said) in [
            (format!("algorithms = []\n{url}"), "at least one"),
            (format!("algorithms = [\"none\"]\n{url}"), "`algorithms` takes"),
            (format!("algorithms = [\"HS256\"]\n{url}"), "HS256` alone"),
            (format!("algorithms = [\"RS256\", \"HS256\"]\n{url}"), "HS256` alone"),
            ("algorithms = [\"RS256\"]\nsecret_env = \"SECRET\"".to_owned(), "HS256` alone"),
            ("algorithms = [\"RS256\"]".to_owned(), "exactly one"),
            (format!("algorithms = [\"RS256\"]\n{url}\njwks_file = \"/etc/keys\""), "exactly one"),
            ("algorithms = [\"RS256\"]\njwks_url = \"http://idp/keys\"".to_owned(), "must be https"),
            (format!("algorithms = [\"RS256\"]\n{url}\nrefetch_ms = 0"), "at least 1"),
            (format!("algorithms = [\"RS256\"]\n{url}\nleeway_ms = 300001"), "at most 300000"),
        ] {
            let error = check(&bad).unwrap_err();
            assert!(error.contains(said) && error.contains("`mercy`"), "{bad}: {error}");
        }
    }
}
