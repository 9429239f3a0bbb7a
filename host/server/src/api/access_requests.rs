//! Requests for access that the tenant's application denied: persons read and answer them.

use std::sync::Arc;

use axum::{Json, extract::State};
use interlock_domain::{AccessRequestId, AccessState};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    at::At,
    auth::{Caller, Read, Write},
    list::{Items, Listing, Paging},
    payload::Payload,
    wire,
};
use crate::{
    App,
    flow::access_request::{self, Says},
    problem::Problem,
};

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichRequests {
    /// Only those in this state; of those that wait, only those that can still be answered.
    #[param(value_type = Option<String>, example = "pending")]
    state: Option<AccessState>,
}

/// List requests for access, newest first
#[utoipa::path(get, path = "/access-requests", tag = "decisions", security(("key" = ["read"])), params(WhichRequests, Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::AccessRequest>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<WhichRequests>,
) -> Result<Json<Items<wire::AccessRequest>>, Problem> {
    let now = app.clock.now();
    let found = access_request::list(&app, &caller.actor, listing.filter.state, &listing.page()).await?;
    let found = found.into_iter().map(|request| wire::AccessRequest::at(&request, now)).collect();
    Ok(listing.answer(found, |request: &wire::AccessRequest| request.id.clone()))
}

/// Show a request for access
#[utoipa::path(get, path = "/access-requests/{id}", tag = "decisions", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "The request", body = wire::AccessRequest)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<AccessRequestId>,
) -> Result<Json<wire::AccessRequest>, Problem> {
    let request = access_request::show(&app, &caller.actor, &id).await?;
    Ok(Json(wire::AccessRequest::at(&request, app.clock.now())))
}

/// Approve a request for access
///
/// Of exactly the question that was denied, until an instant. What that comes to, the application's policies say. Neither the
/// subject nor whoever asks may.
#[utoipa::path(post, path = "/access-requests/{id}/approve", tag = "decisions", security(("key" = ["write"])),
    request_body = wire::AccessApproval, params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "The request as it is now", body = wire::AccessRequest)))]
pub(super) async fn approve(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<AccessRequestId>,
    Payload(wire::AccessApproval { reason, approve_for_ms }): Payload<wire::AccessApproval>,
) -> Result<Json<wire::AccessRequest>, Problem> {
    decide(state, caller, id, Says::Yes(approve_for_ms), &reason).await
}

/// Reject a request for access
#[utoipa::path(post, path = "/access-requests/{id}/reject", tag = "decisions", security(("key" = ["write"])),
    request_body = wire::Reason, params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "The request as it is now", body = wire::AccessRequest)))]
pub(super) async fn reject(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<AccessRequestId>,
    Payload(wire::Reason { reason }): Payload<wire::Reason>,
) -> Result<Json<wire::AccessRequest>, Problem> {
    decide(state, caller, id, Says::No, &reason).await
}

/// Take an approval of access back
#[utoipa::path(post, path = "/access-requests/{id}/revoke", tag = "decisions", security(("key" = ["write"])),
    request_body = wire::Reason, params(("id" = String, Path, description = "The request")),
    responses((status = 200, description = "The request as it is now", body = wire::AccessRequest)))]
pub(super) async fn revoke(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<AccessRequestId>,
    Payload(wire::Reason { reason }): Payload<wire::Reason>,
) -> Result<Json<wire::AccessRequest>, Problem> {
    decide(state, caller, id, Says::NoMore, &reason).await
}

async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<AccessRequestId>,
    says: Says,
    reason: &str,
) -> Result<Json<wire::AccessRequest>, Problem> {
    let request = access_request::decide(&app, &caller.actor, &id, says, reason).await?;
    Ok(Json(wire::AccessRequest::at(&request, app.clock.now())))
}
