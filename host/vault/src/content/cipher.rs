//! One data key over one object: AES-256-GCM in chunks, put together as STREAM (Hoang, Reyhanitabar, Rogaway, Vizár:
//! *Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance*, CRYPTO 2015).
//!
//! The nonce of a chunk is its number and whether it is the last. A chunk therefore decrypts in one place only: content
//! that was cut, extended or put in another order is found out, and so is a last chunk that went missing. Nonces
//! never repeat, because the data key encrypts one object and no number occurs twice in it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::layout::Layout;
use crate::kek::KeyBytes;

/// What each chunk grows by.
pub(super) const TAG_BYTES: usize = 16;

/// How far from its place a stray chunk is looked for. Only the wording of an error hangs on it.
const STRAY_CHUNKS_MAX: u64 = 128;

/// A chunk does not decrypt in this place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Altered;

/// Encrypts and decrypts the chunks of one object.
pub(super) struct Cipher {
    key: LessSafeKey,
    /// Bound to every chunk: what this is, of which object, in chunks of which size.
    context: Vec<u8>,
}

impl Cipher {
    pub(super) fn new(data_key: &KeyBytes, layout: Layout) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, data_key.as_slice()).ok()?;
        let chunk_bytes = layout.chunk_bytes.to_be_bytes();
        let context = [b"interlock content 1\n", layout.object.as_bytes(), &chunk_bytes].concat();
        Some(Self { key: LessSafeKey::new(key), context })
    }

    /// Encrypts a chunk in place and appends its tag.
    pub(super) fn seal(&self, chunk: u64, last: bool, plain: &mut Vec<u8>) -> Option<()> {
        self.key.seal_in_place_append_tag(nonce(chunk, last), Aad::from(self.context.as_slice()), plain).ok()
    }

    /// Decrypts a chunk with its tag.
    pub(super) fn open(&self, chunk: u64, last: bool, stored: &[u8]) -> Result<Vec<u8>, Altered> {
        let mut buffer = stored.to_vec();
        let plain = self
            .key
            .open_in_place(nonce(chunk, last), Aad::from(self.context.as_slice()), &mut buffer)
            .map_err(|_| Altered)?
            .len();
        buffer.truncate(plain);
        Ok(buffer)
    }

    /// The place where a chunk that does not decrypt in its own would, if that is not far.
    pub(super) fn stray(&self, layout: Layout, chunk: u64, stored: &[u8]) -> Option<u64> {
        let last = layout.last_chunk();
        let near = chunk.saturating_sub(STRAY_CHUNKS_MAX)..=chunk.saturating_add(STRAY_CHUNKS_MAX).min(last);
        near.filter(|place| *place != chunk).find(|place| self.open(*place, *place == last, stored).is_ok())
    }
}

/// Three bytes of zero, the number, and 1 for the last chunk.
fn nonce(chunk: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[3..11].copy_from_slice(&chunk.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::layout::ObjectId;
    use super::*;
    use crate::kek::random_key;

    fn layout() -> Layout {
        Layout { object: ObjectId::random().unwrap(), chunk_bytes: 16, size_bytes: 40 }
    }

    #[test]
    fn a_chunk_opens_in_its_own_place_alone() {
        let (key, layout) = (random_key().unwrap(), layout());
        let cipher = Cipher::new(&key, layout).unwrap();
        let mut chunk = b"sixteen bytes ok".to_vec();
        cipher.seal(1, false, &mut chunk).unwrap();
        assert_eq!(chunk.len(), 16 + TAG_BYTES);
        assert_eq!(cipher.open(1, false, &chunk).unwrap(), b"sixteen bytes ok");
        assert_eq!(cipher.open(0, false, &chunk), Err(Altered), "another number");
        assert_eq!(cipher.open(1, true, &chunk), Err(Altered), "made the last, as after truncation");
        assert_eq!(cipher.open(1, false, &chunk[1..]), Err(Altered), "shorter");
        assert_eq!(cipher.open(1, false, &[]), Err(Altered), "nothing");
        assert_eq!(cipher.stray(layout, 0, &chunk), Some(1));
        assert_eq!(cipher.stray(layout, 0, b"noise"), None);
    }

    #[test]
    fn a_chunk_opens_in_its_own_object_alone() {
        let (key, here) = (random_key().unwrap(), layout());
        let mut chunk = b"x".to_vec();
        Cipher::new(&key, here).unwrap().seal(0, true, &mut chunk).unwrap();
        let elsewhere = Cipher::new(&key, layout()).unwrap();
        assert_eq!(elsewhere.open(0, true, &chunk), Err(Altered));
        let other_chunks = Cipher::new(&key, Layout { chunk_bytes: 17, ..here }).unwrap();
        assert_eq!(other_chunks.open(0, true, &chunk), Err(Altered));
        let other_key = Cipher::new(&random_key().unwrap(), here).unwrap();
        assert_eq!(other_key.open(0, true, &chunk), Err(Altered));
    }
}
