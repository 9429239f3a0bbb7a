//! Flagger's webhooks. 200 lets it go on and 403 does not: it takes every code above 202 for a failure, also 204. Of
//! `rollback`, 200 means: roll back.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{RawPathParams, State},
    http::{HeaderMap, StatusCode},
};
use interlock_domain::{Engine, GateAsk, GateVerdict};
use serde_json::{Map, Value, json};

use super::{Asking, answered, read};
use crate::{
    App, FlowError,
    flow::{
        engine::{self, Wish},
        gate::Through,
    },
    problem::Problem,
};

/// What Flagger asks before it goes on.
const GO: [&str; 5] =
    ["confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"];
/// What it asks to learn whether to go back.
const ROLLBACK: &str = "rollback";
/// What it only tells.
const TOLD: [&str; 2] = ["post-rollout", "event"];
/// Longest text of an event that is put on record.
const EVENT_MAX: usize = 2_000;

pub(super) async fn hook(
    State(app): State<Arc<App>>,
    asking: Asking,
    params: RawPathParams,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, String), Problem> {
    let through = asking.of(Engine::Flagger)?;
    let hook = params.iter().last().map(|(_, hook)| hook.to_owned()).unwrap_or_default();
    let known = GO.iter().chain(&TOLD).chain([&ROLLBACK]).find(|known| **known == hook);
    let Some(&hook) = known else {
        let hook: String = hook.chars().take(80).collect();
        let all = [&GO[..], &[ROLLBACK], &TOLD[..]].concat().join(", ");
        return Err(Problem::not_found("webhook of Flagger", &format!("{hook}` (there are {all})`")));
    };
    let payload = read::object(&app, &headers, body).await;
    if TOLD.contains(&hook) {
        return Ok(tell(&app, &through, hook, payload).await);
    }
    let said = match payload {
        Ok(payload) => answered(&app, &through, wish(&through, hook, &payload), None).await,
        Err(why) => Err(why),
    };
    Ok(match said {
        Ok(said) => {
            let verb = match (hook, said.verdict) {
                (ROLLBACK, GateVerdict::Allow) => "roll back",
                (ROLLBACK, _) => "no rollback",
                (_, verdict) => verdict.as_str(),
            };
            (code(said.verdict), format!("{verb}: {} ({})", said.reasons.join("; "), said.decision))
        }
        Err(why) => (StatusCode::FORBIDDEN, format!("no answer: {why}")),
    })
}

fn code(verdict: GateVerdict) -> StatusCode {
    match verdict {
        GateVerdict::Allow => StatusCode::OK,
        GateVerdict::Pending | GateVerdict::Deny => StatusCode::FORBIDDEN,
    }
}

fn wish(through: &Through, hook: &str, payload: &Map<String, Value>) -> Wish {
    let metadata = payload.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let (name, namespace) = (read::text(payload, "name"), read::text(payload, "namespace"));
    let (phase, checksum) = (read::text(payload, "phase"), read::text(payload, "checksum"));
    let (change, digest) = (read::one_of(&metadata, &read::CHANGE), read::one_of(&metadata, &read::DIGEST));
    let asked = read::some(&[
        ("hook", Some(hook.to_owned())),
        ("namespace", namespace.clone()),
        ("name", name.clone()),
        ("phase", phase.clone()),
        ("checksum", checksum.clone()),
        ("change", change.clone()),
        ("digest", digest.clone()),
    ]);
    let canary = read::place(namespace.as_deref(), name.as_deref());
    let place = read::some(&[("namespace", namespace), ("name", name)]);
    let mut context = read::some(&[("phase", phase), ("checksum", checksum)]);
    context["metadata"] = Value::Object(metadata);
    let access = read::access(
        ("engine", through.gate.name.to_string(), json!({ "engine": "flagger" })),
        hook,
        ("canary", canary, place),
        context,
    );
    let ask = if hook == ROLLBACK { GateAsk::RollBack } else { GateAsk::Go };
    let content = Err("a webhook of Flagger brings no content".to_owned());
    Wish { ask, asked, change, digest, content, access }
}

/// Puts on record what happened. Flagger only logs what is answered.
async fn tell(
    app: &App,
    through: &Through,
    hook: &str,
    payload: Result<Map<String, Value>, String>,
) -> (StatusCode, String) {
    let payload = match payload {
        Ok(payload) => payload,
        Err(why) => return (StatusCode::BAD_REQUEST, why),
    };
    let metadata = payload.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let message = metadata.get("eventMessage").and_then(Value::as_str);
    let told = read::some(&[
        ("hook", Some(hook.to_owned())),
        ("namespace", read::text(&payload, "namespace")),
        ("name", read::text(&payload, "name")),
        ("phase", read::text(&payload, "phase")),
        ("checksum", read::text(&payload, "checksum")),
        ("change", read::one_of(&metadata, &read::CHANGE)),
        ("message", message.map(|message| message.chars().take(EVENT_MAX).collect())),
        ("type", read::text(&metadata, "eventType")),
        ("timestamp", read::text(&metadata, "timestamp")),
    ]);
    match engine::told(app, through, told).await {
        Ok(()) => (StatusCode::OK, "recorded".to_owned()),
        Err(error @ FlowError::Denied { .. }) => (StatusCode::FORBIDDEN, super::said_of(&error)),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, super::said_of(&error)),
    }
}
