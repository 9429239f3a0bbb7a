//! Content at rest: encrypted in chunks, at an address that begins with its plain SHA-256.
//!
//! Each stored object has a random data key of its own, wrapped by the [`Kek`]; what is needed to open it is a
//! [`Sealed`], which the caller keeps with the artifact. Storing the same content twice makes two objects with two
//! keys, so that neither depends on the other.

mod cipher;
mod error;
mod get;
mod layout;
mod put;
mod sealed;

use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt as _;
use interlock_ledger::Digest;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Address;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};

use self::error::AnyError;
pub use self::error::VaultError;
pub use self::get::Content;
use self::layout::Layout;
pub use self::put::{Expected, Stored};
pub use self::sealed::Sealed;
use crate::kek::Kek;

/// The chunk that suits most: small enough for a range request, large enough that tags cost nothing.
pub const CHUNK_BYTES_DEFAULT: u32 = 64 << 10;
/// The smallest chunk: below this, tags outweigh content.
pub const CHUNK_BYTES_MIN: u32 = 16;
/// The largest chunk: a reader holds a few of them in memory.
pub const CHUNK_BYTES_MAX: u32 = 1 << 20;

/// Keeps content encrypted in an object store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    kek: Arc<Kek>,
    chunk_bytes: u32,
}

impl Vault {
    /// A vault over an object store. `chunk_bytes` holds for what is stored from now on.
    ///
    /// # Errors
    /// When `chunk_bytes` is outside [`CHUNK_BYTES_MIN`] and [`CHUNK_BYTES_MAX`].
    pub fn new(store: Arc<dyn ObjectStore>, kek: Kek, chunk_bytes: u32) -> Result<Self, VaultError> {
        if !(CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&chunk_bytes) {
            return Err(VaultError::ChunkBytes { found: chunk_bytes });
        }
        Ok(Self { store, kek: Arc::new(kek), chunk_bytes })
    }

    /// A vault in a directory, which is made if need be. What it says is stored survives a power failure.
    ///
    /// # Errors
    /// When the directory cannot be made or opened, or `chunk_bytes` cannot be used.
    pub fn on_disk(dir: impl AsRef<Path>, kek: Kek, chunk_bytes: u32) -> Result<Self, VaultError> {
        let path = dir.as_ref();
        let unusable = |source: AnyError| VaultError::Directory { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(|e| unusable(e.into()))?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|e| unusable(e.into()))?;
        Self::new(Arc::new(store.with_fsync(true)), kek, chunk_bytes)
    }

    /// A vault in memory, for tests and simulations.
    ///
    /// # Errors
    /// When `chunk_bytes` cannot be used.
    pub fn in_memory(kek: Kek, chunk_bytes: u32) -> Result<Self, VaultError> {
        Self::new(Arc::new(InMemory::new()), kek, chunk_bytes)
    }

    /// Whether the object is there and has the size that it should have. It is not read: see [`Vault::verify`].
    ///
    /// # Errors
    /// When the object store does not answer.
    pub async fn exists(&self, sealed: &Sealed, digest: &Digest) -> Result<bool, VaultError> {
        let layout = sealed.layout(digest)?;
        match self.store.head(&address(layout, digest)).await {
            Ok(found) => Ok(found.size == layout.stored_bytes()),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(VaultError::Storage { action: "look for", source }),
        }
    }

    /// Removes the object; it is no error when it is already gone.
    ///
    /// # Errors
    /// When the object store refuses.
    pub async fn remove(&self, sealed: &Sealed, digest: &Digest) -> Result<(), VaultError> {
        match self.store.delete(&address(sealed.layout(digest)?, digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(VaultError::Storage { action: "remove", source }),
        }
    }

    /// Reads and decrypts the whole object and hashes it again.
    ///
    /// # Errors
    /// When any bit of it is not as it was, with where.
    pub async fn verify(&self, sealed: &Sealed, digest: &Digest) -> Result<(), VaultError> {
        let mut content = self.get(sealed, digest, None).await?;
        let mut hash = Sha256::new();
        while let Some(bytes) = content.try_next().await? {
            hash.update(&bytes);
        }
        let found = Digest::from_bytes(hash.finalize().into());
        if found == *digest { Ok(()) } else { Err(VaultError::DigestMismatch { expected: *digest, found }) }
    }

    /// The same object under the current key-encryption key. The object itself is not touched: keep the answer in
    /// place of `sealed`.
    ///
    /// # Errors
    /// When `sealed` does not open.
    pub fn rewrap(&self, sealed: &Sealed, digest: &Digest) -> Result<Sealed, VaultError> {
        let data_key = sealed.open(&self.kek, digest)?;
        Sealed::seal(&self.kek, &data_key, sealed.layout(digest)?, digest)
    }
}

/// Where an object lies: its plain digest, then its own id. The first byte spreads it over 256 directories.
fn address(layout: Layout, digest: &Digest) -> Address {
    let hex = digest.to_hex();
    Address::from_iter(["content", &hex[..2], &hex, &layout.object.to_string()])
}

#[cfg(test)]
mod tests;
