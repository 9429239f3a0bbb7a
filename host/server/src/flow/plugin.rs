//! Calling plugins: every call yields a decision, whatever comes of it.

use std::sync::Arc;

use interlock_domain::{
    ChangeId, Decision, DecisionId, DecisionOutcome, DecisionSubject, PluginRef, TenantId, Timestamp,
};
use interlock_sandbox::{
    Plugin, PluginError,
    types::{PluginKind, Request, Response},
};

use super::evidence::Evidence;
use crate::{App, FlowError};

/// A plugin call and its record.
pub(crate) struct Called {
    /// What it said, or why it did not.
    pub(crate) answer: Result<Response, PluginError>,
    /// The record, not committed yet.
    pub(crate) decision: Decision,
}

/// Calls a plugin in a fresh sandbox.
pub(crate) async fn call(
    app: &Arc<App>,
    tenant: &TenantId,
    change: Option<&ChangeId>,
    plugin: &Plugin,
    request: Request,
    now: Timestamp,
) -> Called {
    let reference = reference(plugin);
    let function = request.function();
    let evidence = Evidence {
        app: app.clone(),
        tenant: tenant.clone(),
        change: change.cloned(),
        plugin: reference.digest,
        now,
    };
    let call = plugin.call(request, Arc::new(evidence)).await;
    let outcome = if call.outcome.is_ok() { DecisionOutcome::Answered } else { DecisionOutcome::Failed };
    metrics::counter!("plugin_calls_total", "plugin" => reference.name.clone(), "function" => function,
        "outcome" => outcome.as_str())
    .increment(1);
    let elapsed_us = call.transcript.elapsed_us;
    metrics::histogram!("plugin_call_duration_seconds", "plugin" => reference.name.clone())
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
        change: change.cloned(),
        at: now,
        outcome,
        subject: DecisionSubject::Plugin {
            name: reference.name,
            digest: reference.digest,
            function: function.to_owned(),
            transcript: Box::new(transcript),
        },
        elapsed_us,
    };
    Called { answer: call.outcome, decision }
}

/// Which plugin, exactly.
pub(crate) fn reference(plugin: &Plugin) -> PluginRef {
    PluginRef {
        name: plugin.description().name.clone(),
        version: plugin.description().version.clone(),
        digest: plugin.digest(),
    }
}

/// The plugin that runs under this name today, of this kind.
pub(crate) fn named(app: &App, name: &str, kind: PluginKind, field: &str) -> Result<Arc<Plugin>, FlowError> {
    let Some(plugin) = app.sandbox.shelf().bound(name) else {
        return Err(FlowError::invalid(
            field,
            format!("there is no plugin `{name}`; see `GET /v1/tenants/…/plugins`"),
        ));
    };
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
