//! Where a tenant's policy decision point is and what it can do.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use interlock_domain::TenantId;
use serde_json::{Value, json};

use super::error::Unanswerable;
use crate::{
    App,
    problem::{Kind, Problem},
};

/// The same for every tenant, also for those that do not exist: whoever has no key learns nothing here.
///
/// The `Host` of the request is no address: whoever asks writes it, and programs send their keys where this points.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Unanswerable> {
    let tenant: TenantId =
        tenant.parse().map_err(|_| Unanswerable::bad("this is not the name of a tenant"))?;
    let base = app.config.server.public_url.trim_end_matches('/');
    if base.is_empty() {
        let detail = "this server does not know how others reach it, so it announces no decision point; set \
                      `server.public_url` in interlock.toml to its https address";
        return Err(Problem::new(Kind::NotFound, detail).into());
    }
    let point = format!("{base}/v1/tenants/{tenant}");
    let at = |path: &str| format!("{point}/access/v1/{path}");
    Ok(Json(json!({
        "policy_decision_point": point,
        "access_evaluation_endpoint": at("evaluation"),
        "access_evaluations_endpoint": at("evaluations"),
        "search_subject_endpoint": at("search/subject"),
        "search_resource_endpoint": at("search/resource"),
        "search_action_endpoint": at("search/action"),
        "access_request_endpoint": at("requests"),
        "capabilities": [super::request::CAPABILITY],
    })))
}
