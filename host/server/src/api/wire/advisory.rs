//! Advisories.

use std::collections::BTreeMap;

use interlock_domain::Timestamp;
use interlock_store::AdvisoryState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow::advisory::Imported;

/// What a tenant has of advisories.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Advisories {
    /// All of them are complete as of then: the oldest of `ecosystems`; null before the first complete import.
    #[schema(value_type = Option<String>, example = "2026-11-20T18:00:00.000Z")]
    as_of: Option<Timestamp>,
    /// As of when those of each ecosystem are complete.
    #[schema(value_type = BTreeMap<String, String>, example = json!({ "npm": "2026-11-20T18:00:00.000Z" }))]
    ecosystems: BTreeMap<String, Timestamp>,
    /// How many records, those that were withdrawn included.
    records: u64,
}

/// What a part of an import came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdvisoriesImported {
    /// So many records are as they came.
    written: u64,
    /// So many are older than what was there, which stays.
    older: u64,
    /// So many were withdrawn by their makers.
    withdrawn: u64,
    /// So many also speak of packages that have no purl: those cannot be looked up.
    partly: u64,
    /// What is there now.
    now: Advisories,
}

impl From<AdvisoryState> for Advisories {
    fn from(state: AdvisoryState) -> Self {
        let AdvisoryState { ecosystems, records } = state;
        Self { as_of: ecosystems.values().min().copied(), ecosystems, records }
    }
}

impl From<Imported> for AdvisoriesImported {
    fn from(imported: Imported) -> Self {
        let Imported { done, withdrawn, partly, state } = imported;
        Self { written: done.written, older: done.older, withdrawn, partly, now: state.into() }
    }
}
