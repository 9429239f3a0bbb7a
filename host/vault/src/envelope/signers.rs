//! Whose signatures on plugins count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use super::{Signature, base64_either, shown};
use crate::pem;
use crate::signature::{TrustError, key_id, read_trust_dir};

/// How the DER SubjectPublicKeyInfo of every Ed25519 key begins (RFC 8410); 32 bytes follow.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Ed25519 public keys by id, and the ids of those that are revoked.
#[derive(Debug, Clone, Default)]
pub struct Signers {
    keys: BTreeMap<String, Trusted>,
    revoked: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Trusted {
    name: String,
    key: [u8; 32],
}

impl Signers {
    /// Every `*.pem` of a folder, and its file `revoked`, if there is one. A key is named after its file; one that stands in
    /// several files is one key.
    ///
    /// # Errors
    /// When anything in it cannot be understood.
    pub fn load_dir(path: impl AsRef<Path>) -> Result<Self, TrustError> {
        let (files, revoked) = read_trust_dir(path.as_ref())?;
        let mut signers = Self { keys: BTreeMap::new(), revoked };
        for (file, text) in files {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            signers.add_from(&file.display().to_string(), &stem, &text)?;
        }
        Ok(signers)
    }

    /// Trusts the public keys in a PEM text under a name.
    ///
    /// # Errors
    /// When the text holds anything but Ed25519 public keys.
    pub fn add(&mut self, name: &str, pem_text: &str) -> Result<(), TrustError> {
        self.add_from(name, name, pem_text)
    }

    fn add_from(&mut self, file: &str, name: &str, pem_text: &str) -> Result<(), TrustError> {
        for der in pem::public_keys(file, pem_text)? {
            let raw = der.strip_prefix(&SPKI_PREFIX).and_then(|raw| <[u8; 32]>::try_from(raw).ok());
            let Some(key) = raw else { return Err(TrustError::Ed25519 { name: file.to_owned() }) };
            self.keys.entry(key_id(&der)).or_insert_with(|| Trusted { name: name.to_owned(), key });
        }
        Ok(())
    }

    /// Stops trusting a key, whether or not it was ever added.
    pub fn revoke(&mut self, key_id: impl Into<String>) {
        self.revoked.insert(key_id.into());
    }

    /// The keys that are trusted now: id and name.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &str)> {
        let keys = self.keys.iter().filter(|(id, _)| !self.revoked.contains(*id));
        keys.map(|(id, trusted)| (id.as_str(), trusted.name.as_str()))
    }

    /// Whose signature this is, or why it does not count.
    pub(super) fn signer(&self, bytes: &[u8], signature: &Signature) -> Result<(&str, &str), String> {
        let id = shown(&signature.keyid);
        if self.revoked.contains(&signature.keyid) {
            return Err(format!("key `{id}` is revoked: have the plugin signed with a trusted key"));
        }
        let Some(sig) = base64_either(&signature.sig) else {
            return Err(format!("the signature by `{id}` is not base64: copy the envelope again"));
        };
        let sound =
            |trusted: &Trusted| UnparsedPublicKey::new(&ED25519, &trusted.key).verify(bytes, &sig).is_ok();
        if signature.keyid.is_empty() {
            // The id is optional in DSSE: then any trusted key may have made it.
            let found = self.keys.iter().find(|(id, trusted)| !self.revoked.contains(*id) && sound(trusted));
            let found = found.map(|(id, trusted)| (id.as_str(), trusted.name.as_str()));
            return found.ok_or_else(|| "a signature without key id is by no trusted key".to_owned());
        }
        match self.keys.get_key_value(&signature.keyid) {
            Some((id, trusted)) if sound(trusted) => Ok((id, &trusted.name)),
            Some((_, trusted)) => Err(format!(
                "the signature by `{}` ({id}) is not over this statement: do not use the plugin until its author explains it",
                trusted.name
            )),
            None => Err(format!(
                "no trusted signer has key `{id}`: sign with a trusted key, or add this one to the trusted signers"
            )),
        }
    }
}
