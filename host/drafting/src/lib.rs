//! What a policy author needs between an idea and a bundle in force: [findings](check) with their place,
//! [one way to write](format), [cases](suite::run) and what they cover, [what two bundles differ in](diff) and [which recorded decisions would change](impact).
//!
//! **Invariants.** Nothing here decides anything in force; there is no network and no clock. Files are read only where a
//! case names one beside itself.

pub mod cedar_cases;
pub mod check;
pub mod diff;
pub mod format;
pub mod impact;
mod junit;
mod lints;
mod profiles;
pub mod scaffold;
pub mod suite;

pub use check::{Checked, Finding, check};
pub use diff::{Difference, diff};
pub use format::{Formatted, format};
pub use impact::{Impact, Recorded, impact, recorded};
pub use lints::LINTS;
pub use suite::Report;
