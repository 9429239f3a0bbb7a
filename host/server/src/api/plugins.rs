//! The installed plugins.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use interlock_domain::{Action, Digest};

use super::{
    at::At,
    auth::{Caller, Read},
    list::Items,
    wire,
};
use crate::{App, flow, problem::Problem};

/// List the plugins that are installed
#[utoipa::path(get, path = "/plugins", tag = "plugins", security(("key" = ["read"])),
    responses((status = 200, description = "All of them, by name", body = Items<wire::Plugin>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<Items<wire::Plugin>>, Problem> {
    flow::may_read(&app, &caller.actor, Action::ReadPlugin, flow::tenant(&caller.actor)).await?;
    let items = app.sandbox.shelf().all_bound().iter().map(|plugin| wire::Plugin::from(&**plugin)).collect();
    Ok(Json(Items { items, next_cursor: None }))
}

/// Fetch a plugin's component
///
/// Of a plugin that is installed, or of one that once answered a question of the tenant: what decided can be had for as long
/// as its decision is kept.
#[utoipa::path(get, path = "/plugins/{digest}", tag = "plugins", security(("key" = ["read"])),
    params(
        ("digest" = String, Path, description = "SHA-256 of the component", example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is there already: answers 304"),
    ),
    responses(
        (status = 200, description = "The component", body = Vec<u8>, content_type = "application/wasm",
            headers(("ETag" = String, description = "The digest"))),
        (status = 304, description = "It is there already"),
    ))]
pub(super) async fn component(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(digest): At<Digest>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let component = flow::component::fetch(&app, &caller.actor, &digest).await?;
    let tag = format!("\"{digest}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|given| given.to_str().ok());
    if known.is_some_and(|given| given.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let head = [(header::CONTENT_TYPE, "application/wasm".to_owned()), (header::ETAG, tag)];
    Ok((head, component).into_response())
}
