//! The public keys of an issuer: fetched, kept and fetched again.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{FutureExt as _, future::BoxFuture};
use interlock_domain::Timestamp;
use reqwest::Url;
use serde_json::Value;
use tokio::{
    sync::{Mutex as Turns, OwnedMutexGuard},
    task::JoinHandle,
};
use tracing::{info, warn};

use super::{
    JwtRefusal,
    jws::{Algorithm, Key, Token},
};
use crate::outside::Sources;

/// Largest set of keys.
const JWKS_BYTES_MAX: u64 = 256 << 10;
/// How long fetching it may take.
const JWKS_TIMEOUT_MS: u64 = 5_000;
/// Most keys of one set.
const KEYS_MAX: usize = 100;

/// Where keys come from.
pub(super) enum From {
    /// A secret that both have.
    Secret(Key),
    /// A file.
    File(PathBuf),
    /// An address.
    Url(Url),
}

/// The keys of an issuer, and what it signs with.
pub(super) struct Keyring {
    /// Its issuer, for the log.
    pub(super) issuer: String,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) from: From,
    /// How long keys are good.
    pub(super) refresh_ms: u64,
    /// How soon they are fetched again for one that is not among them.
    pub(super) refetch_ms: u64,
    pub(super) kept: Arc<Kept>,
}

/// What is kept of an issuer, and whose turn it is to fetch it again.
#[derive(Default)]
pub(super) struct Kept {
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

impl Keyring {
    /// Whether the issuer signed a token, and with which algorithm.
    pub(super) async fn verify(
        &self,
        outside: &Sources,
        token: &Token<'_>,
        now: Timestamp,
    ) -> Result<Algorithm, JwtRefusal> {
        let named: Option<Algorithm> = token.header.alg.parse().ok();
        let algorithm =
            named.filter(|named| self.algorithms.contains(named)).ok_or(JwtRefusal::OtherAlgorithm)?;
        if token.header.crit.is_some() {
            return Err(JwtRefusal::Critical);
        }
        let good = match &self.from {
            From::Secret(key) => token.is_signed_by(key, algorithm),
            From::File(_) | From::Url(_) => {
                let id = token.header.kid.as_deref();
                let keys = self.keys(outside, id, algorithm, now).await?;
                let key = pick(&keys, id, algorithm).ok_or(JwtRefusal::UnknownKey)?;
                token.is_signed_by(key, algorithm)
            }
        };
        if good { Ok(algorithm) } else { Err(JwtRefusal::BadSignature) }
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
        let old = self.age(fetched, now) >= self.refresh_ms;
        let soonest = self.refetch_ms.min(self.refresh_ms);
        let tried = fetched.tried.map(|at| u64::try_from(now.millis_since(at)));
        // A clock that was set back does not keep anybody from trying.
        let due = !matches!(tried, Some(Ok(ago)) if ago < soonest);
        due && (old || pick(&fetched.keys, id, algorithm).is_none())
    }

    /// Whether what was fetched still counts.
    fn counts(&self, fetched: &Fetched, now: Timestamp) -> bool {
        self.age(fetched, now) < self.refresh_ms.saturating_mul(2)
    }

    /// How old it is. What seems to come from the future, because a clock was set back, is due.
    fn age(&self, fetched: &Fetched, now: Timestamp) -> u64 {
        let age = |at| u64::try_from(now.millis_since(at)).unwrap_or(self.refresh_ms);
        fetched.fetched.map_or(u64::MAX, age)
    }

    /// Fetches the keys in a task of its own.
    fn fetch(&self, outside: &Sources, turn: OwnedMutexGuard<()>, now: Timestamp) -> JoinHandle<()> {
        self.kept.alter(|kept| kept.tried = Some(now));
        let document: BoxFuture<'static, Result<Vec<u8>, String>> = match &self.from {
            From::Secret(_) => async { Ok(Vec::new()) }.boxed(),
            From::File(file) => {
                let file = file.clone();
                async move { tokio::fs::read(file).await.map_err(|error| error.to_string()) }.boxed()
            }
            From::Url(url) => outside.document(url.clone(), JWKS_BYTES_MAX, JWKS_TIMEOUT_MS).boxed(),
        };
        let (kept, issuer) = (self.kept.clone(), self.issuer.clone());
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
