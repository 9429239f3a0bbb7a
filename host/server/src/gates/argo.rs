//! The web metric of Argo Rollouts: always 200 with JSON, because it takes every other code for an error of the
//! measurement, not for a no.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Query, State},
    http::HeaderMap,
};
use interlock_domain::{Engine, GateAsk, GateVerdict};
use serde_json::{Map, Value, json};

use super::{Asking, answered, read};
use crate::{
    App,
    flow::{engine::Wish, gate::Through},
    problem::Problem,
};

/// What the tenant's application is asked when the metric does not say.
const ACTION: &str = "promote";

pub(super) async fn by_query(
    State(app): State<Arc<App>>,
    asking: Asking,
    Query(given): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Problem> {
    let fields = given.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let through = asking.of(Engine::Argo)?;
    Ok(measured(&app, &through, Ok(fields)).await)
}

pub(super) async fn by_body(
    State(app): State<Arc<App>>,
    asking: Asking,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let through = asking.of(Engine::Argo)?;
    let fields = read::object(&app, &headers, body).await;
    Ok(measured(&app, &through, fields).await)
}

async fn measured(app: &App, through: &Through, fields: Result<Map<String, Value>, String>) -> Json<Value> {
    let said = match fields {
        Ok(fields) => answered(app, through, wish(through, &fields), None).await,
        Err(why) => Err(why),
    };
    Json(match said {
        Ok(said) => json!({
            "decision": said.verdict.as_str(),
            "score": score(said.verdict),
            "reason": said.reasons.join("; "),
            "decisionId": said.decision,
        }),
        Err(why) => json!({ "decision": "deny", "score": 0, "reason": why, "decisionId": null }),
    })
}

fn score(verdict: GateVerdict) -> u32 {
    match verdict {
        GateVerdict::Allow => 100,
        GateVerdict::Pending => 50,
        GateVerdict::Deny => 0,
    }
}

fn wish(through: &Through, fields: &Map<String, Value>) -> Wish {
    let (name, namespace) = (read::text(fields, "name"), read::text(fields, "namespace"));
    let (change, digest) = (read::one_of(fields, &read::CHANGE), read::one_of(fields, &read::DIGEST));
    let action = read::text(fields, "action").unwrap_or_else(|| ACTION.to_owned());
    let asked = read::some(&[
        ("action", Some(action.clone())),
        ("namespace", namespace.clone()),
        ("name", name.clone()),
        ("change", change.clone()),
        ("digest", digest.clone()),
    ]);
    let rollout = read::place(namespace.as_deref(), name.as_deref());
    let access = read::access(
        ("engine", through.gate.name.to_string(), json!({ "engine": "argo" })),
        &action,
        ("rollout", rollout, read::some(&[("namespace", namespace), ("name", name)])),
        Value::Object(fields.clone()),
    );
    let content = Err("a metric of Argo Rollouts brings no content".to_owned());
    Wish { ask: GateAsk::Go, asked, change, digest, content, access }
}
