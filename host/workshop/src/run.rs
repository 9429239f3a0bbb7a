//! Asking a plugin as the host would: settings first, then the functions of its world.

use std::sync::Arc;

use interlock_sandbox::types::{
    Directive, Observation, PluginKind, Query, Request, Response, SettingsProblem, Stage, Verdict,
};
use interlock_sandbox::{Call, Plugin, PluginError};
use serde_json::{Value, json};

use crate::evidence::Shown;
use crate::input::{Function, Input};

/// What a plugin said to one input.
#[derive(Debug, Default)]
pub struct Asked {
    /// What is wrong with the settings. If anything is, nothing else was asked: the server refuses them before.
    pub settings: Vec<SettingsProblem>,
    /// What a health check wants measured.
    pub queries: Option<Vec<Query>>,
    /// The stages that a strategy plans.
    pub stages: Option<Vec<Stage>>,
    /// What a gate or a health check found.
    pub verdict: Option<Verdict>,
    /// What a strategy would do next.
    pub directive: Option<Directive>,
    /// Why there is no answer. The host treats it as a deny.
    pub error: Option<PluginError>,
    /// The calls, in order; the last one is what was asked for.
    pub calls: Vec<Call>,
}

/// An input that is not for this plugin, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch(pub String);

impl Function {
    /// What one would ask a plugin of this kind about this input.
    #[must_use]
    pub const fn of(kind: PluginKind, input: &Input) -> Self {
        match kind {
            PluginKind::ComplianceGate => Self::Evaluate,
            PluginKind::HealthCheck if input.observations.is_some() => Self::Judge,
            PluginKind::HealthCheck => Self::Needs,
            PluginKind::RolloutStrategy if input.situation.is_some() => Self::Advance,
            PluginKind::RolloutStrategy => Self::Plan,
        }
    }

    const fn kind(self) -> PluginKind {
        match self {
            Self::Evaluate => PluginKind::ComplianceGate,
            Self::Needs | Self::Judge => PluginKind::HealthCheck,
            Self::Plan | Self::Advance => PluginKind::RolloutStrategy,
        }
    }
}

/// Asks a plugin up to `function`, in a fresh sandbox for each call.
///
/// # Errors
/// When the input is not for a plugin of this kind.
pub async fn ask(plugin: &Plugin, input: &Input, function: Function) -> Result<Asked, Mismatch> {
    fits(plugin.kind(), input, function)?;
    let mut asked = Asked::default();
    let settings = input.settings.clone().unwrap_or_else(|| json!({}));
    match plugin.check_settings(&settings).await {
        Ok(problems) => asked.settings = problems,
        Err(error) => asked.error = Some(error),
    }
    if !asked.settings.is_empty() || asked.error.is_some() {
        return Ok(asked);
    }
    let mut asking = Asking { plugin, evidence: Arc::new(input.shown()), asked };
    asking.about(input, &settings, function).await?;
    Ok(asking.asked)
}

fn fits(kind: PluginKind, input: &Input, function: Function) -> Result<(), Mismatch> {
    let refuse = |what: &str| Err(Mismatch(format!("a {kind} takes no `{what}`")));
    if function.kind() != kind {
        return Err(Mismatch(format!("a {kind} cannot be asked that: it is for a {}", function.kind())));
    }
    if input.observations.is_some() && kind != PluginKind::HealthCheck {
        return refuse("observations");
    }
    if input.situation.is_some() && kind != PluginKind::RolloutStrategy {
        return refuse("situation");
    }
    Ok(())
}

struct Asking<'a> {
    plugin: &'a Plugin,
    evidence: Arc<Shown>,
    asked: Asked,
}

impl Asking<'_> {
    async fn about(&mut self, input: &Input, settings: &Value, function: Function) -> Result<(), Mismatch> {
        let now = input.now();
        let change = Arc::new(input.change.fill(now));
        let settings = settings.to_string();
        match function {
            Function::Evaluate => self.call(Request::Evaluate { change, settings, now }).await,
            Function::Needs => self.call(Request::Needs { change, settings }).await,
            Function::Judge => {
                self.call(Request::Needs { change, settings: settings.clone() }).await;
                let Some(queries) = &self.asked.queries else { return Ok(()) };
                let observations = observations(input, queries)?;
                self.call(Request::Judge { observations, settings, now }).await;
            }
            Function::Plan => {
                let population = change.population.clone();
                self.call(Request::Plan { change, population, settings }).await;
            }
            Function::Advance => {
                let draft = input.situation.clone().unwrap_or_default();
                let plan = match draft.plan() {
                    Some(plan) => plan,
                    None => {
                        let (change, settings) = (Arc::clone(&change), settings.clone());
                        let population = change.population.clone();
                        self.call(Request::Plan { change, population, settings }).await;
                        let Some(plan) = self.asked.stages.clone() else { return Ok(()) };
                        plan
                    }
                };
                let situation = draft.fill(change, settings, plan, now);
                self.call(Request::Advance { situation: Box::new(situation) }).await;
            }
        }
        Ok(())
    }

    async fn call(&mut self, request: Request) {
        let call = self.plugin.call(request, Arc::<Shown>::clone(&self.evidence)).await;
        let asked = &mut self.asked;
        match call.outcome.clone() {
            Ok(Response::Verdict(verdict)) => asked.verdict = Some(verdict),
            Ok(Response::Queries(queries)) => asked.queries = Some(queries),
            Ok(Response::Stages(stages)) => asked.stages = Some(stages),
            Ok(Response::Directive(directive)) => asked.directive = Some(directive),
            Ok(Response::Description(_) | Response::Problems(_)) => {}
            Err(error) => asked.error = Some(error),
        }
        asked.calls.push(call);
    }
}

/// An answer to each query: what the input says, and nothing seen where it says nothing.
fn observations(input: &Input, queries: &[Query]) -> Result<Vec<Observation>, Mismatch> {
    let none = Default::default();
    let said = input.observations.as_ref().unwrap_or(&none);
    if let Some(unasked) = said.keys().find(|id| queries.iter().all(|query| query.id != **id)) {
        let ids: Vec<String> = queries.iter().map(|query| format!("`{}`", query.id)).collect();
        let asked = ids.join(", ");
        return Err(Mismatch(format!("`observations.{unasked}`: the plugin asks only for {asked}")));
    }
    let answer = |query: &Query| match said.get(&query.id) {
        Some(observed) => observed.0.answer(query.clone()),
        None => crate::measured::ObservedDraft::default().answer(query.clone()),
    };
    Ok(queries.iter().filter_map(answer).collect())
}
