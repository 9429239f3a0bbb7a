//! Whose signatures count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::pem;

/// Name of the file that lists key ids which are no longer trusted.
const REVOKED_FILE: &str = "revoked";
/// No file of a trust store needs more; what is larger is a mistake.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Why a trust store cannot be loaded. A store that loads only in part is not a trust store: every fault is one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The directory or a file in it.
    #[error("cannot read `{path}` of the trust store")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file that cannot be a key.
    #[error(
        "`{path}` has {found} bytes but at most {FILE_BYTES_MAX} are read: keep only keys in the trust store"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
    },
    /// A key file that is not PEM.
    #[error("`{name}` is not PEM, because {reason}: write the key as `-----BEGIN PUBLIC KEY-----`")]
    Pem {
        /// The file, or what the caller called it.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A block of another kind, such as a certificate.
    #[error("`{name}` holds a `{label}`: only a `PUBLIC KEY` (SubjectPublicKeyInfo) can be trusted")]
    Label {
        /// The file, or what the caller called it.
        name: String,
        /// What it holds.
        label: String,
    },
    /// A private key lies where public keys should.
    #[error("`{name}` holds a private key: move it out of the trust store, replace it and revoke it")]
    Private {
        /// The file, or what the caller called it.
        name: String,
    },
    /// No RSA key, or one that is no sound key.
    #[error("`{name}` is no RSA public key in SubjectPublicKeyInfo: export it with `openssl pkey -pubout`")]
    Key {
        /// The file, or what the caller called it.
        name: String,
    },
    /// No Ed25519 key, where only those can sign.
    #[error("`{name}` is no Ed25519 public key: make a pair with `interlock plugin keygen`")]
    Ed25519 {
        /// The file, or what the caller called it.
        name: String,
    },
    /// A line of the list of revoked keys. Skipping it would trust a key that somebody meant to revoke.
    #[error(
        "line {line} of `{path}` is `{found}`: write a key id of 64 lower-case hex digits, or `#` and a comment"
    )]
    RevokedLine {
        /// The list.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What stands there, shortened.
        found: String,
    },
}

/// Public keys by id, and the ids of those that are revoked. The id is the hexadecimal SHA-256 of the key's
/// SubjectPublicKeyInfo in DER.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    keys: BTreeMap<String, PublicKey>,
    revoked: BTreeSet<String>,
}

/// An RSA public key in the two shapes that verification needs.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey {
    pub(crate) spki: Vec<u8>,
    pub(crate) modulus: BigUint,
    pub(crate) exponent: BigUint,
}

impl TrustStore {
    /// Every `*.pem` of a directory, and its file `revoked`, if there is one. Other files are not read.
    ///
    /// # Errors
    /// When anything in it cannot be understood.
    pub fn load_dir(path: impl AsRef<Path>) -> Result<Self, TrustError> {
        let (files, revoked) = read_trust_dir(path.as_ref())?;
        let mut store = Self { keys: BTreeMap::new(), revoked };
        for (file, text) in files {
            store.add(&file.display().to_string(), &text)?;
        }
        Ok(store)
    }

    /// Trusts the public keys in a PEM text; `name` is what errors call it. Returns their ids.
    ///
    /// # Errors
    /// When the text holds anything but RSA public keys.
    pub fn add(&mut self, name: &str, pem_text: &str) -> Result<Vec<String>, TrustError> {
        let mut ids = Vec::new();
        for der in pem::public_keys(name, pem_text)? {
            let key = PublicKey::from_spki(&der).ok_or_else(|| TrustError::Key { name: name.to_owned() })?;
            let id = key_id(&key.spki);
            self.keys.insert(id.clone(), key);
            ids.push(id);
        }
        Ok(ids)
    }

    /// Stops trusting a key, whether or not it was ever added.
    pub fn revoke(&mut self, key_id: impl Into<String>) {
        self.revoked.insert(key_id.into());
    }

    /// The ids of the keys that are trusted now.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str).filter(|id| !self.is_revoked(id))
    }

    pub(crate) fn is_revoked(&self, key_id: &str) -> bool {
        self.revoked.contains(key_id)
    }

    pub(crate) fn get(&self, key_id: &str) -> Option<&PublicKey> {
        self.keys.get(key_id)
    }
}

/// The files with keys, each with its text.
type KeyFiles = Vec<(PathBuf, String)>;

/// Every `*.pem` of a folder in the order of their names, and the key ids in its file `revoked`. Other files are not read.
pub(crate) fn read_trust_dir(dir: &Path) -> Result<(KeyFiles, BTreeSet<String>), TrustError> {
    let read = |source| TrustError::Read { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(read)? {
        let file = entry.map_err(read)?.path();
        if file.extension().is_some_and(|extension| extension == "pem") {
            let text = read_file(&file)?;
            files.push((file, text));
        }
    }
    files.sort();
    let list = dir.join(REVOKED_FILE);
    let there = list.try_exists().map_err(|source| TrustError::Read { path: list.clone(), source })?;
    let revoked = if there { revoked_ids(&list, &read_file(&list)?)? } else { BTreeSet::new() };
    Ok((files, revoked))
}

fn revoked_ids(path: &Path, text: &str) -> Result<BTreeSet<String>, TrustError> {
    let mut ids = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let id = line.split('#').next().unwrap_or_default().trim();
        if id.is_empty() {
            continue;
        }
        if !is_key_id(id) {
            let found = line.chars().take(80).collect();
            return Err(TrustError::RevokedLine { path: path.to_owned(), line: index + 1, found });
        }
        ids.insert(id.to_owned());
    }
    Ok(ids)
}

