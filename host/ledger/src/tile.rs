//! Tiles and entry bundles of C2SP tlog-tiles: the tree as a finite set of files that never change.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::entry::BODY_BYTES_MAX;
use crate::tree::{Hash, NodeId};

/// How many hashes or entries a full tile holds.
pub const TILE_WIDTH: u16 = 256;

/// The tree levels that one tile spans.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// The highest tile level that a tree with a 64-bit size can have.
const LEVEL_MAX: u8 = 7;

/// Why a path, tile or bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TileError {
    /// Not a path of tlog-tiles.
    #[error(
        "`{path}` is no tile path: write `tile/<level or entries>/<x001/…/067>`, then `.p/<1 to 255>` if partial"
    )]
    Path {
        /// The path, shortened.
        path: String,
    },
    /// A tile with too few or too many bytes.
    #[error("a tile of `{width}` hashes has `{expected}` bytes, not `{found}`: fetch it again")]
    TileLength {
        /// Its width.
        width: u16,
        /// Bytes that the width calls for.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// A bundle that ends within an entry.
    #[error("the bundle breaks off in entry `{at}`: fetch it again")]
    BundleCutShort {
        /// Position within the bundle.
        at: usize,
    },
    /// A bundle with another number of entries than its path says.
    #[error("the bundle has `{found}` entries, its path says `{expected}`: fetch it again")]
    BundleWidth {
        /// The width in the path.
        expected: u16,
        /// Entries there are.
        found: usize,
    },
    /// The length prefix has 16 bits.
    #[error(
        "entry `{at}` of the bundle has `{found}` bytes where 65535 fit: keep its payload apart, by digest"
    )]
    EntryTooLong {
        /// Position within the bundle.
        at: usize,
        /// Its bytes.
        found: usize,
    },
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Node hashes of the tree levels from 8 × this.
    Hashes(u8),
    /// Entries, each after its length.
    Entries,
}

impl TileKind {
    /// How many complete nodes of this kind a tree of `size` entries has.
    fn nodes_of(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Hashes(level) => size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0),
        }
    }
}

/// One tile or entry bundle: its text form is its path below the log's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// What it holds.
    #[must_use]
    pub fn kind(self) -> TileKind {
        self.kind
    }

    /// Position from the left on its level.
    #[must_use]
    pub fn index(self) -> u64 {
        self.index
    }

    /// Hashes or entries in it: 256 when full.
    #[must_use]
    pub fn width(self) -> u16 {
        self.width
    }

    /// The tile at this place as a tree of `size` entries has it; `None` when nothing of it is there yet.
    #[must_use]
    pub fn of_size(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let before = index.checked_mul(u64::from(TILE_WIDTH))?;
        let left = kind.nodes_of(size).checked_sub(before).filter(|left| *left > 0)?;
        Some(Self { kind, index, width: left.min(u64::from(TILE_WIDTH)) as u16 })
    }

    /// The whole tile at this place; `None` where no tree reaches.
    #[must_use]
    pub fn whole_at(kind: TileKind, index: u64) -> Option<Self> {
        index.checked_add(1)?.checked_mul(u64::from(TILE_WIDTH))?;
        Some(Self { kind, index, width: TILE_WIDTH })
    }

    /// What this tile becomes once all of its places are taken.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// The first node of the tile among those of its level.
    #[must_use]
    pub fn first(self) -> u64 {
        self.index * u64::from(TILE_WIDTH)
    }

    /// The nodes whose hashes it holds, left to right; for a bundle, its leaves.
    pub fn nodes(self) -> impl Iterator<Item = NodeId> {
        let level = match self.kind {
            TileKind::Hashes(level) => u32::from(level) * TILE_HEIGHT,
            TileKind::Entries => 0,
        };
        let first = self.index * u64::from(TILE_WIDTH);
        (first..first + u64::from(self.width)).map(move |index| NodeId { level, index })
    }

    /// The tiles and bundles that a tree of `new` entries has and one of `old` had not: what to publish after growing.
    pub fn grown(old: u64, new: u64) -> impl Iterator<Item = Self> {
        let bundles = Self::on_level(TileKind::Entries, old, new);
        let tiles = (0..=LEVEL_MAX).flat_map(move |level| {
            let nodes = |size: u64| size >> (u32::from(level) * TILE_HEIGHT);
            Self::on_level(TileKind::Hashes(level), nodes(old), nodes(new))
        });
        bundles.chain(tiles)
    }

    fn on_level(kind: TileKind, old: u64, new: u64) -> impl Iterator<Item = Self> {
        let wide = u64::from(TILE_WIDTH);
        let first = old / wide;
        let end = if old < new { new.div_ceil(wide) } else { first };
        (first..end).map(move |index| {
            let width = (new - index * wide).min(wide) as u16;
            Self { kind, index, width }
        })
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let digits = self.index.to_string();
        let groups = digits.len().div_ceil(3);
        let padded = format!("{:0>1$}", digits, groups * 3);
        for group in 0..groups {
            let mark = if group + 1 < groups { "x" } else { "" };
            let slash = if group == 0 { "" } else { "/" };
            write!(f, "{slash}{mark}{}", &padded[group * 3..group * 3 + 3])?;
        }
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let tile = parse_path(path);
        // One tile, one path: what does not write back to itself has stray zeros or needless groups.
        tile.filter(|tile| tile.to_string() == path)
            .ok_or_else(|| TileError::Path { path: path.chars().take(120).collect() })
    }
}

