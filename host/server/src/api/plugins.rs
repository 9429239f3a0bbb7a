//! Plugins: what is installed, what is pushed, and what each environment uses.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_domain::{Action, Digest, Environment};
use interlock_vault::envelope::Envelope;

use super::{
    at::At,
    auth::{Caller, Read, Write},
    list::Items,
    payload, wire,
};
use crate::{
    App,
    flow::{self, push_plugin, roster},
    problem::{Kind, Problem},
};

/// What was signed about a component that is pushed.
const ENVELOPE: &str = "Interlock-Envelope";

/// List the plugins that are installed
///
/// These are the plugins of the server's folder. What an environment uses is its roster.
#[utoipa::path(get, path = "/plugins", tag = "plugins", security(("key" = ["read"])),
    responses((status = 200, description = "All of them, by name", body = Items<wire::Plugin>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<Items<wire::Plugin>>, Problem> {
    flow::may_read(&app, &caller.actor, Action::ReadPlugin, flow::tenant(&caller.actor)).await?;
    let slots = app.sandbox.shelf().slots();
    // Slots with a place before the name are those of rosters.
    let installed = slots.iter().filter(|(slot, _)| !slot.contains('/'));
    let items = installed.map(|(_, plugin)| wire::Plugin::from(&**plugin)).collect();
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

/// Push a plugin
///
/// The body is the component as it is. As many trusted signers as `plugins.signers_min` must vouch for it. It is compiled and
/// asked to describe itself, and kept under its digest. It is not in use: a change of kind `plugin` activates it. Pushing the
/// same again answers with what is there.
#[utoipa::path(post, path = "/plugins", tag = "plugins", security(("key" = ["write"])),
    params(("Interlock-Envelope" = Option<String>, Header, description = "What was signed about it: base64url of the DSSE envelope that `interlock plugin sign` writes")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, description = "It is kept", body = wire::Plugin)))]
pub(super) async fn push(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    if !["application/wasm", "application/octet-stream"].contains(&media) {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "send the component as it is, as `application/wasm` or `application/octet-stream`",
        ));
    }
    let most = usize::try_from(app.sandbox.limits().component_bytes_max).unwrap_or(usize::MAX);
    let wasm = payload::read(&headers, most, body).await?;
    let envelope = headers.get(ENVELOPE).map(envelope).transpose()?;
    let plugin = push_plugin::push(&app, &caller.actor, wasm.to_vec(), envelope.as_ref()).await?;
    Ok((StatusCode::CREATED, Json(wire::Plugin::from(&*plugin))))
}

fn envelope(header: &HeaderValue) -> Result<Envelope, Problem> {
    let text = header.to_str().unwrap_or_default();
    let json = URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| Problem::header(ENVELOPE, "it is not base64url"))?;
    Envelope::from_json(&json)
        .map_err(|error| Problem::header(ENVELOPE, format!("it holds no DSSE envelope: {error}")))
}

/// Show what an environment uses of plugins
///
/// Its active plugins with what each declares, is granted and lacks; its bindings; its gate groups. `configured` says that
/// all this comes from the server's configuration, because no `plugin` change came into force here yet.
#[utoipa::path(get, path = "/rosters/{environment}", tag = "plugins", security(("key" = ["read"])),
    params(("environment" = String, Path, description = "The environment", example = "production")),
    responses((status = 200, description = "Its roster", body = wire::ShownRoster)))]
pub(super) async fn roster(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(environment): At<Environment>,
) -> Result<Json<wire::ShownRoster>, Problem> {
    let in_use = roster::show(&app, &caller.actor, &environment).await?;
    let mut plugins = BTreeMap::new();
    for name in in_use.roster.plugins.keys() {
        if let Some(seen) = roster::seen(&app, &caller.actor, &in_use.roster, name).await? {
            plugins.insert(name.clone(), wire::ShownActive::from(seen));
        }
    }
    Ok(Json(wire::ShownRoster::new(environment, in_use, plugins)))
}
