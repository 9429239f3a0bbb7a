//! Reviewing the ledger: somebody looks at the entries since the last review, says what they found, and signs.
//!
//! A review is an entry of the ledger and nothing else: there is no table beside it that somebody could alter.

use interlock_domain::{
    Action, Actor, Digest, LedgerReview, Meaning, REVIEW_SENTENCE, Resource, ReviewIntent, ReviewRecord,
    ReviewStanding, ReviewedPart, SignatureBinding, SignatureId, SignedClock, Signer, SigningProof,
    Timestamp,
};
use interlock_ledger::{Checkpoint, SignedNote};
use interlock_store::{Ceremony, Note, Page, StoreError, Write};
use interlock_vault::esig;
use serde::{Deserialize, Serialize};

use super::{
    Place, SignRequest, checked_reason, checked_zone, expires, keep,
    prove::{self, Proved, Signable},
};
use crate::{
    App, FlowError,
    flow::{
        ask::{may_read, permit},
        clock, tlog,
    },
};

/// What the envelope around a review holds.
pub const REVIEW_PAYLOAD_TYPE: &str = "application/vnd.interlock.review.v1+json";
/// What reviews are called as objects of entries.
const OBJECT: &str = "ledger_review";

/// What somebody is about to sign.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewRequest {
    /// The entry after the last one that was looked at; all that are under the newest checkpoint when absent.
    #[serde(default)]
    pub until: Option<u64>,
    /// What was found.
    pub findings: String,
    /// The signer's time zone, for display: `Europe/Lisbon`.
    #[serde(default)]
    pub zone: Option<String>,
}

/// What is shown to whoever reviews, and what a passkey signs.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ReviewOffer {
    /// What is signed, to the last field.
    #[schema(value_type = Object)]
    pub intent: ReviewIntent,
    /// The text to show. Its SHA-256 is the intent's `view_sha256`.
    pub view: String,
    /// SHA-256 of the canonical JSON of the intent, base64url: the challenge for a passkey.
    pub challenge: String,
    /// Whether it takes two components: a passkey, or password and code.
    pub two_components: bool,
}

/// An intent that waits to be signed.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    intent: ReviewIntent,
    zone: Option<String>,
}

/// Shows what somebody is about to sign.
pub async fn intend(
    app: &App,
    who: &Actor,
    place: Place<'_>,
    request: ReviewRequest,
) -> Result<ReviewOffer, FlowError> {
    let now = app.clock.now();
    let findings = checked_reason(&request.findings)
        .map_err(|_| FlowError::invalid("/findings", "say what you found, in 1 to 2000 characters"))?;
    clock::offset(app).await?;
    let zone = request.zone.map(checked_zone).transpose()?;
    // Whoever may not is told before they sign.
    permit(app, who, Action::VerifyLedger, resource(who), None, now).await?;
    let record = part(app, who, request.until).await?;
    let signer = signer(who);
    let view = record.view(&signer, &findings);
    let intent = ReviewIntent {
        v: 1,
        sig_id: SignatureId::new(app.clock.uuid()),
        signer,
        meaning: Meaning::Review,
        sentence: REVIEW_SENTENCE.to_owned(),
        findings,
        record,
        view_sha256: Digest::of(&view),
        session_sha256: Digest::of(place.session.id.as_str()),
        issued_at: now,
        expires_at: expires(app, now),
    };
    let challenge = intent.challenge().map_err(StoreError::from)?;
    let (id, expires_at) = (intent.sig_id.to_string(), intent.expires_at);
    let waiting = Waiting { intent, zone };
    keep(app, Ceremony::Reviewing, &id, &waiting, expires_at, now).await?;
    let two_components = !place.session.signs_on(place.peer, app.config.login.sessions(), now);
    let challenge = crate::flow::token_text(challenge.as_bytes());
    Ok(ReviewOffer { intent: waiting.intent, view, challenge, two_components })
}

/// Signs what was shown.
pub async fn sign(
    app: &App,
    who: &Actor,
    place: Place<'_>,
    request: SignRequest,
) -> Result<LedgerReview, FlowError> {
    let now = app.clock.now();
    let waiting: Option<Waiting> =
        app.store.ceremony(Ceremony::Reviewing, request.sig_id.as_str(), now).await?;
    let session = Digest::of(place.session.id.as_str());
    let waiting = waiting.filter(|waiting| {
        waiting.intent.signer.account == who.account && waiting.intent.session_sha256 == session
    });
    let waiting = waiting.ok_or(FlowError::SignatureRefused)?;
    let attempt = Attempt { app, who, place, waiting: &waiting, now };
    prove::signing(app, who, place, &request, &attempt, now).await
}

/// A review that is about to be signed.
struct Attempt<'a> {
    app: &'a App,
    who: &'a Actor,
    place: Place<'a>,
    waiting: &'a Waiting,
    now: Timestamp,
}

impl Signable for Attempt<'_> {
    type Signed = LedgerReview;

    fn challenge(&self) -> Result<Digest, FlowError> {
        Ok(self.waiting.intent.challenge().map_err(StoreError::from)?)
    }

    async fn commit(&self, proved: Proved<'_>) -> Result<LedgerReview, FlowError> {
        commit(self, proved).await
    }
}

