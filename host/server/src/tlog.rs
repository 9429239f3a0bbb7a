//! The ledger as other people's tools read it: C2SP tlog-tiles, <https://c2sp.org/tlog-tiles>, below `/ledger/{tenant}`.
//!
//! What is below a checkpoint's size never changes, so that tiles and bundles may be kept for ever; the checkpoint is asked
//! for anew each time. Only members of the tenant read its log: the bodies hold digests and ids, and who has how many changes
//! is nobody else's business either.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawPathParams, State},
    http::header,
    middleware::from_fn_with_state,
    response::IntoResponse,
    routing::get,
};
use interlock_ledger::Tile;

use crate::{
    App, api,
    flow::tlog,
    problem::{Kind, Problem},
};

/// What never changes may be kept for a year, by whoever asked.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// Its routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/ledger/{tenant}/checkpoint", get(checkpoint))
        .route("/ledger/{tenant}/tile/{*tile}", get(tile))
        .route_layer(from_fn_with_state(app.clone(), api::authenticate))
        .with_state(app)
}

async fn checkpoint(
    State(app): State<Arc<App>>,
    caller: api::Caller<api::Read>,
) -> Result<impl IntoResponse, Problem> {
    let text = tlog::checkpoint(&app, &caller.actor).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text))
}

async fn tile(
    State(app): State<Arc<App>>,
    params: RawPathParams,
    caller: api::Caller<api::Read>,
) -> Result<impl IntoResponse, Problem> {
    let path = params.iter().last().map(|(_, path)| path).unwrap_or_default();
    let tile: Result<Tile, _> = format!("tile/{path}").parse();
    let tile = tile.map_err(|error| Problem::new(Kind::NotFound, error.to_string()))?;
    let bytes = tlog::tile(&app, &caller.actor, tile).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, FOR_EVER)], bytes))
}
