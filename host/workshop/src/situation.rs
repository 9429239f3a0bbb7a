//! The situation of a rollout, as a case writes it.

use std::fmt;
use std::sync::Arc;

use interlock_sandbox::types::{
    Change, Exposure, Finding, HealthVerdict, Outcome, Progress, Severity, Situation, Stage, Verdict,
};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::moment::{Moment, Span};
use crate::short::{Short, Shorthand};

/// Without a word: before the first stage, nobody touched, no health check.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SituationDraft {
    stage: Option<u32>,
    entered_at: Option<Moment>,
    settled_at: Option<Moment>,
    progress: Progress,
    health: Checks,
    promoted: bool,
    /// The stages as they were planned once, instead of those that the plugin plans now.
    plan: Option<Vec<PlannedDraft>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedDraft {
    name: String,
    exposure: Exposure,
    hold: Span,
}

/// What the health checks say, by their names or as a list with a name in each.
#[derive(Debug, Clone, Default)]
struct Checks(Vec<(String, HealthDraft)>);

/// `pass`, or the outcome with what led to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthDraft {
    outcome: Outcome,
    at: Option<Moment>,
    /// What its weightiest finding says.
    message: Option<String>,
    /// All that it found, instead.
    findings: Option<Vec<Finding>>,
}

/// One of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedDraft {
    check: String,
    outcome: Outcome,
    at: Option<Moment>,
    message: Option<String>,
    findings: Option<Vec<Finding>>,
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
        Ok(Self { outcome, at: None, message: None, findings: None })
    }
}

impl<'de> Deserialize<'de> for Checks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Checks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("health checks by name, or a list of them with `check` and `outcome`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Checks, A::Error> {
                let mut checks = Vec::new();
                while let Some((name, Short(health))) = map.next_entry::<String, Short<HealthDraft>>()? {
                    checks.push((name, health));
                }
                Ok(Checks(checks))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checks, A::Error> {
                let mut checks = Vec::new();
                while let Some(listed) = items.next_element::<ListedDraft>()? {
                    let ListedDraft { check, outcome, at, message, findings } = listed;
                    checks.push((check, HealthDraft { outcome, at, message, findings }));
                }
                Ok(Checks(checks))
            }
        }

        from.deserialize_any(Either)
    }
}

impl SituationDraft {
    /// The stages, where the case says what they were.
    pub(crate) fn plan(&self) -> Option<Vec<Stage>> {
        let stage = |PlannedDraft { name, exposure, hold }: &PlannedDraft| Stage {
            name: name.clone(),
            exposure: exposure.clone(),
            hold_ms: hold.millis,
        };
        self.plan.as_ref().map(|plan| plan.iter().map(stage).collect())
    }

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
            progress: self.progress,
            health: self.health.0.iter().map(|(check, health)| health.fill(check, now)).collect(),
            promoted: self.promoted,
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
        let findings = match &self.findings {
            Some(findings) => findings.clone(),
            None => self.message.clone().or(said).iter().map(finding).collect(),
        };
        HealthVerdict {
            check: check.to_owned(),
            at: self.at.map_or(now, |at| at.instant(now)),
            verdict: Verdict { outcome: self.outcome, findings },
        }
    }
}
