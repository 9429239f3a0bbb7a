//! One bundle of entries and the lowest tile above it: what can be said of them without their neighbours.

use super::{Files, ReadError, read};
use crate::tile::{Tile, TileKind, parse_bundle, parse_hashes};
use crate::tree::Hash;
use crate::verify::{Finding, RowCheck, RowChecker};

/// What a bundle came to.
pub(super) struct Checked {
    /// The entries, in order.
    pub(super) rows: Vec<RowCheck>,
    /// What is wrong with the files.
    pub(super) findings: Vec<Finding>,
    /// Where it ends, whether or not its entries are there.
    pub(super) end: u64,
}

/// Reads the bundle at this place of a log of `size` entries, and its tile, and checks what is in them.
pub(super) fn check(
    files: &(impl Files + ?Sized),
    checker: &RowChecker,
    index: u64,
    size: u64,
) -> Result<Checked, ReadError> {
    let of = |kind| Tile::of_size(kind, index, size);
    let (Some(bundle), Some(tile)) = (of(TileKind::Entries), of(TileKind::Hashes(0))) else {
        return Ok(Checked { rows: Vec::new(), findings: Vec::new(), end: size });
    };
    let (first, width) = (bundle.first(), bundle.width());
    let mut checked = Checked { rows: Vec::new(), findings: Vec::new(), end: first + u64::from(width) };
    let hashes = hashes(files, tile, &mut checked.findings)?;
    let Some((found, bytes)) = read(files, bundle)? else {
        checked.findings.push(missing(bundle));
        let known = hashes.unwrap_or_default();
        checked.rows = (first..).zip(known).map(|(idx, leaf)| RowCheck::unseen(idx, leaf)).collect();
        return Ok(checked);
    };
    let bodies = match parse_bundle(&bytes, found.width()) {
        Ok(bodies) => bodies,
        Err(error) => {
            let what = format!("`{found}` is no bundle");
            let expected = format!("{} entries", found.width());
            checked.findings.push(Finding::tampered(Some(first), what, expected, error.to_string()));
            return Ok(checked);
        }
    };
    checked.rows = (first..)
        .zip(bodies.into_iter().take(usize::from(width)))
        .map(|(idx, body)| checker.check_body(idx, body))
        .collect();
    for (row, hash) in checked.rows.iter().zip(hashes.iter().flatten()) {
        if row.leaf() != hash {
            let what = format!("entry has another hash than `{tile}` holds");
            let (expected, found) = (hex::encode(hash), hex::encode(row.leaf()));
            checked.findings.push(Finding::tampered(Some(row.idx()), what, expected, found));
        }
    }
    Ok(checked)
}

/// The hashes of a tile as it is kept; what keeps them from being read is a finding.
pub(super) fn hashes(
    files: &(impl Files + ?Sized),
    tile: Tile,
    findings: &mut Vec<Finding>,
) -> Result<Option<Vec<Hash>>, ReadError> {
    let Some((found, bytes)) = read(files, tile)? else {
        findings.push(missing(tile));
        return Ok(None);
    };
    match parse_hashes(&bytes, found.width()) {
        Ok(hashes) => Ok(Some(hashes[..usize::from(tile.width())].to_vec())),
        Err(error) => {
            let (what, expected) = (format!("`{found}` is no tile"), format!("{} hashes", found.width()));
            findings.push(Finding::tampered(Some(first_entry(tile)), what, expected, error.to_string()));
            Ok(None)
        }
    }
}

fn missing(tile: Tile) -> Finding {
    let what = format!("`{tile}` is not there");
    let expected = match tile.kind() {
        TileKind::Entries => format!("{} entries", tile.width()),
        TileKind::Hashes(_) => format!("{} hashes", tile.width()),
    };
    Finding::missing(Some(first_entry(tile)), what, expected, "no file")
}

/// The first entry that a tile says something about.
pub(super) fn first_entry(tile: Tile) -> u64 {
    tile.nodes().next().map_or(0, |node| node.index << node.level)
}
