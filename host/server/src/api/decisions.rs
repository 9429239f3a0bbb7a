//! Decisions of policies and plugins.

use std::sync::Arc;

use axum::{Json, extract::State};
use interlock_domain::{ChangeId, Decision, DecisionId, DecisionOutcome, Timestamp};
use interlock_policy::Explanation;
use interlock_store::{DecisionFilter, DecisionPart};
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
#[derive(Debug, Clone, Deserialize, IntoParams)]
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
    /// Only those about this account, person or plugin; of an application's questions, about this subject, as `type:id`.
    #[param(example = "acc_0193470d5c5a7f3e8a6b2f8d9c1e4a72")]
    principal: Option<String>,
    /// Only those about the resource with this id; of an application's questions, as `type:id`.
    #[param(example = "chg_0193470d5c5a7f3e8a6b2f8d9c1e4a72")]
    resource: Option<String>,
    /// Only those about this action.
    #[param(example = "AdmitChange")]
    action: Option<String>,
    /// Only those that the policy with this `@id` decided.
    #[param(example = "approvals.guarded-two-people")]
    policy: Option<String>,
    /// Only the answers of the bundle or application with this digest.
    bundle: Option<String>,
}

/// List decisions, newest first
///
/// A part may hold fewer entries than asked for, or none, and still have a `next_cursor`: so much was looked at that the next part
/// goes on from there.
#[utoipa::path(get, path = "/decisions", tag = "decisions", security(("key" = ["read"])), params(WhichDecisions, Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::decision::Decision>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<WhichDecisions>,
) -> Result<Json<Items<Decision>>, Problem> {
    let WhichDecisions { change, outcome, plugin, since, principal, resource, action, policy, bundle } =
        listing.filter.clone();
    let filter =
        DecisionFilter { change, outcome, plugin, since, principal, resource, action, policy, bundle };
    let DecisionPart { found, reached } =
        decision::list(&app, &caller.actor, &filter, &listing.page()).await?;
    Ok(listing.answer_so_far(found, reached, |decision| decision.id.to_string()))
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

/// Why a decision of policies is what it is
///
/// Every policy of the action, part by part: each part of its scope and each clause that is joined by `&&`, with what came of
/// it, by the bundle or application that decided then.
#[utoipa::path(get, path = "/decisions/{id}/explain", tag = "decisions", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The decision")),
    responses((status = 200, description = "The policies and their clauses", body = wire::explanation::Explanation)))]
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<DecisionId>,
) -> Result<Json<Explanation>, Problem> {
    Ok(Json(decision::explain(&app, &caller.actor, &id).await?))
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
