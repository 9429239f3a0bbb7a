//! The store against its own ledger: every entry hashed again, the head compared with the entries, every row with the
//! newest entry that names it, every change with the fold of its events.
//!
//! **No false alarm on a busy server.** A row and the entry that records it are read in one statement, and so are the
//! head and the last entry: each pair is of one moment, whatever is written meanwhile.
//!
//! **Nothing on trust.** Rows are compared with entries that queries find by the columns beside them. Hence those columns
//! are compared with what the entries say, and entries that came in while rows were compared are verified at the end,
//! like all before them.
//!
//! Advisories are the exception to a row an entry: the entry of each import carries the digest of the sum over all rows of
//! its tenant, and is compared with the rows in one snapshot.
//!
//! Memory does not grow with the log. Hashing and signatures keep off the threads that answer requests.
//!
//! Not compared: assignments. They are altered by the thousand, and their entries hold counts and digests of ids. Nor what only says
//! where the log itself is: checkpoints beside the newest, copies and anchors outside, which are compared with the log by whoever has them.

mod advisories;
mod end;
mod fold;
mod newest;
mod segments;
mod table;

use std::{num::NonZeroUsize, panic::resume_unwind, thread};

use interlock_ledger::{
    Checkpoint, Finding, Hash, Keyring, Remembered, Report, Verdict, Verifier, tree::leaf_hash,
};

pub use self::newest::Cursor;
use self::table::TABLES;
use crate::{Store, StoreError, ledger::End};

/// Entries read at a time.
const ENTRIES: u32 = 500;
/// Rows read at a time: they may be large, with all that a plugin saw.
const ROWS: u32 = 100;

/// What an audit has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditStep {
    /// Entries were verified.
    Entries {
        /// So many.
        done: u64,
        /// Of so many.
        of: u64,
    },
    /// Rows were compared with their entries.
    Rows {
        /// So many.
        done: u64,
    },
}

/// Whom an audit believes.
#[derive(Debug)]
pub struct AuditBy<'a> {
    /// The keys of the log, of its servers, and of its witnesses.
    pub keys: Keyring,
    /// What was kept elsewhere, all of which the log must continue.
    pub kept: &'a [Remembered],
    /// Whether the servers' signatures on entries are checked.
    pub emitter_signatures: bool,
}

/// What came of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What is wrong with the log, with its head and with the rows that it records.
    pub report: Report,
    /// The newest checkpoint as the log published it; empty when there is none.
    pub checkpoint: String,
    /// How many rows were compared with the entries that name them.
    pub rows_compared: u64,
    /// How many changes were rebuilt from their entries and compared.
    pub changes_rebuilt: u64,
}

/// A log while it is read.
struct Reading {
    verifier: Verifier,
    next: u64,
    last: Option<Hash>,
}

impl Store {
    /// Audits a log and the rows of its tenant. With a checkpoint that the caller `remembered`, the log must continue it:
    /// nothing in the database itself can show that its end was cut off together with its head. Changes nothing.
    pub async fn audit(
        &self,
        log: &str,
        remembered: Option<&Remembered>,
        progress: impl FnMut(AuditStep) + Send,
    ) -> Result<Audit, StoreError> {
        let keys = self.keys().keyring(&self.options().origin(log))?;
        let kept = remembered.map(std::slice::from_ref).unwrap_or_default();
        self.audit_by(log, AuditBy { keys, kept, emitter_signatures: true }, progress).await
    }

