//! All of a copy, read once: bundles in several threads, then the tree over them.

use std::num::NonZeroUsize;

use super::above::Above;
use super::bundle::{self, Checked};
use super::{CHECKPOINT, CopyError, Files, ReadError, every_file};
use crate::checkpoint::Checkpoint;
use crate::keys::Keyring;
use crate::tile::TILE_WIDTH;
use crate::verify::{Finding, Remembered, Report, Verifier};

/// Bundles that a thread checks before their entries are joined to the tree: some hundred kilobytes of results.
const BUNDLES: usize = 16;

/// What is asked of a copy.
#[derive(Debug, Clone)]
pub struct Demands {
    /// Which log it has to be.
    pub origin: String,
    /// Who is believed: the log, its servers, its witnesses.
    pub keys: Keyring,
    /// What was kept elsewhere: remembered checkpoints and those of receipts and witnesses, all of which it must continue.
    pub kept: Vec<Remembered>,
    /// How many of the witnesses must have cosigned its checkpoint.
    pub quorum: usize,
    /// Whether the servers' signatures on entries are checked. They take nearly all the time.
    pub emitter_signatures: bool,
    /// Whether files are looked for that do not belong there, and earlier partial tiles are compared.
    pub every_file: bool,
    /// How many threads read and hash.
    pub threads: NonZeroUsize,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Entries verified.
    pub done: u64,
    /// Of so many.
    pub of: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// What is wrong: which entry, what was expected, what is there.
    pub report: Report,
    /// The newest checkpoint, as the log signed it.
    pub checkpoint: Checkpoint,
    /// Its text with all signatures.
    pub note: Vec<u8>,
    /// The trusted witnesses that cosigned it.
    pub witnesses: Vec<String>,
    /// Files that are there, where they could be listed and every file was asked for.
    pub files: Option<u64>,
}

/// Verifies a copy: hashes every entry again, works out every tile again, and compares.
///
/// # Errors
/// When there is no checkpoint by the log, or a file cannot be read: nothing can be said then.
pub fn survey(
    files: &(impl Files + ?Sized),
    demands: &Demands,
    mut progress: impl FnMut(Step),
) -> Result<Survey, CopyError> {
    let no_checkpoint = || CopyError::NoCheckpoint { place: demands.origin.clone() };
    let note = files.read(CHECKPOINT)?.ok_or_else(no_checkpoint)?;
    let opened = Checkpoint::open(&note, &demands.origin, &demands.keys)?;
    let checkpoint = opened.checkpoint().clone();
    let mut verifier = Verifier::new(&demands.origin, demands.keys.clone());
    if !demands.emitter_signatures {
        verifier = verifier.without_emitter_signatures();
    }
    demands.kept.iter().for_each(|kept| verifier.continues(kept));
    verifier.expect(&checkpoint);
    let witnesses: Vec<String> = opened.witnesses().map(|witness| witness.name.clone()).collect();
    if witnesses.len() < demands.quorum {
        let (expected, found) = (format!("{} witnesses", demands.quorum), format!("{}", witnesses.len()));
        verifier.note(Finding::missing(None, "too few witnesses cosigned the checkpoint", expected, found));
    }
    let size = checkpoint.size;
    let mut above = Above::default();
    let mut findings = Vec::new();
    let (mut next, bundles) = (0, size.div_ceil(u64::from(TILE_WIDTH)));
    while next < bundles {
        let end = bundles.min(next + (BUNDLES * demands.threads.get()) as u64);
        for checked in check(files, &verifier, next..end, size, demands.threads)? {
            let Checked { rows, findings: of_files, end } = checked;
            of_files.into_iter().for_each(|finding| verifier.note(finding));
            for row in rows {
                verifier.accept(row);
            }
            verifier.skip_to(end);
            above.take(files, verifier.take_nodes(), &mut findings)?;
        }
        findings.drain(..).for_each(|finding| verifier.note(finding));
        next = end;
        progress(Step { done: size.min(next * u64::from(TILE_WIDTH)), of: size });
    }
    above.finish(files, size, &mut findings)?;
    let listed = match demands.every_file {
        true => every_file::look(files, size, &mut findings)?,
        false => None,
    };
    findings.into_iter().for_each(|finding| verifier.note(finding));
    Ok(Survey { report: verifier.finish(None), checkpoint, note, witnesses, files: listed })
}

/// Checks a run of bundles, in as many threads as there may be, and gives them in order.
fn check(
    files: &(impl Files + ?Sized),
    verifier: &Verifier,
    run: std::ops::Range<u64>,
    size: u64,
    threads: NonZeroUsize,
) -> Result<Vec<Checked>, ReadError> {
    let checker = verifier.checker();
    let indexes: Vec<u64> = run.collect();
    let check_all = |share: &[u64]| -> Result<Vec<Checked>, ReadError> {
        share.iter().map(|index| bundle::check(files, &checker, *index, size)).collect()
    };
    let mut shares = indexes.chunks(indexes.len().div_ceil(threads.get()).max(1));
    let own = shares.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let check_all = &check_all;
        let others: Vec<_> = shares.map(|share| scope.spawn(move || check_all(share))).collect();
        let mut checked = check_all(own)?;
        for other in others {
            match other.join() {
                Ok(more) => checked.extend(more?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(checked)
    })
}
