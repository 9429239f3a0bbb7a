//! Whose signed tokens count: the issuers of each tenant and their keys, fetched, kept and fetched again.
//!
//! **Invariant:** a key comes from where the configuration says, never from what a token says: `jku`, `x5u`, `jwk` and `x5c`
//! are not read, and `kid` is only compared.

pub(crate) mod jws;
mod keyring;
pub(crate) mod oidc;

use std::sync::{Arc, Mutex, PoisonError};

use futures::{FutureExt as _, future::BoxFuture};
use interlock_domain::{Scope, TenantId, Timestamp, TokenRefusal, TokenRule, TokenSays};
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::{
    sync::{Mutex as Turns, OwnedMutexGuard},
    task::JoinHandle,
};
use tracing::{info, warn};

use self::{
    jws::{Key, Token},
    keyring::{From, Kept, Keyring},
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
    algorithms: Vec<Algorithm>,
    from: From,
    kept: Arc<Kept>,
}

/// Where keys come from.
enum From {
    Secret(Key),
    File,
    Url(Url),
}

/// What is kept of an issuer, and whose turn it is to fetch it again.
#[derive(Default)]
struct Kept {
    fetched: Mutex<Fetched>,
    turns: Arc<Turns<()>>,
}

/// What was fetched, and when that was tried last.
#[derive(Clone, Default)]
struct Fetched {
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
            kept: Mutex::new(Kept::default()),
        };
        Ok(Self { config: config.clone(), rule, keys })
        Ok(Self { config: config.clone(), rule, algorithms, from, kept: Arc::default() })
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

    /// The keys, fetched again when they are old, or when the one that is asked for is not among them: that at most once in
    /// `refetch_ms`, whatever tokens say. What was fetched last stays while the issuer cannot be reached, for as long again; while
    /// one request has it fetched, others whose key is at hand do not wait.
    async fn keys(
        &self,
        outside: &Sources,
        id: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Arc<Vec<Named>>, JwtRefusal> {
        let before = self.kept.now();
        if self.wants(&before, id, algorithm, now) {
            let at_hand = pick(&before.keys, id, algorithm).is_some() && self.counts(&before, now);
            match self.kept.turns.clone().try_lock_owned() {
                // Not left off when whoever asked hangs up: then nobody would have the keys, and nobody would try for a while.
                Ok(turn) if self.wants(&self.kept.now(), id, algorithm, now) => {
                    let _ = self.fetch(outside, turn, now).await;
                }
                Ok(_) => {}
                Err(_) if at_hand => {}
                Err(_) => drop(self.kept.turns.lock().await),
            }
        }
        let fetched = self.kept.now();
        if self.counts(&fetched, now) { Ok(fetched.keys) } else { Err(JwtRefusal::NoKeys) }
    }

    /// Whether what was fetched is old or lacks this key, and it is time to try again.
    fn wants(&self, fetched: &Fetched, id: Option<&str>, algorithm: Algorithm, now: Timestamp) -> bool {
        let old = self.age(fetched, now) >= self.config.refresh_ms;
        let soonest = self.config.refetch_ms.min(self.config.refresh_ms);
        let tried = fetched.tried.map(|at| u64::try_from(now.millis_since(at)));
        // A clock that was set back does not keep anybody from trying.
        let due = !matches!(tried, Some(Ok(ago)) if ago < soonest);
        due && (old || pick(&fetched.keys, id, algorithm).is_none())
    }

    /// Whether what was fetched still counts.
    fn counts(&self, fetched: &Fetched, now: Timestamp) -> bool {
        self.age(fetched, now) < self.config.refresh_ms.saturating_mul(2)
    }

    /// How old it is. What seems to come from the future, because a clock was set back, is due.
    fn age(&self, fetched: &Fetched, now: Timestamp) -> u64 {
        let age = |at| u64::try_from(now.millis_since(at)).unwrap_or(self.config.refresh_ms);
        fetched.fetched.map_or(u64::MAX, age)
    }

    /// Fetches the keys in a task of its own.
    fn fetch(&self, outside: &Sources, turn: OwnedMutexGuard<()>, now: Timestamp) -> JoinHandle<()> {
        self.kept.alter(|kept| kept.tried = Some(now));
        let document: BoxFuture<'static, Result<Vec<u8>, String>> = match &self.from {
            From::Secret(_) => async { Ok(Vec::new()) }.boxed(),
            From::File => {
                let file = self.config.jwks_file.clone();
                async move { tokio::fs::read(file).await.map_err(|error| error.to_string()) }.boxed()
            }
            From::Url(url) => outside.document(url.clone(), JWKS_BYTES_MAX, JWKS_TIMEOUT_MS).boxed(),
        };
        let (kept, issuer) = (self.kept.clone(), self.config.issuer.clone());
        tokio::spawn(async move {
            let _turn = turn;
            match document.await.and_then(|bytes| published(&bytes)) {
                Ok(keys) => {
                    info!(issuer, keys = keys.len(), "the keys of an issuer were fetched");
                    kept.alter(|kept| (kept.keys, kept.fetched) = (Arc::new(keys), Some(now)));
                }
                Err(reason) => warn!(issuer, reason, "the keys of an issuer cannot be fetched"),
            }
        })
    }
}

impl Kept {
    fn now(&self) -> Fetched {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn alter(&self, alter: impl FnOnce(&mut Fetched)) {
        alter(&mut self.fetched.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The keys in a set (JWKS) that may verify. A key of a kind that is not known here takes down no other.
fn published(bytes: &[u8]) -> Result<Vec<Named>, String> {
    let set: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or("there is no list `keys`")?;
    Ok(keys.iter().take(KEYS_MAX).filter_map(named).collect())
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
