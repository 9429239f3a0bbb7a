//! Electronic signatures: the envelope that the server puts around a record, and whether one is sound, without any server.
//!
//! **Invariant:** an envelope is sound only for the record that it names: copied to another one, its id or its digest differs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interlock_domain::{ChangeId, SignatureBinding, SignatureRecord};
use interlock_ledger::{CanonicalError, Digest, SigningKey, VerifyingKey, parse_strict, to_canonical};
use serde::Serialize;
use thiserror::Error;

use crate::envelope::{Envelope, EnvelopeError, Signature};
use crate::login::passkey::{self, Assertion, PasskeyError, RelyingParty};

/// What an envelope around a signature record holds.
pub const ESIG_PAYLOAD_TYPE: &str = "application/vnd.interlock.esig.v1+json";

/// Why a signature does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EsigError {
    /// No envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// An envelope about something else.
    #[error("the envelope holds `{found}` and no electronic signature")]
    PayloadType {
        /// What it says.
        found: String,
    },
    /// The record cannot be read.
    #[error("the signature record cannot be read: {reason}")]
    Record {
        /// What is wrong with it.
        reason: String,
    },
    /// Another key, or altered since.
    #[error("the server's signature does not fit: the record was altered, or another server made it")]
    Altered,
    /// Another record.
    #[error("it signs {what} `{signed}` and not `{given}`: it was copied from another record")]
    OtherRecord {
        /// `change`, or `the manifest`.
        what: &'static str,
        /// What was signed.
        signed: String,
        /// What it was given for.
        given: String,
    },
    /// The passkey's own signature.
    #[error("the signer's passkey did not sign this: {0}")]
    Passkey(#[from] PasskeyError),
    /// Bound by a passkey, and there is none.
    #[error("the record says that a passkey signed it and holds no such signature")]
    NoPasskey,
    /// It has no canonical form.
    #[error("the record cannot be signed")]
    Canonical(#[from] CanonicalError),
}

/// Puts the server's signature around a record.
///
/// # Errors
/// When the record has no canonical form.
pub fn seal(record: &SignatureRecord, key: &SigningKey) -> Result<String, EsigError> {
    Ok(sealed(record, ESIG_PAYLOAD_TYPE, key)?)
}

/// Puts the server's signature around anything that it says: a DSSE envelope of this payload type, as JSON text.
///
/// # Errors
/// When it has no canonical form.
pub fn sealed<T: Serialize>(said: &T, payload_type: &str, key: &SigningKey) -> Result<String, EnvelopeError> {
    let mut envelope = Envelope {
        payload: STANDARD.encode(to_canonical(said)?),
        payload_type: payload_type.to_owned(),
        signatures: Vec::new(),
    };
    let sig = STANDARD.encode(key.sign(&envelope.signed_bytes()?));
    envelope.signatures.push(Signature { keyid: key.verifying_key().label(), sig });
    Ok(String::from_utf8_lossy(&envelope.to_json()?).into_owned())
}

/// What an envelope of this payload type says, when this key signed it.
///
/// # Errors
/// When it is altered, by another key, or about something else.
pub fn said(envelope: &[u8], payload_type: &str, key: &VerifyingKey) -> Result<Vec<u8>, EsigError> {
    let envelope = Envelope::from_json(envelope)?;
    if envelope.payload_type != payload_type {
        return Err(EsigError::PayloadType { found: envelope.payload_type.chars().take(80).collect() });
    }
    let signed = envelope.signed_bytes()?;
    let fits = |signature: &Signature| {
        STANDARD.decode(&signature.sig).is_ok_and(|bytes| key.verifies(&signed, &bytes))
    };
    if !envelope.signatures.iter().any(fits) {
        return Err(EsigError::Altered);
    }
    Ok(envelope.payload_bytes()?)
}

/// The record in an envelope, when the server signed it, when it is about this change with this manifest, and when a passkey
/// that it names signed it too.
///
/// # Errors
/// When any of that does not hold.
pub fn verify(
    envelope: &[u8],
    key: &VerifyingKey,
    change: &ChangeId,
    manifest: &Digest,
) -> Result<SignatureRecord, EsigError> {
    let record = open(envelope, key)?;
    let signed = &record.intent.record;
    let other = |what, signed: String, given: String| Err(EsigError::OtherRecord { what, signed, given });
    if signed.id != *change {
        return other("change", signed.id.to_string(), change.to_string());
    }
    if signed.digest != *manifest {
        return other("the manifest", signed.digest.to_string(), manifest.to_string());
    }
    Ok(record)
}

/// The record in an envelope that the server signed, whatever it is about.
///
/// # Errors
/// When it is altered, or the passkey's signature in it does not fit.
pub fn open(envelope: &[u8], key: &VerifyingKey) -> Result<SignatureRecord, EsigError> {
    let payload = said(envelope, ESIG_PAYLOAD_TYPE, key)?;
    let unreadable = |reason: String| EsigError::Record { reason };
    let value = parse_strict(&payload).map_err(|error| unreadable(error.to_string()))?;
    let record: SignatureRecord =
        serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))?;
    if record.binding == SignatureBinding::Passkey {
        let proof = record.auth.passkey.as_ref().ok_or(EsigError::NoPasskey)?;
        let party = RelyingParty { id: proof.rp_id.clone(), origins: proof.origins.clone() };
        let assertion = Assertion {
            credential: proof.credential.clone(),
            client_data: proof.client_data.clone(),
            authenticator_data: proof.authenticator_data.clone(),
            signature: proof.signature.clone(),
        };
        passkey::verify(&party, record.intent.challenge()?.as_bytes(), &proof.key, &assertion)?;
    }
    Ok(record)
}
