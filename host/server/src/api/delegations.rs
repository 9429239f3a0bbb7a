//! Delegations: roles that are lent for a while.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use interlock_domain::{Delegation, DelegationId};

use super::{
    at::At,
    auth::{Caller, Read, Write},
    list::{Everything, Items, Listing, Paging},
    payload::Payload,
    wire,
};
use crate::{
    App,
    flow::delegation::{self, DelegationRequest},
    problem::Problem,
};

/// Lend roles of your own to somebody who approves while you are away
///
/// Never to oneself, and not what was lent to you. What is approved under it says so, and you and they never count as two.
#[utoipa::path(post, path = "/delegations", tag = "delegations", security(("key" = ["write"])),
    request_body = DelegationRequest,
    responses((status = 201, description = "It is made", body = wire::approval::Delegation)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    Payload(request): Payload<DelegationRequest>,
) -> Result<(StatusCode, Json<Delegation>), Problem> {
    Ok((StatusCode::CREATED, Json(delegation::create(&app, &caller.actor, request).await?)))
}

/// List delegations, newest first, also those that are over
#[utoipa::path(get, path = "/delegations", tag = "delegations", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::approval::Delegation>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<Delegation>>, Problem> {
    let found = delegation::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |delegation| delegation.id.to_string()))
}

/// Take a delegation back
///
/// By whoever made it, or an administrator. What was approved under it counts no more for what has not begun.
#[utoipa::path(post, path = "/delegations/{id}/revoke", tag = "delegations", security(("key" = ["write"])),
    params(("id" = String, Path, description = "The delegation")),
    responses((status = 200, description = "The delegation as it is now", body = wire::approval::Delegation)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<DelegationId>,
) -> Result<Json<Delegation>, Problem> {
    Ok(Json(delegation::revoke(&app, &caller.actor, &id).await?))
}
