//! Kubernetes' validating admission: `AdmissionReview` of `admission.k8s.io/v1`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use interlock_domain::{Engine, GateAsk, GateVerdict, object_digests};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Asking, answered, read};
use crate::{
    App,
    flow::{engine::Wish, gate::Through},
    problem::Problem,
};

const VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// Kubernetes cuts warnings beyond this.
const WARNING_MAX: usize = 256;
/// What the way back to the API server may take.
const MARGIN: Duration = Duration::from_millis(500);

/// What the API server adds to the address: `timeout=10s`.
#[derive(Debug, Deserialize)]
pub(super) struct Limit {
    timeout: Option<String>,
}

impl Limit {
    /// How long an answer may take, so that ours comes before the API server gives up.
    fn most(&self) -> Option<Duration> {
        let seconds: u64 = self.timeout.as_ref()?.strip_suffix('s')?.parse().ok()?;
        Some(Duration::from_secs(seconds).saturating_sub(MARGIN))
    }
}

pub(super) async fn review(
    State(app): State<Arc<App>>,
    asking: Asking,
    Query(limit): Query<Limit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let through = asking.of(Engine::Kubernetes)?;
    // No review, no answer: the webhook's `failurePolicy` decides, and `Fail` is what we ask for.
    let request = match read::object(&app, &headers, body).await.and_then(request) {
        Ok(request) => request,
        Err(why) => {
            let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            return Ok((StatusCode::BAD_REQUEST, text, why).into_response());
        }
    };
    let uid = request.get("uid").cloned().unwrap_or_default();
    let wish = wish(&through, &request);
    let response = match answered(&app, &through, wish, limit.most()).await {
        Ok(said) => {
            let why = said.reasons.join("; ");
            let mut response = match said.verdict {
                GateVerdict::Allow => json!({ "uid": uid, "allowed": true }),
                GateVerdict::Pending => refused(&uid, &format!("pending: {why}")),
                GateVerdict::Deny => refused(&uid, &why),
            };
            response["auditAnnotations"] = json!({ "decision": said.decision });
            if said.verdict == GateVerdict::Pending {
                response["warnings"] = json!([warning(&format!("interlock: not yet, {why}"))]);
            }
            response
        }
        Err(why) => refused(&uid, &format!("no answer: {why}")),
    };
    let review = json!({ "apiVersion": VERSION, "kind": KIND, "response": response });
    Ok(Json(review).into_response())
}

fn refused(uid: &Value, message: &str) -> Value {
    let status = json!({ "code": 403, "reason": "Forbidden", "status": "Failure", "message": message });
    json!({ "uid": uid, "allowed": false, "status": status })
}

/// One line that Kubernetes does not cut.
fn warning(text: &str) -> String {
    let line = text.replace(['\n', '\r'], " ");
    let end = (0..=WARNING_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    line[..end].to_owned()
}

/// The request of a review.
fn request(mut review: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let is = |name: &str, expected: &str| review.get(name).and_then(Value::as_str) == Some(expected);
    if !is("apiVersion", VERSION) || !is("kind", KIND) {
        return Err(format!("this is no `{KIND}` of `{VERSION}`; list `v1` in `admissionReviewVersions`"));
    }
    let Some(Value::Object(request)) = review.remove("request") else {
        return Err("`request` is missing".to_owned());
    };
    match request.get("uid") {
        Some(Value::String(uid)) if !uid.is_empty() && uid.len() <= 256 => Ok(request),
        _ => Err("`request.uid` is missing".to_owned()),
    }
}

fn wish(through: &Through, request: &Map<String, Value>) -> Wish {
    let operation = read::text(request, "operation").unwrap_or_default();
    // What is deleted is only in the old object.
    let object = request.get("object").filter(|object| object.is_object());
    let old = request.get("oldObject").filter(|object| object.is_object());
    let object = if operation == "DELETE" { object.or(old) } else { object };
    let metadata = object.and_then(|object| object.get("metadata")?.as_object()).cloned().unwrap_or_default();
    let annotations = metadata.get("annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    // Only what is meant for us: an object may have annotations of others by short names.
    let (change, digest) =
        (read::text(&annotations, read::CHANGE[0]), read::text(&annotations, read::DIGEST[0]));
    let (namespace, name) = (read::text(request, "namespace"), read::text(request, "name"));
    let name =
        name.or_else(|| read::text(&metadata, "name")).or_else(|| read::text(&metadata, "generateName"));
    let kind = request.get("kind").and_then(Value::as_object).cloned().unwrap_or_default();
    let user = request.get("userInfo").and_then(Value::as_object).cloned().unwrap_or_default();
    let username = read::text(&user, "username").unwrap_or_default();
    let dry_run = request.get("dryRun").and_then(Value::as_bool).unwrap_or_default();
    let called = read::text(&kind, "kind").unwrap_or_default();
    let mut asked = read::some(&[
        ("uid", read::text(request, "uid")),
        ("operation", Some(operation.clone())),
        ("group", read::text(&kind, "group")),
        ("version", read::text(&kind, "version")),
        ("kind", Some(called.clone())),
        ("subresource", read::text(request, "subResource")),
        ("namespace", namespace.clone()),
        ("name", name.clone()),
        ("username", Some(username.clone())),
        ("change", change.clone()),
        ("digest", digest.clone()),
    ]);
    asked["dry_run"] = json!(dry_run);
    let content = match object {
        Some(object) => object_digests(object),
        None => Err("there is no object".to_owned()),
    };
    if let Ok(digests) = &content {
        asked["content"] = json!(digests);
    }
    let context = json!({
        "dry_run": dry_run,
        "operation": operation,
        "subresource": read::text(request, "subResource"),
        "object": object,
        "old_object": old,
        "options": request.get("options"),
    });
    let groups = user.get("groups").cloned().unwrap_or_else(|| json!([]));
    let place = read::place(namespace.as_deref(), name.as_deref());
    let properties = json!({
        "namespace": namespace, "name": name, "group": read::text(&kind, "group"),
        "version": read::text(&kind, "version"), "kind": called,
    });
    let access = read::access(
        ("kubernetes_user", username, json!({ "groups": groups, "gate": through.gate.name })),
        &operation.to_lowercase(),
        ("kubernetes_object", place, properties),
        context,
    );
    Wish { ask: GateAsk::Go, asked, change, digest, content, access }
}
