//! Passkeys: what a browser's authenticator sends (WebAuthn level 3), checked. ES256 and EdDSA, attestation `none`: we ask that
//! it is the same authenticator as at the enrolment, not who made it.
//!
//! **Invariant:** an answer counts only for the challenge, the origin and the relying party that are expected, and only when
//! the authenticator says that it verified the person.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The algorithms that are asked for, as COSE numbers them: ES256, EdDSA.
pub const ALGORITHMS: [i64; 2] = [-7, -8];
/// Longest part of an answer, in characters of base64url.
const PART_MAX: usize = 16 << 10;
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// Who we are to an authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// The domain.
    pub id: String,
    /// From which pages answers count.
    pub origins: Vec<String>,
}

/// What `navigator.credentials.create()` answered; each part in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// What the page signed: the challenge and the origin.
    pub client_data: String,
    /// What the authenticator made.
    pub attestation_object: String,
}

/// What `navigator.credentials.get()` answered; each part in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The passkey's id.
    pub credential: String,
    /// What the page signed: the challenge and the origin.
    pub client_data: String,
    /// What the authenticator says of itself and of the person.
    pub authenticator_data: String,
    /// Over both.
    pub signature: String,
}

/// A passkey that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id, base64url.
    pub id: String,
    /// Its public key as COSE writes it, base64url.
    pub key: String,
    /// How often it has signed.
    pub counter: u32,
}

