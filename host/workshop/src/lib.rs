//! What a plugin's author needs between writing a plugin and installing it: cases beside the plugin that are run in the
//! real sandbox, single runs, and a look at what a component lacks.
//!
//! A [`Suite`] is read from YAML, TOML or JSON. [`Suite::run`] asks the plugin each case and compares; the [`Report`] is
//! for people, programs and [JUnit](Report::junit). Nothing here reads a clock or a network: a case that passes today
//! passes in ten years.

mod answer;
mod bench;
mod case;
mod change;
mod check;
mod compare;
mod error;
mod evidence;
mod expect;
mod input;
mod junit;
mod measured;
mod moment;
mod record;
mod recorded;
mod replay;
mod report;
mod run;
mod schema;
mod short;
mod situation;
mod suite;

pub use answer::{Altered, Answer, Difference};
pub use bench::{Measured, bench};
pub use case::Case;
pub use check::{About, Checked, Explained};
pub use compare::said;
pub use error::WorkshopError;
pub use evidence::Shown;
pub use input::{Function, Input};
pub use moment::{NOON, instant, shown};
pub use record::{EVIDENCE_BYTES_MAX, NotRecorded, Recorder};
pub use recorded::Recorded;
pub use replay::{Alike, Costs, Lookup, Otherwise, Replay, alike, replay};
pub use report::{CaseResult, Cost, Report, Status};
pub use run::{Asked, Mismatch, ask};
pub use schema::{Setting, settings};
pub use suite::Suite;
