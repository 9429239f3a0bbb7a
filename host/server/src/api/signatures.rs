//! Electronic signatures.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use interlock_domain::{ChangeId, SignatureId};

use super::{
    at::At,
    auth::{Caller, InPerson, Read},
    payload::Payload,
    wire,
};
use crate::{
    App,
    flow::{
        esign::{self, IntentOffer, IntentRequest, Place, SignRequest},
        tlog,
    },
    peer::Peer,
    problem::Problem,
};

/// Show what is about to be signed
///
/// A passkey signs the SHA-256 of the intent, so that nothing of it can be another afterwards.
#[utoipa::path(post, path = "/changes/{id}/signatures/intent", tag = "signatures", security(("session" = [])),
    request_body = IntentRequest, params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "What to show, and what a passkey signs", body = IntentOffer)))]
pub(super) async fn intend(
    State(app): State<Arc<App>>,
    person: InPerson,
    peer: Peer,
    At(id): At<ChangeId>,
    Payload(request): Payload<IntentRequest>,
) -> Result<Json<IntentOffer>, Problem> {
    let from = peer.to_string();
    let place = Place { session: &person.session, peer: &from };
    Ok(Json(esign::intend(&app, &person.actor, place, &id, request).await?))
}

/// Sign what was shown, and approve or reject the change with it
///
/// The first signature of a session takes two components; so does one after a pause of 15 minutes, from another address, or after
/// four hours. Three failures in a row lock the login. `ledger` says how far it has come: where it does not say what it waits for,
/// the signature is on record, and counts as soon as that is so.
#[utoipa::path(post, path = "/changes/{id}/signatures", tag = "signatures", security(("session" = [])),
    request_body = SignRequest, params(("id" = String, Path, description = "The change")),
    responses((status = 201, description = "It is signed", body = wire::login::Signature)))]
pub(super) async fn sign(
    State(app): State<Arc<App>>,
    person: InPerson,
    peer: Peer,
    At(id): At<ChangeId>,
    Payload(request): Payload<SignRequest>,
) -> Result<impl IntoResponse, Problem> {
    let from = peer.to_string();
    let place = Place { session: &person.session, peer: &from };
    let (signature, reached) = esign::sign(&app, &person.actor, place, &id, request).await?;
    let location = format!("/v1/tenants/{}/signatures/{}", signature.tenant, signature.id);
    let mut shown = wire::login::Signature::new(signature, false);
    shown.ledger = Some(reached);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)))
}

/// List the signatures of a change, oldest first
///
/// Those to what it was before it was revised are superseded: they stay, and count no more.
#[utoipa::path(get, path = "/changes/{id}/signatures", tag = "signatures", security(("key" = ["read"]), ("session" = [])),
    params(("id" = String, Path, description = "The change")),
    responses((status = 200, description = "All of them, with their envelopes", body = wire::login::Signatures)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<ChangeId>,
) -> Result<Json<wire::login::Signatures>, Problem> {
    let found = esign::list(&app, &caller.actor, &id).await?;
    let items =
        found.into_iter().map(|(signature, superseded)| wire::login::Signature::new(signature, superseded));
    Ok(Json(wire::login::Signatures { key: app.signer.verifying_key().to_string(), items: items.collect() }))
}

/// Show a signature's envelope (DSSE), as it was signed
#[utoipa::path(get, path = "/signatures/{id}", tag = "signatures", security(("key" = ["read"]), ("session" = [])),
    params(("id" = String, Path, description = "The signature")),
    responses((status = 200, description = "The envelope: `application/vnd.interlock.esig.v1+json`", body = Object)))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<SignatureId>,
) -> Result<impl IntoResponse, Problem> {
    let signature = esign::show(&app, &caller.actor, &id).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], signature.envelope))
}

/// Show the receipt of a signature (C2SP tlog-proof)
///
/// It proves offline, to whoever has the log's key, that the ledger holds the signature's id, digest and envelope's digest since
/// then. Whoever may read the ledger may fetch it.
#[utoipa::path(get, path = "/signatures/{id}/receipt", tag = "signatures", security(("key" = ["read"]), ("session" = [])),
    params(("id" = String, Path, description = "The signature")),
    responses((status = 200, description = "The receipt", body = String, content_type = "text/plain")))]
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    At(id): At<SignatureId>,
) -> Result<String, Problem> {
    Ok(tlog::receipt_of_signature(&app, &caller.actor, &id).await?.receipt.to_string())
}
