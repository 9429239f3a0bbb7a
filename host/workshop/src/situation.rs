//! The situation of a rollout, as a case writes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use interlock_sandbox::types::{
    Change, Finding, HealthVerdict, Outcome, Progress, Severity, Situation, Stage, Verdict,
};
use serde::Deserialize;

use crate::moment::Moment;
use crate::short::{Short, Shorthand};

/// Without a word: before the first stage, nobody touched, no health check.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SituationDraft {
    stage: Option<u32>,
    entered_at: Option<Moment>,
    settled_at: Option<Moment>,
    progress: ProgressDraft,
    /// By the name of the check.
    health: BTreeMap<String, Short<HealthDraft>>,
    promoted: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProgressDraft {
    pending: u64,
    offered: u64,
    downloading: u64,
    installing: u64,
    installed: u64,
    verified: u64,
    failed: u64,
    silent: u64,
    rolled_back: u64,
}

/// `pass`, or the outcome with what led to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthDraft {
    outcome: Outcome,
    at: Option<Moment>,
    /// What its weightiest finding says.
    message: Option<String>,
}

impl Shorthand for HealthDraft {
    const EXPECTED: &'static str = "`pass`, `warn` or `fail`, or `outcome`, `at` and `message`";

    fn from_text(text: &str) -> Result<Self, String> {
        let outcome = match text {
            "pass" => Outcome::Pass,
            "warn" => Outcome::Warn,
            "hold" => Outcome::Hold,
            "fail" => Outcome::Fail,
            _ => return Err(format!("`{text}` is no outcome: expected {}", Self::EXPECTED)),
        };
        Ok(Self { outcome, at: None, message: None })
    }
}

impl SituationDraft {
    /// The whole situation at `now`.
    pub(crate) fn fill(
        &self,
        change: Arc<Change>,
        settings: String,
        plan: Vec<Stage>,
        now: u64,
    ) -> Situation {
        let instant = |moment: Option<Moment>| moment.map(|moment| moment.instant(now));
        Situation {
            change,
            settings,
            now,
            plan,
            stage: self.stage,
            entered_at: instant(self.entered_at).or(self.stage.map(|_| now)),
            settled_at: instant(self.settled_at),
            progress: self.progress.fill(),
            health: self.health.iter().map(|(check, Short(health))| health.fill(check, now)).collect(),
            promoted: self.promoted,
        }
    }
}

impl ProgressDraft {
    const fn fill(self) -> Progress {
        let Self {
            pending,
            offered,
            downloading,
            installing,
            installed,
            verified,
            failed,
            silent,
            rolled_back,
        } = self;
        Progress {
            pending,
            offered,
            downloading,
            installing,
            installed,
            verified,
            failed,
            silent,
            rolled_back,
        }
    }
}

impl HealthDraft {
    fn fill(&self, check: &str, now: u64) -> HealthVerdict {
        let severity = match self.outcome {
            Outcome::Pass => Severity::Info,
            Outcome::Warn | Outcome::Hold => Severity::Warning,
            Outcome::Fail => Severity::Critical,
        };
        let finding = |message: &String| Finding {
            code: "said-by-the-case".into(),
            severity,
            message: message.clone(),
            subject: String::new(),
        };
        // The host never passes on a warning without a reason.
        let said = (self.outcome != Outcome::Pass).then(|| "the case says so".to_owned());
        let findings = self.message.clone().or(said).iter().map(finding).collect();
        HealthVerdict {
            check: check.to_owned(),
            at: self.at.map_or(now, |at| at.instant(now)),
            verdict: Verdict { outcome: self.outcome, findings },
        }
    }
}
