//! Consent of the device. Persons consent before anything is offered, so that a device is never asked: for hawkBit's
//! protocol every device confirms automatically, and that cannot be turned off.

use axum::Json;
use serde::Serialize;

use super::{auth::Speaker, error::DdiError};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    auto_confirm: AutoConfirm,
    #[serde(rename = "_links")]
    links: Links,
}

#[derive(Serialize)]
struct AutoConfirm {
    active: bool,
}

#[derive(Serialize)]
struct Links {}

/// `GET confirmationBase`.
pub(super) async fn show(_: Speaker) -> Json<Wire> {
    Json(Wire { auto_confirm: AutoConfirm { active: true }, links: Links {} })
}

/// `POST confirmationBase/activateAutoConfirm`.
pub(super) async fn activate(_: Speaker) -> DdiError {
    DdiError::already_confirmed()
}

/// `POST confirmationBase/deactivateAutoConfirm`.
pub(super) async fn deactivate(_: Speaker) -> DdiError {
    DdiError::already_confirmed()
}
