//! The keys of signers.

use ed25519_dalek::VerifyingKey as Ed25519;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, Signature as FixedSignature, VerifyingKey as P256};

use crate::envelope::base64;

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before the 65 bytes of an uncompressed point on P-256 (RFC 5480).
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) signer: String,
    public: Public,
}

#[derive(Clone, Debug, PartialEq)]
enum Public {
    Ed25519(Ed25519),
    P256(P256),
}

impl Key {
    /// Reads PEM (`PUBLIC KEY`), or base64 of the same or of the 32 bytes of an Ed25519 key.
    pub(crate) fn read(signer: &str, text: &str) -> Result<Self, &'static str> {
        let bytes = decode(text).ok_or("a key is PEM (`-----BEGIN PUBLIC KEY-----`) or base64")?;
        let public = if let Some(point) = bytes.strip_prefix(&P256_SPKI) {
            Public::P256(P256::from_sec1_bytes(point).map_err(|_| "this is no point on P-256")?)
        } else {
            let bytes = bytes.strip_prefix(&ED25519_SPKI).unwrap_or(&bytes);
            let bytes = bytes.try_into().map_err(|_| "this is neither an Ed25519 nor a P-256 key")?;
            let key = Ed25519::from_bytes(bytes).map_err(|_| "this is no Ed25519 key")?;
            // With such a key, one signature fits many messages.
            if key.is_weak() {
                return Err("this Ed25519 key is weak");
            }
            Public::Ed25519(key)
        };
        Ok(Self { signer: signer.to_owned(), public })
    }

    /// Whether this key made `signature` over `message`. ECDSA signatures are DER, or two numbers of 32 bytes.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Public::P256(key) => {
                let fixed = FixedSignature::from_slice(signature);
                fixed.is_ok_and(|signature| key.verify(message, &signature).is_ok())
                    || DerSignature::from_bytes(signature)
                        .is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }

    /// Whether both are the same key, whoever is said to hold it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.public == other.public
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let body = match text.strip_prefix("-----BEGIN PUBLIC KEY-----") {
        Some(rest) => rest.strip_suffix("-----END PUBLIC KEY-----")?,
        None => text,
    };
    base64(&body.split_whitespace().collect::<String>())
}
