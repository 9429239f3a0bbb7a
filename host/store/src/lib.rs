//! The store: the only SQL in the product, written once for SQLite and PostgreSQL.
//!
//! **One write path.** [`Store::commit`] is the only way that a change, a target, a device or an account is written:
//! one transaction with the row, the ledger entries that record it and the work that follows from it, so that state,
//! record and work cannot disagree. What is not ledgered (measurements, when a device was heard, leases, idempotency
//! keys) has functions of its own.
//!
//! **Group commit.** Commits queue for one writer, which writes many in one transaction; each is applied or refused on
//! its own. Several processes may share one PostgreSQL: a log's head is locked first, so that entries of one log
//! follow each other whoever writes them.
//!
//! **The journal.** Answers to questions of other programs are on the local disk before they are given ([`Journal`]), and
//! come into the database by the file, as a [`Segment`] with one entry: a transaction for each would be the limit of how
//! fast they may ask.
//!
//! One file a table: its writes take the transaction, its reads are methods of [`Store`].

mod access_requests;
mod accounts;
mod advisories;
mod anchors;
mod artifacts;
mod assignments;
mod audit;
mod batch;
mod changes;
mod checkpoints;
mod commit;
mod copies;
mod db;
mod decisions;
mod delegations;
mod devices;
mod draft;
mod error;
mod floor;
mod gate_endpoints;
mod groups;
mod idempotency;
mod incidents;
mod journal;
mod kept;
mod leases;
mod ledger;
mod logins;
mod nodes;
mod nonces;
mod notes;
mod options;
mod page;
mod places;
mod rosters;
mod row;
mod segments;
mod selection;
mod signatures;
mod signer;
mod sinks;
mod store;
mod subjects;
mod sync;
mod tasks;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod writer;

pub use access_requests::PendingLimits;
pub use advisories::{AdvisoriesFound, AdvisoriesWritten, Advisory, AdvisoryImport, AdvisoryState};
pub use anchors::Anchored;
pub use audit::{Audit, AuditBy, AuditStep, Cursor};
pub use checkpoints::Signed;
pub use commit::{By, Commit, Committed, Note, SYSTEM, Write};
pub use copies::{Copied, Pin};
pub use devices::DeviceCount;
pub use error::StoreError;
pub use floor::BundleFloor;
pub use idempotency::Begin;
pub use journal::{Frames, Journal, JournalOptions, Journaled, SealedFile};
pub use kept::Kept;
pub use leases::Lease;
pub use ledger::Head;
pub use logins::{Ceremony, SessionsEnd};
pub use options::{LedgerKeys, Options};
pub use page::{AssignmentFilter, ChangeFilter, DecisionFilter, DecisionPart, DeviceFilter, Page};
pub use places::Full;
pub use segments::Segment;
pub use selection::{About, Selection};
pub use signer::{Behind, Unsigned};
pub use store::Store;
pub use sync::{PolicySync, SyncFailure};
pub use telemetry::{Sample, Summary, Window};
