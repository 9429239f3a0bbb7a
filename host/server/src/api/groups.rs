//! Groups of devices.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use interlock_domain::{Group, GroupName, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    at::At,
    auth::{Caller, Read, Write},
    list::{Everything, Items, Listing, Paging},
    payload::Payload,
};
use crate::{App, flow::device, problem::Problem};

/// A group to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRequest {
    /// Its name.
    #[schema(value_type = String, example = "canaries")]
    name: GroupName,
    /// What it is for.
    #[serde(default)]
    #[schema(example = "ten pumps of the simulation lab")]
    description: String,
}

/// A group of devices.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub(super) struct WireGroup {
    /// Whose it is.
    #[schema(value_type = String)]
    tenant: TenantId,
    /// Its name.
    #[schema(value_type = String, example = "canaries")]
    name: GroupName,
    /// What it is for.
    description: String,
    /// When it was made.
    #[schema(value_type = String)]
    created_at: Timestamp,
}

impl From<Group> for WireGroup {
    fn from(group: Group) -> Self {
        let Group { tenant, name, description, created_at } = group;
        Self { tenant, name, description, created_at }
    }
}

/// Make a group
#[utoipa::path(post, path = "/groups", tag = "devices", security(("key" = ["write"])), request_body = GroupRequest,
    responses((status = 201, description = "The group", body = WireGroup)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    Payload(GroupRequest { name, description }): Payload<GroupRequest>,
) -> Result<(StatusCode, Json<WireGroup>), Problem> {
    let group = device::create_group(&app, &caller.actor, name, description).await?;
    Ok((StatusCode::CREATED, Json(group.into())))
}

/// List groups by name
#[utoipa::path(get, path = "/groups", tag = "devices", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<WireGroup>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<WireGroup>>, Problem> {
    let found = device::groups(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |group| group.name.to_string()))
}

/// Remove a group that no device is in
#[utoipa::path(delete, path = "/groups/{name}", tag = "devices", security(("key" = ["write"])),
    params(("name" = String, Path, description = "The group", example = "canaries")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(name): At<GroupName>,
) -> Result<StatusCode, Problem> {
    device::remove_group(&app, &caller.actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
