//! DSSE envelopes (<https://github.com/secure-systems-lab/dsse>), version 1.0.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::Value;

/// What a payload must be: an in-toto statement.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Each costs verifications, and those cost fuel.
const ENVELOPES_MAX: usize = 10;
const SIGNATURES_MAX: usize = 10;

/// An envelope with its texts decoded.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) payload_type: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) signatures: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<WrittenSignature>,
}

/// The `keyid` is left out: it is a hint that nothing protects.
#[derive(Deserialize)]
struct WrittenSignature {
    sig: String,
}

/// The envelopes of a document: one, one a line (JSON lines), a list of them, or Sigstore bundles that hold one.
pub(crate) fn all(document: &[u8]) -> Result<Vec<Envelope>, String> {
    let mut values = Vec::new();
    for value in serde_json::Deserializer::from_slice(document).into_iter::<Value>() {
        match value.map_err(|e| format!("it is no JSON: {e}"))? {
            Value::Array(inner) => values.extend(inner),
            value => values.push(value),
        }
        if values.len() > ENVELOPES_MAX {
            return Err(format!("it holds more than {ENVELOPES_MAX} envelopes"));
        }
    }
    if values.is_empty() {
        return Err("it holds no envelope".to_owned());
    }
    values.into_iter().map(read).collect()
}

fn read(mut value: Value) -> Result<Envelope, String> {
    if let Some(inner) = value.get_mut("dsseEnvelope") {
        value = inner.take();
    }
    let written: Written =
        serde_json::from_value(value).map_err(|e| format!("it holds no DSSE envelope: {e}"))?;
    if written.signatures.len() > SIGNATURES_MAX {
        return Err(format!("an envelope has more than {SIGNATURES_MAX} signatures"));
    }
    let decoded =
        |text: &str| base64(text).ok_or_else(|| "an envelope has text that is no base64".to_owned());
    Ok(Envelope {
        payload_type: written.payload_type,
        payload: decoded(&written.payload)?,
        signatures: written
            .signatures
            .iter()
            .map(|signature| decoded(&signature.sig))
            .collect::<Result<_, _>>()?,
    })
}

/// Standard or URL-safe base64 (the specification demands that either is read), padded or not.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = GeneralPurpose::new(&alphabet::STANDARD, config);
    standard.decode(text).ok().or_else(|| GeneralPurpose::new(&alphabet::URL_SAFE, config).decode(text).ok())
}

impl Envelope {
    /// What is signed.
    pub(crate) fn pae(&self) -> Vec<u8> {
        pae(self.payload_type.as_bytes(), &self.payload)
    }
}

/// The pre-authentication encoding: `DSSEv1`, then length and text of type and payload, all a space apart. Lengths are in
/// bytes, as decimal numbers.
pub(crate) fn pae(payload_type: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} ", payload_type.len()).into_bytes();
    encoded.extend_from_slice(payload_type);
    encoded.extend_from_slice(format!(" {} ", payload.len()).as_bytes());
    encoded.extend_from_slice(payload);
    encoded
}
