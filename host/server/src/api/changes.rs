//! Changes: propose, read, decide, steer.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use interlock_domain::{AssignmentState, Change, ChangeId, Command, Environment};
use interlock_store::{AssignmentFilter, ChangeFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    at::At,
    auth::{Caller, Read, Write},
    list::{Items, Listing, Paging},
    payload::Payload,
    revision::{IfMatch, Tagged},
    wire,
};
use crate::{
    App,
    flow::{
        approve::{self, Said},
        change, explain as explanation,
        propose::{self as proposing, Proposal},
    },
    problem::Problem,
};

/// Propose a change
///
/// The manifest is built and its digest fixed; then the gates run, approvers answer, and the policies let it proceed.
#[utoipa::path(post, path = "/changes", tag = "changes", security(("key" = ["write"])), request_body = Proposal,
    responses((status = 201, description = "It is proposed; its gates are being run", body = wire::change::Change,
        headers(("Location" = String, description = "Where it is"), ("ETag" = String, description = "Its revision")))))]
pub(super) async fn propose(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    Payload(proposal): Payload<Proposal>,
) -> Result<impl IntoResponse, Problem> {
    let change = proposing::propose(&app, &caller.actor, proposal).await?;
    let location = format!("/v1/tenants/{}/changes/{}", change.tenant(), change.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Tagged(change.revision, change)))
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichChanges {
    /// Only those in this state.
    #[param(value_type = Option<wire::change::State>)]
    state: Option<interlock_domain::State>,
    /// Only those of this environment.
    #[param(value_type = Option<String>)]
    environment: Option<Environment>,
}

/// List changes, newest first
#[utoipa::path(get, path = "/changes", tag = "changes", security(("key" = ["read"])), params(WhichChanges, Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::change::Change>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<WhichChanges>,
) -> Result<Json<Items<Change>>, Problem> {
    let WhichChanges { state, environment } = &listing.filter;
    let filter = ChangeFilter { state: *state, environment: environment.clone() };
    let found = change::list(&app, &caller.actor, &filter, &listing.page()).await?;
    Ok(listing.answer(found, |change| change.id.to_string()))
}

/// Show a change and where its targets are
#[utoipa::path(get, path = "/changes/{id}", tag = "changes", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change", body = wire::ShownChange,
        headers(("ETag" = String, description = "Its revision")))))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<ChangeId>,
) -> Result<Tagged<wire::ShownChange>, Problem> {
    let (change, progress, profile) = change::show(&app, &caller.actor, &id).await?;
    Ok(Tagged(change.revision, wire::ShownChange { change, progress, profile }))
}

/// Revise a waiting change
///
/// It gets a new digest: approvals and verdicts of the old one no longer count.
#[utoipa::path(put, path = "/changes/{id}", tag = "changes", security(("key" = ["write"])), request_body = Proposal,
    params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change,
        headers(("ETag" = String, description = "Its revision")))))]
pub(super) async fn revise(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<ChangeId>,
    IfMatch(revision): IfMatch,
    Payload(proposal): Payload<Proposal>,
) -> Result<Tagged<Change>, Problem> {
    // It holds the state of every kind of draft.
    let change = Box::pin(proposing::revise(&app, &caller.actor, &id, revision, proposal)).await?;
    Ok(Tagged(change.revision, change))
}

/// Say yes to a change
///
/// The answer binds to the digest that was read. Nobody approves their own change, and one person counts once. With `stage`, it
/// counts for entering that stage alone; with `delegation`, with the roles that somebody lent.
#[utoipa::path(post, path = "/changes/{id}/approve", tag = "changes", security(("key" = ["write"])),
    request_body = wire::Approval, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<ChangeId>,
    IfMatch(revision): IfMatch,
    Payload(approval): Payload<wire::Approval>,
) -> Result<Tagged<Change>, Problem> {
    let wire::Approval { digest, meaning, reason, stage, delegation } = approval;
    let said = Said { digest, meaning: meaning.into(), reason, signature: None, stage, delegation };
    let change = approve::approve(&app, &caller.actor, &id, revision, &said).await?;
    Ok(Tagged(change.revision, change))
}

