//! What came of verifying a signed statement: each reason apart, each with what to do.
//!
//! First the signature, over the exact bytes, then what they say: nothing of a statement is believed, or even
//! parsed, before its signature is sound.

mod diagnose;
mod trust;

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA512, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interlock_domain::{ArtifactStatement, SignatureFacts, SignatureOutcome, SignedStatement, Timestamp};
use interlock_ledger::{CanonicalError, Digest, parse_strict, to_canonical};
use thiserror::Error;

use self::trust::PublicKey;
pub use self::trust::{TrustError, TrustStore};
pub(crate) use self::trust::{key_id, read_trust_dir};

/// Keys below this are not accepted.
pub const RSA_BITS_MIN: u64 = 4096;
/// The salt of RSASSA-PSS: as long as a SHA-512 digest.
pub const SALT_BYTES: usize = 64;
/// The longest statement that is looked at.
pub const STATEMENT_BYTES_MAX: usize = 64 << 10;

/// What a statement should be about: what we hold, not what anybody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About<'a> {
    /// The artifact's name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// SHA-256 of the plain content.
    pub digest: Digest,
    /// Size of the plain content.
    pub size_bytes: u64,
}

/// Why a signed text is not a statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Longer than anybody needs.
    #[error("it has {found} bytes but at most {STATEMENT_BYTES_MAX} are read")]
    TooLong {
        /// Its size.
        found: usize,
    },
    /// Not JSON with one reading.
    #[error(transparent)]
    Json(#[from] CanonicalError),
    /// JSON, but spaced, ordered or escaped differently: two texts could then say one thing.
    #[error("it is not canonical JSON (RFC 8785)")]
    NotCanonical,
    /// Not the fields of a statement.
    #[error("its fields are not those of a statement: {reason}")]
    Fields {
        /// What the parser said.
        reason: String,
    },
    /// A version that this program does not know.
    #[error("it has `v` = {found} but only 1 is known")]
    Version {
        /// What it says.
        found: u32,
    },
}

/// Verifies what an artifact carries: a signed statement, or none.
#[must_use]
pub fn verify(
    signed: Option<&SignedStatement>,
    about: &About<'_>,
    trusted: &TrustStore,
    now: Timestamp,
) -> SignatureFacts {
    let Some(signed) = signed else {
        return SignatureFacts {
            outcome: SignatureOutcome::Missing,
            key_id: None,
            detail: "the artifact has no signature: sign its statement and push it again".to_owned(),
        };
    };
    let checked = check_signature(signed, trusted).and_then(|()| check_statement(signed, about, now));
    let (outcome, detail) = match checked {
        Ok(()) => (
            SignatureOutcome::Verified,
            format!("`{}` {} is signed by trusted key `{}`", about.name, about.version, signed.key_id),
        ),
        Err(refused) => refused,
    };
    SignatureFacts { outcome, key_id: Some(signed.key_id.clone()), detail }
}

/// The statement that a signed text holds. It proves nothing by itself: see [`verify`].
///
/// # Errors
/// When the text is not exactly the canonical JSON of a statement.
pub fn read_statement(signed: &SignedStatement) -> Result<ArtifactStatement, StatementError> {
    let text = signed.statement.as_bytes();
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(StatementError::TooLong { found: text.len() });
    }
    let value = parse_strict(text)?;
    if to_canonical(&value)? != text {
        return Err(StatementError::NotCanonical);
    }
    let statement: ArtifactStatement =
        serde_json::from_value(value).map_err(|e| StatementError::Fields { reason: e.to_string() })?;
    if statement.v != 1 {
        return Err(StatementError::Version { found: statement.v });
    }
    Ok(statement)
}

type Refused = (SignatureOutcome, String);

