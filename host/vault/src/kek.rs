//! The key that encrypts keys. Every artifact has a data key of its own; this one wraps them, so that it can be
//! changed without touching content.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const ID_BYTES: usize = 8;
/// Nobody but its owner may touch the file.
const FILE_MODE: u32 = 0o600;

/// Key bytes that are wiped when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// Why there is no key-encryption key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KekError {
    /// The file cannot be read or made.
    #[error("cannot {action} key file `{path}`")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others could have read the key.
    #[error(
        "key file `{path}` has mode {mode:o}: run `chmod 600` on it, and rotate the key if others were on this machine"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key.
    #[error("{origin} is no key: give the base64 of exactly 32 random bytes")]
    NotAKey {
        /// Where the text came from.
        origin: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no randomness for a key: try again")]
    NoRandomness,
}

/// The current key-encryption key, and older ones that still open what they once wrapped.
#[derive(Debug)]
pub struct Kek {
    current: WrappingKey,
    older: Vec<WrappingKey>,
}

struct WrappingKey {
    id: String,
    key: RandomizedNonceKey,
    /// A key of its own: what commits tells nothing of what wraps.
    salts: hmac::Key,
}

impl Kek {
    /// Reads the key file, or makes one that only its owner may touch. Two processes that start at once end up with the
    /// same key, and a crash leaves a whole key file or none.
    ///
    /// # Errors
    /// When the file cannot be read or made, is open to others, or holds no key.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Self, KekError> {
        let path = path.as_ref();
        let failed = |action| move |source| KekError::File { action, path: path.to_owned(), source };
        if !path.try_exists().map_err(failed("look for"))? {
            match create(path) {
                Err(KekError::File { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        let mode = std::fs::metadata(path).map_err(failed("read"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KekError::Exposed { path: path.to_owned(), mode });
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed("read"))?);
        Self::parse(&text, || format!("key file `{}`", path.display()))
    }

    /// A key from text, such as an environment variable: the base64 of 32 bytes.
    ///
    /// # Errors
    /// When it is anything else. The error does not repeat the text.
    pub fn from_base64(text: &str) -> Result<Self, KekError> {
        Self::parse(text, || "the given text".to_owned())
    }

    /// A fresh key that lives as long as this value: for tests and simulations.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn ephemeral() -> Result<Self, KekError> {
        Self::from_bytes(&random_key()?)
    }

    /// Adds an older key: what it wrapped still opens, and nothing new is wrapped with it.
    #[must_use]
    pub fn with_older(mut self, older: Kek) -> Self {
        self.older.push(older.current);
        self.older.extend(older.older);
        self
    }

    /// The id of the current key. It says nothing about the key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.current.id
    }

    /// Encrypts a short secret, bound to `context`. The text names the key, so that an older one still opens it.
    #[must_use]
    pub fn seal(&self, secret: &[u8], context: &str) -> Option<String> {
        let mut sealed = secret.to_vec();
        let aad = Aad::from(context.as_bytes());
        let nonce = self.current.key.seal_in_place_append_tag(aad, &mut sealed).ok()?;
        let text = STANDARD.encode([nonce.as_ref().as_slice(), &sealed].concat());
        Some(format!("{}:{text}", self.current.id))
    }

    /// Decrypts what [`Kek::seal`] made; `None` when any bit of it or of `context` is not as it was.
    #[must_use]
    pub fn open(&self, text: &str, context: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (id, text) = text.split_once(':')?;
        let sealed = STANDARD.decode(text).ok()?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(context.as_bytes());
        let plain = self.find(id)?.key.open_in_place(nonce, aad, &mut opened).ok()?.len();
        opened.truncate(plain);
        Some(opened)
    }

    /// A salt that is the same for a context as long as the key is, and that nobody without the key can work out: for digests of
    /// what could be guessed and has to be found again.
    #[must_use]
    pub fn salt(&self, context: &str) -> String {
        hex::encode(hmac::sign(&self.current.salts, context.as_bytes()))
    }

