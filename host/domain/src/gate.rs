//! Verdicts of plugins, and the gates that are bound to changes.

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{DecisionId, Timestamp};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it.
    Warning,
    /// Stops the change.
    Critical,
}

/// One thing that a plugin, or the host in its place, noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable and machine-readable: `signature-missing`.
    pub code: String,
    /// How much it weighs.
    pub severity: Severity,
    /// One sentence for a person.
    pub message: String,
    /// What it is about; may be empty.
    pub subject: String,
}

/// The answers, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Good.
    Pass,
    /// Good enough, but look.
    Warn,
    /// Good, but not now: the gate is asked again before the change goes on.
    Hold,
    /// Not good.
    Fail,
}

impl Outcome {
    /// Its name in policies and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Warn => "warn",
            Outcome::Hold => "hold",
            Outcome::Fail => "fail",
        }
    }
}

/// An outcome and what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// What led to it.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The verdict that stands in for a plugin that did not answer: a failure with its own reason.
    pub fn unanswered(code: &str, message: String) -> Self {
        let finding =
            Finding { code: code.to_owned(), severity: Severity::Critical, message, subject: String::new() };
        Self { outcome: Outcome::Fail, findings: vec![finding] }
    }
}

/// The worst of several outcomes; `pass` of none.
pub fn worst(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    outcomes.into_iter().max().unwrap_or(Outcome::Pass)
}

/// Which plugin, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRef {
    /// Its name.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// Its digest, which is what counts.
    pub digest: Digest,
}

/// Whether a gate's failure stops the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateMode {
    /// Recorded, never blocks.
    Monitor,
    /// Blocks.
    Enforce,
}

/// A gate bound to a change, as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateBinding {
    /// The id of its binding. Absent only in manifests from before bindings had one, whose digests must stay what
    /// they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The plugin.
    pub plugin: PluginRef,
    /// Its settings.
    pub settings: serde_json::Value,
    /// Whether it blocks.
    pub mode: GateMode,
    /// The gate group that judges in its place, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl GateBinding {
    /// What it is called: its id, or else its plugin's name.
    pub fn called(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.plugin.name)
    }
}

/// What one bound gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// The id of its binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The plugin.
    pub plugin: PluginRef,
    /// Whether it blocks.
    pub mode: GateMode,
    /// The gate group that judges in its place, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it did not answer, so that the verdict only stands in for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
    /// What it said, or what stands in for it.
    pub verdict: Verdict,
    /// The recorded call.
    pub decision: DecisionId,
    /// When.
    pub at: Timestamp,
}

impl GateReport {
    /// True when this report says what the other says, whatever words its findings use.
    pub fn says_the_same_as(&self, other: &GateReport) -> bool {
        let gist = |report: &GateReport| -> Vec<_> {
            let findings = report.verdict.findings.iter();
            findings
                .map(|finding| (finding.code.clone(), finding.severity, finding.subject.clone()))
                .collect()
        };
        self.id == other.id
            && self.plugin == other.plugin
            && self.mode == other.mode
            && self.unanswered == other.unanswered
            && self.verdict.outcome == other.verdict.outcome
            && gist(self) == gist(other)
    }

    /// True when this is the report of a bound gate.
    pub fn answers(&self, gate: &GateBinding) -> bool {
        self.id == gate.id && self.plugin.digest == gate.plugin.digest && self.mode == gate.mode
    }

    /// True when what it says counts by itself: a gate in monitor mode is only recorded, and a member of a group counts
    /// in the group.
    pub fn counts(&self) -> bool {
        self.mode == GateMode::Enforce && self.group.is_none()
    }

    /// True when this report stops the change.
    pub fn blocks(&self) -> bool {
        self.counts() && self.verdict.outcome == Outcome::Fail
    }

    /// What it is called: its id, or else its plugin's name.
    pub fn called(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.plugin.name)
    }
}

/// How many of the gates that count came to what. A gate group counts as one gate, in place of its members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GateCounts {
    /// Passed.
    pub passed: u32,
    /// Passed with warnings.
    pub warned: u32,
    /// Good, but not now.
    pub holding: u32,
    /// Failed, or could not answer.
    pub failed: u32,
    /// Without a verdict over this digest.
    pub missing: u32,
}

impl GateCounts {
    /// One more that came to this; to nothing yet when there is none.
    #[must_use]
    pub fn with(mut self, outcome: Option<Outcome>) -> Self {
        let count = match outcome {
            Some(Outcome::Pass) => &mut self.passed,
            Some(Outcome::Warn) => &mut self.warned,
            Some(Outcome::Hold) => &mut self.holding,
            Some(Outcome::Fail) => &mut self.failed,
            None => &mut self.missing,
        };
        *count = count.saturating_add(1);
        self
    }
}
