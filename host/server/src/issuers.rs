//! Whose signed tokens count: the issuers of each tenant and their keys, fetched, kept and fetched again.
//!
//! **Invariant:** a key comes from where the configuration says, never from what a token says: `jku`, `x5u`, `jwk` and `x5c`
//! are not read, and `kid` is only compared.

pub(crate) mod jws;
mod keyring;
pub(crate) mod oidc;

use std::sync::Arc;

use interlock_domain::{Scope, TenantId, Timestamp, TokenRefusal, TokenRule, TokenSays};
use reqwest::Url;
use serde_json::Value;

use self::{
    jws::{Key, Token},
    keyring::{From, Keyring},
};
use crate::{
    ConfigError,
    config::{JwtIssuer, SECRET_BYTES_MIN},
    outside::Sources,
};

/// The issuers.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    all: Vec<Issuer>,
}

/// One issuer in one tenant.
pub(crate) struct Issuer {
    pub(crate) config: JwtIssuer,
    rule: TokenRule,
    keys: Keyring,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtRefusal {
    /// It is no such thing.
    #[error("the token cannot be read")]
    Unreadable,
    /// Nobody configured its issuer for this tenant.
    #[error("the token is of no issuer that this tenant knows")]
    UnknownIssuer,
    /// It is signed otherwise than the issuer signs.
    #[error("the token is signed with another algorithm than those of its issuer")]
    OtherAlgorithm,
    /// It asks for something that is not understood.
    #[error("the token has `crit` in its header, which nothing here understands")]
    Critical,
    /// No key of the issuer has this id.
    #[error("the token is signed with a key that its issuer does not publish")]
    UnknownKey,
    /// The issuer's keys are not at hand.
    #[error("the keys of the issuer cannot be fetched just now")]
    NoKeys,
    /// The signature does not fit.
    #[error("the signature of the token does not fit")]
    BadSignature,
    /// It says what it should not.
    #[error(transparent)]
    Claims(#[from] TokenRefusal),
}

impl Issuers {
    /// Reads secrets and checks what is configured. Public keys are fetched when the first token comes.
    pub(crate) fn open(configured: &[JwtIssuer]) -> Result<Self, ConfigError> {
        let all: Vec<Issuer> = configured.iter().map(Issuer::open).collect::<Result<_, _>>()?;
        for (at, issuer) in all.iter().enumerate() {
            let same = |other: &&Issuer| {
                (&other.config.tenant, &other.config.issuer) == (&issuer.config.tenant, &issuer.config.issuer)
            };
            if all[..at].iter().any(|other| same(&other)) {
                return Err(issuer.config.senseless("it stands there twice"));
            }
        }
        Ok(Self { all })
    }

    /// What the issuers of a tenant are called.
    pub(crate) fn of_tenant(&self, tenant: &TenantId) -> impl Iterator<Item = &str> {
        let ours = self.all.iter().filter(move |issuer| issuer.config.tenant == *tenant);
        ours.map(|issuer| issuer.config.issuer.as_str())
    }

    /// The tenants that have the issuer of this token, as the token says; nothing is believed yet.
    pub(crate) fn tenants_of(&self, token: &Token<'_>) -> impl Iterator<Item = &TenantId> {
        let said = token.claims.get("iss").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.all.iter().filter(move |issuer| issuer.config.issuer == said).map(|issuer| &issuer.config.tenant)
    }

    /// The issuer of a token, as the token says; nothing is believed yet.
    pub(crate) fn of(&self, tenant: &TenantId, token: &Token<'_>) -> Result<&Issuer, JwtRefusal> {
        let said = token.claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        let ours = |issuer: &&Issuer| issuer.config.tenant == *tenant && issuer.config.issuer == said;
        self.all.iter().find(ours).ok_or(JwtRefusal::UnknownIssuer)
    }
}

impl Issuer {
    fn open(config: &JwtIssuer) -> Result<Self, ConfigError> {
        let algorithms = config.pinned()?;
        let from = if config.has_secret() {
            From::Secret(secret(config)?)
        } else {
            Url::parse(&config.jwks_url).map_or_else(|_| From::File(config.jwks_file.clone()), From::Url)
        };
        let millis = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let rule = TokenRule {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            types: config.types.iter().map(|kind| kind.to_ascii_lowercase()).collect(),
            account_claim: config.account_claim.clone(),
            groups_claim: (!config.roles.is_empty()).then(|| config.groups_claim.clone()),
            leeway_ms: millis(config.leeway_ms),
            lifetime_ms_max: millis(config.lifetime_ms_max),
        };
        let keys = Keyring {
            issuer: config.issuer.clone(),
            algorithms,
            from,
            refresh_ms: config.refresh_ms,
            refetch_ms: config.refetch_ms,
            kept: Arc::default(),
        };
        Ok(Self { config: config.clone(), rule, keys })
    }

    /// What a token may be used for.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        self.config.scopes.clone()
    }

    /// What a token says, when it is good.
    pub(crate) async fn read(
        &self,
        outside: &Sources,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<TokenSays, JwtRefusal> {
        self.keys.verify(outside, token, now).await?;
        Ok(self.rule.check(token.header.typ.as_deref(), &token.claims, now)?)
    }
}

fn secret(config: &JwtIssuer) -> Result<Key, ConfigError> {
    let secret = if config.secret_env.is_empty() {
        let unreadable = |error| config.senseless(&format!("`{}`: {error}", config.secret_file.display()));
        std::fs::read_to_string(&config.secret_file).map_err(unreadable)?
    } else {
        std::env::var(&config.secret_env)
            .map_err(|_| config.senseless(&format!("there is no variable `{}`", config.secret_env)))?
    };
    let secret = secret.trim_end_matches(['\r', '\n']);
    // Whoever has the public key could make tokens.
    if secret.contains("-----BEGIN") || secret.trim_start().starts_with('{') {
        return Err(config.senseless(
            "the secret is a key or a certificate; HS256 takes random bytes that nobody else has",
        ));
    }
    if secret.len() < SECRET_BYTES_MIN {
        return Err(config.senseless(&format!("the secret has fewer than {SECRET_BYTES_MIN} bytes")));
    }
    Ok(Key::secret(secret.as_bytes()))
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("config", &self.config).finish_non_exhaustive()
    }
}
