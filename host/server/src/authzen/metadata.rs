//! Where a tenant's policy decision point is and what it can do.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
};
use interlock_domain::TenantId;
use serde_json::{Value, json};

use super::error::Unanswerable;
use crate::App;

/// The same for every tenant, also for those that do not exist: whoever has no key learns nothing here.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Unanswerable> {
    let tenant: TenantId =
        tenant.parse().map_err(|_| Unanswerable::bad("this is not the name of a tenant"))?;
    let own = &app.config.server.public_url;
    let base = if own.is_empty() {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        format!("http://{host}")
    } else {
        own.trim_end_matches('/').to_owned()
    };
    let point = format!("{base}/v1/tenants/{tenant}");
    let at = |path: &str| format!("{point}/access/v1/{path}");
    Ok(Json(json!({
        "policy_decision_point": point,
        "access_evaluation_endpoint": at("evaluation"),
        "access_evaluations_endpoint": at("evaluations"),
        "search_subject_endpoint": at("search/subject"),
        "search_resource_endpoint": at("search/resource"),
        "search_action_endpoint": at("search/action"),
    })))
}