/// Say no to a change
#[utoipa::path(post, path = "/changes/{id}/reject", tag = "changes", security(("key" = ["write"])),
    request_body = wire::Rejection, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn reject(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<ChangeId>,
    revision: IfMatch,
    Payload(wire::Rejection { digest, reason }): Payload<wire::Rejection>,
) -> Result<Tagged<Change>, Problem> {
    decide(state, caller, id, revision, Command::Reject { digest, veto: true }, &reason).await
}

/// Withdraw a change before it is admitted
#[utoipa::path(post, path = "/changes/{id}/cancel", tag = "changes", security(("key" = ["write"])),
    request_body = wire::Reason, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn cancel(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<ChangeId>,
    revision: IfMatch,
    Payload(wire::Reason { reason }): Payload<wire::Reason>,
) -> Result<Tagged<Change>, Problem> {
    decide(state, caller, id, revision, Command::Cancel, &reason).await
}

/// Stop a rollout where it is
#[utoipa::path(post, path = "/changes/{id}/pause", tag = "changes", security(("key" = ["write"])),
    request_body = wire::Reason, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn pause(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<ChangeId>,
    revision: IfMatch,
    Payload(wire::Reason { reason }): Payload<wire::Reason>,
) -> Result<Tagged<Change>, Problem> {
    decide(state, caller, id, revision, Command::Pause, &reason).await
}

/// Let a paused rollout go on
#[utoipa::path(post, path = "/changes/{id}/resume", tag = "changes", security(("key" = ["write"])),
    request_body = wire::Reason, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn resume(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<ChangeId>,
    revision: IfMatch,
    Payload(wire::Reason { reason }): Payload<wire::Reason>,
) -> Result<Tagged<Change>, Problem> {
    decide(state, caller, id, revision, Command::Resume, &reason).await
}

/// Leave the current stage without waiting for the end of its hold time
#[utoipa::path(post, path = "/changes/{id}/promote", tag = "changes", security(("key" = ["write"])),
    request_body = wire::Reason, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn promote(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<ChangeId>,
    revision: IfMatch,
    Payload(wire::Reason { reason }): Payload<wire::Reason>,
) -> Result<Tagged<Change>, Problem> {
    decide(state, caller, id, revision, Command::Promote, &reason).await
}

/// Send every touched target back, also after the change completed
#[utoipa::path(post, path = "/changes/{id}/rollback", tag = "changes", security(("key" = ["write"])),
    request_body = wire::Reason, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn roll_back(
    state: State<Arc<App>>,
    caller: Caller<Write>,
    id: At<ChangeId>,
    revision: IfMatch,
    Payload(wire::Reason { reason }): Payload<wire::Reason>,
) -> Result<Tagged<Change>, Problem> {
    decide(state, caller, id, revision, Command::RollBack, &reason).await
}

async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<ChangeId>,
    IfMatch(revision): IfMatch,
    command: Command,
    reason: &str,
) -> Result<Tagged<Change>, Problem> {
    let change = change::decide(&app, &caller.actor, &id, revision, command, reason).await?;
    Ok(Tagged(change.revision, change))
}

/// Explain why a change is where it is
///
/// The deciding policies, the failing findings, and the smallest set of further approvals that would let it proceed.
#[utoipa::path(get, path = "/changes/{id}/explain", tag = "changes", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "Why it is where it is, and what would move it",
        body = explanation::Explanation)))]
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<ChangeId>,
) -> Result<Json<explanation::Explanation>, Problem> {
    Ok(Json(explanation::explain(&app, &caller.actor, &id).await?))
}

/// Which targets.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichAssignments {
    /// Only those in this state.
    #[param(value_type = Option<wire::rollout::AssignmentState>)]
    state: Option<AssignmentState>,
}

/// List a change's targets by device
#[utoipa::path(get, path = "/changes/{id}/assignments", tag = "changes", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The change"), WhichAssignments, Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::rollout::Assignment>)))]
pub(super) async fn assignments(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<ChangeId>,
    listing: Listing<WhichAssignments>,
) -> Result<Json<Items<interlock_domain::Assignment>>, Problem> {
    let filter = AssignmentFilter { state: listing.filter.state };
    let found = change::assignments(&app, &caller.actor, &id, &filter, &listing.page()).await?;
    Ok(listing.answer(found, |assignment| assignment.device.to_string()))
}
