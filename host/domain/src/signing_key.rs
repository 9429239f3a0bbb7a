//! Public keys that sign requests.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::IdError;

/// What a key signs with. It belongs to the key: what a request says of it counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningAlgorithm {
    /// Ed25519.
    Ed25519,
    /// ECDSA over P-256 with SHA-256; a signature is `r` and `s`, 32 bytes each.
    EcdsaP256Sha256,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes, 2048 bits and more.
    RsaPssSha512,
}

impl SigningAlgorithm {
    /// Every one.
    pub const ALL: [SigningAlgorithm; 3] =
        [SigningAlgorithm::Ed25519, SigningAlgorithm::EcdsaP256Sha256, SigningAlgorithm::RsaPssSha512];

    /// Its name in the registry of RFC 9421.
    pub fn as_str(self) -> &'static str {
        match self {
            SigningAlgorithm::Ed25519 => "ed25519",
            SigningAlgorithm::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            SigningAlgorithm::RsaPssSha512 => "rsa-pss-sha512",
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SigningAlgorithm {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        SigningAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or_else(|| {
            IdError {
                text: text.chars().take(80).collect(),
                expected: "an algorithm: ed25519, ecdsa-p256-sha256 or rsa-pss-sha512",
            }
        })
    }
}

/// A public key whose holder signs requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// The key: SubjectPublicKeyInfo (RFC 5280), DER, base64.
    pub spki: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_written_as_it_is_read() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
        }
        assert!("hmac-sha256".parse::<SigningAlgorithm>().is_err());
    }
}