impl PublicKey {
    /// `None` unless the bytes are exactly the DER of a sound RSA key, so that one key has one id.
    pub(crate) fn from_spki(spki: &[u8]) -> Option<Self> {
        let key = aws_lc_rs::rsa::PublicKey::from_der(spki).ok()?;
        let again = key.as_der().ok()?;
        if again.as_ref() != spki {
            return None;
        }
        let (modulus, exponent) = rsa_numbers(key.as_ref())?;
        // An even modulus is no RSA key, and zero would make modular exponentiation panic.
        modulus.bit(0).then(|| Self { spki: spki.to_vec(), modulus, exponent })
    }

    pub(crate) fn bits(&self) -> u64 {
        self.modulus.bits()
    }
}

/// The id of a public key.
pub(crate) fn key_id(spki: &[u8]) -> String {
    hex::encode(Sha256::digest(spki))
}

fn is_key_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn read_file(path: &Path) -> Result<String, TrustError> {
    let read = |source| TrustError::Read { path: path.to_owned(), source };
    let found = std::fs::metadata(path).map_err(read)?.len();
    if found > FILE_BYTES_MAX {
        return Err(TrustError::TooLarge { path: path.to_owned(), found });
    }
    std::fs::read_to_string(path).map_err(read)
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017) that the crypto library itself encoded.
fn rsa_numbers(der: &[u8]) -> Option<(BigUint, BigUint)> {
    let (0x30, inner, []) = element(der)? else { return None };
    let (0x02, modulus, rest) = element(inner)? else { return None };
    let (0x02, exponent, []) = element(rest)? else { return None };
    Some((BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent)))
}

/// Tag, content and what follows of the first DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, &byte| (sum << 8) | usize::from(byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signing::testkeys;

    fn refusal(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let error = TrustStore::load_dir(dir.path()).map(|_| ()).unwrap_err().to_string();
        error.replace(&format!("{}/", dir.path().display()), "")
    }

    #[test]
    fn a_directory_gives_its_keys_by_the_digest_of_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (testkeys::rsa4096_a(), testkeys::rsa4096_b());
        std::fs::write(dir.path().join("a.pem"), format!("maker A\n{}", a.public_pem())).unwrap();
        std::fs::write(dir.path().join("b.pem"), b.public_pem()).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "not a key").unwrap();
        let store = TrustStore::load_dir(dir.path()).unwrap();
        let mut expected = vec![a.key_id(), b.key_id()];
        expected.sort_unstable();
        assert_eq!(store.keys().collect::<Vec<_>>(), expected);

        std::fs::write(dir.path().join("revoked"), format!("# lost\n{} # 2026-11-01\n", a.key_id())).unwrap();
        let store = TrustStore::load_dir(dir.path()).unwrap();
        assert_eq!(store.keys().collect::<Vec<_>>(), [b.key_id()]);
    }

    #[test]
    fn the_key_id_is_what_openssl_users_compute() {
        // openssl pkey -in test-only-rsa2048.pem -pubout -outform DER | sha256sum
        assert_eq!(
            key_id(&testkeys::rsa2048_spki()),
            "b37bf048f0e0330e3439e8796d753cfafc55acd96fefeb5823f74815ef17508c"
        );
        let key = PublicKey::from_spki(&testkeys::rsa2048_spki()).unwrap();
        assert_eq!((key.bits(), key.exponent), (2048, BigUint::from(65_537_u32)));
    }

    #[test]
    fn a_store_that_cannot_be_understood_is_refused_whole() {
        assert_eq!(
            refusal(&[("a.pem", "hello")]),
            "`a.pem` is not PEM, because it holds no `-----BEGIN …-----` block: write the key as \
             `-----BEGIN PUBLIC KEY-----`"
        );
        assert_eq!(
            refusal(&[("a.pem", include_str!("../../testkeys/test-only-rsa2048.pem"))]),
            "`a.pem` holds a private key: move it out of the trust store, replace it and revoke it"
        );
        assert_eq!(
            refusal(&[("a.pem", &pem::encode("CERTIFICATE", b"x"))]),
            "`a.pem` holds a `CERTIFICATE`: only a `PUBLIC KEY` (SubjectPublicKeyInfo) can be trusted"
        );
        assert_eq!(
            refusal(&[("a.pem", &pem::encode(pem::PUBLIC_KEY, b"x"))]),
            "`a.pem` is no RSA public key in SubjectPublicKeyInfo: export it with `openssl pkey -pubout`"
        );
        assert_eq!(
            refusal(&[("revoked", "# fine\nABC\n")]),
            "line 2 of `revoked` is `ABC`: write a key id of 64 lower-case hex digits, or `#` and a comment"
        );
        let large = "#".repeat(300 << 10);
        assert!(refusal(&[("revoked", &large)]).contains("has 307200 bytes but at most 262144 are read"));
    }

    #[test]
    fn a_missing_directory_is_an_error_and_not_an_empty_store() {
        assert!(matches!(TrustStore::load_dir("/nowhere/at/all"), Err(TrustError::Read { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_key_reader_panic(at in 0_usize..550, byte: u8) {
            let mut spki = testkeys::rsa2048_spki();
            let at = at % spki.len();
            spki[at] = byte;
            if let Some(key) = PublicKey::from_spki(&spki) {
                prop_assert_eq!(key.spki, spki);
            }
        }

        #[test]
        fn no_bytes_make_the_der_reader_panic(der in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = rsa_numbers(&der);
        }
    }
}
