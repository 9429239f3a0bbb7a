//! Who vouches for a plugin: DSSE envelopes, signed with Ed25519.
//!
//! An envelope holds a small statement (name, version, kind and digest of a component) and signatures over it, as
//! <https://github.com/secure-systems-lab/dsse> says. **Invariant:** persons are counted, never entries: a key counts once
//! however often it signed, in however many envelopes, under however many file names it is trusted.

mod author;
mod signers;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use interlock_ledger::{CanonicalError, Digest, parse_strict, to_canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::author::AuthorKey;
pub use self::signers::Signers;

/// What an envelope's payload is.
pub const PAYLOAD_TYPE: &str = "application/vnd.interlock.plugin.v1+json";
/// The longest envelope that is looked at.
pub const ENVELOPE_BYTES_MAX: usize = 64 << 10;
/// The most signatures of one envelope that are looked at.
pub const SIGNATURES_MAX: usize = 32;

/// What is signed: which component carries this name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginStatement {
    /// 1.
    pub v: u32,
    /// What the plugin calls itself.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `compliance-gate`, `health-check` or `rollout-strategy`.
    pub kind: String,
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
}

/// A DSSE envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The statement, in base64.
    pub payload: String,
    /// What it is: [`PAYLOAD_TYPE`].
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Over both.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// SHA-256 of the signer's public key (DER SubjectPublicKeyInfo), hexadecimal. Only a hint: it is not signed.
    #[serde(default)]
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

/// Why an envelope cannot be read, or is not about a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than anybody needs.
    #[error("the envelope has {found} bytes but at most {ENVELOPE_BYTES_MAX} are read")]
    TooLong {
        /// Its size.
        found: usize,
    },
    /// More signatures than anybody needs.
    #[error("the envelope has {found} signatures but at most {SIGNATURES_MAX} are read")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// Not a DSSE envelope.
    #[error("this is no DSSE envelope: {reason}")]
    Malformed {
        /// What the parser said.
        reason: String,
    },
    /// An envelope about something else.
    #[error(
        "the envelope holds `{found}` but `{PAYLOAD_TYPE}` is needed: sign it with `interlock plugin sign`"
    )]
    PayloadType {
        /// What it says.
        found: String,
    },
    /// The payload is not a statement.
    #[error("the envelope's payload is no statement about a plugin: {reason}")]
    Statement {
        /// What is wrong with it.
        reason: String,
    },
    /// The statement has no canonical form.
    #[error("the statement cannot be signed")]
    Canonical(#[from] CanonicalError),
}

/// What came of verifying the envelopes of one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vouched {
    /// The names under which the keys are trusted, by key id: one entry for each distinct key that signed soundly.
    pub signers: BTreeMap<String, String>,
    /// Signatures that do not count, each with the reason.
    pub refused: Vec<String>,
    /// What the signers said; nothing when nobody who counts did.
    pub statement: Option<PluginStatement>,
}

