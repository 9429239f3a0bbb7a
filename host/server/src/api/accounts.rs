//! Accounts: whose they are, what they may do, and whether they may still act.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use interlock_domain::{AccountId, SubjectId};

use super::{
    at::At,
    auth::{Admin, Caller, Read},
    list::{Everything, Items, Listing, Paging},
    payload::Payload,
    wire,
};
use crate::{
    App,
    flow::{
        account::{self, ConfirmRequest, RolesRequest},
        subject::{self, SubjectRequest},
    },
    problem::Problem,
};

/// List accounts by id, with the persons behind them
#[utoipa::path(get, path = "/accounts", tag = "keys", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::Account>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::Account>>, Problem> {
    let found = account::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |listed| listed.account.id.to_string()))
}

/// Give an account other roles
///
/// A further role that takes two administrators (`clinical_safety`, `regulatory`, `administrator`) is not used before
/// the second one has confirmed the account and 24 hours are over. The first such role of an account ends its keys, its login and
/// its names, because one administrator alone handed those out: make a new key, or invite the person again.
#[utoipa::path(put, path = "/accounts/{id}/roles", tag = "keys", security(("key" = ["admin"])),
    request_body = RolesRequest, params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account as it is now", body = wire::Account)))]
pub(super) async fn grant(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<AccountId>,
    Payload(request): Payload<RolesRequest>,
) -> Result<Json<wire::Account>, Problem> {
    Ok(Json(account::grant(&app, &caller.actor, &id, request).await?.into()))
}

/// Confirm, as the second administrator, that an account is in the right hands
///
/// Read the account, ask the person, and send `hold.digest` along: what was handed out since then is not confirmed with it. Neither
/// who handed out the key or the role nor the person themselves can confirm it.
#[utoipa::path(post, path = "/accounts/{id}/confirm", tag = "keys", security(("key" = ["admin"])),
    request_body = ConfirmRequest, params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account as it is now", body = wire::Account)))]
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<AccountId>,
    Payload(request): Payload<ConfirmRequest>,
) -> Result<Json<wire::Account>, Problem> {
    Ok(Json(account::confirm(&app, &caller.actor, &id, request).await?.into()))
}

/// End an account at once, with its keys, its login and its names
///
/// What it approved no longer counts for what has not begun.
#[utoipa::path(post, path = "/accounts/{id}/deactivate", tag = "keys", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account as it is now", body = wire::Account)))]
pub(super) async fn deactivate(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<AccountId>,
) -> Result<Json<wire::Account>, Problem> {
    Ok(Json(account::deactivate(&app, &caller.actor, &id).await?.into()))
}

/// Let an account act again, with a new key or invitation
#[utoipa::path(post, path = "/accounts/{id}/activate", tag = "keys", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account as it is now", body = wire::Account)))]
pub(super) async fn activate(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<AccountId>,
) -> Result<Json<wire::Account>, Problem> {
    Ok(Json(account::activate(&app, &caller.actor, &id).await?.into()))
}

/// List the names that identity providers have for whoever acts through an account
#[utoipa::path(get, path = "/accounts/{id}/subjects", tag = "keys", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "All of them", body = wire::Subjects)))]
pub(super) async fn subjects(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<AccountId>,
) -> Result<Json<wire::Subjects>, Problem> {
    Ok(Json(subject::list(&app, &caller.actor, &id).await?.into()))
}

/// Link a name that an identity provider has for somebody to an account
///
/// Whoever comes with a token of the provider for that name acts through the account, as with a key. For the account of somebody
/// else who approves or administers it waits for the second administrator and for 24 hours.
#[utoipa::path(post, path = "/accounts/{id}/subjects", tag = "keys", security(("key" = ["admin"])),
    request_body = SubjectRequest, params(("id" = String, Path, description = "The account")),
    responses((status = 201, description = "The link", body = wire::Subject)))]
pub(super) async fn link(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<AccountId>,
    Payload(request): Payload<SubjectRequest>,
) -> Result<(StatusCode, Json<wire::Subject>), Problem> {
    Ok((StatusCode::CREATED, Json(subject::link(&app, &caller.actor, &id, request).await?.into())))
}

/// Take such a link away
#[utoipa::path(delete, path = "/subjects/{id}", tag = "keys", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The link")),
    responses((status = 200, description = "The link as it was", body = wire::Subject)))]
pub(super) async fn unlink(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<SubjectId>,
) -> Result<Json<wire::Subject>, Problem> {
    Ok(Json(subject::unlink(&app, &caller.actor, &id).await?.into()))
}
