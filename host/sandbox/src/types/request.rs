//! What the host asks a plugin, and what it may answer.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Change, Description, Directive, Observation, Population, Query, SettingsProblem, Situation, Stage,
    Verdict,
};

/// Which of the three worlds a plugin implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// Judges a change before anybody may approve it.
    ComplianceGate,
    /// Judges a rollout.
    HealthCheck,
    /// Leads a rollout.
    RolloutStrategy,
}

impl PluginKind {
    /// The name of the world.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ComplianceGate => "compliance-gate",
            Self::HealthCheck => "health-check",
            Self::RolloutStrategy => "rollout-strategy",
        }
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One question to a plugin, with all that the answer may depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", rename_all = "snake_case")]
pub enum Request {
    /// To any plugin: what are you?
    Describe,
    /// To any plugin: do these settings fit?
    CheckSettings {
        /// JSON text.
        settings: String,
    },
    /// To a gate: may this change go on?
    Evaluate {
        /// The change.
        change: Arc<Change>,
        /// JSON text.
        settings: String,
        /// Milliseconds since the epoch.
        now: u64,
    },
    /// To a health check: what must be measured for this change?
    Needs {
        /// The change.
        change: Arc<Change>,
        /// JSON text.
        settings: String,
    },
    /// To a health check: is this rollout healthy?
    Judge {
        /// What was measured.
        observations: Vec<Observation>,
        /// JSON text.
        settings: String,
        /// Milliseconds since the epoch.
        now: u64,
    },
    /// To a strategy: through which stages would you go?
    Plan {
        /// The change.
        change: Arc<Change>,
        /// Whom it would reach.
        population: Population,
        /// JSON text.
        settings: String,
    },
    /// To a strategy: what is to be done next?
    Advance {
        /// How things stand.
        situation: Box<Situation>,
    },
}

impl Request {
    /// The function's name in the contract.
    #[must_use]
    pub const fn function(&self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::CheckSettings { .. } => "check-settings",
            Self::Evaluate { .. } => "evaluate",
            Self::Needs { .. } => "needs",
            Self::Judge { .. } => "judge",
            Self::Plan { .. } => "plan",
            Self::Advance { .. } => "advance",
        }
    }

    /// The instant that the question is about, where it has one.
    #[must_use]
    pub const fn now(&self) -> Option<u64> {
        match self {
            Self::Evaluate { now, .. } | Self::Judge { now, .. } => Some(*now),
            Self::Advance { situation } => Some(situation.now),
            Self::Describe | Self::CheckSettings { .. } | Self::Needs { .. } | Self::Plan { .. } => None,
        }
    }
}

/// An answer that keeps to the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Describe`].
    Description(Description),
    /// To [`Request::CheckSettings`]; empty when the settings are good.
    Problems(Vec<SettingsProblem>),
    /// To [`Request::Evaluate`] and [`Request::Judge`].
    Verdict(Verdict),
    /// To [`Request::Needs`].
    Queries(Vec<Query>),
    /// To [`Request::Plan`].
    Stages(Vec<Stage>),
    /// To [`Request::Advance`].
    Directive(Directive),
}