impl Envelope {
    /// An envelope without signatures.
    ///
    /// # Errors
    /// When the statement has no canonical form.
    pub fn new(statement: &PluginStatement) -> Result<Self, EnvelopeError> {
        let payload = STANDARD.encode(to_canonical(statement)?);
        Ok(Self { payload, payload_type: PAYLOAD_TYPE.to_owned(), signatures: Vec::new() })
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// When it is too large, or no envelope.
    pub fn from_json(text: &[u8]) -> Result<Self, EnvelopeError> {
        if text.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLong { found: text.len() });
        }
        let malformed = |reason: String| EnvelopeError::Malformed { reason };
        let value = parse_strict(text).map_err(|error| malformed(error.to_string()))?;
        let envelope: Self = serde_json::from_value(value).map_err(|error| malformed(error.to_string()))?;
        match envelope.signatures.len() {
            found if found > SIGNATURES_MAX => Err(EnvelopeError::TooMany { found }),
            _ => Ok(envelope),
        }
    }

    /// As a file keeps it.
    ///
    /// # Errors
    /// When it has no canonical form, which no envelope lacks.
    pub fn to_json(&self) -> Result<Vec<u8>, EnvelopeError> {
        Ok(to_canonical(self)?)
    }

    /// Adds a signature, in place of an earlier one by the same key.
    ///
    /// # Errors
    /// When the payload is not base64.
    pub fn sign(&mut self, key: &AuthorKey) -> Result<(), EnvelopeError> {
        let keyid = key.key_id();
        let signature = key.sign(&self.signed_bytes()?);
        self.signatures.retain(|other| other.keyid != keyid);
        self.signatures.push(Signature { keyid, sig: STANDARD.encode(signature) });
        Ok(())
    }

    /// What the payload says. It proves nothing by itself: see [`verify`].
    ///
    /// # Errors
    /// When it is no statement about a plugin.
    pub fn statement(&self) -> Result<PluginStatement, EnvelopeError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(EnvelopeError::PayloadType { found: shown(&self.payload_type) });
        }
        let refused = |reason: String| EnvelopeError::Statement { reason };
        let value = parse_strict(&self.payload_bytes()?).map_err(|error| refused(error.to_string()))?;
        let statement: PluginStatement =
            serde_json::from_value(value).map_err(|error| refused(error.to_string()))?;
        match statement.v {
            1 => Ok(statement),
            found => Err(refused(format!("it has `v` = {found} but only 1 is known"))),
        }
    }

    pub(crate) fn payload_bytes(&self) -> Result<Vec<u8>, EnvelopeError> {
        base64_either(&self.payload)
            .ok_or_else(|| EnvelopeError::Malformed { reason: "its payload is not base64".to_owned() })
    }

    /// DSSE's pre-authentication encoding.
    pub(crate) fn signed_bytes(&self) -> Result<Vec<u8>, EnvelopeError> {
        let payload = self.payload_bytes()?;
        let kind = &self.payload_type;
        let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        bytes.extend(payload);
        Ok(bytes)
    }
}

/// Which trusted, distinct keys vouch for the component with this digest.
#[must_use]
pub fn verify(envelopes: &[Envelope], digest: Digest, trusted: &Signers) -> Vouched {
    let mut vouched = Vouched::default();
    for envelope in envelopes {
        if let Err(reason) = verify_one(envelope, digest, trusted, &mut vouched) {
            vouched.refused.push(reason);
        }
    }
    vouched
}

fn verify_one(
    envelope: &Envelope,
    digest: Digest,
    trusted: &Signers,
    vouched: &mut Vouched,
) -> Result<(), String> {
    let bytes = envelope.signed_bytes().map_err(|error| error.to_string())?;
    // First the signatures, over the exact bytes, then what they say.
    let mut sound = BTreeMap::new();
    for signature in envelope.signatures.iter().take(SIGNATURES_MAX) {
        match trusted.signer(&bytes, signature) {
            Ok((id, name)) => drop(sound.insert(id.to_owned(), name.to_owned())),
            Err(reason) => vouched.refused.push(reason),
        }
    }
    if sound.is_empty() {
        return Ok(());
    }
    let statement = envelope.statement().map_err(|error| error.to_string())?;
    if statement.digest != digest {
        return Err(format!(
            "the statement is about component `{}` and not about `{digest}`: sign this component",
            statement.digest
        ));
    }
    // Two signers who call one component differently do not vouch for the same thing.
    if let Some(first) = vouched.statement.as_ref().filter(|first| **first != statement) {
        return Err(format!(
            "one envelope says `{}` {} and another `{}` {}: sign what the plugin says of itself",
            first.name,
            first.version,
            shown(&statement.name),
            shown(&statement.version)
        ));
    }
    vouched.signers.extend(sound);
    vouched.statement = Some(statement);
    Ok(())
}

/// DSSE asks readers to take standard and URL-safe base64.
fn base64_either(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// A limit on what is echoed: the text comes from outside.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
