//! API keys.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use interlock_domain::KeyId;

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
    flow::key::{self, KeyRequest},
    problem::Problem,
};

/// Make a key, and the account if there is none of that name
#[utoipa::path(post, path = "/keys", tag = "keys", security(("key" = ["admin"])), request_body = KeyRequest,
    responses((status = 201, description = "The key and, this once, its text", body = wire::NewKey)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    Payload(request): Payload<KeyRequest>,
) -> Result<Response, Problem> {
    let new = key::create(&app, &caller.actor, request).await?;
    let mut shown = wire::NewKey::from(new.clone());
    shown.key = None;
    let kept = Extension(WithoutSecret(serde_json::to_vec(&shown).unwrap_or_default()));
    Ok((StatusCode::CREATED, kept, Json(wire::NewKey::from(new))).into_response())
}

/// List keys, newest first, without their secrets
#[utoipa::path(get, path = "/keys", tag = "keys", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::Key>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::Key>>, Problem> {
    let found = key::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |credential| credential.id.to_string()))
}

/// Revoke a key at once
#[utoipa::path(delete, path = "/keys/{id}", tag = "keys", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The key")),
    responses((status = 200, description = "The key as it is now", body = wire::Key)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<KeyId>,
) -> Result<Json<wire::Key>, Problem> {
    Ok(Json(key::revoke(&app, &caller.actor, &id).await?.into()))
}
