//! Flows, reconcilers and the HTTP edges.
//!
//! A change crosses five rooms: edge → flow → (policy | sandbox) → domain → store. **Invariant:** edges decode, call
//! one flow and encode; flows load, ask, decide and commit; nothing but `store.commit` writes a change.

mod anchors;
pub mod api;
mod app;
mod applications;
mod asking;
mod authzen;
mod bus;
mod clock;
pub mod config;
mod copies;
pub mod device;
mod error;
pub mod flow;
mod following;
mod gates;
mod hashing;
mod heartbeat;
mod hook;
mod installed;
mod issuers;
mod keys;
mod limits;
pub mod message;
mod once;
mod ops;
mod outside;
mod peer;
pub mod problem;
pub mod reconcile;
mod rosters;
mod rounds;
mod seen;
pub mod serve;
mod sinks;
mod synced;
#[cfg(feature = "testing")]
pub mod testing;
mod tlog;
pub mod trace;
mod true_time;
mod trust;
mod watch;
mod witnesses;

pub use app::App;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Config, ConfigError};
pub use error::{FlowError, StartError};
pub use installed::{Installed, Waiting};
pub use trust::TrustedKeys;
