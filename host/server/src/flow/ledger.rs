//! The tenant's ledger: read it, and verify all of it.

use std::{num::NonZeroUsize, thread};

use interlock_domain::{Action, Actor, Change, Resource};
use interlock_ledger::{Report, StoredRow, Verifier};
use interlock_store::Page;
use serde::Serialize;

use super::ask::may_read;
use crate::{App, FlowError};

/// Entries read at a time while verifying.
const BATCH: u32 = 2_000;

/// What came of verifying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Verification {
    /// True when nothing is wrong.
    pub sound: bool,
    /// How many entries were re-hashed.
    pub entries: u64,
    /// The root that they give, hexadecimal.
    pub root: String,
    /// What is wrong: which entry, what was expected, what is there.
    pub findings: Vec<LedgerFinding>,
    /// How many changes were rebuilt from their entries and compared with the tables.
    pub changes_rebuilt: u64,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LedgerFinding {
    /// The entry; absent when it is about the whole log or a table.
    pub index: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// The newest signed checkpoint.
pub async fn checkpoint(app: &App, who: &Actor) -> Result<String, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let head = app.store.head(who.tenant.as_str()).await?;
    let head = head.ok_or_else(|| FlowError::NotFound { what: "ledger", id: who.tenant.to_string() })?;
    Ok(head.checkpoint)
}

/// Entries, newest first; a page goes on below the index of the last one seen.
pub async fn entries(app: &App, who: &Actor, page: &Page) -> Result<Vec<StoredRow>, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    Ok(app.store.entries(who.tenant.as_str(), page).await?)
}

/// Verifies all of the tenant's ledger.
pub async fn verify(app: &App, who: &Actor) -> Result<Verification, FlowError> {
    may_read(app, who, Action::VerifyLedger, ledger(who)).await?;
    verify_log(app, who.tenant.as_str()).await
}

/// Re-hashes every entry, checks chain, root and signatures, rebuilds every change and compares it with its row.
pub async fn verify_log(app: &App, log: &str) -> Result<Verification, FlowError> {
    let head = app.store.head(log).await?;
    let Some(head) = head else {
        return Ok(Verification {
            sound: true,
            entries: 0,
            root: String::new(),
            findings: Vec::new(),
            changes_rebuilt: 0,
        });
    };
    let origin = app.store.options().origin(log);
    let keys = app.store.keys().keyring(&origin).map_err(interlock_store::StoreError::from)?;
    let mut verifier = Verifier::new(&origin, keys);
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut next = 0;
    // The head first, then rows up to it: entries that come in meanwhile are not missed, only not looked at.
    while next < head.size {
        let rows = app.store.rows(log, next, BATCH).await?;
        let Some(last) = rows.last() else { break };
        next = last.idx + 1;
        let until = rows.partition_point(|row| row.idx < head.size);
        verifier.push_batch(&rows[..until], threads, |_| {});
    }
    let report = verifier.finish_signed(head.checkpoint.as_bytes());
    let mut findings = from_report(&report);
    let changes_rebuilt = rebuild(app, log, &mut findings).await?;
    Ok(Verification {
        sound: findings.is_empty(),
        entries: report.entries,
        root: hex::encode(report.root),
        findings,
        changes_rebuilt,
    })
}

fn from_report(report: &Report) -> Vec<LedgerFinding> {
    report
        .findings
        .iter()
        .map(|finding| LedgerFinding {
            index: finding.idx,
            what: finding.what.to_string(),
            expected: finding.expected.clone(),
            found: finding.found.clone(),
        })
        .collect()
}

/// State is what the ledger says: every change is the fold of its events, or something was altered.
async fn rebuild(app: &App, log: &str, findings: &mut Vec<LedgerFinding>) -> Result<u64, FlowError> {
    let Ok(tenant) = log.parse() else { return Ok(0) };
    let mut rebuilt = 0;
    let mut page = Page { after: None, limit: 200 };
    loop {
        let changes = app.store.changes(&tenant, &Default::default(), &page).await?;
        let Some(last) = changes.last() else { return Ok(rebuilt) };
        page.after = Some(last.id.to_string());
        for change in &changes {
            rebuilt += 1;
            let events = app.store.events_of(&tenant, &change.id).await?;
            let folded = Change::from_events(&events);
            if folded.as_ref() != Some(change) {
                findings.push(LedgerFinding {
                    index: None,
                    what: format!("change `{}` is not what its entries say", change.id),
                    expected: folded.map_or("no change".to_owned(), |folded| {
                        format!("{} at revision {}", folded.state, folded.revision)
                    }),
                    found: format!("{} at revision {}", change.state, change.revision),
                });
            }
        }
    }
}

fn ledger(who: &Actor) -> Resource {
    Resource::Ledger { tenant: who.tenant.clone() }
}
