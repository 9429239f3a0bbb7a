//! Where the bytes of a stored object lie.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::cipher::TAG_BYTES;

const ID_BYTES: usize = 16;

/// A stored object's own id: random, so that no two objects share an address or a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObjectId([u8; ID_BYTES]);

impl ObjectId {
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; ID_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ObjectId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; ID_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ())?;
        // One id, one spelling: the text becomes part of an address.
        if text.bytes().any(|b| b.is_ascii_uppercase()) { Err(()) } else { Ok(Self(bytes)) }
    }
}

/// How an object is laid out: chunk after chunk, each followed by its tag. Empty content is one empty chunk, so that
/// nothing is ever stored without a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) object: ObjectId,
    /// Plain bytes of every chunk but the last.
    pub(super) chunk_bytes: u32,
    /// Plain bytes altogether.
    pub(super) size_bytes: u64,
}

impl Layout {
    pub(super) fn last_chunk(&self) -> u64 {
        self.size_bytes.saturating_sub(1) / self.chunk()
    }

    /// Encrypted bytes altogether.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.size_bytes + (self.last_chunk() + 1) * TAG_BYTES as u64
    }

    /// The chunks that hold a range of plain bytes, which is not empty and lies inside the content.
    pub(super) fn chunks_of(&self, plain: &Range<u64>) -> Range<u64> {
        plain.start / self.chunk()..plain.end.saturating_sub(1) / self.chunk() + 1
    }

    /// The plain bytes of a chunk.
    pub(super) fn plain(&self, chunk: u64) -> Range<u64> {
        let start = chunk * self.chunk();
        start..(start + self.chunk()).min(self.size_bytes)
    }

    /// The stored bytes of some chunks.
    pub(super) fn stored(&self, chunks: &Range<u64>) -> Range<u64> {
        let with_tag = self.chunk() + TAG_BYTES as u64;
        chunks.start * with_tag..(chunks.end * with_tag).min(self.stored_bytes())
    }

    fn chunk(&self) -> u64 {
        u64::from(self.chunk_bytes)
    }
}
