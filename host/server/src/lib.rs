//! Flows, reconcilers and the HTTP edges.
//!
//! A change crosses five rooms: edge → flow → (policy | sandbox) → domain → store. **Invariant:** edges decode, call
//! one flow and encode; flows load, ask, decide and commit; nothing but `store.commit` writes a change.

mod app;
mod clock;
pub mod config;
mod error;
pub mod flow;
mod keys;
pub mod reconcile;
pub mod trace;

pub use app::App;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::Config;
pub use error::{FlowError, StartError};
