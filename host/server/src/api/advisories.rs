//! Advisories: what is known of the weaknesses of packages.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, http::HeaderMap};

use super::{
    auth::{Caller, Read, Write},
    payload, wire,
};
use crate::{
    App,
    flow::advisory::{self, Import},
    problem::{Kind, Problem},
};

/// Show as of when the advisories are complete
#[utoipa::path(get, path = "/advisories", tag = "advisories", security(("key" = ["read"])),
    responses((status = 200, description = "What there is", body = wire::Advisories)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<wire::Advisories>, Problem> {
    Ok(Json(advisory::state(&app, &caller.actor).await?.into()))
}

/// Import advisories in the OSV format
///
/// All records of a part are taken or none. A record that is newer already stays; one that its makers withdrew is removed.
/// Of each record `details`, `references` and `credits` are left out, and each package gets only what is about it. No time in
/// a record may be in the future. Say with the last part as of when all of them are complete: that holds for the ecosystems
/// of its records, which may be there already.
#[utoipa::path(post, path = "/advisories:import", tag = "advisories", security(("key" = ["write"])), request_body = Import,
    responses((status = 200, description = "What was taken in", body = wire::AdvisoriesImported)))]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<wire::AdvisoriesImported>, Problem> {
    payload::expect_json(&headers)?;
    let bytes = payload::read(&headers, app.config.server.body_bytes_max, body).await?;
    // Not the strict reading of other bodies: records of others may hold fractions, and are kept as they came.
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(Kind::MalformedJson, format!("the body is no JSON: {error}")))?;
    let part: Import = payload::typed(value)?;
    Ok(Json(advisory::import(&app, &caller.actor, part).await?.into()))
}
