//! What Interlock does, one file per verb. A flow reads like the sentence it does: load, ask, decide, commit.
//!
//! **Invariant:** a flow knows no status code and no SQL; rules are in the domain.

pub(crate) mod access;
pub mod access_request;
pub mod account;
pub mod adopt;
pub mod advisory;
pub(crate) mod application;
pub mod approve;
pub mod artifact;
pub mod bundle;
pub mod change;
pub(crate) mod clock;
pub mod component;
pub mod decision;
pub mod delegation;
pub mod device;
pub mod document;
pub mod enroll;
pub mod enrolment;
pub mod esign;
pub mod explain;
pub mod export;
pub mod gate;
pub mod incident;
pub mod key;
pub mod ledger;
pub mod login;
pub mod poll;
pub mod propose;
pub mod push_plugin;
pub mod report;
pub mod roster;
pub(crate) mod signed;
pub mod subject;
pub mod tamper;
pub mod tlog;

mod acquire;
mod admit;
mod anew;
mod approvals;
mod ask;
mod back;
mod convert;
pub(crate) mod engine;
pub(crate) mod events;
pub(crate) mod evidence;
pub(crate) mod fresh;
mod health;
pub(crate) mod judge;
mod lead;
pub(crate) mod levels;
mod own;
pub(crate) mod owner;
mod plugin;
mod provable;
pub(crate) mod record;
mod review;
mod shared;
mod sight;
mod standing;
pub(crate) mod status;
pub(crate) mod sync;

use interlock_store::StoreError;

pub(crate) use ask::may_read;
pub(crate) use change::tenant;
pub(crate) use device::token_text;
pub(crate) use lead::{Led, lead};
pub use provable::Reached;
pub(crate) use status::Elsewhere;

use crate::FlowError;

/// Does what may take a while where it holds up no other request.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FlowError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // Only a runtime that stops gives up work.
        Err(_) => Err(StoreError::Closed.into()),
    }
}
