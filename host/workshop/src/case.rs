//! One case: an input, and what the plugin has to say to it.

use std::collections::BTreeMap;

use interlock_sandbox::Plugin;
use serde::Deserialize;
use serde_json::Value;

use crate::change::ChangeDraft;
use crate::compare::differences;
use crate::error::WorkshopError;
use crate::evidence::EvidenceDraft;
use crate::expect::Expect;
use crate::input::{Function, Input};
use crate::measured::ObservedDraft;
use crate::moment::Moment;
use crate::report::{CaseResult, Cost, Status};
use crate::run::{Mismatch, ask};
use crate::short::Short;
use crate::situation::SituationDraft;
use crate::suite;

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Case {
    /// Unique in its file.
    pub name: String,
    /// Why it is not run.
    pub skip: Option<String>,
    /// What the plugin is asked about.
    pub input: Input,
    pub(crate) expect: Option<Expect>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDraft {
    name: String,
    skip: Option<String>,
    expect: Option<Expect>,
    #[serde(default)]
    change: ChangeDraft,
    settings: Option<Value>,
    #[serde(default)]
    evidence: EvidenceDraft,
    now: Option<Moment>,
    observations: Option<BTreeMap<String, Short<ObservedDraft>>>,
    situation: Option<SituationDraft>,
}

impl Case {
    /// Reads it from where it stands in the file.
    pub(crate) fn read(file: &str, path: &str, value: Value) -> Result<Self, WorkshopError> {
        let draft: CaseDraft = suite::decode(file, path, value)?;
        let CaseDraft { name, skip, expect, change, settings, evidence, now, observations, situation } =
            draft;
        let refuse =
            |field: &str, reason: &str| Err(WorkshopError::field(file, format!("{path}.{field}"), reason));
        if name.trim().is_empty() {
            return refuse("name", "say what the plugin does in this case");
        }
        if skip.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return refuse("skip", "say why it is skipped");
        }
        if let Some((field, reason)) = expect.as_ref().and_then(Expect::contradiction) {
            return refuse(&format!("expect.{field}"), reason);
        }
        let input = Input { change, settings, evidence, now, observations, situation, shown: None };
        if let Err((field, reason)) = input.check() {
            return refuse(&field, &reason);
        }
        Ok(Self { name, skip, input, expect })
    }

    /// The last function that has to be asked to know whether it holds.
    #[must_use]
    pub fn function(&self, plugin: &Plugin) -> Function {
        let otherwise = Function::of(plugin.kind(), &self.input);
        self.expect.as_ref().map_or(otherwise, |expect| expect.function(otherwise))
    }

    /// Asks the plugin and compares.
    pub(crate) async fn run(&self, plugin: &Plugin) -> CaseResult {
        let result = |status, cost| CaseResult { name: self.name.clone(), status, cost };
        if let Some(reason) = &self.skip {
            return result(Status::Skipped { reason: reason.clone() }, Cost::default());
        }
        let Some(expect) = self.expect.as_ref().filter(|expect| !expect.is_empty()) else {
            let differences =
                vec!["it expects nothing, so it could not fail: give it an `expect`".to_owned()];
            return result(Status::Failed { differences }, Cost::default());
        };
        match ask(plugin, &self.input, self.function(plugin)).await {
            Err(Mismatch(reason)) => result(Status::Failed { differences: vec![reason] }, Cost::default()),
            Ok(asked) => {
                let differences = differences(expect, &asked, self.input.now());
                let status =
                    if differences.is_empty() { Status::Passed } else { Status::Failed { differences } };
                result(status, Cost::of(&asked.calls))
            }
        }
    }
}