fn parse_path(path: &str) -> Option<Tile> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(level.parse().ok().filter(|level| *level <= LEVEL_MAX)?),
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok().filter(|w| (1..TILE_WIDTH).contains(w))?),
        None => (rest, TILE_WIDTH),
    };
    let mut number: u64 = 0;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let three = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
        number = number.checked_mul(1000)?.checked_add(digits.parse().ok().filter(|_| three)?)?;
    }
    // The last leaf of the tile must have an index.
    number.checked_add(1)?.checked_mul(u64::from(TILE_WIDTH))?;
    Some(Tile { kind, index: number, width })
}

/// The bytes of a tile.
#[must_use]
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.as_flattened().to_vec()
}

/// The hashes in a tile of this width.
///
/// # Errors
/// When the length is not 32 bytes a hash.
pub fn parse_hashes(bytes: &[u8], width: u16) -> Result<&[Hash], TileError> {
    match bytes.as_chunks() {
        (hashes, []) if hashes.len() == usize::from(width) => Ok(hashes),
        _ => Err(TileError::TileLength { width, expected: 32 * usize::from(width), found: bytes.len() }),
    }
}

/// The bytes of an entry bundle: each body after its length in 16 bits, big-endian.
///
/// # Errors
/// When a body is longer than the prefix can say.
pub fn encode_bundle<B: AsRef<[u8]>>(bodies: impl IntoIterator<Item = B>) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    for (at, body) in bodies.into_iter().enumerate() {
        let body = body.as_ref();
        let length =
            u16::try_from(body.len()).map_err(|_| TileError::EntryTooLong { at, found: body.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(body);
    }
    Ok(bytes)
}

/// The bodies in an entry bundle of this width.
///
/// # Errors
/// When it breaks off or holds another number of entries.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let (mut rest, mut bodies) = (bytes, Vec::with_capacity(usize::from(width)));
    while let Some((length, after)) = rest.split_first_chunk() {
        if bodies.len() == usize::from(width) {
            return Err(TileError::BundleWidth { expected: width, found: bodies.len() + 1 });
        }
        let at = bodies.len();
        let split = after.split_at_checked(usize::from(u16::from_be_bytes(*length)));
        let (body, after) = split.ok_or(TileError::BundleCutShort { at })?;
        bodies.push(body);
        rest = after;
    }
    match (rest, bodies.len()) {
        ([], found) if found == usize::from(width) => Ok(bodies),
        ([], found) => Err(TileError::BundleWidth { expected: width, found }),
        (_, at) => Err(TileError::BundleCutShort { at }),
    }
}

