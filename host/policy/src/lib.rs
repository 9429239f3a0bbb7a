//! Cedar: bundles, questions, answers, and what is still missing.
//!
//! A [`Bundle`] is one immutable, digest-named set of schema, policies and cases. It is validated as a whole before
//! it exists, so whoever holds one can [`ask`](Bundle::ask) it. [`Policies`] holds the bundle in force and swaps it.
//!
//! **Invariants.** Nothing is permitted unless a policy permits it, no policy forbids it, and every policy that was
//! asked could be evaluated: Cedar skips a policy that errs, this crate denies. There is no HTTP, no SQL and no clock
//! here; the only I/O is [`Bundle::load_dir`].

mod application;
mod ask;
mod bucket;
mod bundle;
mod cases;
pub mod clause;
mod delta;
mod error;
pub mod explain;
mod files;
mod guard;
mod invariants;
mod load;
mod missing;
mod policies;
mod profiles;
mod sample;
mod shape;
mod slices;
mod source;
mod standard;
mod translate;
mod words;
mod written;

pub use application::{
    APPROVAL, Access, Application, ApplicationCase, Approved, Found, MASK, Part, Search, Thing, Verb, Wanted,
};
pub use bundle::Bundle;
pub use cases::{CaseResult, question_of, run_cases};
pub use delta::{Delta, body};
pub use error::{BundleError, Fault};
pub use explain::{Explanation, explain, explain_access};
pub use files::Limits;
pub use invariants::Invariant;
pub use load::waivers;
pub use missing::{Candidate, Missing, Need, SearchLimit, missing_approvals};
pub use policies::Policies;
pub use sample::sample_question;
pub use standard::{default_bundle, default_files};
pub use written::{Written, place, written};
