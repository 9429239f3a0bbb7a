//! Ed25519 keys as C2SP signed notes name them: a name, a short key id, and the key.
//!
//! One kind of key signs checkpoints (named like the log's origin), entries (named like the emitting instance) and
//! cosignatures (named like the witness).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The longest key name in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Key names stand between spaces in signature lines and before `+` in key texts.
    #[error("`{name}` cannot name a key: use 1 to 255 bytes without spaces, control characters or `+`")]
    Name {
        /// The name given.
        name: String,
    },
    /// Not `name+id+base64`.
    #[error("`{text}` is no verifier key: write `name+8 hex digits+base64`")]
    Text {
        /// The text given, shortened.
        text: String,
    },
    /// The id is not the one that name and key give.
    #[error(
        "verifier key `{name}` says id `{found}` but its key has id `{expected}`: copy the whole line again"
    )]
    Id {
        /// The key's name.
        name: String,
        /// The id that name and key give.
        expected: KeyId,
        /// The id as written.
        found: String,
    },
    /// A signature type that this program does not verify.
    #[error("verifier key `{name}` has signature type `{kind:#04x}`: only Ed25519 (0x01, 0x04) is supported")]
    Kind {
        /// The key's name.
        name: String,
        /// The type byte.
        kind: u8,
    },
    /// The private key bytes are no Ed25519 key.
    #[error("the private key of `{name}` is not Ed25519 in PKCS#8: {reason}")]
    Private {
        /// The key's name.
        name: String,
        /// What the library said.
        reason: String,
    },
}

/// The first four bytes of SHA-256(name ‖ LF ‖ kind ‖ key): a hint, not a hash to trust.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a key's signatures say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Over the note's text as it stands (type 0x01).
    Note,
    /// A witness's dated cosignature of a checkpoint (type 0x04).
    Cosignature,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Note => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// A public key with its name: the text form is the `vkey` of C2SP signed notes.
#[derive(Clone)]
pub struct VerifyingKey {
    name: Arc<str>,
    kind: KeyKind,
    id: KeyId,
    key: Arc<ParsedPublicKey>,
}

impl VerifyingKey {
    /// A key of this name from its 32 bytes.
    ///
    /// # Errors
    /// When the name is none or the bytes are no Ed25519 key.
    pub fn new(name: &str, kind: KeyKind, key: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let parsed =
            ParsedPublicKey::new(&ED25519, key).map_err(|_| KeyError::Text { text: name.to_owned() })?;
        let id =
            Sha256::new().chain_update(name).chain_update([b'\n', kind.byte()]).chain_update(key).finalize();
        let id = KeyId([id[0], id[1], id[2], id[3]]);
        Ok(Self { name: name.into(), kind, id, key: Arc::new(parsed) })
    }

    /// The name, such as a log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that signature lines carry.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What this key's signatures say.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Name and id, `name+c74f20a3`: names this very key, so that a node may change its key and keep its name.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}+{}", self.name, self.id)
    }

    /// Whether `signature` is this key's over exactly these bytes.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.kind, self.key.as_ref().as_ref())
            == (&other.name, other.kind, other.key.as_ref().as_ref())
    }
}

impl Eq for VerifyingKey {}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: &[u8] = self.key.as_ref().as_ref();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode([&[self.kind.byte()], key].concat()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError::Text { text: text.chars().take(120).collect() };
        let (name, rest) = text.split_once('+').ok_or_else(wrong)?;
        let (id, key) = rest.split_once('+').ok_or_else(wrong)?;
        check_name(name)?;
        let bytes = STANDARD.decode(key).map_err(|_| wrong())?;
        let (kind, key) = bytes.split_first().ok_or_else(wrong)?;
        let kind = match kind {
            0x01 => KeyKind::Note,
            0x04 => KeyKind::Cosignature,
            other => return Err(KeyError::Kind { name: name.to_owned(), kind: *other }),
        };
        let key = Self::new(name, kind, key.try_into().map_err(|_| wrong())?)?;
        if id != key.id.to_string() {
            let (expected, found) = (key.id, id.chars().take(16).collect());
            return Err(KeyError::Id { name: name.to_owned(), expected, found });
        }
        Ok(key)
    }
}

/// A private key with its name. Never shown: its `Debug` is that of the public half.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// Reads a private key in PKCS#8 (DER).
    ///
    /// # Errors
    /// When the name cannot name a key or the bytes are no Ed25519 key.
    pub fn from_pkcs8(name: &str, der: &[u8]) -> Result<Self, KeyError> {
        Self::from_pair(name, Ed25519KeyPair::from_pkcs8(der).map_err(|e| private(name, e))?)
    }

    /// The key that grows from a 32-byte seed, for tests and simulations that must repeat themselves.
    ///
    /// # Errors
    /// When the name cannot name a key.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::from_pair(name, Ed25519KeyPair::from_seed_unchecked(seed).map_err(|e| private(name, e))?)
    }

    /// Makes a new key from the system's randomness: for setting up, not for the domain.
    ///
    /// # Errors
    /// When the name cannot name a key or the system has no randomness.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        Self::from_pair(name, Ed25519KeyPair::generate().map_err(|e| private(name, e))?)
    }

    fn from_pair(name: &str, pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let public = pair.public_key().as_ref().try_into().map_err(|_| private(name, "wrong length"))?;
        Ok(Self { public: VerifyingKey::new(name, KeyKind::Note, public)?, pair })
    }

    /// The private key in PKCS#8 (DER), for keeping it.
    ///
    /// # Errors
    /// When the library cannot write it.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        let document = self.pair.to_pkcs8v1().map_err(|e| private(self.public.name(), e))?;
        Ok(document.as_ref().to_vec())
    }

    /// The public half, for notes, checkpoints and entries.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The public half as a witness's: the same key under the id of cosignatures.
    ///
    /// # Errors
    /// Never for a key that was made: name and key have been checked.
    pub fn cosigning_key(&self) -> Result<VerifyingKey, KeyError> {
        let name = self.public.name();
        let key = self.pair.public_key().as_ref().try_into().map_err(|_| private(name, "wrong length"))?;
        VerifyingKey::new(name, KeyKind::Cosignature, key)
    }

    /// Signs these bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        bytes
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "private key of {}", self.public)
    }
}

