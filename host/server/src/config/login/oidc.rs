//! The identity providers at which persons log in (OpenID Connect).

use std::path::PathBuf;

use interlock_domain::TenantId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{ConfigError, is_safe};
use crate::issuers::jws::Algorithm;

/// Longest name of a provider: it stands in addresses.
const NAME_MAX: usize = 32;
/// The longest that a call to a provider may take: a login waits for it.
const TIMEOUT_MS_MAX: u64 = 30_000;
/// The most that the clocks may be apart: five minutes.
const LEEWAY_MS_MAX: u64 = 300_000;
/// What names somebody only for as long as nobody else gets it.
const CHANGING: [&str; 5] = ["email", "preferred_username", "upn", "name", "nickname"];

/// An identity provider at which the persons of one tenant log in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcProvider {
    /// What it is called in addresses: `/v1/login/oidc/NAME`. Lower case letters, digits and `-`.
    pub name: String,
    /// The tenant.
    #[schemars(with = "String")]
    pub tenant: TenantId,
    /// Its issuer, exactly as its tokens have it (`iss`): `https`, or `http` on this machine. Its discovery document is below it, at
    /// `/.well-known/openid-configuration`.
    pub issuer: String,
    /// Who this server is there.
    pub client_id: String,
    /// The environment variable with the client's secret.
    #[serde(default)]
    pub client_secret_env: String,
    /// Or the file with it; a line feed at its end is not part of it. Without either this server is a public client.
    #[serde(default)]
    pub client_secret_file: PathBuf,
    /// What it signs ID tokens with; never what a token says of itself.
    #[serde(default = "rs256")]
    pub algorithms: Vec<String>,
    /// What is asked for; `openid` is among it.
    #[serde(default = "openid")]
    pub scopes: Vec<String>,
    /// The claim that says who it is. An administrator links what stands there to an account: see `interlock account link`.
    #[serde(default = "subject")]
    pub account_claim: String,
    /// How well somebody must have proved who they are there: `acr` must be one of these, and they are asked for. Anything when
    /// empty.
    #[serde(default)]
    pub acr: Vec<String>,
    /// How far the provider's clock and this one may be apart, in milliseconds; at most five minutes.
    #[serde(default = "leeway")]
    pub leeway_ms: u64,
    /// How long a call to it may take, in milliseconds; at most 30 seconds. Also how soon it is tried again when it did not answer.
    #[serde(default = "timeout")]
    pub timeout_ms: u64,
    /// How long what it says of itself and its keys is good before it is fetched again, in milliseconds.
    #[serde(default = "refresh")]
    pub refresh_ms: u64,
    /// How soon its keys are fetched again because a token names one that is not among them, in milliseconds.
    #[serde(default = "refetch")]
    pub refetch_ms: u64,
}

fn rs256() -> Vec<String> {
    vec!["RS256".to_owned()]
}

fn openid() -> Vec<String> {
    vec!["openid".to_owned()]
}

fn subject() -> String {
    "sub".to_owned()
}

fn leeway() -> u64 {
    30_000
}

fn timeout() -> u64 {
    5_000
}

fn refresh() -> u64 {
    600_000
}

fn refetch() -> u64 {
    60_000
}

impl OidcProvider {
    /// What it signs with.
    pub(crate) fn pinned(&self) -> Result<Vec<Algorithm>, ConfigError> {
        let parsed = self.algorithms.iter().map(|name| name.parse().ok());
        // With a client's secret as key, whoever reads that could log in as anybody.
        let public = parsed.map(|found| found.filter(|algorithm| *algorithm != Algorithm::HS256));
        let all: Option<Vec<Algorithm>> = public.collect();
        all.filter(|all| !all.is_empty()).ok_or_else(|| {
            self.senseless(
                "`algorithms` names one or more of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
            )
        })
    }