fn check_signature(signed: &SignedStatement, trusted: &TrustStore) -> Result<(), Refused> {
    let id = shown(&signed.key_id);
    if trusted.is_revoked(&signed.key_id) {
        return Err((
            SignatureOutcome::RevokedKey,
            format!("key `{id}` is revoked: have the artifact signed again with a trusted key"),
        ));
    }
    let Some(key) = trusted.get(&signed.key_id) else {
        return Err((
            SignatureOutcome::UnknownKey,
            format!(
                "no trusted key has id `{id}`: sign with a trusted key, or add this one to the trust store"
            ),
        ));
    };
    if key.bits() < RSA_BITS_MIN {
        return Err((
            SignatureOutcome::KeyTooSmall,
            format!(
                "key `{id}` has {} bits but at least {RSA_BITS_MIN} are asked for: sign with a larger key",
                key.bits()
            ),
        ));
    }
    let Ok(signature) = STANDARD.decode(&signed.signature) else {
        return Err((
            SignatureOutcome::BadSignature,
            "the signature is not base64: copy it again from where it was made".to_owned(),
        ));
    };
    let text = signed.statement.as_bytes();
    if text.len() <= STATEMENT_BYTES_MAX && is_sound(key, text, &signature) {
        return Ok(());
    }
    Err(refusal_of(key, text, &signature))
}

fn is_sound(key: &PublicKey, text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, &key.spki).verify(text, signature).is_ok()
}

/// Says why a signature that is not sound is not. Whatever this finds, the answer stays no.
fn refusal_of(key: &PublicKey, text: &[u8], signature: &[u8]) -> Refused {
    use diagnose::Made;
    if text.len() > STATEMENT_BYTES_MAX {
        let found = text.len();
        return malformed(&StatementError::TooLong { found });
    }
    match diagnose::how_made(key, text, signature) {
        Some(Made::Pkcs1v15 { hash }) => (
            SignatureOutcome::WrongPadding,
            format!("the signature is PKCS#1 v1.5 with {hash}: sign with RSASSA-PSS, SHA-512 and a salt of {SALT_BYTES} bytes"),
        ),
        Some(Made::Pss { hash: "SHA-512", salt_bytes }) => (
            SignatureOutcome::WrongSalt,
            format!("the signature has a salt of {salt_bytes} bytes: sign with a salt of {SALT_BYTES} bytes"),
        ),
        Some(Made::Pss { hash, salt_bytes }) => (
            SignatureOutcome::BadSignature,
            format!(
                "the signature is RSASSA-PSS with {hash} and a salt of {salt_bytes} bytes: sign with SHA-512 and a \
                 salt of {SALT_BYTES} bytes"
            ),
        ),
        None => (
            SignatureOutcome::BadSignature,
            "the signature is not by this key over this statement: do not use the artifact until its maker explains it"
                .to_owned(),
        ),
    }
}

fn check_statement(signed: &SignedStatement, about: &About<'_>, now: Timestamp) -> Result<(), Refused> {
    let statement = read_statement(signed).map_err(|e| malformed(&e))?;
    if (statement.name.as_str(), statement.version.as_str()) != (about.name, about.version) {
        return Err((
            SignatureOutcome::OtherArtifact,
            format!(
                "the statement is about `{}` {} and not about `{}` {}: push the statement that belongs to it",
                shown(&statement.name),
                shown(&statement.version),
                about.name,
                about.version
            ),
        ));
    }
    if statement.size_bytes != about.size_bytes {
        return Err((
            SignatureOutcome::SizeMismatch,
            format!(
                "the statement is about {} bytes but the content has {}: push the content that was signed",
                statement.size_bytes, about.size_bytes
            ),
        ));
    }
    if statement.digest != about.digest {
        return Err((
            SignatureOutcome::DigestMismatch,
            format!(
                "the statement is about content `{}` but the content is `{}`: push the content that was signed",
                statement.digest, about.digest
            ),
        ));
    }
    if let Some(from) = statement.not_before.filter(|from| now < *from) {
        return Err((
            SignatureOutcome::NotYetValid,
            format!("the statement is valid from {from}: wait until then"),
        ));
    }
    if let Some(until) = statement.expires_at.filter(|until| now > *until) {
        return Err((
            SignatureOutcome::Expired,
            format!("the statement was valid until {until}: have the artifact signed again"),
        ));
    }
    Ok(())
}

fn malformed(reason: &StatementError) -> Refused {
    (
        SignatureOutcome::MalformedStatement,
        format!("the signed text is not a statement, because {reason}: sign the canonical JSON of one"),
    )
}

/// A limit on what is echoed: the text comes from outside.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
