//! Decisions: read them, and execute them again.

use std::sync::Arc;

use interlock_domain::{Action, Actor, ChangeId, Decision, DecisionId, DecisionSubject, Digest, Resource};
use interlock_policy::Explanation;
use interlock_sandbox::{InstallError, Plugin, Record};
use interlock_store::{DecisionFilter, DecisionPart, Kept, Page};
use serde::Serialize;
use serde_json::Value;

use super::{access, ask::may_read, bundle, change::tenant, record, shared};
use crate::{App, FlowError};

/// What came of executing a decision again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Replay {
    /// The decision.
    #[schema(value_type = String)]
    pub decision: DecisionId,
    /// Whether the answer is the same, to the last bit.
    pub identical: bool,
    /// Where it differs.
    pub differences: Vec<String>,
    /// Fuel used then and now, for plugin calls.
    pub fuel: Option<(u64, u64)>,
}

/// One decision, whole: what its question shares with others of its batch is put back.
pub async fn show(app: &App, who: &Actor, id: &DecisionId) -> Result<Decision, FlowError> {
    let mut decision = load(app, who, id).await?;
    may_read(app, who, Action::ReadDecision, about(app, who, decision.change.as_ref()).await?).await?;
    if let DecisionSubject::Access { request, .. } = &mut decision.subject
        // What cannot be put back stays named by its digest; a replay says why.
        && let Ok(whole) = shared::put_back(app, Value::clone(request)).await?
    {
        **request = whole;
    }
    Ok(decision)
}

/// The tenant's decisions, newest first: all of them to whoever may read in the whole tenant, those about one change
/// also to whoever may read where it is.
pub async fn list(
    app: &App,
    who: &Actor,
    filter: &DecisionFilter,
    page: &Page,
) -> Result<DecisionPart, FlowError> {
    may_read(app, who, Action::ReadDecision, about(app, who, filter.change.as_ref()).await?).await?;
    record::settle(app).await?;
    let segments_max = app.config.decisions.segments_looked_at_max;
    Ok(app.store.decisions(&who.tenant, filter, page, segments_max).await?)
}

/// Why the policies decided as they did, clause by clause, by the bundle or application that decided.
pub async fn explain(app: &App, who: &Actor, id: &DecisionId) -> Result<Explanation, FlowError> {
    let decision = load(app, who, id).await?;
    may_read(app, who, Action::ReadDecision, about(app, who, decision.change.as_ref()).await?).await?;
    let gone =
        |reason: String| FlowError::invalid("/id", format!("decision `{id}` cannot be explained: {reason}"));
    match &decision.subject {
        DecisionSubject::Policy { question, answer } => {
            let current = app.policies.bundle();
            if current.digest == answer.bundle {
                return Ok(interlock_policy::explain(&current, question));
            }
            let bundle = bundle::kept(app, &answer.bundle).await?.map_err(gone)?;
            Ok(interlock_policy::explain(&bundle, question))
        }
        DecisionSubject::Access { found: Some(_), .. } => {
            Err(gone("a search has no single answer; ask about one of its results".to_owned()))
        }
        DecisionSubject::Access { request, answer, .. } => {
            access::explain(app, request, &answer.bundle, decision.at).await?.map_err(gone)
        }
        // What the facts rest on is a decision of its own.
        DecisionSubject::Gate { facts, .. } => match facts.decision() {
            Some(basis) => Box::pin(explain(app, who, basis)).await,
            None => Err(gone("no policy was asked; `GET /decisions/{id}` has the reasons".to_owned())),
        },
        DecisionSubject::Plugin { .. } => Err(gone(
            "a plugin gave it; `GET /decisions/{id}` has its findings and all that it saw".to_owned(),
        )),
    }
}

