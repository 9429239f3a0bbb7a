//! Decisions of policies and plugins.

use std::sync::Arc;

use axum::{Json, extract::State};
use interlock_domain::{ChangeId, Decision, DecisionId, DecisionOutcome, Timestamp};
use interlock_store::DecisionFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    at::At,
    auth::{Caller, Read},
    list::{Items, Listing, Paging},
    wire,
};
use crate::{
    App,
    flow::decision::{self, Replay},
    problem::Problem,
};

/// Which decisions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichDecisions {
    /// Only those about this change.
    #[param(value_type = Option<String>)]
    change: Option<ChangeId>,
    /// Only those with this outcome.
    #[param(value_type = Option<wire::decision::DecisionOutcome>)]
    outcome: Option<DecisionOutcome>,
    /// Only the answers of the plugin of this name.
    #[param(example = "signature")]
    plugin: Option<String>,
    /// Only those made at this instant or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

/// List decisions, newest first
#[utoipa::path(get, path = "/decisions", tag = "decisions", security(("key" = ["read"])), params(WhichDecisions, Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::decision::Decision>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<WhichDecisions>,
) -> Result<Json<Items<Decision>>, Problem> {
    let WhichDecisions { change, outcome, plugin, since } = &listing.filter;
    let (change, plugin) = (change.clone(), plugin.clone());
    let filter = DecisionFilter { change, outcome: *outcome, plugin, since: *since };
    let found = decision::list(&app, &caller.actor, &filter, &listing.page()).await?;
    Ok(listing.answer(found, |decision| decision.id.to_string()))
}

/// Show a decision with all that is needed to make it again
#[utoipa::path(get, path = "/decisions/{id}", tag = "decisions", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The decision")),
    responses((status = 200, description = "The decision", body = wire::decision::Decision)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<DecisionId>,
) -> Result<Json<Decision>, Problem> {
    Ok(Json(decision::show(&app, &caller.actor, &id).await?))
}

/// Make a decision again and compare
///
/// The same plugin digest or policy bundle, the recorded input, the recorded evidence. Changes nothing.
#[utoipa::path(post, path = "/decisions/{id}/replay", tag = "decisions", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The decision")),
    responses((status = 200, description = "Whether the answer is the same", body = Replay)))]
pub(super) async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<DecisionId>,
) -> Result<Json<Replay>, Problem> {
    Ok(Json(decision::replay(&app, &caller.actor, &id).await?))
}
