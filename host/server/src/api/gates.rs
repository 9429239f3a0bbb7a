//! Gates that other engines ask: made, listed, revoked. What the engines ask is an edge of its own.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use interlock_domain::GateName;

use super::{
    at::At,
    auth::{Admin, Caller, Read},
    idempotency::WithoutSecret,
    list::{Everything, Items, Listing, Paging},
    payload::Payload,
    wire,
};
use crate::{
    App,
    flow::gate::{self, GateRequest},
    problem::Problem,
};

/// Make a gate that another engine asks
///
/// It has an account of its own with the role viewer, and a token that opens this gate and nothing else.
#[utoipa::path(post, path = "/gates", tag = "gates", security(("key" = ["admin"])), request_body = GateRequest,
    responses((status = 201, description = "The gate and, this once, its token", body = wire::NewGate)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    Payload(request): Payload<GateRequest>,
) -> Result<Response, Problem> {
    let new = gate::create(&app, &caller.actor, request).await?;
    let made = wire::NewGate::from(new);
    let mut value = serde_json::to_value(&made).unwrap_or_default();
    for secret in ["token", "url"] {
        value[secret] = serde_json::Value::Null;
    }
    let kept = Extension(WithoutSecret(serde_json::to_vec(&value).unwrap_or_default()));
    Ok((StatusCode::CREATED, kept, Json(made)).into_response())
}

/// List gates, newest first, without their tokens
#[utoipa::path(get, path = "/gates", tag = "gates", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::GateEndpoint>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::GateEndpoint>>, Problem> {
    let found = gate::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |gate| gate.id.to_string()))
}

/// Revoke a gate at once
#[utoipa::path(delete, path = "/gates/{gate}", tag = "gates", security(("key" = ["admin"])),
    params(("gate" = String, Path, description = "Its name")),
    responses((status = 200, description = "The gate as it is now", body = wire::GateEndpoint)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(name): At<GateName>,
) -> Result<Json<wire::GateEndpoint>, Problem> {
    Ok(Json(gate::revoke(&app, &caller.actor, &name).await?.into()))
}