async fn commit(attempt: &Attempt<'_>, proved: Proved<'_>) -> Result<LedgerReview, FlowError> {
    let Attempt { app, who, place, waiting, now } = *attempt;
    let Proved { given, login, complete, offset_ms } = proved;
    let intent = &waiting.intent;
    let (_, decision) = permit(app, who, Action::VerifyLedger, resource(who), None, now).await?;
    // Somebody else may have reviewed the same meanwhile, and the signer may be somebody else by now.
    if reviewed(app, who).await? != intent.record.from || signer(who) != intent.signer {
        let detail = "what was shown is not what it is by now; look again and begin anew";
        return Err(FlowError::Outdated { id: intent.sig_id.to_string(), detail });
    }
    let binding = if given.passkey.is_some() { SignatureBinding::Passkey } else { SignatureBinding::Server };
    let record = ReviewRecord {
        intent: intent.clone(),
        signed_at: now,
        clock: SignedClock { source: "server".to_owned(), offset_ms, zone: waiting.zone.clone() },
        auth: SigningProof {
            components: given.components(),
            first: complete,
            passkey: given.passkey.clone(),
        },
        binding,
        decision: decision.id.clone(),
    };
    let envelope = esig::sealed(&record, REVIEW_PAYLOAD_TYPE, &app.signer)
        .map_err(|error| StoreError::Malformed { detail: error.to_string() })?;
    let review = LedgerReview {
        id: intent.sig_id.clone(),
        from: intent.record.from,
        until: intent.record.until,
        person: who.person.clone(),
        name: who.name.clone(),
        findings: intent.findings.clone(),
        signed_at: now,
        envelope,
    };
    let note = Note {
        kind: "ledger.reviewed",
        object_kind: OBJECT,
        object_id: who.tenant.to_string(),
        payload: serde_json::to_value(&review).map_err(StoreError::from)?,
    };
    let writes = vec![
        Write::Decision(Box::new(decision)),
        Write::Note(note),
        Write::Login { login: Box::new(login), event: "login.signed" },
        Write::Session(Box::new(place.session.signed(place.peer, complete, now))),
        Write::CeremonyUsed(intent.sig_id.to_string()),
    ];
    app.commit(who, now, writes).await?;
    Ok(review)
}

/// The reviews, newest first, each with the index of its entry.
pub async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<(u64, LedgerReview)>, FlowError> {
    may_read(app, who, Action::ReadLedger, resource(who)).await?;
    let tenant = who.tenant.as_str();
    let rows = app.store.entries_of(tenant, (OBJECT, tenant), page).await?;
    let read = rows.into_iter().filter_map(|row| {
        // What was erased or altered is no review; verifying says so.
        let review = serde_json::from_slice(row.payload.as_deref()?).ok()?;
        Some((row.idx, review))
    });
    Ok(read.collect())
}

/// How far the tenant's ledger was reviewed.
pub async fn standing(app: &App, who: &Actor) -> Result<ReviewStanding, FlowError> {
    let reviewed = reviewed(app, who).await?;
    let next = app.store.entry(who.tenant.as_str(), reviewed).await?;
    let since = next.and_then(|row| Some(Timestamp::from_millis(row.projection?.at_ms)));
    Ok(ReviewStanding::of(reviewed, since, app.config.ledger.review_within_ms, app.clock.now()))
}

/// How many entries from the beginning on were reviewed.
async fn reviewed(app: &App, who: &Actor) -> Result<u64, FlowError> {
    let tenant = who.tenant.as_str();
    let newest = app.store.newest_note(&who.tenant, "ledger.reviewed", OBJECT, tenant).await?;
    let Some(payload) = newest else { return Ok(0) };
    let review: LedgerReview = serde_json::from_slice(&payload).map_err(StoreError::from)?;
    Ok(review.until)
}

/// What there is to review, up to an entry.
async fn part(app: &App, who: &Actor, until: Option<u64>) -> Result<ReviewedPart, FlowError> {
    let newest = tlog::newest(app, who).await?;
    let from = reviewed(app, who).await?;
    let until = until.unwrap_or(newest.size);
    if until <= from || until > newest.size {
        let detail = format!(
            "entries up to {from} were reviewed and {} are signed: give a number above the one and up to the other",
            newest.size
        );
        return Err(FlowError::invalid("/until", detail));
    }
    let unsound = |why: String| FlowError::Unsound(format!("the checkpoint of `{}`: {why}", who.tenant));
    let origin = tlog::origin(app, who);
    let keys = app.store.keys().keyring(&origin).map_err(StoreError::from)?;
    let note = SignedNote::parse(newest.note.as_bytes()).map_err(|error| unsound(error.to_string()))?;
    let opened = Checkpoint::open_note(&note, &origin, &keys).map_err(|error| unsound(error.to_string()))?;
    let Checkpoint { size, root, .. } = opened.checkpoint();
    Ok(ReviewedPart { origin, from, until, size: *size, root: hex::encode(root) })
}

/// Whoever reviews, as of now.
fn signer(who: &Actor) -> Signer {
    let roles: Vec<&str> = who.roles_in(None).into_iter().map(|role| role.as_str()).collect();
    Signer {
        person: who.person.clone(),
        account: who.account.clone(),
        name: who.name.clone(),
        title: roles.join(", "),
        organization: who.tenant.clone(),
    }
}

fn resource(who: &Actor) -> Resource {
    tlog::ledger(who)
}
