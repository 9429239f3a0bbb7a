//! The tenant's ledger.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{
    auth::{Caller, Read},
    list::{Everything, Items, Listing, Paging},
    wire,
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

/// Verify all of the tenant's ledger
///
/// Every body is hashed again, chain, root and signatures are checked, and every change is rebuilt from its entries.
/// Changes nothing.
#[utoipa::path(post, path = "/ledger/verify", tag = "ledger", security(("key" = ["read"])),
    responses((status = 200, description = "What came of it", body = Verification)))]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<Verification>, Problem> {
    Ok(Json(ledger::verify(&app, &caller.actor).await?))
}
