//! The contract's records, as Rust has them.
//!
//! Those of the WIT interface `types` are lowered into the guest as they stand: no copy is made for the call. All of
//! them read and write JSON, so that a call can be recorded in canonical form and repeated years later. For that
//! reason floats are written as strings and every number that a guest returns is held below 2^53.

mod change;
mod health;
mod request;
mod strategy;

pub use change::{
    Artifact, Change, ChangeKind, Description, Fault, Finding, Group, Outcome, Population, RollbackTarget,
    SettingsProblem, Severity, Verdict,
};
pub(crate) use change::{Digest, Instant, Json, Millis};
pub use health::{Aggregation, Observation, Query, Series};
pub use request::{PluginKind, Request, Response};
pub use strategy::{Directive, Exposure, HealthVerdict, Progress, Situation, Stage};