const _: () = assert!(BODY_BYTES_MAX == u16::MAX as usize, "an entry fits its length prefix");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for path in [
            "tile/0/x001/x234/067",
            "tile/0/000",
            "tile/7/999.p/1",
            "tile/entries/x001/000.p/255",
            "tile/1/x072/x057/x594/x037/x927/934",
        ] {
            assert_eq!(path.parse::<Tile>().unwrap().to_string(), path);
        }
        assert_eq!("tile/0/x001/x234/067".parse::<Tile>().unwrap().index(), 1_234_067);
    }

    #[test]
    fn each_tile_has_only_one_path() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/8/000",
            "tile/+1/000",
            "tile/0/x000/001",
            "tile/0/001/x002",
            "tile/0/x001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001.p/",
            "tile/0/+01",
            "/tile/0/001",
            "tile/0/001/",
            "tile/entries/../000",
            "tile/0/x18/x446/000",
            "tile/0/x018/x446/x744/x073/x709/x551/615",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert!(path.parse::<Tile>().is_err(), "{path}");
        }
    }

    #[test]
    fn a_tree_of_seventy_thousand_has_the_tiles_that_the_specification_names() {
        let tiles: Vec<_> = Tile::grown(0, 70_000).collect();
        let count = |kind, full| tiles.iter().filter(|t| t.kind == kind && (t.width == 256) == full).count();
        assert_eq!(count(TileKind::Hashes(0), true), 273);
        assert!(tiles.contains(&Tile { kind: TileKind::Hashes(0), index: 273, width: 112 }));
        assert_eq!(count(TileKind::Hashes(1), true), 1);
        assert!(tiles.contains(&Tile { kind: TileKind::Hashes(1), index: 1, width: 17 }));
        assert!(tiles.contains(&Tile { kind: TileKind::Hashes(2), index: 0, width: 1 }));
        assert_eq!(tiles.len(), 274 * 2 + 2 + 1);
        assert_eq!(Tile::grown(70_000, 70_000).count(), 0);
        assert_eq!(
            Tile::grown(255, 256).map(|t| t.to_string()).collect::<Vec<_>>(),
            ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
        );
        let nodes: Vec<_> = Tile { kind: TileKind::Hashes(1), index: 1, width: 2 }.nodes().collect();
        assert_eq!(nodes, [NodeId { level: 8, index: 256 }, NodeId { level: 8, index: 257 }]);
    }

    #[test]
    fn tiles_and_bundles_of_the_wrong_length_are_refused() {
        assert!(parse_hashes(&[0; 63], 2).is_err() && parse_hashes(&[0; 96], 2).is_err());
        assert_eq!(parse_hashes(&encode_hashes(&[[1; 32], [2; 32]]), 2), Ok(&[[1; 32], [2; 32]][..]));
        let bundle = encode_bundle([&b"one"[..], b"", b"three"]).unwrap();
        assert_eq!(bundle, b"\x00\x03one\x00\x00\x00\x05three");
        assert!(matches!(parse_bundle(&bundle, 2), Err(TileError::BundleWidth { .. })));
        assert!(matches!(parse_bundle(&bundle, 4), Err(TileError::BundleWidth { expected: 4, found: 3 })));
        assert_eq!(parse_bundle(&bundle[..6], 3), Err(TileError::BundleCutShort { at: 1 }));
        assert_eq!(parse_bundle(&bundle[..bundle.len() - 1], 3), Err(TileError::BundleCutShort { at: 2 }));
        assert!(matches!(
            encode_bundle([vec![0; 65_536]]),
            Err(TileError::EntryTooLong { found: 65_536, .. })
        ));
    }

    proptest! {
        #[test]
        fn every_tile_reads_back_from_its_path(level in 0u8..=7, index in 0u64..(1 << 56) - 1, width in 1u16..=256) {
            for kind in [TileKind::Hashes(level), TileKind::Entries] {
                let tile = Tile { kind, index, width };
                prop_assert_eq!(tile.to_string().parse(), Ok(tile));
            }
        }

        #[test]
        fn any_text_is_a_path_or_refused(path in "(tile/)?[0-9x/.pe+]{0,24}") {
            if let Ok(tile) = path.parse::<Tile>() {
                prop_assert_eq!(tile.to_string(), path);
            }
        }

        #[test]
        fn bundles_read_back(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let bundle = encode_bundle(&bodies).unwrap();
            prop_assert_eq!(parse_bundle(&bundle, bodies.len() as u16).unwrap(), bodies);
        }

        #[test]
        fn any_bytes_are_a_bundle_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), width in 0u16..8) {
            if let Ok(bodies) = parse_bundle(&bytes, width) {
                prop_assert_eq!(encode_bundle(bodies).unwrap(), bytes);
            }
        }
    }
}
