//! Whose signed tokens count: the issuers of each tenant and their keys, fetched, kept and fetched again.
//!
//! **Invariant:** a key comes from where the configuration says, never from what a token says: `jku`, `x5u`, `jwk` and `x5c`
//! are not read, and `kid` is only compared.

pub(crate) mod jws;

use std::sync::Arc;

use interlock_domain::{Scope, TenantId, Timestamp, TokenRefusal, TokenRule, TokenSays};
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;
use tracing::{info, warn};

use self::jws::{Algorithm, Key, Token};
use crate::{
    ConfigError,
    config::{JwtIssuer, SECRET_BYTES_MIN},
    outside::Sources,
};

/// Largest set of keys.
const JWKS_BYTES_MAX: u64 = 256 << 10;
/// How long fetching it may take.
const JWKS_TIMEOUT_MS: u64 = 5_000;
/// Most keys of one set.
const KEYS_MAX: usize = 100;

/// The issuers.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    all: Vec<Issuer>,
}

/// One issuer in one tenant.
pub(crate) struct Issuer {
    pub(crate) config: JwtIssuer,
    rule: TokenRule,
    algorithms: Vec<Algorithm>,
    from: From,
    kept: Mutex<Kept>,
}

/// Where keys come from.
enum From {
    Secret(Key),
    File,
    Url(Url),
}

/// What was fetched, and when that was tried last.
#[derive(Default)]
struct Kept {
    keys: Arc<Vec<Named>>,
    fetched: Option<Timestamp>,
    tried: Option<Timestamp>,
}

/// A key, and what its issuer says of it.
struct Named {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    key: Key,
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
            Url::parse(&config.jwks_url).map_or(From::File, From::Url)
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
        Ok(Self { config: config.clone(), rule, algorithms, from, kept: Mutex::default() })
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
        let named: Option<Algorithm> = token.header.alg.parse().ok();
        let algorithm =
            named.filter(|named| self.algorithms.contains(named)).ok_or(JwtRefusal::OtherAlgorithm)?;
        if token.header.crit.is_some() {
            return Err(JwtRefusal::Critical);
        }
        let good = match &self.from {
            From::Secret(key) => token.is_signed_by(key, algorithm),
            From::File | From::Url(_) => {
                let id = token.header.kid.as_deref();
                let keys = self.keys(outside, id, algorithm, now).await?;
                let key = pick(&keys, id, algorithm).ok_or(JwtRefusal::UnknownKey)?;
                token.is_signed_by(key, algorithm)
            }
        };
        if !good {
            return Err(JwtRefusal::BadSignature);
        }
        Ok(self.rule.check(token.header.typ.as_deref(), &token.claims, now)?)
    }

    /// The keys, fetched again when they are old, or when the one that is asked for is not among them: that at most once in
    /// `refetch_ms`, whatever tokens say. What was fetched last stays while the issuer cannot be reached, for as long again.
    async fn keys(
        &self,
        outside: &Sources,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Arc<Vec<Named>>, JwtRefusal> {
        let mut kept = self.kept.lock().await;
        let since = |at: Option<Timestamp>| {
            at.map_or(u64::MAX, |at| u64::try_from(now.millis_since(at)).unwrap_or(0))
        };
        let age = since(kept.fetched);
        let wanted = age >= self.config.refresh_ms || pick(&kept.keys, id, algorithm).is_none();
        if wanted && since(kept.tried) >= self.config.refetch_ms.min(self.config.refresh_ms) {
            kept.tried = Some(now);
            match self.fetched(outside).await {
                Ok(keys) => {
                    info!(
                        issuer = self.config.issuer,
                        keys = keys.len(),
                        "the keys of an issuer were fetched"
                    );
                    kept.keys = Arc::new(keys);
                    kept.fetched = Some(now);
                }
                Err(reason) => {
                    warn!(issuer = self.config.issuer, reason, "the keys of an issuer cannot be fetched")
                }
            }
        }
        if since(kept.fetched) >= self.config.refresh_ms.saturating_mul(2) {
            return Err(JwtRefusal::NoKeys);
        }
        Ok(kept.keys.clone())
    }

    async fn fetched(&self, outside: &Sources) -> Result<Vec<Named>, String> {
        let bytes = match &self.from {
            From::Secret(_) => return Ok(Vec::new()),
            From::File => tokio::fs::read(&self.config.jwks_file).await.map_err(|error| error.to_string())?,
            From::Url(url) => outside.document(url.clone(), JWKS_BYTES_MAX, JWKS_TIMEOUT_MS).await?,
        };
        let set: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("there is no list `keys`")?;
        // A key of a kind that is not known here takes down no other.
        Ok(keys.iter().take(KEYS_MAX).filter_map(named).collect())
    }
}

/// A key that may verify: public, and meant for signatures.
fn named(jwk: &Value) -> Option<Named> {
    let word = |name: &str| jwk.get(name).and_then(Value::as_str);
    if word("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let algorithm = match word("alg") {
        Some(name) => Some(name.parse().ok()?),
        None => None,
    };
    Some(Named { id: word("kid").map(str::to_owned), algorithm, key: Key::of_jwk(jwk)? })
}

/// The key with this id; without an id, the only one that fits.
fn pick<'a>(keys: &'a [Named], id: Option<&str>, algorithm: Algorithm) -> Option<&'a Key> {
    let fits =
        |named: &&Named| named.key.fits(algorithm) && named.algorithm.is_none_or(|only| only == algorithm);
    let mut found = keys.iter().filter(fits).filter(|named| id.is_none() || named.id.as_deref() == id);
    match (found.next(), found.next()) {
        (Some(named), None) => Some(&named.key),
        _ => None,
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
