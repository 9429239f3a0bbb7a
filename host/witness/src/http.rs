//! The witness over HTTP: two routes and their status codes, as the specification has them.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use interlock_ledger::witness::{NotCosigned, SUBMISSION_BYTES_MAX};
use tokio::net::TcpListener;

use crate::{Witness, WitnessError};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Its routes.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(newest))
        .layer(DefaultBodyLimit::max(SUBMISSION_BYTES_MAX))
        .with_state(witness)
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the connections cannot be served.
pub async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(witness)).with_graceful_shutdown(stop).await
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    // It waits for the disk.
    let done = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match done.unwrap_or_else(|error| Err(WitnessError::Broken(error.to_string()))) {
        Ok(lines) => said(StatusCode::OK, lines),
        Err(error) => refused(&error),
    }
}

async fn newest(State(witness): State<Arc<Witness>>, Path(origin): Path<String>) -> Response {
    let done = tokio::task::spawn_blocking(move || witness.newest(&origin)).await;
    match done.unwrap_or_else(|error| Err(WitnessError::Broken(error.to_string()))) {
        Ok(Some(text)) => said(StatusCode::OK, text),
        Ok(None) => said(StatusCode::NOT_FOUND, "no checkpoint of such a log was cosigned here\n".to_owned()),
        Err(error) => refused(&error),
    }
}

fn refused(error: &WitnessError) -> Response {
    let status = match error {
        WitnessError::Not(NotCosigned::Conflict { size }) => {
            let size_type = HeaderValue::from_static("text/x.tlog.size");
            return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, size_type)], format!("{size}\n"))
                .into_response();
        }
        WitnessError::Not(NotCosigned::UnknownLog { .. }) => StatusCode::NOT_FOUND,
        WitnessError::Not(NotCosigned::NotByLog(_)) => StatusCode::FORBIDDEN,
        WitnessError::Not(NotCosigned::Inconsistent(_) | NotCosigned::Empty) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        WitnessError::Not(_) => StatusCode::BAD_REQUEST,
        WitnessError::Broken(_) | WitnessError::Note(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    said(status, format!("{error}\n"))
}

fn said(status: StatusCode, text: String) -> Response {
    let cache = HeaderValue::from_static("no-store");
    (status, [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, cache)], text).into_response()
}
