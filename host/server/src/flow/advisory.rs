//! Advisories: what is known of the weaknesses of packages, imported in the OSV format.

mod osv;
pub(crate) mod purl;

use std::collections::BTreeSet;

use interlock_domain::{Action, Actor, Timestamp};
use interlock_store::{AdvisoriesWritten, AdvisoryImport, AdvisoryState, StoreError, Write};
use serde::Deserialize;

use super::{
    ask::{may_read, permit},
    change::tenant,
};
use crate::{App, FlowError};

/// Most records in one part of an import.
pub const RECORDS_MAX: usize = 1_000;
/// Most ecosystems that one part says are complete.
const ECOSYSTEMS_MAX: usize = 100;

/// A part of an import.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Records in the OSV format, 1 to 1000.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<serde_json::Value>,
    /// With the last part: with it, the advisories of the ecosystems of its records are complete as of this time.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2026-11-20T18:00:00.000Z")]
    pub as_of: Option<Timestamp>,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    if count == 0 || count > RECORDS_MAX {
        let detail = format!(
            "a part of an import has 1 to {RECORDS_MAX} records, not {count}; with `as_of` it says of their ecosystems that all is \
             imported"
        );
        return Err(FlowError::invalid("/records", detail));
    }
    if let Some(as_of) = as_of.filter(|as_of| *as_of > now) {
        let detail = format!("advisories cannot be complete as of {as_of}: here it is {now}");
        return Err(FlowError::invalid("/as_of", detail));
    }
    let limits = &app.config.advisories;
    let latest = now.plus_millis(i64::try_from(limits.skew_ms).unwrap_or(i64::MAX));
    let bounds = osv::Bounds { packages_max: limits.packages_max, latest };
    let (mut advisories, mut withdrawn, mut partly) = (Vec::with_capacity(count), 0, 0);
    let (mut ecosystems, mut bytes) = (BTreeSet::new(), 0);
    for (at, record) in records.into_iter().enumerate() {
        let field = format!("/records/{at}");
        let read = osv::read(record, &field, bounds)?;
        bytes += read.bytes();
        if bytes > limits.bytes_max {
            let detail = format!(
                "with advisory `{}` this part makes {bytes} bytes and may make {} (`advisories.bytes_max`); send fewer records at \
                 once",
                read.advisory.id, limits.bytes_max
            );
            return Err(FlowError::invalid(field, detail));
        }
        withdrawn += u64::from(read.withdrawn);
        partly += u64::from(read.partly);
        ecosystems.extend(read.ecosystems);
        advisories.push(read.advisory);
    }
    if as_of.is_some() {
        check(&ecosystems)?;
    }
    let import = AdvisoryImport {
        tenant: who.tenant.clone(),
        records: advisories,
        as_of,
        ecosystems: ecosystems.into_iter().collect(),
        modified_max: latest,
    };
    let writes = vec![Write::Decision(Box::new(decision)), Write::Advisories(Box::new(import))];
    let committed = app.commit(who, now, writes).await?;
    let entry = *committed.entries.last().ok_or(StoreError::Closed)?;
    let done = app.store.advisories_written(&who.tenant, entry).await?;
    let state = app.store.advisory_state(&who.tenant).await?;
    Ok(Imported { done, withdrawn, partly, state })
}

/// Whether a part may say of these ecosystems that they are complete.
fn check(ecosystems: &BTreeSet<String>) -> Result<(), FlowError> {
    let count = ecosystems.len();
    if count == 0 {
        let detail = "no record of this part is about a package, so that nothing is complete with it; send `as_of` with a record \
                      of each ecosystem that is";
        return Err(FlowError::invalid("/as_of", detail));
    }
    if count > ECOSYSTEMS_MAX {
        let detail = format!(
            "a part says of at most {ECOSYSTEMS_MAX} ecosystems that they are complete, not of {count}; send `as_of` with fewer"
        );
        return Err(FlowError::invalid("/as_of", detail));
    }
    Ok(())
}

/// What the tenant has of advisories.
pub async fn state(app: &App, who: &Actor) -> Result<AdvisoryState, FlowError> {
    may_read(app, who, Action::ReadArtifact, tenant(who)).await?;
    Ok(app.store.advisory_state(&who.tenant).await?)
}
