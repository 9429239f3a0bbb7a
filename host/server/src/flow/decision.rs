//! Decisions: read them, and execute them again.

use interlock_domain::{Action, Actor, Decision, DecisionId, DecisionSubject};
use interlock_sandbox::Record;
use interlock_store::{DecisionFilter, Page};
use serde::Serialize;

use super::{ask::may_read, change::tenant};
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

/// One decision.
pub async fn show(app: &App, who: &Actor, id: &DecisionId) -> Result<Decision, FlowError> {
    may_read(app, who, Action::ReadDecision, tenant(who)).await?;
    load(app, who, id).await
}

/// The tenant's decisions, newest first.
pub async fn list(
    app: &App,
    who: &Actor,
    filter: &DecisionFilter,
    page: &Page,
) -> Result<Vec<Decision>, FlowError> {
    may_read(app, who, Action::ReadDecision, tenant(who)).await?;
    Ok(app.store.decisions(&who.tenant, filter, page).await?)
}

/// Executes a decision again: the same plugin digest or bundle, the recorded input, the recorded evidence.
pub async fn replay(app: &App, who: &Actor, id: &DecisionId) -> Result<Replay, FlowError> {
    may_read(app, who, Action::ReplayDecision, tenant(who)).await?;
    let decision = load(app, who, id).await?;
    match &decision.subject {
        DecisionSubject::Policy { question, answer } => {
            let bundle = app.policies.bundle();
            if bundle.digest != answer.bundle {
                return Err(FlowError::NotFound { what: "policy bundle", id: answer.bundle.to_string() });
            }
            let now = bundle.ask(question);
            let identical = now == **answer;
            let differences =
                if identical { Vec::new() } else { vec![format!("then {answer:?}, now {now:?}")] };
            Ok(Replay { decision: id.clone(), identical, differences, fuel: None })
        }
        DecisionSubject::Plugin { name, digest, transcript, .. } => {
            let Some(plugin) = app.sandbox.shelf().get(digest) else {
                return Err(FlowError::NotFound { what: "plugin", id: format!("{name}@{digest}") });
            };
            let record: Record =
                serde_json::from_value(transcript.as_ref().clone()).map_err(|error| FlowError::Plugin {
                    plugin: name.clone(),
                    detail: format!("its record cannot be read: {error}"),
                })?;
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

async fn load(app: &App, who: &Actor, id: &DecisionId) -> Result<Decision, FlowError> {
    let decision = app.store.decision(&who.tenant, id).await?;
    decision.ok_or_else(|| FlowError::NotFound { what: "decision", id: id.to_string() })
}
