//! How it is with one tenant.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    auth::{Caller, Read},
    wire,
};
use crate::{App, flow::status, problem::Problem};

/// Show what is amiss for the tenant
///
/// `/ready` says without a key how the server is, and only counts what belongs to tenants; this says which and why, for this
/// tenant, on the replica that answers.
#[utoipa::path(get, path = "/status", tag = "status", security(("key" = ["read"])),
    responses((status = 200, description = "How it is", body = wire::TenantStatus)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<wire::TenantStatus>, Problem> {
    Ok(Json(status::show(&app, &caller.actor).await?.into()))
}
