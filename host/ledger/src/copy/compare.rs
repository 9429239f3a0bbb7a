//! Two copies of a log: whether one continues the other, and if not, in which entry they differ first.
//!
//! A few tiles of each, whatever its size: the trees over the first k entries are compared for ever closer k, and each copy has
//! to prove that its own checkpoint begins with the tree that it shows.

use super::proved::{Proved, Stopped};
use super::{CopyError, Files};
use crate::checkpoint::Checkpoint;
use crate::keys::Keyring;
use crate::verify::Finding;

/// What came of comparing a log with a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What the log says of itself.
    pub log: Checkpoint,
    /// What the copy says.
    pub copy: Checkpoint,
    /// Where they part; `None` when one continues the other.
    pub first: Option<Difference>,
    /// What keeps a copy from proving what it says.
    pub findings: Vec<Finding>,
}

/// The first entry in which they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub index: u64,
    /// What stands there in the log, where its bundle is kept.
    pub in_log: Option<Vec<u8>>,
    /// What stands there in the copy.
    pub in_copy: Option<Vec<u8>>,
}

/// Compares a log with a copy of it. Both checkpoints must be signed by the log.
///
/// # Errors
/// When one has no checkpoint by the log, or a file cannot be read.
pub fn compare(
    log: &(impl Files + ?Sized),
    copy: &(impl Files + ?Sized),
    origin: &str,
    keys: &Keyring,
) -> Result<Comparison, CopyError> {
    let log = Proved::open("the log", log, origin, keys)?;
    let copy = Proved::open("the copy", copy, origin, keys)?;
    let common = log.checkpoint.size.min(copy.checkpoint.size);
    let mut comparison = Comparison {
        log: log.checkpoint.clone(),
        copy: copy.checkpoint.clone(),
        first: None,
        findings: Vec::new(),
    };
    let first = match parting(&log, &copy, common) {
        Ok(first) => first,
        Err(Stopped::Unproved(finding)) => {
            comparison.findings.push(finding);
            return Ok(comparison);
        }
        Err(Stopped::Read(error)) => return Err(error.into()),
    };
    if let Some(index) = first {
        let (in_log, in_copy) = (log.body(index)?, copy.body(index)?);
        comparison.first = Some(Difference { index, in_log, in_copy });
    }
    Ok(comparison)
}

/// The first entry in which they differ below `common`.
fn parting<A: Files + ?Sized, B: Files + ?Sized>(
    log: &Proved<'_, A>,
    copy: &Proved<'_, B>,
    common: u64,
) -> Result<Option<u64>, Stopped> {
    let same = |size: u64| Ok::<bool, Stopped>(log.root(size)? == copy.root(size)?);
    if common == 0 || same(common)? {
        return Ok(None);
    }
    // The trees over `low` entries are the same, and those over `high` are not.
    let (mut low, mut high) = (0, common);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if same(middle)? { low = middle } else { high = middle }
    }
    Ok(Some(low))
}
