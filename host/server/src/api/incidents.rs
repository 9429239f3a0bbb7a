//! Incidents: what was let through in an emergency, and what came of looking at it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use interlock_domain::{Change, ChangeId, Incident, IncidentId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    at::At,
    auth::{Caller, Read, Write},
    list::{Everything, Items, Listing, Paging},
    payload::Payload,
    revision::{IfMatch, Tagged},
    wire,
};
use crate::{
    App,
    flow::{
        incident,
        report::{self, About},
    },
    problem::Problem,
};

/// Break the glass for a change
///
/// Two different people have to, neither of them its author. For an hour at most it then proceeds without the approvals that are
/// missing: never past a gate, a signature or failing health. An incident is opened, which somebody else has to review.
#[utoipa::path(post, path = "/changes/{id}/break-glass", tag = "incidents", security(("key" = ["write"])),
    request_body = wire::Rejection, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "The change as it is now", body = wire::change::Change)))]
pub(super) async fn break_glass(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<ChangeId>,
    IfMatch(revision): IfMatch,
    Payload(wire::Rejection { digest, reason }): Payload<wire::Rejection>,
) -> Result<Tagged<Change>, Problem> {
    let change = incident::break_glass(&app, &caller.actor, &id, revision, &digest, &reason).await?;
    Ok(Tagged(change.revision, change))
}

/// List incidents, newest first
#[utoipa::path(get, path = "/incidents", tag = "incidents", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::approval::Incident>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<Incident>>, Problem> {
    let found = incident::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |incident| incident.id.to_string()))
}

/// Show an incident
#[utoipa::path(get, path = "/incidents/{id}", tag = "incidents", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The incident")),
    responses((status = 200, description = "The incident", body = wire::approval::Incident)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<IncidentId>,
) -> Result<Json<Incident>, Problem> {
    Ok(Json(incident::show(&app, &caller.actor, &id).await?))
}

/// Say what came of looking at an incident
///
/// By somebody who was not one of the two who broke the glass.
#[utoipa::path(post, path = "/incidents/{id}/review", tag = "incidents", security(("key" = ["write"])),
    request_body = wire::Reviewed, params(("id" = String, Path, description = "The incident")),
    responses((status = 200, description = "The incident as it is now", body = wire::approval::Incident)))]
pub(super) async fn review(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<IncidentId>,
    Payload(wire::Reviewed { findings }): Payload<wire::Reviewed>,
) -> Result<Json<Incident>, Problem> {
    Ok(Json(incident::review(&app, &caller.actor, &id, &findings).await?))
}

/// In which form
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct As {
    /// `json`, `html` or `pdf`.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "pdf")]
    format: Format,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Html,
    Pdf,
}

/// Report about an incident
///
/// What happened, which devices it reached, the timeline from the ledger, who approved, what was brought back, the evidence, and the
/// proof: as JSON with every receipt, or as HTML or PDF for people.
#[utoipa::path(get, path = "/incidents/{id}/report", tag = "incidents", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The incident"), As),
    responses((status = 200, description = "The report", body = Object)))]
pub(super) async fn report(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<IncidentId>,
    listing: Listing<As>,
) -> Result<Response, Problem> {
    written(&app, &caller, About::Incident(id), listing.filter.format).await
}

/// Report about a change
///
/// As about an incident, for a change that failed, was called back, or of which an alert speaks.
#[utoipa::path(get, path = "/changes/{id}/report", tag = "incidents", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The change"), As),
    responses((status = 200, description = "The report", body = Object)))]
pub(super) async fn report_of_change(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<ChangeId>,
    listing: Listing<As>,
) -> Result<Response, Problem> {
    written(&app, &caller, About::Change(id), listing.filter.format).await
}

async fn written(
    app: &App,
    caller: &Caller<Read>,
    about: About,
    format: Format,
) -> Result<Response, Problem> {
    let report = report::report(app, &caller.actor, &about).await?;
    Ok(match format {
        Format::Json => Json(report.json).into_response(),
        Format::Html => {
            let head = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (head, interlock_report::html(&report.document)).into_response()
        }
        Format::Pdf => ([(header::CONTENT_TYPE, "application/pdf")], report.pdf()?).into_response(),
    })
}
