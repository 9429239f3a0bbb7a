//! The public keys of an issuer: fetched, kept and fetched again.

use std::{path::PathBuf, sync::Arc};

use interlock_domain::Timestamp;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;
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
    pub(super) kept: Mutex<Kept>,
}

/// What was fetched, and when that was tried last.
#[derive(Default)]
pub(super) struct Kept {
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
        let wanted = age >= self.refresh_ms || pick(&kept.keys, id, algorithm).is_none();
        if wanted && since(kept.tried) >= self.refetch_ms.min(self.refresh_ms) {
            kept.tried = Some(now);
            match self.fetched(outside).await {
                Ok(keys) => {
                    info!(issuer = self.issuer, keys = keys.len(), "the keys of an issuer were fetched");
                    kept.keys = Arc::new(keys);
                    kept.fetched = Some(now);
                }
                Err(reason) => {
                    warn!(issuer = self.issuer, reason, "the keys of an issuer cannot be fetched")
                }
            }
        }
        if since(kept.fetched) >= self.refresh_ms.saturating_mul(2) {
            return Err(JwtRefusal::NoKeys);
        }
        Ok(kept.keys.clone())
    }

    async fn fetched(&self, outside: &Sources) -> Result<Vec<Named>, String> {
        let bytes = match &self.from {
            From::Secret(_) => return Ok(Vec::new()),
            From::File(file) => tokio::fs::read(file).await.map_err(|error| error.to_string())?,
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