/// Executes a decision again: the same plugin digest or bundle, also one that is gone from its folder, the recorded
/// input, the recorded evidence.
pub async fn replay(app: &App, who: &Actor, id: &DecisionId) -> Result<Replay, FlowError> {
    let decision = load(app, who, id).await?;
    may_read(app, who, Action::ReplayDecision, about(app, who, decision.change.as_ref()).await?).await?;
    match &decision.subject {
        DecisionSubject::Policy { question, answer } => {
            let current = app.policies.bundle();
            let now = if current.digest == answer.bundle {
                current.ask(question)
            } else {
                match bundle::kept(app, &answer.bundle).await? {
                    Ok(bundle) => bundle.ask(question),
                    Err(reason) => return Ok(Replay::impossible(id, reason)),
                }
            };
            let identical = now == **answer;
            let differences =
                if identical { Vec::new() } else { vec![format!("then {answer:?}, now {now:?}")] };
            Ok(Replay { decision: id.clone(), identical, differences, fuel: None })
        }
        DecisionSubject::Access { request, answer, found, .. } => {
            let differences = access::again(app, request, answer, found.as_ref(), decision.at).await?;
            Ok(Replay { decision: id.clone(), identical: differences.is_empty(), differences, fuel: None })
        }
        DecisionSubject::Gate { ask, facts, verdict, .. } => {
            let now = facts.verdict(*ask);
            let mut differences = Vec::new();
            if now != *verdict {
                differences.push(format!("then {}, now {}", verdict.as_str(), now.as_str()));
            }
            // What the facts rest on is a decision of its own.
            if let Some(basis) = facts.decision() {
                let basis = Box::pin(replay(app, who, basis)).await?;
                differences.extend(basis.differences);
            }
            Ok(Replay { decision: id.clone(), identical: differences.is_empty(), differences, fuel: None })
        }
        DecisionSubject::Plugin { name, digest, transcript, .. } => {
            let record: Record =
                serde_json::from_value(transcript.as_ref().clone()).map_err(|error| FlowError::Plugin {
                    plugin: name.clone(),
                    detail: format!("its record cannot be read: {error}"),
                })?;
            // Also when the plugin is not to be had any more.
            if let Some(reason) = record.unrepeatable() {
                return Ok(Replay::impossible(id, reason));
            }
            let plugin = match plugin(app, name, digest).await? {
                Ok(plugin) => plugin,
                Err(reason) => return Ok(Replay::impossible(id, reason)),
            };
            let replayed = plugin.replay(&record).await;
            Ok(Replay {
                decision: id.clone(),
                identical: replayed.identical,
                differences: replayed.differences,
                fuel: replayed.call.map(|call| (record.fuel, call.transcript.fuel)),
            })
        }
    }
}

impl Replay {
    fn impossible(decision: &DecisionId, reason: String) -> Self {
        Self { decision: decision.clone(), identical: false, differences: vec![reason], fuel: None }
    }
}

/// The plugin with this digest: off the shelf, or as it was kept when it was installed. The inner error says why what
/// was kept is no such plugin any more.
async fn plugin(app: &App, name: &str, digest: &Digest) -> Result<Result<Arc<Plugin>, String>, FlowError> {
    if let Some(plugin) = app.sandbox.shelf().get(digest) {
        return Ok(Ok(plugin));
    }
    let Some(wasm) = app.store.kept(Kept::Plugin, digest).await? else {
        return Err(FlowError::NotFound { what: "plugin", id: format!("{name}@{digest}") });
    };
    Ok(match app.sandbox.revive(*digest, wasm).await {
        Ok(plugin) => Ok(plugin),
        Err(InstallError::DigestDiffers { found, .. }) => {
            Err(format!("the kept plugin `{digest}` was altered: it is `{found}` now"))
        }
        Err(error) => Err(format!("the kept plugin `{digest}` cannot be used: {error}")),
    })
}

/// What a decision is about: its change, or else the whole tenant.
async fn about(app: &App, who: &Actor, change: Option<&ChangeId>) -> Result<Resource, FlowError> {
    let change = match change {
        Some(id) => app.store.change(&who.tenant, id).await?,
        None => None,
    };
    Ok(change.map_or_else(|| tenant(who), |change| change.resource()))
}

async fn load(app: &App, who: &Actor, id: &DecisionId) -> Result<Decision, FlowError> {
    let decision = record::find(app, &who.tenant, id).await?;
    decision.ok_or_else(|| FlowError::NotFound { what: "decision", id: id.to_string() })
}
