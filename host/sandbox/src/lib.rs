//! Plugins as bounded, replayable functions: wasmtime behind a door that shows none of it.
//!
//! A [`Sandbox`] turns components into [`Plugin`]s. Each [`Plugin::call`] runs in a fresh store within [`Limits`], and
//! yields an answer or a [`PluginError`] with a stable code, together with a [`Transcript`] of all that went in and came
//! out. The same component, the same request and the same evidence give the same answer and use the same fuel, so a
//! recorded call can be [replayed](Plugin::replay).
//!
//! ```no_run
//! use std::sync::Arc;
//! use interlock_sandbox::types::{Change, Request};
//! use interlock_sandbox::{Limits, NoEvidence, Sandbox};
//!
//! # async fn example(wasm: Vec<u8>, change: Change) -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::new(Limits::default(), None)?;
//! let gate = sandbox.install(wasm).await?;
//! let request = Request::Evaluate { change: Arc::new(change), settings: "{}".into(), now: 1_750_000_000_000 };
//! let call = gate.call(request, Arc::new(NoEvidence)).await;
//! let record = call.record()?;
//! assert!(gate.replay(&record).await.identical);
//! # Ok(())
//! # }
//! ```

mod anatomy;
mod answer;
#[doc(hidden)]
pub mod bare;
mod bindings;
mod cache;
mod call;
mod compiler;
mod contract;
mod engine;
mod error;
mod evidence;
mod inert;
mod install;
mod limits;
mod meter;
mod plugin;
mod replay;
mod sandbox;
mod shelf;
mod state;
mod transcript;
pub mod types;

pub use anatomy::{Examination, Part, Place};
pub use compiler::Compiler;
pub use error::{PluginError, SandboxError};
pub use evidence::{
    Document, Ending, EvidenceAnswer, EvidenceLookup, EvidenceSource, NoEvidence, RecordedEvidence, Refusal,
};
pub use install::InstallError;
pub use limits::Limits;
pub use plugin::Plugin;
pub use replay::Replayed;
pub use sandbox::Sandbox;
pub use shelf::Shelf;
pub use state::{LogLevel, LogLine};
pub use transcript::{Call, Record, RecordedError, Transcript};