    /// Encrypts a data key with the current key, bound to `context`: nonce, ciphertext and tag.
    pub(crate) fn wrap(&self, data_key: &KeyBytes, context: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = data_key.to_vec();
        let nonce = self.current.key.seal_in_place_append_tag(Aad::from(context), &mut sealed).ok()?;
        Some([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Decrypts a data key; `None` when any bit of it or of `context` is not as it was.
    pub(crate) fn unwrap(&self, key_id: &str, wrapped: &[u8], context: &[u8]) -> Option<KeyBytes> {
        let key = self.find(key_id)?;
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_BYTES)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.key.open_in_place(nonce, Aad::from(context), &mut opened).ok()?;
        Some(Zeroizing::new(<[u8; KEY_BYTES]>::try_from(&*plain).ok()?))
    }

    pub(crate) fn knows(&self, key_id: &str) -> bool {
        self.find(key_id).is_some()
    }

    fn find(&self, key_id: &str) -> Option<&WrappingKey> {
        std::iter::once(&self.current).chain(&self.older).find(|key| key.id == key_id)
    }

    fn parse(text: &str, origin: impl Fn() -> String) -> Result<Self, KekError> {
        let mut bytes = KeyBytes::default();
        match STANDARD.decode_slice(text.trim(), bytes.as_mut_slice()) {
            Ok(KEY_BYTES) => Self::from_bytes(&bytes),
            _ => Err(KekError::NotAKey { origin: origin() }),
        }
    }

    fn from_bytes(bytes: &KeyBytes) -> Result<Self, KekError> {
        let digest =
            Sha256::new().chain_update("interlock kek id\n").chain_update(bytes.as_slice()).finalize();
        let id = hex::encode(&digest[..ID_BYTES]);
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.as_slice())
            .map_err(|_| KekError::NotAKey { origin: "the given text".to_owned() })?;
        let salting = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice()), b"interlock salts");
        let salts = hmac::Key::new(hmac::HMAC_SHA256, salting.as_ref());
        Ok(Self { current: WrappingKey { id, key, salts }, older: Vec::new() })
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

pub(crate) fn random_key() -> Result<KeyBytes, KekError> {
    let mut bytes = KeyBytes::default();
    rand::fill(bytes.as_mut_slice()).map_err(|_| KekError::NoRandomness)?;
    Ok(bytes)
}

/// Writes a fresh key beside its place and links it there: linking fails when the place is taken, and what
/// appears is whole.
fn create(path: &Path) -> Result<(), KekError> {
    let failed = |action| move |source| KekError::File { action, path: path.to_owned(), source };
    let key = random_key()?;
    let mut suffix = [0; ID_BYTES];
    rand::fill(&mut suffix).map_err(|_| KekError::NoRandomness)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", hex::encode(suffix)));
    let draft = PathBuf::from(draft);

    let text = Zeroizing::new(format!("{}\n", &*Zeroizing::new(STANDARD.encode(key.as_slice()))));
    let write = || {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::hard_link(&draft, path)
    };
    let written = write();
    // A draft that cannot be removed is as closed to others as the key itself.
    let _ = std::fs::remove_file(&draft);
    written.map_err(failed("create"))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("keep"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_for_its_owner_alone_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let first = Kek::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
        assert_eq!(Kek::load_or_create(&path).unwrap().id(), first.id());
        assert_eq!(Kek::from_base64(&std::fs::read_to_string(&path).unwrap()).unwrap().id(), first.id());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn a_salt_is_the_same_for_a_key_and_a_context_and_for_no_other() {
        let (one, other) = (Kek::ephemeral().unwrap(), Kek::ephemeral().unwrap());
        assert_eq!(one.salt("mercy"), one.salt("mercy"));
        assert_ne!(one.salt("mercy"), one.salt("grace"));
        assert_ne!(one.salt("mercy"), other.salt("mercy"));
    }

    #[test]
    fn processes_that_start_at_once_share_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Kek::load_or_create(&path).unwrap().id().to_owned())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kek");
        Kek::load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Kek::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("has mode 640: run `chmod 600` on it"), "{error}");
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_and_not_repeated() {
        for wrong in ["", "secret", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
            let error = Kek::from_base64(wrong).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the given text is no key: give the base64 of exactly 32 random bytes"
            );
        }
    }

    #[test]
    fn a_wrapped_key_opens_only_where_and_with_what_it_was_wrapped() {
        let kek = Kek::ephemeral().unwrap();
        let data_key = random_key().unwrap();
        let wrapped = kek.wrap(&data_key, b"here").unwrap();
        assert_eq!(kek.unwrap(kek.id(), &wrapped, b"here").unwrap(), data_key);
        assert!(kek.unwrap(kek.id(), &wrapped, b"there").is_none());
        assert!(kek.unwrap(kek.id(), &wrapped[1..], b"here").is_none());
        assert!(kek.unwrap(kek.id(), &[], b"here").is_none());
        assert!(Kek::ephemeral().unwrap().unwrap(kek.id(), &wrapped, b"here").is_none());
        assert!(!format!("{kek:?}").contains("key:"));
    }

    #[test]
    fn an_older_key_still_opens_but_wraps_no_more() {
        let old = Kek::ephemeral().unwrap();
        let old_id = old.id().to_owned();
        let wrapped = old.wrap(&random_key().unwrap(), b"here").unwrap();
        let new = Kek::ephemeral().unwrap().with_older(old);
        assert_ne!(new.id(), old_id);
        assert!(new.unwrap(&old_id, &wrapped, b"here").is_some());
    }
}
