//! Cancellations: stop this action.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use interlock_domain::Feedback;
use serde::Serialize;

use super::{auth::Speaker, body::Said, deployment::OfAction, error::DdiError};
use crate::{App, flow::poll};

/// Both ids are the action's own: nothing else can be stopped.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    id: String,
    cancel_action: Stop,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stop {
    stop_id: String,
}

/// `GET cancelAction/{action}`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Speaker { device, .. }: Speaker,
    Path(of): Path<OfAction>,
) -> Result<Json<Wire>, DdiError> {
    let action = of.number()?;
    poll::cancellation(&app, &device, action)
        .await
        .map_err(|error| DdiError::from(error).closed_as_absent())?;
    Ok(Json(Wire { id: action.to_string(), cancel_action: Stop { stop_id: action.to_string() } }))
}

/// `POST cancelAction/{action}/feedback`.
pub(super) async fn feedback(
    State(app): State<Arc<App>>,
    Speaker { device, proof }: Speaker,
    Path(of): Path<OfAction>,
    Said(feedback): Said<Feedback>,
) -> Result<StatusCode, DdiError> {
    poll::cancel_feedback(&app, &device, proof, of.number()?, &feedback).await?;
    Ok(StatusCode::OK)
}
