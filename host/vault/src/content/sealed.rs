//! What it takes to open one stored object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, VaultError};
use crate::kek::{Kek, KeyBytes};

const VERSION: u32 = 1;
/// Larger content has no size that canonical JSON can write.
const SIZE_BYTES_MAX: u64 = (1 << 53) - 1;

/// Opens one stored object, together with the key-encryption key that it names. It is no secret. Every field is
/// bound to the wrapped key, and so is the digest: a seal that was changed, or moved to other content, does not open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Always 1: AES-256-GCM chunks in the STREAM construction, the data key wrapped with AES-256-GCM.
    pub v: u32,
    /// The object's own id, 32 hexadecimal digits.
    pub object: String,
    /// The key-encryption key that wraps the data key.
    pub key_id: String,
    /// The data key, encrypted: nonce, ciphertext and tag in base64.
    pub wrapped_key: String,
    /// Plain bytes of every chunk but the last.
    pub chunk_bytes: u32,
    /// Plain bytes altogether.
    pub size_bytes: u64,
}

impl Sealed {
    pub(super) fn seal(
        kek: &Kek,
        data_key: &KeyBytes,
        layout: Layout,
        digest: &Digest,
    ) -> Result<Self, VaultError> {
        let wrapped = kek.wrap(data_key, &context(kek.id(), layout, digest)).ok_or(VaultError::Encryption)?;
        Ok(Self {
            v: VERSION,
            object: layout.object.to_string(),
            key_id: kek.id().to_owned(),
            wrapped_key: STANDARD.encode(wrapped),
            chunk_bytes: layout.chunk_bytes,
            size_bytes: layout.size_bytes,
        })
    }

    /// The data key, and with it the proof that every field and the digest are those that were sealed.
    pub(super) fn open(&self, kek: &Kek, digest: &Digest) -> Result<KeyBytes, VaultError> {
        let layout = self.layout(digest)?;
        if !kek.knows(&self.key_id) {
            return Err(VaultError::KekUnknown { digest: *digest, key_id: self.key_id.clone() });
        }
        let altered = || VaultError::SealAltered { digest: *digest };
        let wrapped = STANDARD.decode(&self.wrapped_key).map_err(|_| altered())?;
        kek.unwrap(&self.key_id, &wrapped, &context(&self.key_id, layout, digest)).ok_or_else(altered)
    }

    /// How the object is laid out, if this is a layout at all. Proved only once [`Sealed::open`] has succeeded.
    pub(super) fn layout(&self, digest: &Digest) -> Result<Layout, VaultError> {
        if self.v != VERSION {
            let reason = format!("it has `v` = {} but only {VERSION} is known", self.v);
            return Err(VaultError::SealUnknown { digest: *digest, reason });
        }
        let sound = (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&self.chunk_bytes)
            && self.size_bytes <= SIZE_BYTES_MAX;
        match self.object.parse() {
            Ok(object) if sound => {
                Ok(Layout { object, chunk_bytes: self.chunk_bytes, size_bytes: self.size_bytes })
            }
            _ => Err(VaultError::SealAltered { digest: *digest }),
        }
    }
}

/// Everything that the wrapped key is bound to. No field can run into the next: each is a line without line breaks.
fn context(key_id: &str, layout: Layout, digest: &Digest) -> Vec<u8> {
    let Layout { object, chunk_bytes, size_bytes } = layout;
    format!("interlock data key {VERSION}\n{key_id}\n{object}\n{digest}\n{chunk_bytes}\n{size_bytes}\n")
        .into_bytes()
}
