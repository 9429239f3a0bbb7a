//! The installed plugins.

use std::sync::Arc;

use axum::{Json, extract::State};
use interlock_domain::Action;

use super::{
    auth::{Caller, Read},
    list::Items,
    wire,
};
use crate::{App, flow, problem::Problem};

/// List the plugins that are installed
#[utoipa::path(get, path = "/plugins", tag = "plugins", security(("key" = ["read"])),
    responses((status = 200, description = "All of them, by name", body = Items<wire::Plugin>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<Items<wire::Plugin>>, Problem> {
    flow::may_read(&app, &caller.actor, Action::ReadPlugin, flow::tenant(&caller.actor)).await?;
    let items = app.sandbox.shelf().all_bound().iter().map(|plugin| wire::Plugin::from(&**plugin)).collect();
    Ok(Json(Items { items, next_cursor: None }))
}
