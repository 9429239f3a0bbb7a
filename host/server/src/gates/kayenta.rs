//! Kayenta, from both sides: what Argo Rollouts asks it, and the remote judge that it asks itself.
//!
//! An execution is answered when it begins, and its id is that of the recorded answer: nothing has to be kept between two
//! calls.

mod judge;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Query, RawPathParams, State},
    http::HeaderMap,
};
use interlock_domain::{DecisionId, DecisionSubject, Engine, GateAsk, GateVerdict};
use serde_json::{Map, Value, json};

use super::{Asking, answered, read};
use crate::{
    App,
    flow::{engine::Wish, gate::Through},
    problem::{Kind, Problem},
};
pub(super) use judge::judge;

/// What Argo Rollouts looks its configuration up by: a gate has one, and it is called like the gate.
pub(super) async fn configs(asking: Asking) -> Result<Json<Value>, Problem> {
    let through = asking.of(Engine::Kayenta)?;
    let name = &through.gate.name;
    Ok(Json(json!([{ "id": name, "name": name }])))
}

/// Begins an execution, and ends it at once.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    asking: Asking,
    params: RawPathParams,
    Query(given): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let through = asking.of(Engine::Kayenta)?;
    let config = id(&params);
    if config != through.gate.name.as_str() {
        return Err(Problem::not_found("canary configuration", &config.chars().take(80).collect::<String>()));
    }
    let bad = |why: String| Problem::invalid("", why);
    let fields = read::object(&app, &headers, body).await.map_err(bad)?;
    let application = given.into_iter().find(|(name, _)| name == "application").map(|(_, value)| value);
    let wish = wish(&through, application.unwrap_or_default(), &fields).map_err(bad)?;
    let said = answered(&app, &through, wish, None).await;
    let said = said.map_err(|why| Problem::new(Kind::Busy, why))?;
    Ok(Json(json!({ "canaryExecutionId": said.decision })))
}

/// What an execution came to.
pub(super) async fn look(
    State(app): State<Arc<App>>,
    asking: Asking,
    params: RawPathParams,
) -> Result<Json<Value>, Problem> {
    let through = asking.of(Engine::Kayenta)?;
    let text: String = id(&params).chars().take(80).collect();
    let absent = || Problem::not_found("canary execution", &text);
    let id: DecisionId = text.parse().map_err(|_| absent())?;
    let decision = app.store.decision(&through.gate.tenant, &id).await?.ok_or_else(absent)?;
    let DecisionSubject::Gate { gate, asked, verdict, reasons, .. } = &decision.subject else {
        return Err(absent());
    };
    if *gate != through.gate.id {
        return Err(absent());
    }
    let part = |name: &str| asked.pointer(&format!("/thresholds/{name}")).and_then(Value::as_f64);
    let score = score(*verdict, part("pass").unwrap_or(100.0), part("marginal").unwrap_or(100.0));
    Ok(Json(json!({
        "complete": true,
        "status": "succeeded",
        "result": { "judgeResult": { "score": {
            "score": score, "classification": classification(*verdict), "classificationReason": reasons.join("; "),
        } } },
    })))
}

fn classification(verdict: GateVerdict) -> &'static str {
    match verdict {
        GateVerdict::Allow => "Pass",
        GateVerdict::Pending => "Marginal",
        GateVerdict::Deny => "Fail",
    }
}

/// The score that Argo Rollouts takes for this verdict under its thresholds. Where nothing is marginal, what is pending
/// fails.
fn score(verdict: GateVerdict, pass: f64, marginal: f64) -> f64 {
    match verdict {
        GateVerdict::Allow => 100.0,
        GateVerdict::Pending if marginal < pass => marginal,
        GateVerdict::Pending | GateVerdict::Deny => 0.0,
    }
}

fn id(params: &RawPathParams) -> String {
    params.iter().last().map(|(_, id)| id.to_owned()).unwrap_or_default()
}

fn wish(through: &Through, application: String, fields: &Map<String, Value>) -> Result<Wish, String> {
    let threshold = |name: &str| match fields.get("thresholds").and_then(|all| all.get(name)) {
        Some(value) => value
            .as_f64()
            .filter(|value| (0.0..=100.0).contains(value))
            .ok_or_else(|| format!("`thresholds.{name}` is a number from 0 to 100")),
        None => Err(format!("`thresholds.{name}` is missing")),
    };
    let thresholds = json!({ "pass": threshold("pass")?, "marginal": threshold("marginal")? });
    let Some(Value::Object(scopes)) = fields.get("scopes") else {
        return Err("`scopes` is missing".to_owned());
    };
    let scoped = scopes.values().filter_map(|scope| scope.pointer("/experimentScope/scope")?.as_str());
    // What Argo Rollouts lets one write by hand: the application, and the scope of the experiment.
    let change = std::iter::once(application.as_str()).chain(scoped).find(|text| text.starts_with("chg_"));
    let change = change.map(|change| change.chars().take(80).collect::<String>());
    let application: String = application.chars().take(200).collect();
    let asked = json!({ "application": application, "change": change, "thresholds": thresholds });
    let access = read::access(
        ("engine", through.gate.name.to_string(), json!({ "engine": "kayenta" })),
        "canary",
        ("application", application, json!({})),
        json!({ "scopes": scopes }),
    );
    let content = Err("a canary of Kayenta brings no content".to_owned());
    Ok(Wish { ask: GateAsk::Go, asked, change, digest: None, content, access })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_is_marginal_where_something_can_be() {
        for (verdict, pass, marginal, expected) in [
            (GateVerdict::Allow, 95.0, 75.0, 100.0),
            (GateVerdict::Pending, 95.0, 75.0, 75.0),
            (GateVerdict::Pending, 95.0, 95.0, 0.0),
            (GateVerdict::Deny, 95.0, 0.0, 0.0),
        ] {
            assert!((score(verdict, pass, marginal) - expected).abs() < f64::EPSILON, "{verdict:?}");
        }
    }
}
