//! What a plugin is, as traits. The macros implement [`Plugin`]; authors write the rest.

use crate::{
    Change, Directive, Fault, Instant, Observation, Population, Query, Settings, Situation, Stage, Verdict,
};

/// What every plugin says of itself. Written by [`macro@crate::gate`], [`macro@crate::health`] and
/// [`macro@crate::strategy`].
pub trait Plugin {
    /// What the operator may set.
    type Settings: Settings;
    /// Lower-case with dashes, unique in a tenant.
    const NAME: &'static str;
    /// Semantic version: the version of the crate.
    const VERSION: &'static str;
    /// One sentence: the first of the doc comment.
    const SUMMARY: &'static str;
    /// The evidence sources that it may ask for.
    const EVIDENCE: &'static [&'static str];
}

/// Judges a change before anybody may approve it. Written by [`macro@crate::gate`] from one function.
pub trait Gate: Plugin {
    /// The verdict on `change` at `now`.
    fn evaluate(change: &Change, settings: &Self::Settings, now: Instant) -> Result<Verdict, Fault>;
}

/// Judges the treatment cohort of a rollout against its control cohort.
pub trait Health: Plugin {
    /// What to measure for this change. Called before each judgement.
    fn needs(change: &Change, settings: &Self::Settings) -> Result<Vec<Query>, Fault>;

    /// The verdict on what was measured: one observation for each query of [`Health::needs`].
    fn judge(observations: &[Observation], settings: &Self::Settings, now: Instant)
    -> Result<Verdict, Fault>;
}

/// Plans a rollout and leads it.
pub trait Strategy: Plugin {
    /// The stages that this strategy would walk through, shown to the approvers.
    fn plan(change: &Change, population: &Population, settings: &Self::Settings)
    -> Result<Vec<Stage>, Fault>;

    /// What to do next. Called whenever the situation changed and when a wait is over.
    fn advance(situation: &Situation, settings: &Self::Settings) -> Result<Directive, Fault>;
}
