//! Advisories: what is known of the weaknesses of packages, imported in the OSV format.

mod osv;
pub(crate) mod purl;

use interlock_domain::{Action, Actor, Timestamp};
use interlock_store::{AdvisoriesWritten, AdvisoryState, Note, Write};
use serde::Deserialize;

use super::{
    ask::{may_read, permit},
    change::tenant,
};
use crate::{App, FlowError};

/// Most records in one part of an import.
pub const RECORDS_MAX: usize = 1_000;

/// A part of an import.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Records in the OSV format, at most 1000.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<serde_json::Value>,
    /// With the last part: with it, the advisories are complete as of this time.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2026-11-20T18:00:00.000Z")]
    pub as_of: Option<Timestamp>,
}

/// What an import came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// What was written.
    pub done: AdvisoriesWritten,
    /// So many of the records were withdrawn by their makers, and are gone.
    pub withdrawn: u64,
    /// So many also speak of packages that have no purl: those cannot be looked up.
    pub partly: u64,
    /// What is there now.
    pub state: AdvisoryState,
}

/// Takes in a part of an import: all its records or none.
pub async fn import(app: &App, who: &Actor, part: Import) -> Result<Imported, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::ImportAdvisories, tenant(who), None, now).await?;
    let Import { records, as_of } = part;
    let count = records.len();
    if count > RECORDS_MAX || (count == 0 && as_of.is_none()) {
        let detail = format!("a part of an import has 1 to {RECORDS_MAX} records, not {count}");
        return Err(FlowError::invalid("/records", detail));
    }
    if let Some(as_of) = as_of.filter(|as_of| *as_of > now) {
        let detail = format!("advisories cannot be complete as of {as_of}: here it is {now}");
        return Err(FlowError::invalid("/as_of", detail));
    }
    let (mut advisories, mut withdrawn, mut partly) = (Vec::with_capacity(count), 0, 0);
    for (at, record) in records.into_iter().enumerate() {
        let read = osv::read(record, &format!("/records/{at}"))?;
        withdrawn += u64::from(read.withdrawn);
        partly += u64::from(read.partly);
        advisories.push(read.advisory);
    }
    // No entry says what was not written; should the entry fail, the same part may be sent again.
    let done = app.store.import_advisories(&who.tenant, &advisories, as_of, now).await?;
    let note = Note {
        kind: "advisories.imported",
        object_kind: "tenant",
        object_id: who.tenant.to_string(),
        payload: serde_json::json!({
            "written": done.written, "older": done.older, "withdrawn": withdrawn, "as_of": as_of,
        }),
    };
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), Write::Note(note)]).await?;
    let state = app.store.advisory_state(&who.tenant).await?;
    Ok(Imported { done, withdrawn, partly, state })
}

/// What the tenant has of advisories.
pub async fn state(app: &App, who: &Actor) -> Result<AdvisoryState, FlowError> {
    may_read(app, who, Action::ReadArtifact, tenant(who)).await?;
    Ok(app.store.advisory_state(&who.tenant).await?)
}