    /// The client's secret, if it has one.
    pub(crate) fn secret(&self) -> Result<Option<String>, ConfigError> {
        let (env, file) = (&self.client_secret_env, &self.client_secret_file);
        let secret = match (env.is_empty(), file.as_os_str().is_empty()) {
            (true, true) => return Ok(None),
            (false, true) => {
                std::env::var(env).map_err(|_| self.senseless(&format!("there is no variable `{env}`")))?
            }
            (true, false) => std::fs::read_to_string(file)
                .map_err(|error| self.senseless(&format!("`{}`: {error}", file.display())))?,
            (false, false) => {
                return Err(self.senseless("name one of `client_secret_env` and `client_secret_file`"));
            }
        };
        let secret = secret.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(self.senseless("the client's secret is empty"));
        }
        Ok(Some(secret.to_owned()))
    }

    /// What makes no sense. Whoever logs in comes back to `public_url`.
    pub(super) fn check(&self, public_url: &str) -> Result<(), ConfigError> {
        let letters = self.name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if self.name.is_empty() || self.name.len() > NAME_MAX || !letters {
            return Err(self.senseless("`name` has 1 to 32 lower case letters, digits and `-`"));
        }
        if self.client_id.is_empty() {
            return Err(self.senseless("`client_id` is what the provider calls this server: name it"));
        }
        let query = reqwest::Url::parse(&self.issuer)
            .is_ok_and(|url| url.query().is_some() || url.fragment().is_some());
        if !is_safe(&self.issuer) || query {
            return Err(self.senseless(
                "`issuer` must be https without a query, or http on this machine (127.0.0.1, [::1])",
            ));
        }
        if !is_safe(public_url) {
            return Err(self.senseless(
                "whoever logs in there comes back to `server.public_url`: set it, to https or to this machine",
            ));
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return Err(self.senseless("`scopes` has `openid`, or no ID token comes"));
        }
        if self.account_claim.is_empty() || CHANGING.contains(&self.account_claim.as_str()) {
            return Err(self.senseless(
                "`account_claim` must name somebody for ever, as `sub` does: addresses and names change hands",
            ));
        }
        self.pinned()?;
        for (key, value, most) in [
            ("timeout_ms", self.timeout_ms, TIMEOUT_MS_MAX),
            ("refresh_ms", self.refresh_ms, u64::MAX),
            ("refetch_ms", self.refetch_ms, u64::MAX),
            ("leeway_ms", self.leeway_ms.max(1), LEEWAY_MS_MAX),
        ] {
            if value == 0 || value > most {
                return Err(self.senseless(&format!("`{key}` must be 1 to {most}")));
            }
        }
        Ok(())
    }

    pub(crate) fn senseless(&self, detail: &str) -> ConfigError {
        ConfigError::Senseless { key: "login.oidc", detail: format!("provider `{}`: {detail}", self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_at(public_url: &str, more: &str) -> Result<(), String> {
        let mut table: toml::Table = toml::from_str(
            "name = \"clinic\"\ntenant = \"mercy\"\nissuer = \"https://idp\"\nclient_id = \"interlock\"",
        )
        .unwrap();
        table.extend(toml::from_str::<toml::Table>(more).unwrap());
        let provider: OidcProvider = table.try_into().unwrap();
        provider.check(public_url).and(provider.secret().map(|_| ())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_provider_is_reached_safely_pinned_and_names_persons_for_ever() {
        for good in [
            "",
            "issuer = \"http://127.0.0.1:1\"",
            "algorithms = [\"ES256\"]\naccount_claim = \"oid\"",
            "timeout_ms = 30000\nleeway_ms = 0",
        ] {
            assert_eq!(check_at("https://gate.mercy.example", good), Ok(()), "{good}");
        }
        for (bad, said) in [
            ("name = \"\"", "`name`"),
            ("name = \"a/b\"", "`name`"),
            ("name = \"a23456789012345678901234567890123\"", "`name`"),
            ("client_id = \"\"", "`client_id`"),
            ("issuer = \"http://idp\"", "`issuer`"),
            ("issuer = \"https://idp?x\"", "`issuer`"),
            ("algorithms = []", "`algorithms`"),
            ("algorithms = [\"none\"]", "`algorithms`"),
            ("algorithms = [\"HS256\"]", "`algorithms`"),
            ("scopes = [\"email\"]", "`scopes`"),
            ("account_claim = \"email\"", "`account_claim`"),
            ("timeout_ms = 0", "`timeout_ms`"),
            ("timeout_ms = 30001", "`timeout_ms`"),
            ("leeway_ms = 300001", "`leeway_ms`"),
            ("client_secret_env = \"INTERLOCK_TEST_NO_SUCH\"", "no variable"),
            ("client_secret_env = \"A\"\nclient_secret_file = \"b\"", "name one"),
        ] {
            let error = check_at("https://gate.mercy.example", bad).unwrap_err();
            assert!(error.contains(said) && error.contains("login.oidc"), "{bad}: {error}");
        }
        for url in ["", "http://gate.mercy.example"] {
            assert!(check_at(url, "").unwrap_err().contains("server.public_url"), "{url}");
        }
    }
}
