//! The files that a copy holds beside those that its checkpoint calls for.

use super::{CHECKPOINT, Files, ReadError, bundle::first_entry};
use crate::tile::{Tile, TileKind, parse_bundle};
use crate::verify::Finding;

/// Looks at every file: what does not belong there is said, and a partial tile from when the log was shorter must be how the
/// whole one begins. Says how many files there are; `None` where they cannot be listed.
pub(super) fn look(
    files: &(impl Files + ?Sized),
    size: u64,
    findings: &mut Vec<Finding>,
) -> Result<Option<u64>, ReadError> {
    let mut count = 0;
    let listed = files.each(&mut |path| {
        count += 1;
        if path == CHECKPOINT {
            return Ok(());
        }
        let Ok(tile) = path.parse::<Tile>() else {
            let (expected, found) = ("a checkpoint, a tile or a bundle", "another file");
            findings.push(Finding::missing(None, format!("`{path}` belongs to no log"), expected, found));
            return Ok(());
        };
        match Tile::of_size(tile.kind(), tile.index(), size) {
            Some(now) if now == tile => Ok(()),
            Some(now) if now.width() > tile.width() => begins(files, tile, now, findings),
            _ => {
                let what = format!("`{tile}` is not covered by the checkpoint");
                let expected = format!("files of a log of {size} entries");
                findings.push(Finding::missing(Some(first_entry(tile)), what, expected, "more"));
                Ok(())
            }
        }
    })?;
    Ok(listed.then_some(count))
}

/// Whether an earlier tile is how the newest one, which has been checked, begins.
fn begins(
    files: &(impl Files + ?Sized),
    earlier: Tile,
    now: Tile,
    findings: &mut Vec<Finding>,
) -> Result<(), ReadError> {
    // What is not there has been said.
    let Some((now, whole)) = super::read(files, now)? else { return Ok(()) };
    let part = files.read(&earlier.to_string())?.unwrap_or_default();
    let sound = whole.starts_with(&part)
        && match earlier.kind() {
            TileKind::Hashes(_) => part.len() == 32 * usize::from(earlier.width()),
            TileKind::Entries => parse_bundle(&part, earlier.width()).is_ok(),
        };
    if !sound {
        let what = format!("`{earlier}` is not how `{now}` begins");
        let expected = format!("the first {} of it", earlier.width());
        findings.push(Finding::tampered(Some(first_entry(earlier)), what, expected, "something else"));
    }
    Ok(())
}
