//! Incident reports: what happened to a change, which devices it reached, who answered for it, what came back, and the proof of
//! all that.
//!
//! From an incident, from a change (also one of which an alert speaks). Everything in it is from the ledger and from the rows that the
//! ledger records, as of one checkpoint.

mod says;

use interlock_domain::{
    Action, Actor, Assignment, AssignmentState, Change, ChangeId, Incident, IncidentId, Progress,
};
use interlock_report::Document;
use interlock_store::{AssignmentFilter, Page, StoreError};
use serde_json::{Value, json};

use super::{
    ask::may_read,
    change::load,
    export::{
        Scope,
        gather::{Gathered, gather},
        paper,
    },
    incident, tlog,
};
use crate::{App, FlowError};

/// Targets read in one statement.
const TARGETS: u32 = 500;

/// What a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// An incident.
    Incident(IncidentId),
    /// A change.
    Change(ChangeId),
}

/// A report.
#[derive(Debug)]
pub struct Report {
    /// For programs, with the receipts.
    pub json: Value,
    /// For people.
    pub document: Document,
}

impl Report {
    /// The document as PDF.
    pub fn pdf(&self) -> Result<Vec<u8>, FlowError> {
        interlock_report::pdf(&self.document)
            .map_err(|error| StoreError::Malformed { detail: error.to_string() }.into())
    }
}

/// All that a report is made of.
pub(super) struct Known {
    pub(super) change: Change,
    pub(super) incidents: Vec<Incident>,
    pub(super) progress: Progress,
    /// The targets that were touched, by device.
    pub(super) touched: Vec<Assignment>,
    /// How many more there were than are listed.
    pub(super) left_out: u64,
    pub(super) gathered: Gathered,
}

/// Reports about an incident or a change.
pub async fn report(app: &App, who: &Actor, about: &About) -> Result<Report, FlowError> {
    let (id, incident) = match about {
        About::Change(id) => (id.clone(), None),
        About::Incident(id) => {
            let incident = incident::show(app, who, id).await?;
            (incident.change.clone(), Some(incident))
        }
    };
    let change = load(app, &who.tenant, &id).await?;
    may_read(app, who, Action::ReadChange, change.resource()).await?;
    may_read(app, who, Action::ReadLedger, tlog::ledger(who)).await?;
    let scope = Scope { change: Some(id.clone()), ..Scope::default() };
    let gathered = gather(app, who, &scope).await?;
    let incidents = match incident {
        Some(incident) => vec![incident],
        None => incidents(app, who, &gathered).await?,
    };
    let (touched, left_out) = touched(app, who, &id).await?;
    let progress = app.store.progress(&who.tenant, &id).await?;
    let known = Known { change, incidents, progress, touched, left_out, gathered };
    Ok(Report { json: as_json(&known), document: says::document(&known) })
}

/// The incidents that the ledger has of the change.
async fn incidents(app: &App, who: &Actor, gathered: &Gathered) -> Result<Vec<Incident>, FlowError> {
    let mut found = Vec::new();
    for entry in gathered.entries.iter().filter_map(|exported| exported.entry.as_ref()) {
        if entry.kind != "incident.opened" {
            continue;
        }
        let Ok(id) = entry.object.id.parse() else { continue };
        found.extend(app.store.incident(&who.tenant, &id).await?);
    }
    Ok(found)
}

/// The targets that the change touched, and how many more there are than one report lists.
async fn touched(app: &App, who: &Actor, id: &ChangeId) -> Result<(Vec<Assignment>, u64), FlowError> {
    let most = usize::try_from(app.config.ledger.export_entries_max).unwrap_or(usize::MAX);
    let (mut touched, mut left_out) = (Vec::new(), 0);
    let mut page = Page::first(TARGETS);
    loop {
        let part = app.store.assignments(&who.tenant, id, &AssignmentFilter::default(), &page).await?;
        let Some(last) = part.last() else { break };
        page.after = Some(last.device.to_string());
        for assignment in part.into_iter().filter(was_touched) {
            if touched.len() < most {
                touched.push(assignment);
            } else {
                left_out += 1;
            }
        }
    }
    Ok((touched, left_out))
}

fn was_touched(assignment: &Assignment) -> bool {
    !matches!(
        assignment.state,
        AssignmentState::Pending | AssignmentState::Waiting | AssignmentState::Released
    )
}

/// The same for programs. Receipts are in it whole: each proves its entry without this server.
fn as_json(known: &Known) -> Value {
    let Known { change, incidents, progress, touched, left_out, gathered } = known;
    let receipts = gathered.entries.iter().filter_map(|exported| {
        let receipt = exported.proof.as_ref().ok()?;
        Some(json!({ "index": exported.row.idx, "receipt": receipt }))
    });
    let unproved = gathered.entries.iter().filter_map(|exported| {
        let why = exported.proof.as_ref().err()?;
        Some(json!({ "index": exported.row.idx, "why": why }))
    });
    let table = paper::timeline(gathered);
    let timeline: Vec<Value> = table
        .rows
        .iter()
        .map(|row| json!({ "entry": row[0], "at": row[1], "what": row[2], "who": row[3], "object": row[4], "says": row[5] }))
        .collect();
    let signatures: Vec<Value> = gathered
        .signatures
        .iter()
        .map(|given| {
            let line = paper::line(given);
            json!({
                "id": line.id, "name": line.name, "title": line.title, "signed_at": line.signed_at, "meaning": line.meaning,
                "sentence": line.sentence, "reason": line.reason, "standing": line.standing,
            })
        })
        .collect();
    let rollout = change.rollout.as_ref();
    json!({
        "v": 1,
        "happened": says::happened(known),
        "change": {
            "id": change.id, "title": change.manifest.title, "description": change.manifest.description, "state": change.state,
            "kind": change.manifest.kind, "environment": change.manifest.environment, "author": change.author_name,
            "digest": change.digest, "artifacts": change.manifest.artifacts, "created_at": change.created_at,
        },
        "incidents": incidents,
        "devices": { "progress": progress, "touched": touched, "left_out": left_out },
        "timeline": timeline,
        "approvals": change.approvals,
        "signatures": signatures,
        "rollback": { "cause": change.rollback, "brought_back": says::in_state(touched, AssignmentState::RolledBack),
            "not_brought_back": says::in_state(touched, AssignmentState::RollbackFailed) },
        "evidence": { "gates": change.gates, "health": rollout.map(|rollout| &rollout.health) },
        "ledger": {
            "origin": gathered.origin, "size": gathered.size, "checkpoint": gathered.checkpoint,
            "keys": gathered.keys.iter().map(|(purpose, key)| json!({ "for": purpose, "vkey": key })).collect::<Vec<_>>(),
            "receipts": receipts.collect::<Vec<_>>(), "unproved": unproved.collect::<Vec<_>>(),
        },
    })
}
