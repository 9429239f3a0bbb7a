//! The tenant's ledger.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::header,
    response::IntoResponse,
};
use interlock_domain::{ChangeId, DeviceId, PersonId, Timestamp};
use interlock_store::Anchored;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    at::{At, Noun},
    auth::{Caller, Read, Write},
    list::{Everything, Items, Listing, Paging},
    payload::{self, Payload},
    wire,
};
use crate::{
    App,
    flow::{
        export::{self, Scope},
        ledger::{self, Verification},
        tamper::{self, TamperIncident},
        tlog,
    },
    problem::Problem,
};

/// Show the newest signed checkpoint (C2SP tlog-checkpoint)
#[utoipa::path(get, path = "/ledger/checkpoint", tag = "ledger", security(("key" = ["read"])),
    responses((status = 200, description = "The checkpoint", body = String, content_type = "text/plain")))]
pub(super) async fn checkpoint(State(app): State<Arc<App>>, caller: Caller<Read>) -> Result<String, Problem> {
    Ok(tlog::checkpoint(&app, &caller.actor).await?)
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

/// Show the receipt of an entry (C2SP tlog-proof)
///
/// It proves offline, to whoever has the log's key, that the entry is in the log: the entry itself (in `extra`), the hashes
/// from it to the root, and the signed checkpoint. Keep it: it holds whatever becomes of this server.
#[utoipa::path(get, path = "/ledger/entries/{index}/receipt", tag = "ledger", security(("key" = ["read"])),
    params(("index" = u64, Path, description = "The entry's place in the log")),
    responses((status = 200, description = "The receipt", body = String, content_type = "text/plain")))]
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(index): At<EntryIndex>,
) -> Result<String, Problem> {
    Ok(tlog::receipt(&app, &caller.actor, index.0).await?.receipt.to_string())
}

/// List the receipts of a change, newest first: of its proposal, each approval, its admission and each stage
#[utoipa::path(get, path = "/changes/{id}/receipts", tag = "ledger", security(("key" = ["read"])),
    params(("id" = String, Path, description = "The change"), Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::Receipt>)))]
pub(super) async fn receipts(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<ChangeId>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::Receipt>>, Problem> {
    let found = tlog::receipts(&app, &caller.actor, &id, &listing.page()).await?;
    Ok(listing.answer(found, |proved| proved.row.idx.to_string()))
}

/// Between which sizes
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Sizes {
    /// The earlier size: that of a checkpoint that was kept.
    #[param(value_type = u64)]
    from: String,
    /// The later size; that of the newest checkpoint when absent.
    #[param(value_type = Option<u64>)]
    to: Option<String>,
}

/// Prove that the log at one size continues what it was at another (RFC 6962, 2.1.2)
///
/// Check it against the roots in two checkpoints, one of which you kept yourself.
#[utoipa::path(get, path = "/ledger/consistency", tag = "ledger", security(("key" = ["read"])), params(Sizes),
    responses((status = 200, description = "The proof", body = wire::Consistency)))]
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Sizes>,
) -> Result<Json<wire::Consistency>, Problem> {
    let size = |name: &str, text: &str| {
        let shown: String = text.chars().take(40).collect();
        text.parse()
            .map_err(|_| Problem::parameter(name, format!("`{shown}` is no size; give a number of entries")))
    };
    let from: u64 = size("from", &listing.filter.from)?;
    let to: Option<u64> = listing.filter.to.as_deref().map(|to| size("to", to)).transpose()?;
    Ok(Json(tlog::consistency(&app, &caller.actor, from, to).await?.into()))
}

/// Show the public keys of the ledger
///
/// Whoever checks a receipt must have the log's key from elsewhere: compare it with what you were given when the server was
/// set up.
#[utoipa::path(get, path = "/ledger/keys", tag = "ledger", security(("key" = ["read"])),
    responses((status = 200, description = "The keys", body = wire::LedgerKeys)))]
pub(super) async fn keys(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<wire::LedgerKeys>, Problem> {
    let keys = tlog::keys(&app, &caller.actor).await?;
    Ok(Json(wire::LedgerKeys::new(tlog::origin(&app, &caller.actor), &keys)))
}

/// List who outside knows of the log's checkpoints, newest first, with what shows it
#[utoipa::path(get, path = "/ledger/anchors", tag = "ledger", security(("key" = ["read"])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<wire::Anchor>)))]
pub(super) async fn anchors(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<wire::Anchor>>, Problem> {
    let found = tlog::anchors(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, Anchored::place))
}

/// Which part of the ledger
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Everything about this change: its targets, decisions, signatures and incidents, too.
    #[param(value_type = Option<String>)]
    change: Option<ChangeId>,
    /// What this person did, and what was done to their accounts.
    #[param(value_type = Option<String>)]
    person: Option<PersonId>,
    /// Everything about this device, and what every change did to it.
    #[param(value_type = Option<String>)]
    device: Option<DeviceId>,
    /// From this instant on (RFC 3339).
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before this instant (RFC 3339).
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
}

/// Export a part of the ledger for an inspector
///
/// A zip file: a report as PDF and HTML, the entries as they were signed (JSONL) and as CSV, the electronic signatures, a receipt for
/// each entry, the checkpoint that all of them lead to, the public keys, digests of all files, and how to check it without this
/// server. By change, person or device, or a period of everything; at most `ledger.export_entries_max` entries. That it was exported
/// is an entry, too.
#[utoipa::path(get, path = "/ledger/export", tag = "ledger", security(("key" = ["read"])), params(Part),
    responses((status = 200, description = "The archive", body = Vec<u8>, content_type = "application/zip")))]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Part>,
) -> Result<impl IntoResponse, Problem> {
    let Part { change, person, device, from, until } = listing.filter;
    let scope = Scope { change, person, device, from, until };
    let archive = export::export(&app, &caller.actor, scope).await?;
    let name = format!("attachment; filename=\"{}\"", archive.name);
    let head = [(header::CONTENT_TYPE, "application/zip".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((head, archive.bytes))
}

/// A place in the log, in a path.
pub(super) struct EntryIndex(u64);

impl std::str::FromStr for EntryIndex {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Noun for EntryIndex {
    const NOUN: &'static str = "entry";
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

/// Show the newest incident of the tenant's ledger
///
/// It is opened when a verification finds that something was altered. Nothing is admitted, and no stage entered, until it is
/// resolved.
#[utoipa::path(get, path = "/ledger/incident", tag = "ledger", security(("key" = ["read"])),
    responses((status = 200, description = "The incident", body = TamperIncident)))]
pub(super) async fn incident(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<TamperIncident>, Problem> {
    Ok(Json(tamper::show(&app, &caller.actor).await?))
}

/// What somebody found who looked
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolve {
    /// The id of the incident that they looked at.
    incident: String,
    /// What they found and did, in their words.
    findings: String,
}

/// Resolve the newest incident of the tenant's ledger
///
/// By a person, never a program. Changes go ahead again from then on; whatever is found altered besides opens a new incident.
#[utoipa::path(post, path = "/ledger/incident/resolve", tag = "ledger", security(("key" = ["write"])),
    request_body = Resolve,
    responses((status = 200, description = "The incident as it is now", body = TamperIncident)))]
pub(super) async fn resolve(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    Payload(Resolve { incident, findings }): Payload<Resolve>,
) -> Result<Json<TamperIncident>, Problem> {
    Ok(Json(tamper::resolve(&app, &caller.actor, &incident, &findings).await?))
}
