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
    flow::key::{self, KeyRequest, Rotation},
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
    Ok(made(key::create(&app, &caller.actor, request).await?))
}

/// List keys, newest first, without their secrets
#[utoipa::path(get, path = "/keys", tag = "keys", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::ListedKey>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::ListedKey>>, Problem> {
    let found = key::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |listed| listed.credential.id.to_string()))
}

/// Make a key that follows another one
///
/// It is for the same, may be used from the same networks and works as long as the old one did. Both work until the old one
/// is revoked or expires.
#[utoipa::path(post, path = "/keys/{id}/rotate", tag = "keys", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The old key")), request_body = Rotation,
    responses((status = 201, description = "The new key and, this once, its text", body = wire::NewKey)))]
pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<KeyId>,
    Payload(rotation): Payload<Rotation>,
) -> Result<Response, Problem> {
    Ok(made(key::rotate(&app, &caller.actor, &id, rotation).await?))
}

/// The answer, and what is kept of it for a repeat: without the key's text.
fn made(new: key::NewKey) -> Response {
    let mut shown = wire::NewKey::from(new.clone());
    shown.key = None;
    let kept = Extension(WithoutSecret(serde_json::to_vec(&shown).unwrap_or_default()));
    (StatusCode::CREATED, kept, Json(wire::NewKey::from(new))).into_response()
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
