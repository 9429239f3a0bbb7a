//! The WIT interface `strategy`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Change, Verdict};

/// Who a stage reaches. Cumulative: a later stage holds the targets of the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// Nobody; health is watched on today's targets.
    Shadow,
    /// Basis points of the population, rounded up to whole targets: 500 is 5 %.
    PercentBp(u32),
    /// All targets of these groups.
    Groups(Vec<String>),
    /// Everybody.
    All,
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// A name for people.
    pub name: String,
    /// Who it reaches.
    pub exposure: Exposure,
    /// How long health must stay good after the last target of the stage settled.
    pub hold_ms: u64,
}

/// How many targets of the stages entered so far are in which state. Those that are not named are none: cases and callers
/// name what there is, and whatever is misspelt is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Progress {
    /// Not yet offered.
    pub pending: u64,
    /// Offered and not yet answered.
    pub offered: u64,
    /// Downloading.
    pub downloading: u64,
    /// Installing.
    pub installing: u64,
    /// The client says that it is installed.
    pub installed: u64,
    /// The target reports the new version and is healthy.
    pub verified: u64,
    /// Failed.
    pub failed: u64,
    /// Not heard of for too long.
    pub silent: u64,
    /// Back on the old version.
    pub rolled_back: u64,
}

/// The newest verdict of one health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthVerdict {
    /// The health check.
    pub check: String,
    /// When it judged, in milliseconds since the epoch.
    pub at: u64,
    /// What it said.
    pub verdict: Verdict,
}

/// All that a strategy may know when it says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// The change that rolls out.
    pub change: Arc<Change>,
    /// The strategy's settings as JSON text.
    pub settings: String,
    /// Now, in milliseconds since the epoch.
    pub now: u64,
    /// The stages, as planned.
    pub plan: Vec<Stage>,
    /// Index into the plan; absent before the first stage.
    pub stage: Option<u32>,
    /// When that stage was entered.
    pub entered_at: Option<u64>,
    /// When the last target of the stage became verified, failed or silent.
    pub settled_at: Option<u64>,
    /// How far the targets are.
    pub progress: Progress,
    /// What the health checks say.
    pub health: Vec<HealthVerdict>,
    /// True when an operator asked to promote without waiting for the hold time.
    pub promoted: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directive {
    /// Enter the stage with this index: the one after the current stage.
    EnterStage(u32),
    /// Nothing to do before this instant, unless the situation changes.
    Wait(u64),
    /// The rollout is done.
    Complete,
    /// Stop and call a person; the text says why.
    Pause(String),
    /// Go back on every touched target; the text says why.
    RollBack(String),
}
