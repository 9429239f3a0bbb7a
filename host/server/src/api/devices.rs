//! Devices.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use interlock_domain::{DeviceHealth, DeviceId, DeviceState, Environment, GroupName};
use interlock_store::DeviceFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    at::At,
    auth::{Caller, Read, Write},
    idempotency::WithoutSecret,
    list::{Items, Listing, Paging},
    payload::Payload,
    revision::{IfMatch, Tagged},
    wire,
};
use crate::{
    App,
    flow::device::{self, DevicePatch, Registration},
    problem::Problem,
};

/// Most devices in one import.
const IMPORT_MAX: usize = 1_000;

/// Register a device
#[utoipa::path(post, path = "/devices", tag = "devices", security(("key" = ["write"])), request_body = Registration,
    responses((status = 201, description = "The device and, this once, its token", body = wire::Registered,
        headers(("Location" = String, description = "Where it is"), ("ETag" = String, description = "Its revision")))))]
pub(super) async fn register(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    Payload(registration): Payload<Registration>,
) -> Result<Response, Problem> {
    let registered = device::register(&app, &caller.actor, registration).await?;
    let location = format!("/v1/tenants/{}/devices/{}", registered.device.tenant, registered.device.id);
    let mut shown = wire::Registered::from(registered.clone());
    shown.token = None;
    let kept = Extension(WithoutSecret(serde_json::to_vec(&shown).unwrap_or_default()));
    let tagged = Tagged(registered.device.revision, wire::Registered::from(registered));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], kept, tagged).into_response())
}

/// Devices that were registered together.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Imported {
    /// The devices in the order in which they came and, this once, their tokens.
    items: Vec<wire::Registered>,
}

/// Register many devices: all of them or none
#[utoipa::path(post, path = "/devices:import", tag = "devices", security(("key" = ["write"])),
    request_body(content = Vec<Registration>, description = "1 to 1000 devices"),
    responses((status = 201, description = "The devices and, this once, their tokens", body = Imported)))]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    Payload(registrations): Payload<Vec<Registration>>,
) -> Result<Response, Problem> {
    if registrations.is_empty() || registrations.len() > IMPORT_MAX {
        let count = registrations.len();
        return Err(Problem::invalid("", format!("an import has 1 to {IMPORT_MAX} devices, not {count}")));
    }
    let registered = device::register_all(&app, &caller.actor, registrations).await?;
    let mut items: Vec<wire::Registered> = registered.into_iter().map(wire::Registered::from).collect();
    let answer = serde_json::to_value(&Imported { items: std::mem::take(&mut items) });
    let mut answer = answer.map_err(|error| Problem::internal(&error))?;
    let sent = Json(answer.clone());
    for item in answer["items"].as_array_mut().into_iter().flatten() {
        item["token"] = serde_json::Value::Null;
    }
    let kept = Extension(WithoutSecret(answer.to_string().into_bytes()));
    Ok((StatusCode::CREATED, kept, sent).into_response())
}

/// Which devices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichDevices {
    /// Only those of this environment.
    #[param(value_type = Option<String>)]
    environment: Option<Environment>,
    /// Only those in this group.
    #[param(value_type = Option<String>)]
    group: Option<GroupName>,
    /// Only those at this site.
    site: Option<String>,
    /// Only those of this model.
    model: Option<String>,
    /// Only those that are `active` or `retired`.
    #[param(value_type = Option<String>)]
    state: Option<DeviceState>,
    /// Only those that are `unknown`, `ok`, `degraded` or `critical`.
    #[param(value_type = Option<String>)]
    health: Option<DeviceHealth>,
}

/// List devices by id
#[utoipa::path(get, path = "/devices", tag = "devices", security(("key" = ["read"])), params(WhichDevices, Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::Device>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<WhichDevices>,
) -> Result<Json<Items<wire::Device>>, Problem> {
    let which = &listing.filter;
    let filter = DeviceFilter {
        environment: which.environment.clone(),
        group: which.group.clone(),
        site: which.site.clone(),
        model: which.model.clone(),
        state: which.state,
        health: which.health,
    };
    let found = device::list(&app, &caller.actor, &filter, &listing.page()).await?;
    Ok(listing.answer(found, |device| device.id.to_string()))
}

/// Show a device and when it was last heard
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The device", example = "pump-0001")),
    responses((status = 200, description = "The device", body = wire::ShownDevice,
        headers(("ETag" = String, description = "Its revision")))))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<DeviceId>,
) -> Result<Tagged<wire::ShownDevice>, Problem> {
    let (device, last_seen) = device::show(&app, &caller.actor, &id).await?;
    Ok(Tagged(device.revision, wire::ShownDevice { device: device.into(), last_seen }))
}

/// Alter what is known of a device
///
/// What is absent stays. Labels and groups are replaced as a whole.
#[utoipa::path(patch, path = "/devices/{id}", tag = "devices", security(("key" = ["write"])), request_body = DevicePatch,
    params(("id" = String, Path, description = "The device", example = "pump-0001")),
    responses((status = 200, description = "The device as it is now", body = wire::Device,
        headers(("ETag" = String, description = "Its revision")))))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<DeviceId>,
    IfMatch(revision): IfMatch,
    Payload(patch): Payload<DevicePatch>,
) -> Result<Tagged<wire::Device>, Problem> {
    let device = device::update(&app, &caller.actor, &id, revision, patch).await?;
    Ok(Tagged(device.revision, device.into()))
}

/// Take a device out of service for good
///
/// Its token stops working at once. Its record stays.
#[utoipa::path(delete, path = "/devices/{id}", tag = "devices", security(("key" = ["write"])),
    params(("id" = String, Path, description = "The device", example = "pump-0001")),
    responses((status = 200, description = "The device as it is now", body = wire::Device)))]
pub(super) async fn retire(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<DeviceId>,
    IfMatch(revision): IfMatch,
) -> Result<Tagged<wire::Device>, Problem> {
    let device = device::retire(&app, &caller.actor, &id, revision).await?;
    Ok(Tagged(device.revision, device.into()))
}
