//! The tenant's ledger.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    auth::{Caller, Read},
    list::{Everything, Items, Listing, Paging},
    payload, wire,
};
use crate::{
    App,
    flow::ledger::{self, Verification},
    problem::Problem,
};

/// Show the newest signed checkpoint (C2SP tlog-checkpoint)
#[utoipa::path(get, path = "/ledger/checkpoint", tag = "ledger", security(("key" = ["read"])),
    responses((status = 200, description = "The checkpoint", body = String, content_type = "text/plain")))]
pub(super) async fn checkpoint(State(app): State<Arc<App>>, caller: Caller<Read>) -> Result<String, Problem> {
    Ok(ledger::checkpoint(&app, &caller.actor).await?)
}

/// List entries, newest first
#[utoipa::path(get, path = "/ledger/entries", tag = "ledger", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::Entry>)))]
pub(super) async fn entries(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::Entry>>, Problem> {
    let found = ledger::entries(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |row| row.idx.to_string()))
}

/// What a verification has to prove besides
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    /// The checkpoint of an earlier answer, kept elsewhere since then: the log must still continue it. Without one, nothing
    /// shows whether the end of the log was cut off together with its head.
    #[serde(default)]
    remembered: Option<String>,
}

/// Verify all of the tenant's ledger
///
/// Every body is hashed again; chain, root and signatures are checked; the head and every row that the ledger records
/// are compared with the entries; every change is rebuilt from them. Takes as long as the log is. Changes nothing. The
/// body may be left out.
#[utoipa::path(post, path = "/ledger/verify", tag = "ledger", security(("key" = ["read"])),
    request_body = Option<Verify>,
    responses((status = 200, description = "What came of it", body = Verification)))]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    request: Request,
) -> Result<Json<Verification>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = payload::read(&parts.headers, app.config.server.body_bytes_max, body).await?;
    let asked = if bytes.is_empty() {
        Verify::default()
    } else {
        payload::expect_json(&parts.headers)?;
        payload::parse(&bytes)?
    };
    Ok(Json(ledger::verify(&app, &caller.actor, asked.remembered.as_deref()).await?))
}
