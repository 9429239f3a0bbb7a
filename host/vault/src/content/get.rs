//! Giving content out: only the chunks that are needed, a few at a time.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use interlock_ledger::Digest;
use object_store::path::Path as Address;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::cipher::Cipher;
use super::layout::Layout;
use super::{Sealed, Vault, VaultError, address};

/// What is fetched from the object store at once, or one chunk if that is more: this bounds the memory of a reader.
const FETCH_BYTES: u64 = 256 << 10;

/// Decrypted content, piece by piece. Each piece has been authenticated; an error ends it.
pub type Content = BoxStream<'static, Result<Bytes, VaultError>>;

impl Vault {
    /// Reads content, all of it or the plain bytes of `range`. What can be known before the first byte is an error of
    /// this call, so that an edge can still answer with a status; what shows later is an error in the stream.
    ///
    /// # Errors
    /// When the object is gone or has another size, the seal does not open, or the range lies outside.
    pub async fn get(
        &self,
        sealed: &Sealed,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<Content, VaultError> {
        let data_key = sealed.open(&self.kek, digest)?;
        let layout = sealed.layout(digest)?;
        let wanted = range.unwrap_or(0..layout.size_bytes);
        if wanted.start > wanted.end || wanted.end > layout.size_bytes {
            return Err(VaultError::RangeOutside { range: wanted, size_bytes: layout.size_bytes });
        }
        let address = address(layout, digest);
        let digest = *digest;
        match self.store.head(&address).await {
            Ok(found) if found.size == layout.stored_bytes() => {}
            Ok(found) => {
                let expected = layout.stored_bytes();
                return Err(VaultError::StoredSize { digest, expected, found: found.size });
            }
            Err(source) => return Err(storage(digest, source)),
        }
        let cipher = Cipher::new(&data_key, layout).ok_or(VaultError::SealAltered { digest })?;
        let reader = Reader { store: Arc::clone(&self.store), address, digest, layout, cipher };
        Ok(reader.read(wanted))
    }
}

struct Reader {
    store: Arc<dyn ObjectStore>,
    address: Address,
    digest: Digest,
    layout: Layout,
    cipher: Cipher,
}

impl Reader {
    fn read(self, wanted: Range<u64>) -> Content {
        // Empty content has one chunk all the same: its tag proves that it is meant to be empty.
        let chunks = match wanted.is_empty() {
            true if self.layout.size_bytes > 0 => 0..0,
            _ => self.layout.chunks_of(&wanted),
        };
        let at_once = (FETCH_BYTES / u64::from(self.layout.chunk_bytes)).max(1);
        stream::try_unfold((self, chunks), move |(reader, mut chunks)| {
            let wanted = wanted.clone();
            async move {
                if chunks.is_empty() {
                    return Ok(None);
                }
                let now = chunks.start..chunks.end.min(chunks.start + at_once);
                chunks.start = now.end;
                let pieces = reader.fetch(&now, &wanted).await?;
                Ok(Some((stream::iter(pieces.into_iter().map(Ok)), (reader, chunks))))
            }
        })
        .try_flatten()
        .boxed()
    }

    async fn fetch(&self, chunks: &Range<u64>, wanted: &Range<u64>) -> Result<Vec<Bytes>, VaultError> {
        let place = self.layout.stored(chunks);
        let stored =
            self.store.get_range(&self.address, place.clone()).await.map_err(|e| storage(self.digest, e))?;
        let mut pieces = Vec::new();
        for chunk in chunks.clone() {
            let part = self.layout.stored(&(chunk..chunk + 1));
            // Offsets within one fetch, which fits in memory.
            let (from, to) = ((part.start - place.start) as usize, (part.end - place.start) as usize);
            let part = stored.get(from..to).unwrap_or_default();
            let plain = self.open(chunk, part)?;
            let piece = within(&self.layout.plain(chunk), wanted);
            if !piece.is_empty() {
                pieces.push(Bytes::from(plain).slice(piece));
            }
        }
        Ok(pieces)
    }

    fn open(&self, chunk: u64, stored: &[u8]) -> Result<Vec<u8>, VaultError> {
        let last = chunk == self.layout.last_chunk();
        self.cipher.open(chunk, last, stored).map_err(|_| {
            match self.cipher.stray(self.layout, chunk, stored) {
                Some(belongs_at) => VaultError::ChunkOutOfPlace { digest: self.digest, chunk, belongs_at },
                None => VaultError::ChunkAltered { digest: self.digest, chunk },
            }
        })
    }
}

/// The part of a chunk's plain bytes that is wanted, counted from the chunk's start.
fn within(chunk: &Range<u64>, wanted: &Range<u64>) -> Range<usize> {
    let start = wanted.start.clamp(chunk.start, chunk.end) - chunk.start;
    let end = wanted.end.clamp(chunk.start, chunk.end) - chunk.start;
    // A chunk has at most a mebibyte.
    start as usize..end as usize
}

fn storage(digest: Digest, source: object_store::Error) -> VaultError {
    match source {
        object_store::Error::NotFound { .. } => VaultError::Absent { digest },
        source => VaultError::Storage { action: "read", source },
    }
}
