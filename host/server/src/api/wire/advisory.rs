//! Advisories.

use interlock_store::AdvisoryState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow::advisory::Imported;

/// What a tenant has of advisories.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Advisories {
    /// They are complete as of then; null before the first complete import.
    #[schema(value_type = Option<String>, example = "2026-11-20T18:00:00.000Z")]
    as_of: Option<interlock_domain::Timestamp>,
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
        Self { as_of: state.as_of, records: state.records }
    }
}

impl From<Imported> for AdvisoriesImported {
    fn from(imported: Imported) -> Self {
        let Imported { done, withdrawn, partly, state } = imported;
        Self { written: done.written, older: done.older, withdrawn, partly, now: state.into() }
    }
}