/// Why an authenticator's answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PasskeyError {
    /// A part is not what it should be.
    #[error("`{0}` cannot be read")]
    Unreadable(&'static str),
    /// It answers to something else.
    #[error("it is no answer to this: its {0} is another")]
    Other(&'static str),
    /// Nobody was there, or nobody proved to be the person.
    #[error("the authenticator did not verify the person; it must ask for a PIN or a fingerprint")]
    Unverified,
    /// A key of another kind.
    #[error("the passkey's key is none of ES256 and EdDSA")]
    Algorithm,
    /// It says who made it, which nobody asked for.
    #[error("the attestation is not `none`")]
    Attestation,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

/// Checks a passkey that was just made.
///
/// # Errors
/// When it does not answer to this challenge, or is none that we take.
pub fn register(party: &RelyingParty, challenge: &[u8], given: &Registration) -> Result<Made, PasskeyError> {
    let client_data = decoded("client_data", &given.client_data)?;
    check_client_data(&client_data, "webauthn.create", party, challenge)?;
    let object = decoded("attestation_object", &given.attestation_object)?;
    let unreadable = || PasskeyError::Unreadable("attestation_object");
    let object: Value = ciborium::from_reader(object.as_slice()).map_err(|_| unreadable())?;
    let part = |name: &str| {
        let found = object.as_map()?.iter().find(|(key, _)| key.as_text() == Some(name));
        found.map(|(_, value)| value)
    };
    if part("fmt").and_then(Value::as_text) != Some("none") {
        return Err(PasskeyError::Attestation);
    }
    let data = part("authData").and_then(Value::as_bytes).ok_or_else(unreadable)?;
    let counter = check_authenticator_data(data, party)?;
    // rpIdHash 32, flags 1, counter 4, aaguid 16, length 2, id, key.
    if data[32] & ATTESTED == 0 {
        return Err(unreadable());
    }
    let length = data.get(53..55).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
    let (id, key) = data
        .get(55..)
        .and_then(|rest| rest.split_at_checked(usize::from(length?)))
        .filter(|(id, _)| !id.is_empty() && id.len() <= 1_023)
        .ok_or_else(unreadable)?;
    // Extensions may follow the key: it is written again so that nothing else is kept.
    let mut rest = key;
    let key: Value = ciborium::from_reader(&mut rest).map_err(|_| unreadable())?;
    PublicKey::of(&key)?;
    let mut kept = Vec::new();
    ciborium::into_writer(&key, &mut kept).map_err(|_| unreadable())?;
    Ok(Made { id: URL_SAFE_NO_PAD.encode(id), key: URL_SAFE_NO_PAD.encode(kept), counter })
}

/// Checks an answer by the passkey of this key, and says how often it says it has signed.
///
/// # Errors
/// When it does not answer to this challenge, or was not made with this key.
pub fn verify(
    party: &RelyingParty,
    challenge: &[u8],
    key: &str,
    given: &Assertion,
) -> Result<u32, PasskeyError> {
    let client_data = decoded("client_data", &given.client_data)?;
    check_client_data(&client_data, "webauthn.get", party, challenge)?;
    let data = decoded("authenticator_data", &given.authenticator_data)?;
    let counter = check_authenticator_data(&data, party)?;
    let signature = decoded("signature", &given.signature)?;
    let key = decoded("key", key)?;
    let key: Value = ciborium::from_reader(key.as_slice()).map_err(|_| PasskeyError::Unreadable("key"))?;
    let mut signed = data;
    signed.extend(Sha256::digest(&client_data));
    PublicKey::of(&key)?.verify(&signed, &signature)?;
    Ok(counter)
}

fn check_client_data(
    bytes: &[u8],
    kind: &str,
    party: &RelyingParty,
    challenge: &[u8],
) -> Result<(), PasskeyError> {
    let data: ClientData =
        serde_json::from_slice(bytes).map_err(|_| PasskeyError::Unreadable("client_data"))?;
    if data.kind != kind {
        return Err(PasskeyError::Other("type"));
    }
    let given = URL_SAFE_NO_PAD.decode(data.challenge.trim_end_matches('='));
    if given.ok().as_deref() != Some(challenge) {
        return Err(PasskeyError::Other("challenge"));
    }
    if data.cross_origin || !party.origins.contains(&data.origin) {
        return Err(PasskeyError::Other("origin"));
    }
    Ok(())
}

fn check_authenticator_data(data: &[u8], party: &RelyingParty) -> Result<u32, PasskeyError> {
    let unreadable = PasskeyError::Unreadable("authenticator_data");
    let (Some(hash), Some(flags), Some(counter)) = (data.get(..32), data.get(32), data.get(33..37)) else {
        return Err(unreadable);
    };
    if hash != Sha256::digest(&party.id).as_slice() {
        return Err(PasskeyError::Other("relying party"));
    }
    if flags & (PRESENT | VERIFIED) != PRESENT | VERIFIED {
        return Err(PasskeyError::Unverified);
    }
    counter.try_into().map(u32::from_be_bytes).map_err(|_| unreadable)
}

enum PublicKey {
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// From the map that COSE writes (RFC 9052): 1 kind, 3 algorithm, −1 curve, −2 x, −3 y.
    fn of(key: &Value) -> Result<Self, PasskeyError> {
        let part = |number: i64| {
            let found = key.as_map()?.iter().find(|(name, _)| name.as_integer() == Some(number.into()));
            found.map(|(_, value)| value)
        };
        let number =
            |name: i64| part(name).and_then(Value::as_integer).and_then(|found| i64::try_from(found).ok());
        let bytes = |name: i64| part(name).and_then(Value::as_bytes).filter(|bytes| bytes.len() == 32);
        match (number(1), number(3), number(-1), bytes(-2), bytes(-3)) {
            (Some(2), Some(-7), Some(1), Some(x), Some(y)) => {
                Ok(Self::P256([&[4], x.as_slice(), y].concat()))
            }
            (Some(1), Some(-8), Some(6), Some(x), _) => Ok(Self::Ed25519(x.clone())),
            _ => Err(PasskeyError::Algorithm),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PasskeyError> {
        let fits = match self {
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        };
        fits.map_err(|_| PasskeyError::Signature)
    }
}

fn decoded(name: &'static str, text: &str) -> Result<Vec<u8>, PasskeyError> {
    let unreadable = PasskeyError::Unreadable(name);
    if text.len() > PART_MAX {
        return Err(unreadable);
    }
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| unreadable)
}

#[cfg(test)]
#[path = "passkey_tests.rs"]
mod tests;