    /// As [`Store::audit`], believing whom the caller believes and not whose keys this store has: for databases of others.
    pub async fn audit_by(
        &self,
        log: &str,
        by: AuditBy<'_>,
        mut progress: impl FnMut(AuditStep) + Send,
    ) -> Result<Audit, StoreError> {
        let mut verifier = Verifier::new(&self.options().origin(log), by.keys);
        if !by.emitter_signatures {
            verifier = verifier.without_emitter_signatures();
        }
        by.kept.iter().for_each(|kept| verifier.continues(kept));
        // What is not signed yet is now, so that little is left that nothing but a server's signature guards.
        self.signed(log).await?;
        if let Some(witnessed) = self.witnessed(log).await? {
            verifier.expect_signed(witnessed.note.as_bytes());
        }
        let before = self.end(log).await?;
        let mut checkpoint = expect(&mut verifier, &before);
        let mut reading = Reading { verifier, next: 0, last: None };
        // Up to where it is signed: the next checkpoint is at no smaller size.
        let signed = checkpoint.as_ref().map_or(before.entries, |signed| signed.size.min(before.entries));
        reading = self.read(log, signed, reading, &mut progress).await?;
        let mut compared = self.compare_rows(log, &mut reading.verifier, &mut progress).await?;
        compared.0 += self.compare_advisories(log, &mut reading.verifier, &mut progress).await?;
        compared.0 += self.compare_segments(log, &mut reading.verifier, &mut progress).await?;
        let after = self.end(log).await?;
        if after != before {
            checkpoint = expect(&mut reading.verifier, &after);
        }
        if reading.next < after.entries {
            reading = self.read(log, after.entries, reading, &mut progress).await?;
        }
        for finding in end::compare(&after, checkpoint.as_ref(), reading.verifier.tree(), reading.last) {
            reading.verifier.note(finding);
        }
        if let Some(finding) = self.surplus_nodes(log).await? {
            reading.verifier.note(finding);
        }
        let (rows_compared, changes_rebuilt) = compared;
        let checkpoint = after.checkpoint.unwrap_or_default();
        let mut report = reading.verifier.finish(None);
        // Where the database is in order by itself, only what the signer remembers shows that it is another one.
        if let Some(why) = self.refusals().remove(log).filter(|_| report.verdict() != Verdict::Tampered) {
            let expected = "a log that continues what was signed";
            report.findings.push(Finding::tampered(None, "signer refuses", expected, why));
            report.findings_total += 1;
        }
        Ok(Audit { report, checkpoint, rows_compared, changes_rebuilt })
    }

    /// Verifies the entries before `until`.
    async fn read(
        &self,
        log: &str,
        until: u64,
        mut reading: Reading,
        progress: &mut (impl FnMut(AuditStep) + Send),
    ) -> Result<Reading, StoreError> {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        while reading.next < until {
            let mut rows = self.rows(log, reading.next, ENTRIES).await?;
            rows.truncate(rows.partition_point(|row| row.idx < until));
            let Some(last) = rows.last() else { break };
            reading.next = last.idx + 1;
            reading.last = Some(leaf_hash(&last.body));
            let mut verifier = reading.verifier;
            reading.verifier = aside(move || {
                verifier.push_batch(&rows, threads, |_| {});
                verifier
            })
            .await?;
            let nodes = reading.verifier.take_nodes();
            for finding in self.compare_nodes(log, nodes).await? {
                reading.verifier.note(finding);
            }
            progress(AuditStep::Entries { done: reading.next, of: until });
        }
        Ok(reading)
    }

    /// Compares every row that entries name, finds the rows that none names, and rebuilds the changes. Says how many
    /// rows and changes that were.
    async fn compare_rows(
        &self,
        log: &str,
        verifier: &mut Verifier,
        progress: &mut (impl FnMut(AuditStep) + Send),
    ) -> Result<(u64, u64), StoreError> {
        let (mut compared, mut rebuilt) = (0, 0);
        for table in &TABLES {
            let mut above = String::new();
            loop {
                let page = self.newest(table, log, &above, ROWS).await?;
                let Some(last) = page.last() else { break };
                above = last.id.clone();
                compared += page.len() as u64;
                let (findings, page) = aside(move || {
                    let findings: Vec<_> = page.iter().flat_map(|recorded| table.compare(recorded)).collect();
                    (findings, page)
                })
                .await?;
                findings.into_iter().for_each(|finding| verifier.note(finding));
                for recorded in page.into_iter().filter(|_| table.is_folded()) {
                    let payloads = self.event_payloads(log, &recorded.id, recorded.entry_idx()).await?;
                    let findings = aside(move || fold::compare(&recorded, payloads)).await?;
                    rebuilt += u64::from(findings.is_empty());
                    findings.into_iter().for_each(|finding| verifier.note(finding));
                }
                progress(AuditStep::Rows { done: compared });
            }
            for id in self.unrecorded(table, log).await? {
                verifier.note(table.unrecorded(&id));
            }
        }
        Ok((compared, rebuilt))
    }
}

/// Has the verifier expect what is signed of the log. A log that nothing was ever written to has nothing signed.
fn expect(verifier: &mut Verifier, end: &End) -> Option<Checkpoint> {
    end.head.as_ref()?;
    verifier.expect_signed(end.checkpoint.as_ref()?.as_bytes())
}

/// Runs what keeps a processor busy where nobody's request waits for it.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(StoreError::Closed),
        },
    }
}
