//! The HTTP API, version 1. A handler decodes, calls one flow and encodes.
//!
//! **Invariant:** no rule, no SQL and no Cedar here. **Invariant:** everything below `/v1/tenants/{tenant}` is behind
//! authentication, and every POST that changes something is done once for each `Idempotency-Key`.

mod access_requests;
mod accounts;
mod advisories;
mod application;
mod artifacts;
mod at;
mod auth;
mod bundle;
mod changes;
mod decisions;
mod delegations;
mod devices;
mod docs;
mod document;
mod events;
mod gates;
mod groups;
mod idempotency;
mod incidents;
mod keys;
mod ledger;
mod ledger_reviews;
mod list;
mod login;
mod oidc;
mod payload;
mod plugins;
mod revision;
mod signatures;
mod status;
mod wire;

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use auth::{Caller, Read, authenticate};
pub use document::document;
pub(crate) use payload::read as read_body;

use crate::{App, problem::page};

/// Where every tenant's resources are.
const TENANT: &str = "/v1/tenants/{tenant}";
/// Where artifacts are pushed: the one route whose body is not read into memory.
const UPLOAD: &str = "/v1/tenants/{tenant}/artifacts/{name}/{version}";

/// Where plugins are pushed: compiling one takes its time.
const COMPONENTS: &str = "/v1/tenants/{tenant}/plugins";

/// Where a part of the ledger is exported: it takes as long as that is.
const EXPORT: &str = "/v1/tenants/{tenant}/ledger/export";

/// Whether the document has an operation below a tenant, as `POST /keys`.
pub(crate) fn has_operation(text: &str) -> bool {
    let Some((method, path)) = text.split_once(' ') else { return false };
    let lower = method.to_ascii_lowercase();
    method == method.to_ascii_uppercase() && document()["paths"][format!("{TENANT}{path}")][lower].is_object()
}

/// Whether a route may take as long as it needs: an upload has a body of any size, and a question that costs something has
/// as much to look at as there is.
pub(crate) fn is_unhurried(route: &str) -> bool {
    route == UPLOAD
        || route == COMPONENTS
        || route == EXPORT
        || idempotency::QUESTIONS.iter().any(|question| route.ends_with(question))
}

/// The API, its document and its pages.
pub fn router(app: Arc<App>) -> Router {
    let (v1, _) = OpenApiRouter::new().nest(TENANT, v1()).split_for_parts();
    // The last layer is the first to see a request: who it is comes before whether it was sent before.
    let v1 = v1
        .route_layer(from_fn_with_state(app.clone(), idempotency::once))
        .route_layer(from_fn_with_state(app.clone(), auth::authenticate));
    let (open, _) = OpenApiRouter::new().merge(open()).split_for_parts();
    v1.merge(open).with_state(app).merge(docs::router()).merge(page::router())
}

/// What stands outside any tenant: there, nobody is known yet, or what they show says where they belong.
fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(login::with_password))
        .routes(routes!(login::challenge))
        .routes(routes!(login::with_passkey))
        .routes(routes!(oidc::begin))
        .routes(routes!(oidc::back))
        .routes(routes!(oidc::handed))
        .routes(routes!(login::out))
        .routes(routes!(login::me))
        .routes(routes!(login::password))
        .routes(routes!(login::enrol))
        .routes(routes!(login::enrolled))
}

/// All routes below a tenant.
fn v1() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(changes::propose, changes::list))
        .routes(routes!(changes::show, changes::revise))
        .routes(routes!(changes::approve))
        .routes(routes!(changes::reject))
        .routes(routes!(incidents::break_glass))
        .routes(routes!(changes::cancel))
        .routes(routes!(changes::pause))
        .routes(routes!(changes::resume))
        .routes(routes!(changes::promote))
        .routes(routes!(changes::roll_back))
        .routes(routes!(changes::explain))
        .routes(routes!(changes::assignments))
        .routes(routes!(artifacts::list))
        .routes(routes!(artifacts::show))
        .routes(routes!(artifacts::push))
        .routes(routes!(advisories::show))
        .routes(routes!(advisories::import))
        .routes(routes!(artifacts::attach, artifacts::document))
        .routes(routes!(artifacts::documents))
        .routes(routes!(devices::register, devices::list))
        .routes(routes!(devices::import))
        .routes(routes!(devices::show, devices::update, devices::retire))
        .routes(routes!(groups::create, groups::list))
        .routes(routes!(groups::remove))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::grant))
        .routes(routes!(accounts::confirm))
        .routes(routes!(accounts::deactivate))
        .routes(routes!(accounts::activate))
        .routes(routes!(login::invite))
        .routes(routes!(login::sessions))
        .routes(routes!(login::end))
        .routes(routes!(signatures::intend))
        .routes(routes!(signatures::sign, signatures::list))
        .routes(routes!(signatures::show))
        .routes(routes!(signatures::receipt))
        .routes(routes!(delegations::create, delegations::list))
        .routes(routes!(delegations::revoke))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(incidents::review))
        .routes(routes!(incidents::report))
        .routes(routes!(incidents::report_of_change))
        .routes(routes!(accounts::subjects, accounts::link))
        .routes(routes!(accounts::unlink))
        .routes(routes!(decisions::list))
        .routes(routes!(decisions::show))
        .routes(routes!(decisions::explain))
        .routes(routes!(decisions::replay))
        .routes(routes!(access_requests::list))
        .routes(routes!(access_requests::show))
        .routes(routes!(access_requests::approve))
        .routes(routes!(access_requests::reject))
        .routes(routes!(access_requests::revoke))
        .routes(routes!(gates::create, gates::list))
        .routes(routes!(gates::revoke))
        .routes(routes!(events::follow))
        .routes(routes!(ledger::checkpoint))
        .routes(routes!(ledger::entries))
        .routes(routes!(ledger::receipt))
        .routes(routes!(ledger::receipts))
        .routes(routes!(ledger::consistency))
        .routes(routes!(ledger::keys))
        .routes(routes!(ledger::anchors))
        .routes(routes!(ledger::verify))
        .routes(routes!(ledger::incident))
        .routes(routes!(ledger::resolve))
        .routes(routes!(ledger::export))
        .routes(routes!(ledger_reviews::intend))
        .routes(routes!(ledger_reviews::sign, ledger_reviews::list))
        .routes(routes!(plugins::list, plugins::push))
        .routes(routes!(plugins::component))
        .routes(routes!(plugins::roster))
        .routes(routes!(bundle::show))
        .routes(routes!(bundle::files))
        .routes(routes!(bundle::reload))
        .routes(routes!(application::show))
        .routes(routes!(application::reload))
        .routes(routes!(status::show))
}
