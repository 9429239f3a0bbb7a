//! For whoever runs the server: `/health`, `/ready`, `/metrics`. Without authentication, so they say nothing of what
//! belongs to tenants but counts.

mod metrics;
mod ready;

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde_json::json;

pub(crate) use self::metrics::{recorder, upkeep};
use crate::App;

/// The three routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    recorder();
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(readiness))
        .route("/metrics", get(scrape))
        .with_state(app)
}

/// The process is alive and answers. Says nothing of anything else, so that a database that is away restarts nobody.
async fn health() -> impl IntoResponse {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn readiness(State(app): State<Arc<App>>) -> impl IntoResponse {
    let readiness = ready::look(&app).await;
    let status = if readiness.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn scrape(State(app): State<Arc<App>>) -> impl IntoResponse {
    let text = metrics::render(&app).await;
    ([(axum::http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
