//! Taking content in: encrypt and hash as it comes, check, and only then make it visible.

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use interlock_ledger::Digest;
use md5::Md5;
use object_store::path::Path as Address;
use object_store::{ObjectStoreExt as _, WriteMultipart};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::cipher::{Cipher, TAG_BYTES};
use super::error::AnyError;
use super::layout::{Layout, ObjectId};
use super::{Sealed, Vault, VaultError, address};
use crate::kek::random_key;

/// The smallest part that S3 takes in a multipart upload.
const PART_BYTES: usize = 5 << 20;
/// Parts on their way at once; with the one being filled, this bounds the memory of an upload.
const PARTS_IN_FLIGHT_MAX: usize = 1;

/// What content must be to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its SHA-256, if announced.
    pub digest: Option<Digest>,
    /// Its size, if announced.
    pub size_bytes: Option<u64>,
    /// The largest size that is accepted.
    pub size_bytes_max: u64,
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of the plain content.
    pub digest: Digest,
    /// SHA-1 of the plain content, hexadecimal, because the device protocol asks for it.
    pub sha1: String,
    /// MD5 of the plain content, hexadecimal, because the device protocol asks for it.
    pub md5: String,
    /// Size of the plain content.
    pub size_bytes: u64,
    /// What it takes to read it again.
    pub sealed: Sealed,
}

impl Vault {
    /// Encrypts and stores content as it comes; memory does not grow with it. Until everything expected of it has been
    /// checked, the object store shows nothing, and when this fails, it holds nothing.
    ///
    /// # Errors
    /// When the content is not what was expected, the sender breaks off, or the object store fails.
    pub async fn put<S, E>(&self, content: S, expected: Expected) -> Result<Stored, VaultError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        refuse_announced(&expected)?;
        let object = ObjectId::random().ok_or(VaultError::Encryption)?;
        let data_key = random_key().map_err(|_| VaultError::Encryption)?;
        let draft = Layout { object, chunk_bytes: self.chunk_bytes, size_bytes: 0 };
        let cipher = Cipher::new(&data_key, draft).ok_or(VaultError::Encryption)?;

        let incoming = Address::from_iter(["incoming", &object.to_string()]);
        let upload = self.store.put_multipart(&incoming).await.map_err(storage("begin to store"))?;
        let mut writer = Writer {
            cipher,
            chunk_bytes: self.chunk_bytes as usize,
            chunks: 0,
            filling: Vec::new(),
            upload: WriteMultipart::new_with_chunk_size(upload, PART_BYTES),
        };
        let received = match receive(content, &expected, &mut writer).await {
            Ok(received) => received,
            Err(error) => {
                // The first fault is the one to report; parts that stay behind are invisible.
                let _ = writer.upload.abort().await;
                return Err(error);
            }
        };
        writer.upload.finish().await.map_err(storage("store"))?;

        let layout = Layout { size_bytes: received.size_bytes, ..draft };
        let published = async {
            let sealed = Sealed::seal(&self.kek, &data_key, layout, &received.digest)?;
            let address = address(layout, &received.digest);
            self.store.rename(&incoming, &address).await.map_err(storage("publish"))?;
            Ok(sealed)
        };
        match published.await {
            Ok(sealed) => Ok(received.into_stored(sealed)),
            Err(error) => {
                let _ = self.store.delete(&incoming).await;
                Err(error)
            }
        }
    }
}

fn refuse_announced(expected: &Expected) -> Result<(), VaultError> {
    match expected.size_bytes {
        Some(found) if found > expected.size_bytes_max => {
            Err(VaultError::TooLarge { size_bytes_max: expected.size_bytes_max, found })
        }
        _ => Ok(()),
    }
}

/// Reads the content to its end and checks it against what was expected.
async fn receive<S, E>(content: S, expected: &Expected, writer: &mut Writer) -> Result<Received, VaultError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<AnyError>,
{
    let mut content = std::pin::pin!(content);
    let mut hashes = Hashes::default();
    let mut size_bytes = 0_u64;
    loop {
        let next = content.try_next().await;
        let interrupted =
            |source: E| VaultError::Interrupted { received_bytes: size_bytes, source: source.into() };
        let Some(bytes) = next.map_err(interrupted)? else { break };
        size_bytes = size_bytes.saturating_add(bytes.len() as u64);
        if size_bytes > expected.size_bytes_max {
            return Err(VaultError::TooLarge { size_bytes_max: expected.size_bytes_max, found: size_bytes });
        }
        if let Some(announced) = expected.size_bytes.filter(|announced| size_bytes > *announced) {
            return Err(VaultError::LongerThanAnnounced { expected: announced, found: size_bytes });
        }
        hashes.update(&bytes);
        writer.write(&bytes).await?;
    }
    if let Some(announced) = expected.size_bytes.filter(|announced| size_bytes < *announced) {
        return Err(VaultError::CutShort { expected: announced, found: size_bytes });
    }
    let received = hashes.finish(size_bytes);
    if let Some(announced) = expected.digest.filter(|announced| *announced != received.digest) {
        return Err(VaultError::DigestMismatch { expected: announced, found: received.digest });
    }
    writer.finish()?;
    Ok(received)
}

/// Cuts content into chunks and encrypts them on their way to the object store.
struct Writer {
    cipher: Cipher,
    chunk_bytes: usize,
    chunks: u64,
    /// A chunk is held back until it is known whether it is the last.
    filling: Vec<u8>,
    upload: WriteMultipart,
}

impl Writer {
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        while !bytes.is_empty() {
            if self.filling.len() == self.chunk_bytes {
                self.seal(false)?;
                self.upload.wait_for_capacity(PARTS_IN_FLIGHT_MAX + 1).await.map_err(storage("store"))?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.chunk_bytes - self.filling.len()));
            self.filling.reserve_exact(self.chunk_bytes + TAG_BYTES - self.filling.len());
            self.filling.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), VaultError> {
        self.seal(true)
    }

    fn seal(&mut self, last: bool) -> Result<(), VaultError> {
        let mut chunk = std::mem::take(&mut self.filling);
        self.cipher.seal(self.chunks, last, &mut chunk).ok_or(VaultError::Encryption)?;
        self.chunks += 1;
        self.upload.put(chunk.into());
        Ok(())
    }
}

#[derive(Default)]
struct Hashes {
    sha256: Sha256,
    sha1: Sha1,
    md5: Md5,
}

impl Hashes {
    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha1.update(bytes);
        self.md5.update(bytes);
    }

    fn finish(self, size_bytes: u64) -> Received {
        Received {
            digest: Digest::from_bytes(self.sha256.finalize().into()),
            sha1: hex::encode(self.sha1.finalize()),
            md5: hex::encode(self.md5.finalize()),
            size_bytes,
        }
    }
}

struct Received {
    digest: Digest,
    sha1: String,
    md5: String,
    size_bytes: u64,
}

impl Received {
    fn into_stored(self, sealed: Sealed) -> Stored {
        let Self { digest, sha1, md5, size_bytes } = self;
        Stored { digest, sha1, md5, size_bytes, sealed }
    }
}

fn storage(action: &'static str) -> impl Fn(object_store::Error) -> VaultError {
    move |source| VaultError::Storage { action, source }
}
