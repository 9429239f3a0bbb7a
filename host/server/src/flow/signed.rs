//! Requests that are signed with a key whose public half somebody registered (RFC 9421).

use std::{net::IpAddr, sync::Arc};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{Actor, KeyId, PublicKey, Scope, SigningAlgorithm, Timestamp};

use super::{
    key::{self, KeyRefusal},
    owner,
};
use crate::{App, FlowError, keys::KnownKey, message::Signed};

/// Largest public key, in bytes of PEM.
const PEM_MAX: usize = 8 << 10;

/// Why a signed request is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignedRefusal {
    /// Of the key.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// It says that it was made with something else than its key signs with.
    #[error("the signature says another `alg` than that of its key")]
    OtherAlgorithm,
    /// It was sent before.
    #[error("this signed request was sent before: each needs a `nonce` of its own")]
    Replayed,
}

/// A key, and whose it is.
pub(crate) type Held = Arc<KnownKey>;

/// The key that signed this text. Nothing is used up yet: the body may still be another.
pub(crate) async fn holder(
    app: &App,
    signed: &Signed,
    base: &str,
    from: Option<IpAddr>,
) -> Result<Result<Held, SignedRefusal>, FlowError> {
    let unknown = || Ok(Err(KeyRefusal::Unknown.into()));
    let Ok(id) = signed.key_id.parse::<KeyId>() else { return unknown() };
    let now = app.clock.now();
    let Some(known) = key::look(app, &id, now).await? else { return unknown() };
    let KnownKey { credential, account, .. } = known.as_ref();
    let Some(public) = &credential.public_key else { return unknown() };
    if !verifies(public, base, &signed.signature) {
        return unknown();
    }
    // After the signature, so that only the key's holder learns why.
    if signed.algorithm.as_deref().is_some_and(|named| named != public.algorithm.as_str()) {
        return Ok(Err(SignedRefusal::OtherAlgorithm));
    }
    if let Err(refusal) = key::stands(credential, account, from, now) {
        return Ok(Err(refusal.into()));
    }
    if owner::is_gone(app, account).await? {
        return Ok(Err(KeyRefusal::Ownerless.into()));
    }
    Ok(Ok(known))
}

/// Uses up the number of what this key signed: who acts with it, and what it is for, when it was not sent before.
pub(crate) async fn once(
    app: &App,
    signed: &Signed,
    held: &Held,
) -> Result<Result<(Actor, Vec<Scope>), SignedRefusal>, FlowError> {
    let KnownKey { credential, account, .. } = held.as_ref();
    let now = app.clock.now();
    let skew = i64::try_from(app.config.identity.signature_skew_ms).unwrap_or(i64::MAX);
    let until = Timestamp::from_millis(signed.expires.saturating_mul(1_000)).plus_millis(skew);
    if !app.store.use_nonce(&credential.id, &signed.nonce, until).await? {
        return Ok(Err(SignedRefusal::Replayed));
    }
    key::note_use(app, credential, now).await;
    let auth = format!("signed:{}", credential.id);
    Ok(Ok((account.actor(auth), credential.scopes.clone())))
}

fn verifies(public: &PublicKey, base: &str, signature: &[u8]) -> bool {
    let Ok(spki) = STANDARD.decode(&public.spki) else { return false };
    UnparsedPublicKey::new(verification(public.algorithm), spki).verify(base.as_bytes(), signature).is_ok()
}

fn verification(algorithm: SigningAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SigningAlgorithm::Ed25519 => &ED25519,
        SigningAlgorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_FIXED,
        SigningAlgorithm::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
    }
}

/// The public key in a PEM text, with what it signs with: the one algorithm that such a key is for.
pub(crate) fn public_key(pem: &str) -> Result<PublicKey, FlowError> {
    let refuse = |detail: &str| FlowError::invalid("/public_key", detail);
    if pem.contains("PRIVATE KEY") {
        return Err(refuse(
            "this is a private key: keep it, and register `openssl pkey -in KEY.pem -pubout`",
        ));
    }
    let inside = pem
        .split_once("-----BEGIN PUBLIC KEY-----")
        .and_then(|(_, rest)| rest.split_once("-----END PUBLIC KEY-----"))
        .filter(|_| pem.len() <= PEM_MAX);
    let (inside, _) = inside.ok_or_else(|| refuse("a public key is PEM: `-----BEGIN PUBLIC KEY-----`"))?;
    let spki: String = inside.split_ascii_whitespace().collect();
    let der = STANDARD.decode(&spki).map_err(|_| refuse("the public key is no base64"))?;
    let fits = |algorithm: &SigningAlgorithm| {
        let parsed = match algorithm {
            SigningAlgorithm::Ed25519 => ParsedPublicKey::new(&ED25519, &der),
            SigningAlgorithm::EcdsaP256Sha256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &der),
            SigningAlgorithm::RsaPssSha512 => ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, &der),
        };
        parsed.is_ok()
    };
    let algorithm = SigningAlgorithm::ALL.into_iter().find(fits);
    let algorithm =
        algorithm.ok_or_else(|| refuse("the key must be Ed25519, P-256, or RSA with 2048 to 8192 bits"))?;
    Ok(PublicKey { algorithm, spki })
}
