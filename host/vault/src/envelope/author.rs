//! The key of somebody who writes or releases plugins.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use crate::pem;
use crate::signature::key_id;
use crate::signing::SigningError;

/// A private Ed25519 key.
pub struct AuthorKey {
    pair: Ed25519KeyPair,
    spki: Vec<u8>,
}

impl AuthorKey {
    /// A fresh key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, SigningError> {
        Self::from_pair(Ed25519KeyPair::generate().map_err(|_| SigningError::GenerateAuthor)?)
    }

    /// Reads an unencrypted PKCS#8 key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// When the text is anything but one Ed25519 key.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, SigningError> {
        let der = pem::private_key(text)?;
        Self::from_pair(Ed25519KeyPair::from_pkcs8(&der).map_err(|_| SigningError::AuthorKey)?)
    }

    /// The private key: whoever reads this can sign.
    ///
    /// # Errors
    /// When the crypto library cannot encode it.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SigningError> {
        let der = self.pair.to_pkcs8v1().map_err(|_| SigningError::AuthorKey)?;
        Ok(pem::encode(pem::PRIVATE_KEY, der.as_ref()))
    }

    /// The public key, as a folder of trusted signers takes it.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem::encode(pem::PUBLIC_KEY, &self.spki).to_string()
    }

    /// SHA-256 of the public key (DER SubjectPublicKeyInfo), hexadecimal.
    #[must_use]
    pub fn key_id(&self) -> String {
        key_id(&self.spki)
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, SigningError> {
        let spki = pair.public_key().as_der().map_err(|_| SigningError::AuthorKey)?.as_ref().to_vec();
        Ok(Self { pair, spki })
    }
}

impl fmt::Debug for AuthorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorKey").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}
