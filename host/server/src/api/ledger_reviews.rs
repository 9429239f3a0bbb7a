//! Reviews of the ledger: who looked at which entries, and signed what they found.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use interlock_domain::{LedgerReview, PersonId, SignatureId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    auth::{Caller, InPerson, Read},
    list::{Everything, Items, Listing, Paging},
    payload::Payload,
};
use crate::{
    App,
    flow::esign::{
        Place, SignRequest,
        review::{self, ReviewOffer, ReviewRequest},
    },
    peer::Peer,
    problem::Problem,
};

/// A review of a part of the ledger
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reviewed {
    /// Its id: that of its signature.
    #[schema(value_type = String)]
    id: SignatureId,
    /// The first entry.
    from: u64,
    /// The entry after the last.
    until: u64,
    /// The reviewer.
    #[schema(value_type = String)]
    person: PersonId,
    /// What they are called.
    name: String,
    /// What they found.
    findings: String,
    /// When they signed.
    #[schema(value_type = String)]
    signed_at: Timestamp,
    /// The entry that records it; absent (`null`) where it was just signed.
    entry: Option<u64>,
    /// The envelope (DSSE) around what was signed: `application/vnd.interlock.review.v1+json`.
    envelope: String,
}

impl Reviewed {
    fn new(review: LedgerReview, entry: Option<u64>) -> Self {
        let LedgerReview { id, from, until, person, name, findings, signed_at, envelope } = review;
        Self { id, from, until, person, name, findings, signed_at, entry, envelope }
    }
}

impl From<(u64, LedgerReview)> for Reviewed {
    fn from((entry, review): (u64, LedgerReview)) -> Self {
        Self::new(review, Some(entry))
    }
}

/// Show what is about to be signed of the ledger
///
/// A review begins where the one before ended. A passkey signs the SHA-256 of the intent.
#[utoipa::path(post, path = "/ledger/reviews/intent", tag = "ledger", security(("session" = [])),
    request_body = ReviewRequest, responses((status = 200, description = "What to show", body = ReviewOffer)))]
pub(super) async fn intend(
    State(app): State<Arc<App>>,
    person: InPerson,
    peer: Peer,
    Payload(request): Payload<ReviewRequest>,
) -> Result<Json<ReviewOffer>, Problem> {
    let from = peer.to_string();
    let place = Place { session: &person.session, peer: &from };
    Ok(Json(review::intend(&app, &person.actor, place, request).await?))
}

/// Sign a review of the ledger
///
/// What it takes is what any electronic signature takes. The review is an entry of the ledger itself.
#[utoipa::path(post, path = "/ledger/reviews", tag = "ledger", security(("session" = [])), request_body = SignRequest,
    responses((status = 201, description = "It is signed", body = Reviewed)))]
pub(super) async fn sign(
    State(app): State<Arc<App>>,
    person: InPerson,
    peer: Peer,
    Payload(request): Payload<SignRequest>,
) -> Result<(StatusCode, Json<Reviewed>), Problem> {
    let from = peer.to_string();
    let place = Place { session: &person.session, peer: &from };
    let review = review::sign(&app, &person.actor, place, request).await?;
    Ok((StatusCode::CREATED, Json(Reviewed::new(review, None))))
}

/// List the reviews of the ledger, newest first
#[utoipa::path(get, path = "/ledger/reviews", tag = "ledger", security(("key" = ["read"]), ("session" = [])), params(Paging),
    responses((status = 200, description = "A part of the list", body = Items<Reviewed>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
    listing: Listing<Everything>,
) -> Result<Json<Items<Reviewed>>, Problem> {
    let found = review::list(&app, &caller.actor, &listing.page()).await?;
    Ok(listing.answer(found, |(entry, _)| entry.to_string()))
}
