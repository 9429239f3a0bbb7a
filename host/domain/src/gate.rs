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
    /// The plugin.
    pub plugin: PluginRef,
    /// Its settings.
    pub settings: serde_json::Value,
    /// Whether it blocks.
    pub mode: GateMode,
}

/// What one bound gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReport {
    /// The plugin.
    pub plugin: PluginRef,
    /// Whether it blocks.
    pub mode: GateMode,
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
        self.plugin == other.plugin
            && self.mode == other.mode
            && self.verdict.outcome == other.verdict.outcome
            && gist(self) == gist(other)
    }

    /// True when this report stops the change.
    pub fn blocks(&self) -> bool {
        self.mode == GateMode::Enforce && self.verdict.outcome == Outcome::Fail
    }
}
