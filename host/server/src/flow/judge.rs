//! A health check judges what another engine measured: the same plugin, in the same sandbox, as in a rollout of ours.

use std::sync::Arc;

use interlock_domain::{Decision, DecisionId, DecisionOutcome, DecisionSubject, Verdict};
use interlock_sandbox::{
    NoEvidence, Plugin,
    types::{Observation, PluginKind, Request, Response},
};
use serde_json::Value;

use super::{ask::may_ask, convert, gate::Through, plugin::check_settings};
use crate::{App, FlowError};

/// The check that judges.
const JUDGE: &str = "canary-judge";

/// What it said, and the record of the call, not committed yet.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) call: Decision,
}

/// Has the judge compare these series under these settings, for an engine that may ask.
pub(crate) async fn judge(
    app: &App,
    through: &Through,
    settings: &Value,
    observations: Vec<Observation>,
) -> Result<Judged, FlowError> {
    may_ask(app, &through.actor).await?;
    let plugin = installed(app)?;
    check_settings(&plugin, settings, "/canaryConfig").await?;
    let now = app.clock.now();
    let request = Request::Judge { observations, settings: settings.to_string(), now: convert::instant(now) };
    let function = request.function();
    let done = plugin.call(request, Arc::new(NoEvidence)).await;
    let unusable = |detail: String| FlowError::Plugin { plugin: JUDGE.to_owned(), detail };
    let transcript = done.record().map_err(|error| unusable(error.to_string()))?;
    let verdict = match done.outcome {
        Ok(Response::Verdict(verdict)) => convert::verdict(verdict),
        Ok(_) => return Err(unusable(format!("`{function}` gave something else"))),
        Err(error) => return Err(unusable(error.to_string())),
    };
    let call = Decision {
        id: DecisionId::new(app.clock.uuid()),
        tenant: through.gate.tenant.clone(),
        change: None,
        at: now,
        outcome: DecisionOutcome::Answered,
        subject: DecisionSubject::Plugin {
            name: plugin.description().name.clone(),
            digest: plugin.digest(),
            function: function.to_owned(),
            transcript: Box::new(serde_json::to_value(transcript).unwrap_or_default()),
            reads: Vec::new(),
        },
        elapsed_us: done.transcript.elapsed_us,
    };
    Ok(Judged { verdict, call })
}

/// The judge of the operator's plugin folder: what is asked here is about no environment, so no roster says which.
fn installed(app: &App) -> Result<Arc<Plugin>, FlowError> {
    let found = app.sandbox.shelf().bound(JUDGE).filter(|plugin| plugin.kind() == PluginKind::HealthCheck);
    found.ok_or_else(|| FlowError::Plugin {
        plugin: JUDGE.to_owned(),
        detail: "it is not in the plugin folder of this server; put it there and restart".to_owned(),
    })
}
