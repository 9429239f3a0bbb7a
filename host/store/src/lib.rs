//! The store: the only SQL in the product, written once for SQLite and PostgreSQL.
mod commit;
mod error;
mod leases;
mod options;
mod page;
mod stubs;

pub use commit::{By, Commit, Committed, Note, SYSTEM, Write};
pub use error::StoreError;
pub use leases::Lease;
pub use options::{LedgerKeys, Options};
pub use page::{AssignmentFilter, ChangeFilter, DecisionFilter, DeviceFilter, Page};
pub use stubs::{Begin, DeviceCount, Head, Sample};

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}
