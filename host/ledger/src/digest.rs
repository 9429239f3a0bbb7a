//! The name of some bytes: their SHA-256.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::canonical::{CanonicalError, to_canonical};

const PREFIX: &str = "sha256:";

/// A SHA-256 digest, written `sha256:<64 lower-case hex digits>` in text and JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that should have been a digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{found}` is no digest: write `sha256:` and 64 lower-case hex digits")]
pub struct DigestError {
    found: String,
}

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of the canonical JSON of `value`.
    ///
    /// # Errors
    /// When the value has no canonical form: see [`to_canonical`].
    pub fn of_canonical<T: Serialize + ?Sized>(value: &T) -> Result<Self, CanonicalError> {
        to_canonical(value).map(Self::of)
    }

    /// A digest that was computed elsewhere, such as over a stream.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits without the `sha256:`, as file names need them.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hash_to_hex(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.strip_prefix(PREFIX).and_then(hash_from_hex).map(Self).ok_or_else(|| {
            // A limit on what is echoed: the text comes from outside.
            DigestError { found: text.chars().take(80).collect() }
        })
    }
}

/// 64 lower-case hex digits. Verification spends its time on JSON and hex, so that a table is worth while.
pub(crate) fn hash_to_hex(hash: &[u8; 32]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in hash {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 0xf)]));
    }
    text
}

/// 32 bytes from exactly 64 lower-case hex digits: one value, one spelling.
pub(crate) fn hash_from_hex(text: &str) -> Option<[u8; 32]> {
    /// The value of each hex digit; 16 for all else.
    const VALUES: [u8; 256] = {
        let mut values = [16; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789abcdef"[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
    let mut strays = 0;
    let hash = pairs.map(|[high, low]| {
        let (high, low) = (VALUES[usize::from(high)], VALUES[usize::from(low)]);
        strays |= (high | low) & 16;
        high << 4 | low
    });
    (strays == 0).then_some(hash)
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest such as `sha256:…`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Digest, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_reads_back_what_it_wrote() {
        let digest = Digest::of("");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(digest));
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{EMPTY}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn only_one_spelling_is_accepted() {
        let upper = EMPTY.replace("e3b0", "E3B0");
        let stray = EMPTY.replace("e3b0", "g3b0");
        for wrong in
            ["", &stray, "sha256:", &EMPTY[7..], &EMPTY[..70], &format!("{EMPTY}0"), &upper, "sha512:00"]
        {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_canonical_digest_does_not_depend_on_key_order() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":2}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str(r#"{ "b": 2, "a": 1 }"#).unwrap();
        assert_eq!(Digest::of_canonical(&one), Digest::of_canonical(&two));
        assert_eq!(Digest::of_canonical(&one), Ok(Digest::of(r#"{"a":1,"b":2}"#)));
        assert!(Digest::of_canonical(&0.1).is_err());
    }
}
