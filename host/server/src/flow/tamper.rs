//! Incidents of the ledger: opened by the tamper watch, and resolved by a person who looked.
//!
//! Both are entries of the log that was altered. Whoever takes them away again makes it another log than was signed, which
//! holds admission by itself.

use interlock_domain::{AccountKind, Action, Actor, Resource, TenantId, Timestamp};
use interlock_ledger::{Digest, Report, to_canonical};
use interlock_store::{Note, Write};
use serde::{Deserialize, Serialize};

use super::ask::{may_read, permit};
use crate::{App, FlowError};

const DETECTED: &str = "ledger.tamper_detected";
const RESOLVED: &str = "ledger.tamper_resolved";
const OBJECT: &str = "ledger";
/// How many findings an incident names; it has the number of all.
const FINDINGS_MAX: usize = 20;
/// Longest that a person may write about it, in bytes.
const WORDS_BYTES_MAX: usize = 10_000;

/// What was found, and what somebody said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TamperIncident {
    /// Names what was found: the digest of all findings.
    pub id: String,
    /// The log.
    pub log: String,
    /// When it was found.
    pub at: String,
    /// The first findings: which entry, what was expected, what is there.
    pub findings: Vec<String>,
    /// How many there were.
    pub findings_total: u64,
    /// What came of looking at it; absent while nothing is admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<TamperResolved>,
}

/// What came of looking at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TamperResolved {
    /// The incident.
    pub id: String,
    /// Who looked.
    pub person: String,
    /// What they are called.
    pub name: String,
    /// What they found, in their words.
    pub findings: String,
    /// The policy decision that let them.
    pub decision: String,
    /// When.
    pub at: String,
}

/// What came of opening an incident.
pub(crate) enum Opened {
    /// It is new.
    New,
    /// It is open already.
    Before,
    /// Somebody has looked at exactly this.
    Resolved,
}

/// Opens an incident, unless it is known.
pub(crate) async fn open(app: &App, log: &str, report: &Report, now: Timestamp) -> Result<Opened, FlowError> {
    let tenant = tenant(log)?;
    let all: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let named = to_canonical(&serde_json::json!(all)).map(|bytes| Digest::of(&bytes).to_string());
    let id = named.map_err(|error| FlowError::invalid("", error.to_string()))?;
    if let Some(newest) = newest(app, &tenant).await?.filter(|newest| newest.id == id) {
        return Ok(if newest.resolved.is_some() { Opened::Resolved } else { Opened::Before });
    }
    let incident = TamperIncident {
        id,
        log: log.to_owned(),
        at: now.to_string(),
        findings: all.into_iter().take(FINDINGS_MAX).collect(),
        findings_total: report.findings_total,
        resolved: None,
    };
    let payload = serde_json::json!(incident);
    let note = Note { kind: DETECTED, object_kind: OBJECT, object_id: log.to_owned(), payload };
    app.commit_as_host(&tenant, now, None, vec![Write::Note(note)]).await?;
    Ok(Opened::New)
}

/// Why nothing goes ahead in a tenant; `None` when nothing of its log is known to be altered.
pub(crate) async fn holds(app: &App, tenant: &TenantId) -> Result<Option<String>, FlowError> {
    let open = newest(app, tenant).await?.filter(|incident| incident.resolved.is_none());
    let found = match open {
        Some(incident) => incident.findings.first().cloned(),
        None => app.watch.tampered().remove(tenant.as_str()),
    };
    Ok(found.map(|found| {
        format!(
            "the ledger was altered ({found}); nothing goes ahead until somebody has looked and resolves the incident: \
             `interlock ledger incident`, `interlock ledger resolve`"
        )
    }))
}

/// The newest incident of the tenant's log.
pub async fn show(app: &App, who: &Actor) -> Result<TamperIncident, FlowError> {
    may_read(app, who, Action::VerifyLedger, ledger(who)).await?;
    found(app, who).await
}

/// A person who looked says what they found. From then on changes go ahead again; what is altered besides is a new incident.
pub async fn resolve(app: &App, who: &Actor, id: &str, findings: &str) -> Result<TamperIncident, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::VerifyLedger, ledger(who), None, now).await?;
    if who.kind != AccountKind::User {
        return Err(FlowError::invalid("", "a program cannot have looked; have a person resolve it"));
    }
    if findings.trim().is_empty() || findings.len() > WORDS_BYTES_MAX {
        let said = format!("say what you found, in at most {WORDS_BYTES_MAX} bytes");
        return Err(FlowError::invalid("/findings", said));
    }
    let incident = found(app, who).await?;
    if incident.id != id {
        let said = format!("the open incident is `{}`; look at that one", incident.id);
        return Err(FlowError::invalid("/incident", said));
    }
    if let Some(resolved) = &incident.resolved {
        return Err(FlowError::invalid(
            "/incident",
            format!("{} resolved it at {}", resolved.name, resolved.at),
        ));
    }
    let resolved = TamperResolved {
        id: id.to_owned(),
        person: who.person.to_string(),
        name: who.name.clone(),
        findings: findings.trim().to_owned(),
        decision: decision.id.to_string(),
        at: now.to_string(),
    };
    let payload = serde_json::json!(resolved);
    let note = Note { kind: RESOLVED, object_kind: OBJECT, object_id: incident.log.clone(), payload };
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), Write::Note(note)]).await?;
    app.watch.forget(&incident.log);
    app.wake();
    Ok(TamperIncident { resolved: Some(resolved), ..incident })
}

async fn found(app: &App, who: &Actor) -> Result<TamperIncident, FlowError> {
    let newest = newest(app, &who.tenant).await?;
    newest.ok_or_else(|| FlowError::NotFound { what: "incident of the ledger", id: who.tenant.to_string() })
}

/// The newest incident, with what was said of it.
async fn newest(app: &App, tenant: &TenantId) -> Result<Option<TamperIncident>, FlowError> {
    let note = |kind| app.store.newest_note(tenant, kind, OBJECT, tenant.as_str());
    let Some(incident) = note(DETECTED).await? else { return Ok(None) };
    let Ok(incident) = serde_json::from_slice::<TamperIncident>(&incident) else { return Ok(None) };
    let resolved = note(RESOLVED).await?;
    let resolved = resolved.and_then(|note| serde_json::from_slice::<TamperResolved>(&note).ok());
    let resolved = resolved.filter(|resolved| resolved.id == incident.id && resolved.at >= incident.at);
    Ok(Some(TamperIncident { resolved, ..incident }))
}

fn tenant(log: &str) -> Result<TenantId, FlowError> {
    log.parse().map_err(|error| FlowError::bad_id("tenant", &error))
}

fn ledger(who: &Actor) -> Resource {
    Resource::Ledger { tenant: who.tenant.clone() }
}
