//! The access-request profile: a denial that persons may turn, and the way to ask them
//! (draft `authzen-access-request-approval`).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use interlock_domain::{AccessRequest, AccessRequestId, TenantId, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    body::{Parts, Question},
    error::Unanswerable,
    evaluation,
};
use crate::{
    App,
    api::{Caller, Read},
    flow::{
        access::Given,
        access_request::{self, Wish},
    },
    problem::Problem,
};

/// What a client prefers that wants to know how a denial may be turned (RFC 7240).
pub(super) const PREFERENCE: &str = "access-request";
/// The capability, as the metadata names it.
pub(super) const CAPABILITY: &str = "urn:openid:authzen:capability:access-request";

/// Whether the client wants to know how a denial may be turned. Not by itself: AuthZEN's suites compare answers literally.
pub(super) fn is_preferred(headers: &HeaderMap) -> bool {
    let given = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    given
        .flat_map(|text| text.split(','))
        .any(|each| each.split(['=', ';']).next().unwrap_or_default().trim().eq_ignore_ascii_case(PREFERENCE))
}

/// Where requests are sent, or where one can be looked at: an address when the server knows its own, else a path.
pub(super) fn endpoint(app: &App, tenant: &TenantId, id: Option<&AccessRequestId>) -> String {
    let base = app.config.server.public_url.trim_end_matches('/');
    let id = id.map_or(String::new(), |id| format!("/{id}"));
    format!("{base}/v1/tenants/{tenant}/access/v1/requests{id}")
}

/// What a denial says in the profile's words: why the approval that was brought does not count, and what to do next.
/// Nothing when nobody wants to know and no approval was brought.
pub(super) fn told(
    app: &App,
    tenant: &TenantId,
    given: &Given,
    preferred: bool,
) -> Option<Map<String, Value>> {
    if given.answer.allowed || (!preferred && given.approval.is_none()) {
        return None;
    }
    let (reason, mut next) = match given.approval {
        Some(Err(why)) => (why.reason(), why.next_action()),
        // It holds, and the policies say no all the same.
        Some(Ok(())) => ("policy_denied", "none"),
        None if given.approvable => ("approval_required", "request"),
        None => ("policy_denied", "none"),
    };
    if preferred && next == "request" && !given.approvable {
        // Whoever answered, the policies would still say no.
        next = "none";
    }
    let mut context = Map::from_iter([
        ("evaluation_id".to_owned(), json!(given.decision)),
        ("reason".to_owned(), json!(reason)),
        ("next_action".to_owned(), json!(next)),
    ]);
    if preferred && next == "request" {
        let until =
            app.clock.now().plus_millis(i64::try_from(app.config.access.offer_ms).unwrap_or(i64::MAX));
        let request = json!({ "endpoint": endpoint(app, tenant, None), "expires_at": until });
        context.insert("access_request".to_owned(), request);
    }
    Some(context)
}

/// Makes a request of a denial.
pub(super) async fn make(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Question(fields): Question,
) -> Result<Response, Unanswerable> {
    let wish = wish(&app, &fields).map_err(Unanswerable::bad)?;
    let (request, is_new) = access_request::make(&app, &caller.actor, wish).await?;
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let place = endpoint(&app, &request.tenant, Some(&request.id));
    let handle = handle(&app, &request, app.clock.now());
    Ok((status, [(header::LOCATION, place)], Json(handle)).into_response())
}

/// What became of a request, for the program that made it.
pub(super) async fn look(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Unanswerable> {
    let id = id
        .parse::<AccessRequestId>()
        .map_err(|_| Problem::not_found("access request", &id.chars().take(80).collect::<String>()))?;
    let request = access_request::own(&app, &caller.actor, &id).await?;
    Ok(Json(handle(&app, &request, app.clock.now())))
}

/// A request as the program that made it sees it: not who answered, nor why.
fn handle(app: &App, request: &AccessRequest, now: Timestamp) -> Value {
    let status = request.status(now);
    let mut handle = json!({ "task": {
        "id": request.id,
        "status": status,
        "status_endpoint": endpoint(app, &request.tenant, Some(&request.id)),
        "expires_at": request.expires_at,
    } });
    if let ("approved", Some(until)) = (status, request.approved_until) {
        let approval = json!({ "id": request.id, "approved_until": until });
        handle["result"] = json!({ "mode": "reevaluate", "approval": approval });
    }
    handle
}

fn wish(app: &App, fields: &Map<String, Value>) -> Result<Wish, String> {
    let denial = match fields.get("denial") {
        Some(Value::Object(denial)) => denial,
        Some(_) => return Err("`denial` must be an object".to_owned()),
        None => return Err("`denial` is missing".to_owned()),
    };
    let evaluation = match denial.get("evaluation_id") {
        Some(Value::String(id)) => {
            id.parse().map_err(|_| "`denial.evaluation_id` is no id of a decision".to_owned())?
        }
        Some(_) => return Err("`denial.evaluation_id` must be a text".to_owned()),
        None => return Err("`denial.evaluation_id` is missing".to_owned()),
    };
    let until = match fields.get("requested_access").and_then(|wanted| wanted.get("requested_until")) {
        None | Some(Value::Null) => None,
        Some(given) => {
            let instant = given.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            Some(instant.ok_or("`requested_access.requested_until` is no RFC 3339 instant")?)
        }
    };
    let said = fields.get("reason").or_else(|| fields.get("context")?.get("business_justification"));
    let reason = match said {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err("`reason` must be a text".to_owned()),
    };
    let parts = Parts { fields, at: "", limits: &app.config.policies };
    let has_context = fields.get("context").is_some_and(|context| !context.is_null());
    let access = if fields.contains_key("subject") { Some(evaluation::question(parts)?) } else { None };
    Ok(Wish { evaluation, access, has_context, reason, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_may_stand_among_others_and_have_parameters() {
        let prefers = |given: &'static str| {
            is_preferred(&HeaderMap::from_iter([("prefer".parse().unwrap(), given.parse().unwrap())]))
        };
        for yes in ["access-request", "respond-async, Access-Request;x=1", "access-request=\"a\""] {
            assert!(prefers(yes), "{yes}");
        }
        for no in ["", "access", "no-access-request", "x=access-request"] {
            assert!(!prefers(no), "{no}");
        }
    }
}
