//! The tenant's application: the policies that its programs ask over AuthZEN.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    auth::{Admin, Caller, Read},
    wire,
};
use crate::{App, flow::application, problem::Problem};

/// Show the application that is asked over AuthZEN
#[utoipa::path(get, path = "/application", tag = "application", security(("key" = ["read"])),
    responses((status = 200, description = "The application", body = wire::Application)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<wire::Application>, Problem> {
    Ok(Json((&*application::show(&app, &caller.actor).await?).into()))
}

/// Load the application again from its folder
///
/// One that does not validate, fails one of its own cases, or has a lower revision than one that was in force is refused, and
/// so is one with the same revision and other content. The last good one stays. The other replicas follow.
#[utoipa::path(post, path = "/application/reload", tag = "application", security(("key" = ["admin"])),
    responses((status = 200, description = "The application that is in force now", body = wire::Application)))]
pub(super) async fn reload(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
) -> Result<Json<wire::Application>, Problem> {
    Ok(Json((&*application::reload(&app, &caller.actor).await?).into()))
}
