//! The tenant's ledger: read it, and verify all of it.

use std::io;

use interlock_domain::{Action, Actor, Resource};
use interlock_ledger::{FindingKind, Remembered, StoredRow, Verdict};
use interlock_store::{Audit, AuditStep, Page, Store, StoreError};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::ask::may_read;
use crate::{
    App, Config, FlowError, StartError,
    app::{ledger_keys_of, store_options},
};

/// Verifications under way in this process. Each takes all the processors that it gets, for as long as its log is.
static TURN: Semaphore = Semaphore::const_new(1);

/// What came of verifying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Verification {
    /// The outcome in one word.
    pub outcome: LedgerOutcome,
    /// True when nothing is wrong, and there was something to verify.
    pub sound: bool,
    /// How many entries were hashed again.
    pub entries: u64,
    /// The root that they give, hexadecimal.
    pub root: String,
    /// The newest checkpoint. Keep it outside of this server, and have the next verification prove that the log
    /// continues it. Absent when the log has none.
    pub checkpoint: Option<String>,
    /// What is wrong: which entry, what was expected, what is there. At most 1000.
    pub findings: Vec<LedgerFinding>,
    /// How many findings there were, with those that had no room.
    pub findings_total: u64,
    /// How many rows were compared with the newest entry that names them.
    pub rows_compared: u64,
    /// How many changes were rebuilt from their entries and compared with the tables.
    pub changes_rebuilt: u64,
    /// What to do now; absent when the log is sound.
    pub advice: Option<String>,
}

/// The outcome of verifying in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerOutcome {
    /// Nothing is wrong.
    Sound,
    /// Something that is needed to tell is not there.
    Unverifiable,
    /// Something was altered.
    Tampered,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LedgerFinding {
    /// What it means.
    pub kind: LedgerFindingKind,
    /// The entry; absent when it is about the whole log or a table.
    pub index: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerFindingKind {
    /// Something that is needed to tell is not there.
    Missing,
    /// It is not what was recorded.
    Tampered,
}

/// Entries, newest first; a page goes on below the index of the last one seen.
pub async fn entries(app: &App, who: &Actor, page: &Page) -> Result<Vec<StoredRow>, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    Ok(app.store.entries(who.tenant.as_str(), page).await?)
}

/// Verifies all of the tenant's ledger, and that it continues a checkpoint that the caller remembers.
pub async fn verify(app: &App, who: &Actor, remembered: Option<&str>) -> Result<Verification, FlowError> {
    may_read(app, who, Action::VerifyLedger, ledger(who)).await?;
    let remembered = remembered.map(|text| Remembered::parse(text.as_bytes())).transpose();
    let remembered = remembered.map_err(|error| {
        FlowError::invalid("/remembered", format!("{error}; send the checkpoint as an earlier answer had it"))
    })?;
    // Closed is not possible: nobody closes it.
    let _turn = TURN.acquire().await.map_err(|_| StoreError::Closed)?;
    let audit = app.store.audit(who.tenant.as_str(), remembered.as_ref(), |_| {}).await?;
    Ok(audit.into())
}

/// Verifies a log in the database of a server that need not run. Makes nothing: no folder, no key, no database.
pub async fn verify_stored(
    config: &Config,
    log: &str,
    remembered: Option<&Remembered>,
    progress: impl FnMut(AuditStep) + Send,
) -> Result<Verification, StartError> {
    let path = &config.ledger.key_file;
    let unusable = |error: io::Error| StartError::Folder { path: path.clone(), error };
    let keys = ledger_keys_of(std::fs::read(path).map_err(unusable)?)?;
    let store = Store::open_to_read(store_options(config), keys).await?;
    let audit = store.audit(log, remembered, progress).await;
    store.close().await;
    Ok(audit?.into())
}

impl From<Audit> for Verification {
    fn from(audit: Audit) -> Self {
        let Audit { report, checkpoint, rows_compared, changes_rebuilt } = audit;
        let (outcome, advice) = match report.verdict() {
            Verdict::Sound => (LedgerOutcome::Sound, None),
            Verdict::Unverifiable => (LedgerOutcome::Unverifiable, Some(UNVERIFIABLE)),
            Verdict::Tampered => (LedgerOutcome::Tampered, Some(TAMPERED)),
        };
        let findings = report.findings.into_iter().map(|finding| LedgerFinding {
            kind: match finding.kind {
                FindingKind::Missing => LedgerFindingKind::Missing,
                FindingKind::Tampered => LedgerFindingKind::Tampered,
            },
            index: finding.idx,
            what: finding.what.into_owned(),
            expected: finding.expected,
            found: finding.found,
        });
        Self {
            outcome,
            sound: outcome == LedgerOutcome::Sound,
            entries: report.entries,
            root: hex::encode(report.root),
            checkpoint: Some(checkpoint).filter(|text| !text.is_empty()),
            findings: findings.collect(),
            findings_total: report.findings_total,
            rows_compared,
            changes_rebuilt,
            advice: advice.map(str::to_owned),
        }
    }
}

const UNVERIFIABLE: &str = "find out whether what is missing was ever there: check the tenant and the data folder, and look into a \
                            backup; a payload that was erased on purpose cannot be verified any more";
const TAMPERED: &str = "stop trusting this database: keep a copy of it as it is, compare it with a backup and with a checkpoint \
                        that was kept elsewhere, and restore the newest backup that verifies";

fn ledger(who: &Actor) -> Resource {
    Resource::Ledger { tenant: who.tenant.clone() }
}
