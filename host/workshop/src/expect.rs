//! What a case expects.

use interlock_sandbox::types::{Aggregation, Exposure, Outcome, Severity};
use serde::Deserialize;

use crate::input::Function;
use crate::moment::{Moment, Span};
use crate::short::{Short, Shorthand};

/// Everything that is said must hold; what is not said may be as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) outcome: Option<Outcome>,
    /// Each must be among the findings. An empty list expects none at all.
    pub(crate) findings: Option<Vec<Short<ExpectedFinding>>>,
    /// The code of a [`interlock_sandbox::PluginError`].
    pub(crate) error: Option<String>,
    /// Words of the error.
    pub(crate) message: Option<String>,
    /// Where the settings do not fit.
    pub(crate) settings: Option<Vec<Short<ExpectedProblem>>>,
    /// All queries, in any order.
    pub(crate) queries: Option<Vec<Short<ExpectedQuery>>>,
    /// All stages, in order.
    pub(crate) stages: Option<Vec<Short<ExpectedStage>>>,
    pub(crate) directive: Option<ExpectedDirective>,
    /// Of `enter_stage`.
    pub(crate) stage: Option<u32>,
    /// Of `wait`.
    pub(crate) until: Option<Moment>,
    /// Words of the reason of `pause` and `roll_back`.
    pub(crate) reason: Option<String>,
}

/// A finding by its code, or with more.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedFinding {
    pub(crate) code: Option<String>,
    pub(crate) severity: Option<Severity>,
    /// Words of its message.
    pub(crate) message: Option<String>,
    pub(crate) subject: Option<String>,
}

/// A problem by its JSON pointer, or with words of its message.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedProblem {
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// A query by its id, or with more.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedQuery {
    pub(crate) id: String,
    pub(crate) metric: Option<String>,
    pub(crate) window: Option<Span>,
    pub(crate) aggregation: Option<Aggregation>,
}

/// A stage by its name, or with more.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedStage {
    pub(crate) name: Option<String>,
    pub(crate) exposure: Option<Exposure>,
    pub(crate) hold: Option<Span>,
}

/// What to do next; its details stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExpectedDirective {
    EnterStage,
    Wait,
    Complete,
    Pause,
    RollBack,
}

impl Shorthand for ExpectedFinding {
    const EXPECTED: &'static str = "a code, or `code`, `severity`, `message` and `subject`";

    fn from_text(code: &str) -> Result<Self, String> {
        Ok(Self { code: Some(code.to_owned()), ..Self::default() })
    }
}

impl Shorthand for ExpectedProblem {
    const EXPECTED: &'static str = "a JSON pointer, or `path` and `message`";

    fn from_text(path: &str) -> Result<Self, String> {
        Ok(Self { path: path.to_owned(), message: None })
    }
}

impl Shorthand for ExpectedQuery {
    const EXPECTED: &'static str = "an id, or `id`, `metric`, `window` and `aggregation`";

    fn from_text(id: &str) -> Result<Self, String> {
        Ok(Self { id: id.to_owned(), metric: None, window: None, aggregation: None })
    }
}

impl Shorthand for ExpectedStage {
    const EXPECTED: &'static str = "a name, or `name`, `exposure` and `hold`";

    fn from_text(name: &str) -> Result<Self, String> {
        Ok(Self { name: Some(name.to_owned()), ..Self::default() })
    }
}

impl Expect {
    /// Whether it expects anything: a case that does not cannot fail.
    pub(crate) const fn is_empty(&self) -> bool {
        self.outcome.is_none()
            && self.findings.is_none()
            && self.error.is_none()
            && self.settings.is_none()
            && self.queries.is_none()
            && self.stages.is_none()
            && self.directive.is_none()
    }

    /// A field that says nothing where it stands, and why.
    pub(crate) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        use ExpectedDirective::{EnterStage, Pause, RollBack, Wait};
        let verdict = self.outcome.is_some() || self.findings.is_some();
        let answer = verdict || self.directive.is_some();
        if self.message.is_some() && self.error.is_none() {
            return Some(("message", "goes with `error`; the words of a finding stand in `findings`"));
        }
        if self.error.is_some() && answer {
            return Some(("error", "a plugin that fails gives no answer: expect one or the other"));
        }
        if self.settings.as_ref().is_some_and(Vec::is_empty) {
            return Some(("settings", "name at least one path; settings that fit are never refused"));
        }
        if self.settings.is_some()
            && (answer || self.error.is_some() || self.queries.is_some() || self.stages.is_some())
        {
            return Some(("settings", "with settings that do not fit nothing else is asked"));
        }
        if self.stage.is_some() && self.directive != Some(EnterStage) {
            return Some(("stage", "goes with `directive: enter_stage`"));
        }
        if self.until.is_some() && self.directive != Some(Wait) {
            return Some(("until", "goes with `directive: wait`"));
        }
        if self.reason.is_some() && !matches!(self.directive, Some(Pause | RollBack)) {
            return Some(("reason", "goes with `directive: pause` or `roll_back`"));
        }
        None
    }

    /// How far a plugin must be asked to know.
    pub(crate) const fn function(&self, otherwise: Function) -> Function {
        let verdict = self.outcome.is_some() || self.findings.is_some();
        match otherwise {
            Function::Needs | Function::Judge if verdict => Function::Judge,
            Function::Needs | Function::Judge if self.queries.is_some() && self.error.is_none() => {
                Function::Needs
            }
            Function::Plan | Function::Advance if self.directive.is_some() => Function::Advance,
            Function::Plan | Function::Advance if self.stages.is_some() && self.error.is_none() => {
                Function::Plan
            }
            Function::Evaluate | Function::Needs | Function::Judge | Function::Plan | Function::Advance => {
                otherwise
            }
        }
    }
}
