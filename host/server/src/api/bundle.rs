//! The policies in force.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    auth::{Admin, Caller, Read},
    wire,
};
use crate::{App, flow::bundle, problem::Problem};

/// Show the policies in force
#[utoipa::path(get, path = "/bundle", tag = "policies", security(("key" = ["read"])),
    responses((status = 200, description = "The bundle", body = wire::Bundle)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<wire::Bundle>, Problem> {
    Ok(Json((&*bundle::show(&app, &caller.actor).await?).into()))
}

/// Load the policies again from their folder
///
/// A bundle that does not load, does not validate, cannot answer or fails one of its own cases is refused, and so is one
/// with a lower revision than was in force before, or with the same revision and other content. The last good one stays.
#[utoipa::path(post, path = "/bundle/reload", tag = "policies", security(("key" = ["admin"])),
    responses((status = 200, description = "The bundle that is in force now", body = wire::Bundle)))]
pub(super) async fn reload(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
) -> Result<Json<wire::Bundle>, Problem> {
    Ok(Json((&*bundle::reload(&app, &caller.actor).await?).into()))
}
