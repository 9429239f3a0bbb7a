//! Calling plugins: every call yields a decision, whatever comes of it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use interlock_domain::{
    Change, ChangeId, Decision, DecisionId, DecisionOutcome, DecisionSubject, Environment, PluginRef, Roster,
    TenantId, Timestamp,
};
use interlock_sandbox::{
    Call, Plugin, PluginError,
    types::{PluginKind, Request, Response},
};

use super::{evidence::Evidence, roster};
use crate::{App, FlowError};

/// What a plugin said, and the record of the call, not committed yet.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    /// What it said.
    pub(crate) answer: T,
    /// The record.
    pub(crate) decision: Decision,
}

/// Why a plugin said nothing, and the record of that, not committed yet. Deliberately no `Error`, so that no `?` loses
/// the record on its way up: whoever passes the reason on has the record in hand.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Why.
    pub(crate) error: PluginError,
    /// The record.
    pub(crate) decision: Decision,
}

/// Who asks a plugin, about what.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) tenant: &'a TenantId,
    pub(crate) environment: &'a Environment,
    pub(crate) change: &'a ChangeId,
    pub(crate) now: Timestamp,
}

impl<'a> Asking<'a> {
    /// Asks about a change.
    pub(crate) fn about(app: &'a Arc<App>, change: &'a Change, now: Timestamp) -> Self {
        Self {
            app,
            tenant: change.tenant(),
            environment: &change.manifest.environment,
            change: &change.id,
            now,
        }
    }
}

/// Calls a plugin in a fresh sandbox and takes what it wants of the answer. A plugin that is not installed fails like
/// one that traps, and that is recorded too.
pub(crate) async fn call<T>(
    asking: Asking<'_>,
    plugin: &PluginRef,
    request: Request,
    wanted: impl FnOnce(Response) -> Option<T>,
) -> Result<Answered<T>, Failed> {
    let Asking { app, tenant, environment, change, now } = asking;
    let function = request.function();
    let mut reads = Vec::new();
    let call = match callable(asking, plugin).await {
        Ok((found, granted)) => {
            let (tenant, change) = (tenant.clone(), Some(change.clone()));
            let evidence = Arc::new(Evidence {
                environment: environment.clone(),
                app: app.clone(),
                tenant,
                change,
                plugin: plugin.digest,
                granted,
                now,
                reads: Mutex::default(),
            });
            let call = found.call(request, evidence.clone()).await;
            reads = std::mem::take(&mut *evidence.reads.lock().unwrap_or_else(PoisonError::into_inner));
            call
        }
        Err(Some(reason)) => Call::not_loaded(plugin.digest, request, reason),
        Err(None) => Call::not_installed(plugin.digest, request),
    };
    let outcome = if call.outcome.is_ok() { DecisionOutcome::Answered } else { DecisionOutcome::Failed };
    metrics::counter!("plugin_calls_total", "plugin" => plugin.name.clone(), "function" => function,
        "outcome" => outcome.as_str())
    .increment(1);
    let elapsed_us = call.transcript.elapsed_us;
    metrics::histogram!("plugin_call_duration_seconds", "plugin" => plugin.name.clone())
        .record(elapsed_us as f64 / 1e6);
    // A call is canonical by construction; if it ever were not, the record says so instead of vanishing.
    let transcript = call
        .record()
        .map_err(|error| error.to_string())
        .and_then(|record| serde_json::to_value(record).map_err(|error| error.to_string()))
        .unwrap_or_else(|error| serde_json::json!({ "unrecordable": error }));
    let decision = Decision {
        id: DecisionId::new(app.clock.uuid()),
        tenant: tenant.clone(),
        change: Some(change.clone()),
        at: now,
        outcome,
        subject: DecisionSubject::Plugin {
            name: plugin.name.clone(),
            digest: plugin.digest,
            function: function.to_owned(),
            transcript: Box::new(transcript),
            reads,
        },
        elapsed_us,
    };
    let other = || PluginError::BadOutput { reason: format!("`{function}` gave something else") };
    match call.outcome.and_then(|response| wanted(response).ok_or_else(other)) {
        Ok(answer) => Ok(Answered { answer, decision }),
        Err(error) => Err(Failed { error, decision }),
    }
}

/// The component to call, with what its roster grants it today. Where there is a roster, a component that left the shelf is
/// loaded again, for as long as a change names its digest; else what is taken out of the folder is gone. The error says
/// why there is none to call, if there is more to say.
async fn callable(
    asking: Asking<'_>,
    plugin: &PluginRef,
) -> Result<(Arc<Plugin>, BTreeSet<String>), Option<String>> {
    let Asking { app, tenant, environment, .. } = asking;
    let record = app.store.roster(tenant, environment).await.map_err(|error| Some(error.to_string()))?;
    let Some(record) = record else {
        return app.sandbox.shelf().get(&plugin.digest).map(|found| (found, BTreeSet::new())).ok_or(None);
    };
    let granted = record.roster.plugins.get(&plugin.name).map(|active| active.granted.clone());
    match roster::ready(app, &plugin.digest).await {
        Ok(Ok(found)) => Ok((found, granted.unwrap_or_default())),
        Ok(Err(reason)) => Err(Some(reason)),
        Err(error) => Err(Some(error.to_string())),
    }
}

/// Which plugin, exactly.
pub(crate) fn reference(plugin: &Plugin) -> PluginRef {
    PluginRef {
        name: plugin.description().name.clone(),
        version: plugin.description().version.clone(),
        digest: plugin.digest(),
    }
}

/// What is said of a plugin that is not in use.
pub(crate) fn absent(name: &str) -> String {
    let name: String = name.chars().take(80).collect();
    format!("there is no plugin `{name}`; see `GET /v1/tenants/…/plugins`")
}

/// The plugin that is active under this name, of this kind.
pub(crate) async fn named(
    app: &App,
    roster: &Roster,
    name: &str,
    kind: PluginKind,
    field: &str,
) -> Result<Arc<Plugin>, FlowError> {
    let Some((_, plugin)) = roster::active(app, roster, name).await? else {
        return Err(FlowError::invalid(field, absent(name)));
    };
    let plugin = plugin.map_err(|detail| FlowError::Plugin { plugin: name.to_owned(), detail })?;
    if plugin.kind() != kind {
        return Err(FlowError::invalid(
            field,
            format!("plugin `{name}` is a {}, not a {kind}", plugin.kind()),
        ));
    }
    Ok(plugin)
}

/// Checks settings against the plugin's schema and by the plugin itself. The field named is `prefix` and the path.
pub(crate) async fn check_settings(
    plugin: &Plugin,
    settings: &serde_json::Value,
    prefix: &str,
) -> Result<(), FlowError> {
    let problems = plugin.check_settings(settings).await.map_err(|error| FlowError::Plugin {
        plugin: plugin.description().name.clone(),
        detail: error.to_string(),
    })?;
    match problems.first() {
        None => Ok(()),
        Some(first) => {
            let all: Vec<String> =
                problems.iter().map(|problem| format!("`{}`: {}", problem.path, problem.message)).collect();
            Err(FlowError::invalid(
                format!("{prefix}{}", first.path),
                format!("the settings do not fit plugin `{}`: {}", plugin.description().name, all.join("; ")),
            ))
        }
    }
}