/// The keys that somebody trusts.
#[derive(Debug, Clone, Default)]
pub struct Keyring(Vec<VerifyingKey>);

impl Keyring {
    /// The key with this name and this id.
    #[must_use]
    pub fn find(&self, name: &str, id: KeyId) -> Option<&VerifyingKey> {
        self.0.iter().find(|key| key.id == id && key.name() == name)
    }

    /// The key that [`VerifyingKey::label`] names.
    #[must_use]
    pub fn find_labelled(&self, label: &str) -> Option<&VerifyingKey> {
        let (name, id) = label.split_once('+')?;
        let mut bytes = [0; 4];
        hex::decode_to_slice(id, &mut bytes).ok()?;
        self.find(name, KeyId(bytes)).filter(|_| !id.bytes().any(|b| b.is_ascii_uppercase()))
    }
}

impl FromIterator<VerifyingKey> for Keyring {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

fn check_name(name: &str) -> Result<(), KeyError> {
    let fits = !name.is_empty() && name.len() <= KEY_NAME_BYTES_MAX;
    if fits && !name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control()) {
        return Ok(());
    }
    Err(KeyError::Name { name: name.chars().take(80).collect() })
}

fn private(name: &str, reason: impl fmt::Display) -> KeyError {
    KeyError::Private { name: name.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example key of Go's sumdb notes.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_reference_key_reads_and_writes() {
        let key: VerifyingKey = PETER.parse().unwrap();
        assert_eq!(
            (key.name(), key.kind(), key.label().as_str()),
            ("PeterNeumann", KeyKind::Note, "PeterNeumann+c74f20a3")
        );
        assert_eq!(key.to_string(), PETER);
    }

    #[test]
    fn no_part_and_no_slip_of_a_key_is_a_key() {
        for start in 0..=PETER.len() {
            for end in start..=PETER.len() {
                let whole = (start, end) == (0, PETER.len());
                assert_eq!(PETER[start..end].parse::<VerifyingKey>().is_ok(), whole, "{start}..{end}");
            }
        }
        for at in 0..PETER.len() {
            let mut bytes = PETER.as_bytes().to_vec();
            bytes[at] += 1;
            assert!(String::from_utf8(bytes).unwrap().parse::<VerifyingKey>().is_err(), "{at}");
        }
        let unknown = format!("a+00000000+{}", STANDARD.encode([6; 33]));
        assert!(matches!(unknown.parse::<VerifyingKey>(), Err(KeyError::Kind { kind: 6, .. })));
    }

    #[test]
    fn names_that_would_break_a_line_are_refused() {
        for name in ["", "a b", "a+b", "a\nb", "a\u{2003}b", "a\u{7f}", &"x".repeat(256)] {
            assert!(matches!(SigningKey::generate(name), Err(KeyError::Name { .. })), "{name:?}");
        }
    }

    #[test]
    fn a_key_survives_pkcs8_and_signs_the_same() {
        let key = SigningKey::generate("node-1").unwrap();
        let again = SigningKey::from_pkcs8("node-1", &key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(key.verifying_key(), again.verifying_key());
        assert_eq!(key.sign(b"x"), again.sign(b"x"));
        assert!(key.verifying_key().verifies(b"x", &again.sign(b"x")));
        assert!(!key.verifying_key().verifies(b"y", &again.sign(b"x")));
        assert!(!key.verifying_key().verifies(b"x", &again.sign(b"x")[..63]));
        assert!(SigningKey::from_pkcs8("node-1", b"no key").is_err());
    }

    #[test]
    fn a_ring_finds_only_the_very_key() {
        let key = SigningKey::from_seed("node-1", &[7; 32]).unwrap();
        let ring: Keyring = [key.verifying_key().clone()].into_iter().collect();
        let label = key.verifying_key().label();
        assert_eq!(ring.find_labelled(&label), Some(key.verifying_key()));
        let renewed = SigningKey::from_seed("node-1", &[8; 32]).unwrap();
        for stranger in [
            renewed.verifying_key().label(),
            label.replace("node-1", "node-2"),
            label.to_uppercase(),
            "x".into(),
        ] {
            assert_eq!(ring.find_labelled(&stranger), None, "{stranger}");
        }
        assert_ne!(key.cosigning_key().unwrap().id(), key.verifying_key().id());
    }
}
