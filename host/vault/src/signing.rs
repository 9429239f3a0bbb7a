//! Making signatures: what a release pipeline does before it pushes an artifact.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interlock_domain::{ArtifactStatement, SignedStatement};
use interlock_ledger::{CanonicalError, to_canonical};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::pem;
use crate::signature::{RSA_BITS_MIN, key_id};

/// Why a key cannot be used, or a statement cannot be signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The system gave no randomness, or no prime was found.
    #[error("cannot generate an RSA key of {RSA_BITS_MIN} bits: try again")]
    Generate,
    /// The text is not PEM.
    #[error("the signing key is not PEM, because {reason}: write it as `-----BEGIN PRIVATE KEY-----`")]
    Pem {
        /// What is wrong with it.
        reason: String,
    },
    /// The text holds something else than one private key.
    #[error("the signing key holds `{found}`: give exactly one `PRIVATE KEY` (PKCS#8, not encrypted)")]
    Label {
        /// The labels of what it holds.
        found: String,
    },
    /// PKCS#8, but no sound RSA key.
    #[error(
        "the signing key is no sound RSA key: make one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096`"
    )]
    Key,
    /// The system gave no randomness.
    #[error("cannot generate an Ed25519 key: try again")]
    GenerateAuthor,
    /// PKCS#8, but no Ed25519 key.
    #[error("the signing key is no Ed25519 key: make one with `interlock plugin keygen`")]
    AuthorKey,
    /// Nobody would accept its signatures.
    #[error("the signing key has {found} bits but at least {RSA_BITS_MIN} are asked for: make a larger one")]
    TooSmall {
        /// Its bits.
        found: usize,
    },
    /// The statement has no canonical form, such as a size beyond 2^53−1.
    #[error("the statement cannot be signed")]
    Statement(#[from] CanonicalError),
    /// The crypto library refused.
    #[error("the signing key did not sign: check that it is a sound RSA key")]
    Sign,
}

/// A private RSA key that signs artifact statements: RSASSA-PSS, SHA-512, salt of 64 bytes.
pub struct SigningKey {
    pair: KeyPair,
    spki: Vec<u8>,
}

impl SigningKey {
    /// A fresh RSA-4096 key. Takes about a second.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, SigningError> {
        let pair = KeyPair::generate(KeySize::Rsa4096).map_err(|_| SigningError::Generate)?;
        Self::from_pair(pair)
    }

    /// Reads an unencrypted PKCS#8 key in PEM, as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// When the text is anything but one RSA key of at least 4096 bits.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, SigningError> {
        Self::from_pair(KeyPair::from_pkcs8(&pem::private_key(text)?).map_err(|_| SigningError::Key)?)
    }

    /// The private key: whoever reads this can sign.
    ///
    /// # Errors
    /// When the crypto library cannot encode it.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SigningError> {
        let der = self.pair.as_der().map_err(|_| SigningError::Key)?;
        Ok(pem::encode(pem::PRIVATE_KEY, der.as_ref()))
    }

    /// The public key, as a trust store takes it.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem::encode(pem::PUBLIC_KEY, &self.spki).to_string()
    }

    /// SHA-256 of the public key (DER SubjectPublicKeyInfo), hexadecimal.
    #[must_use]
    pub fn key_id(&self) -> String {
        key_id(&self.spki)
    }

    /// Signs the canonical JSON of a statement.
    ///
    /// # Errors
    /// When the statement has no canonical form.
    pub fn sign(&self, statement: &ArtifactStatement) -> Result<SignedStatement, SigningError> {
        let text = to_canonical(statement)?;
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PSS_SHA512, &SystemRandom::new(), &text, &mut signature)
            .map_err(|_| SigningError::Sign)?;
        let statement = String::from_utf8(text).map_err(|_| SigningError::Sign)?;
        Ok(SignedStatement { statement, signature: STANDARD.encode(signature), key_id: self.key_id() })
    }

    fn from_pair(pair: KeyPair) -> Result<Self, SigningError> {
        let found = pair.public_modulus_len() * 8;
        if (found as u64) < RSA_BITS_MIN {
            return Err(SigningError::TooSmall { found });
        }
        let spki = pair.public_key().as_der().map_err(|_| SigningError::Key)?.as_ref().to_vec();
        Ok(Self { pair, spki })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

/// Keys made for tests alone.
#[cfg(test)]
pub(crate) mod testkeys {
    use super::*;

    pub(crate) const RSA4096_A: &str = include_str!("../testkeys/test-only-rsa4096-a.pem");
    pub(crate) const RSA2048: &str = include_str!("../testkeys/test-only-rsa2048.pem");

    pub(crate) fn rsa4096_a() -> SigningKey {
        SigningKey::from_pkcs8_pem(RSA4096_A).unwrap()
    }

    pub(crate) fn rsa4096_b() -> SigningKey {
        SigningKey::from_pkcs8_pem(include_str!("../testkeys/test-only-rsa4096-b.pem")).unwrap()
    }

    /// The bare key pair, for signatures that [`SigningKey`] refuses to make.
    pub(crate) fn pair(pem_text: &str) -> KeyPair {
        KeyPair::from_pkcs8(&pem::blocks(pem_text).unwrap()[0].der).unwrap()
    }

    pub(crate) fn rsa2048_spki() -> Vec<u8> {
        pair(RSA2048).public_key().as_der().unwrap().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_reads_back_and_never_shows_itself() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_pkcs8_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        assert_eq!(again.key_id(), key.key_id());
        assert_eq!(again.public_pem(), key.public_pem());
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ key_id: \"{}\", .. }}", key.key_id()));
    }

    #[test]
    fn a_key_that_nobody_would_accept_is_refused_before_it_signs() {
        let refusal = |text: &str| SigningKey::from_pkcs8_pem(text).unwrap_err().to_string();
        assert_eq!(
            refusal(testkeys::RSA2048),
            "the signing key has 2048 bits but at least 4096 are asked for: make a larger one"
        );
        assert_eq!(
            refusal(&testkeys::rsa4096_a().public_pem()),
            "the signing key holds `PUBLIC KEY`: give exactly one `PRIVATE KEY` (PKCS#8, not encrypted)"
        );
        let two = format!("{}{}", testkeys::RSA4096_A, testkeys::RSA2048);
        assert!(refusal(&two).starts_with("the signing key holds `PRIVATE KEY, PRIVATE KEY`"));
        assert!(refusal("").starts_with("the signing key is not PEM, because it holds no"));
        assert!(
            refusal(&pem::encode(pem::PRIVATE_KEY, b"x")).starts_with("the signing key is no sound RSA key")
        );
    }
}
