//! Write Interlock plugins in Rust.
//!
//! A gate is one function and one settings struct:
//!
//! ```
//! use interlock_plugin_sdk::prelude::*;
//!
//! #[settings]
//! struct Settings {
//!     /// The highest size of one artifact, in bytes.
//!     #[default(64 << 20)]
//!     max_bytes: u64,
//! }
//!
//! /// Refuses artifacts that are too large for the smallest target.
//! #[gate(name = "size-limit")]
//! fn size_limit(change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
//!     let oversized = change.artifacts.iter().filter(|artifact| artifact.size_bytes > settings.max_bytes);
//!     Ok(oversized
//!         .map(|artifact| Finding::critical("artifact-too-large", "make it smaller").about(&artifact.digest))
//!         .collect())
//! }
//! # fn main() {}
//! ```
//!
//! A health check is an `impl` of [`Health`] under [`macro@health`], a strategy an `impl` of [`Strategy`] under
//! [`macro@strategy`]. The macros write the description, the JSON Schema of the settings and the exports.
//!
//! A plugin is a function: time comes in as an argument, and everything else is asked for through
//! [`evidence`]. Nothing else works in the sandbox, so nothing else is offered here. The same code runs natively
//! in `cargo test`, where `testing` plays the host.

// The macros name this crate by its name, also when they are used in it.
extern crate self as interlock_plugin_sdk;

pub mod evidence;
mod levels;
pub mod logging;
mod observation;
mod plugin;
mod ratio;
mod read_instant;
mod settings;
mod situation;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod verdict;
mod walk;

#[doc(hidden)]
#[expect(clippy::allow_attributes, reason = "generated from wit/")]
#[allow(
    unsafe_code,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated; not every version of the generator trips each of these"
)]
pub mod bindings;
#[doc(hidden)]
pub mod export;

pub use interlock_plugin_sdk_macros::{gate, health, settings, strategy};
pub use levels::Levels;
pub use plugin::{Gate, Health, Plugin, Strategy};
pub use ratio::percent;
pub use read_instant::{MILLIS_OF_DAY, MILLIS_OF_HOUR, read_instant};
pub use settings::Settings;
pub use walk::{OnWarning, Walk};

pub use bindings::health::{Aggregation, Observation, Query, Series};
pub use bindings::interlock::plugin::types::{
    Artifact, Change, ChangeKind, Description, Digest, Fault, Finding, Group, Instant, Json, Millis, Outcome,
    Population, RollbackTarget, SettingsProblem, Severity, Verdict,
};
pub use bindings::strategy::{Directive, Exposure, HealthVerdict, Progress, Situation, Stage};

/// The crates that the macros' output names, so that a plugin needs only this one dependency.
#[doc(hidden)]
pub mod reexport {
    pub use schemars;
    pub use serde;
}

/// Everything that a plugin names: `use interlock_plugin_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::evidence::{self, Document, Refusal};
    pub use crate::logging;
    pub use crate::{
        Aggregation, Artifact, Change, ChangeKind, Directive, Exposure, Fault, Finding, Gate, Group, Health,
        HealthVerdict, Instant, Levels, Millis, Observation, OnWarning, Outcome, Plugin, Population,
        Progress, Query, RollbackTarget, Series, Settings, SettingsProblem, Severity, Situation, Stage,
        Strategy, Verdict, Walk, percent,
    };
    pub use crate::{gate, health, settings, strategy};
}
