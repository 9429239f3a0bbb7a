//! Electronic signatures (21 CFR Part 11): shown, then signed, in one session of one person.
//!
//! **Invariant:** a signature, the approval that it is given with, and the use of what proved the signer are one transaction.
//! **Invariant:** what is signed is what was shown: when the text would be another by now, nothing is signed.

mod prove;
mod record;
pub mod review;
mod right;

use interlock_domain::{
    Action, Actor, Change, ChangeId, DelegationId, Digest, Intent, Meaning, Session, Signature, SignatureId,
    SignedRecord, Timestamp, sentence, view,
};
use interlock_store::{Ceremony, Write};
use interlock_vault::login::passkey::Assertion;
use serde::{Deserialize, Serialize};

use self::{
    prove::{Proved, Signable},
    record::Sealing,
    right::{Right, Wish},
};
use super::{
    anew::TRIES,
    ask::may_read,
    change::load,
    login::{expires, keep},
    provable::{self, Reached},
};
use crate::{App, FlowError, config::Provable};

/// Longest reason, in characters.
const REASON_MAX: usize = 2_000;

/// What somebody is about to sign.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntentRequest {
    /// The digest that was read.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// `review`, `approval`, `responsibility` or `rejection`; `authorship` of one's own change, which approves nothing.
    #[schema(value_type = String, example = "approval")]
    pub meaning: Meaning,
    /// Why.
    pub reason: String,
    /// The one stage of the rollout that it is for, counted from 0; for the whole change when absent.
    #[serde(default)]
    pub stage: Option<u32>,
    /// The delegation under which it is given; with one's own roles when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub delegation: Option<DelegationId>,
    /// The signer's time zone, for display: `Europe/Lisbon`.
    #[serde(default)]
    pub zone: Option<String>,
}

/// What is shown to whoever signs, and what a passkey signs.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct IntentOffer {
    /// What is signed, to the last field.
    #[schema(value_type = Object)]
    pub intent: Intent,
    /// The text to show. Its SHA-256 is the intent's `view_sha256`.
    pub view: String,
    /// SHA-256 of the canonical JSON of the intent, base64url: the challenge for a passkey.
    pub challenge: String,
    /// The domain of the passkeys.
    pub rp_id: String,
    /// The signer's passkeys, base64url.
    pub passkeys: Vec<String>,
    /// Whether it takes two components: a passkey, or password and code.
    pub two_components: bool,
}

/// What proves the signer: a passkey's answer to the challenge, or the password and, when it takes two, a code.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The intent's `sig_id`.
    #[schema(value_type = String)]
    pub sig_id: SignatureId,
    /// A passkey's answer.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<Assertion>,
    /// The password.
    #[serde(default)]
    pub password: Option<String>,
    /// The code that the authenticator app shows.
    #[serde(default)]
    pub code: Option<String>,
}

/// An intent that waits to be signed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) intent: Intent,
    pub(super) zone: Option<String>,
}

/// Who signs, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The session.
    pub session: &'a Session,
    /// The address.
    pub peer: &'a str,
}

/// Shows what somebody is about to sign.
pub async fn intend(
    app: &App,
    who: &Actor,
    place: Place<'_>,
    id: &ChangeId,
    request: IntentRequest,
) -> Result<IntentOffer, FlowError> {
    let now = app.clock.now();
    let reason = checked_reason(&request.reason)?;
    super::clock::offset(app).await?;
    let zone = request.zone.map(checked_zone).transpose()?;
    let change = load(app, &who.tenant, id).await?;
    let sig_id = SignatureId::new(app.clock.uuid());
    let wish = Wish {
        digest: request.digest,
        meaning: request.meaning,
        sig_id: &sig_id,
        stage: request.stage,
        delegation: request.delegation.as_ref(),
    };
    let right = Right::to(app, who, &change, &wish, now).await?;
    // Whoever may not is told before they sign.
    let (permit, _) = right.permit(app, &change, now).await?;
    right.step(&change, &reason, &permit, now)?;
    let signer = record::signer(&right.acting, &change);
    let text = view(&change, &signer, request.meaning, &right.extent, &reason);
    let intent = Intent {
        v: 1,
        origin: app.signer.verifying_key().name().to_owned(),
        sig_id: sig_id.clone(),
        signer,
        meaning: request.meaning,
        sentence: sentence(request.meaning).to_owned(),
        extent: right.extent,
        reason,
        record: SignedRecord {
            kind: "change".to_owned(),
            id: id.clone(),
            version: change.revision,
            digest: change.digest,
        },
        view_sha256: Digest::of(&text),
        session_sha256: Digest::of(place.session.id.as_str()),
        issued_at: now,
        expires_at: expires(app, now),
    };
    let challenge = record::challenge(&intent)?;
    let expires_at = intent.expires_at;
    let waiting = Waiting { intent, zone };
    keep(app, Ceremony::Signing, sig_id.as_str(), &waiting, expires_at, now).await?;
    let login = app.store.login(&who.tenant, &who.account).await?;
    let two_components = !place.session.signs_on(place.peer, app.config.login.sessions(), now);
    Ok(IntentOffer {
        intent: waiting.intent,
        view: text,
        challenge: super::token_text(challenge.as_bytes()),
        rp_id: app.config.login.passkey_domain.clone(),
        passkeys: login.map_or(Vec::new(), |login| login.passkeys.into_iter().map(|key| key.id).collect()),
        two_components,
    })
}

/// Signs what was shown, and approves or rejects the change with it. Says how far it has come in the ledger: it counts once that
/// is as far as `ledger.signatures_wait_for` says.
pub async fn sign(
    app: &App,
    who: &Actor,
    place: Place<'_>,
    id: &ChangeId,
    request: SignRequest,
) -> Result<(Signature, Reached), FlowError> {
    let now = app.clock.now();
    let waiting: Option<Waiting> =
        app.store.ceremony(Ceremony::Signing, request.sig_id.as_str(), now).await?;
    let waiting = waiting.filter(|waiting| {
        let intent = &waiting.intent;
        intent.record.id == *id
            && intent.signer.account == who.account
            && intent.session_sha256 == Digest::of(place.session.id.as_str())
    });
    // Signed already, over, or somebody else's. Nothing was tried, so nothing is counted.
    let waiting = waiting.ok_or(FlowError::SignatureRefused)?;
    let attempt = Attempt { app, who, place, id, waiting: &waiting, now };
    prove::signing(app, who, place, &request, &attempt, now).await
}

/// A signature that is about to be given.
struct Attempt<'a> {
    app: &'a App,
    who: &'a Actor,
    place: Place<'a>,
    id: &'a ChangeId,
    waiting: &'a Waiting,
    now: Timestamp,
}

impl Signable for Attempt<'_> {
    type Signed = (Signature, Reached);

    fn challenge(&self) -> Result<Digest, FlowError> {
        record::challenge(&self.waiting.intent)
    }

    async fn commit(&self, proved: Proved<'_>) -> Result<Self::Signed, FlowError> {
        commit(self, proved).await
    }
}

async fn commit(attempt: &Attempt<'_>, proved: Proved<'_>) -> Result<(Signature, Reached), FlowError> {
    let Attempt { app, who, place, id, waiting, now } = *attempt;
    let Proved { given, login, complete, offset_ms } = proved;
    let intent = &waiting.intent;
    let change = load(app, &who.tenant, id).await?;
    let wish = Wish {
        digest: intent.record.digest,
        meaning: intent.meaning,
        sig_id: &intent.sig_id,
        stage: intent.extent.stage,
        delegation: intent.extent.delegation.as_ref().map(|used| &used.id),
    };
    let right = Right::to(app, who, &change, &wish, now).await?;
    let (permit, decision) = right.permit(app, &change, now).await?;
    let transition = right.step(&change, &intent.reason, &permit, now)?;
    let signer = record::signer(&right.acting, &change);
    let text = view(&change, &signer, intent.meaning, &right.extent, &intent.reason);
    if signer != intent.signer || right.extent != intent.extent || Digest::of(text) != intent.view_sha256 {
        let detail = "what was shown is not what it is by now; look again and begin anew";
        return Err(FlowError::Outdated { id: id.to_string(), detail });
    }
    let prior = app.store.signatures(&who.tenant, id).await?;
    let sealing =
        Sealing { change: &change, waiting, given, complete, offset_ms, decision: &decision, prior: &prior };
    let signature = record::seal(app, &right.acting, sealing, now)?;
    let session = place.session.signed(place.peer, complete, now);
    let mut writes = vec![Write::Decision(Box::new(decision))];
    writes.extend(transition.map(|transition| Write::Change(Box::new(transition))));
    let before: usize = writes.iter().map(Write::entries).sum();
    writes.extend([
        Write::Signature(Box::new(signature.clone())),
        Write::Login { login: Box::new(login), event: "login.signed" },
        Write::Session(Box::new(session)),
        Write::CeremonyUsed(intent.sig_id.to_string()),
    ]);
    let committed = app.commit(who, now, writes).await?;
    metrics::counter!("signatures_total", "tenant" => who.tenant.to_string()).increment(1);
    // Whatever becomes of it now, it is signed: a witness that is away is no reason to say that it is not.
    let index = committed.entries.get(before).copied().unwrap_or(u64::MAX);
    let waits_for = app.config.ledger.signatures_wait_for;
    let reached = provable::reach(app, &committed.log, index, waits_for).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "how far a signature has come in the ledger cannot be told");
        Reached { index, level: Provable::Committed, waits_for }
    });
    app.wake();
    Ok((signature, reached))
}

/// The signatures of a change, oldest first, each with whether the change was revised since.
pub async fn list(app: &App, who: &Actor, id: &ChangeId) -> Result<Vec<(Signature, bool)>, FlowError> {
    let change = load(app, &who.tenant, id).await?;
    may_read(app, who, Action::ReadChange, change.resource()).await?;
    let found = app.store.signatures(&who.tenant, id).await?;
    Ok(found
        .into_iter()
        .map(|signature| {
            let superseded = signature.is_superseded(&change);
            (signature, superseded)
        })
        .collect())
}

/// A signature, for whoever may read its change.
pub async fn show(app: &App, who: &Actor, id: &SignatureId) -> Result<Signature, FlowError> {
    let not_found = || FlowError::NotFound { what: "signature", id: id.to_string() };
    let signature = app.store.signature(&who.tenant, id).await?.ok_or_else(not_found)?;
    let change: Change = load(app, &who.tenant, &signature.change).await?;
    may_read(app, who, Action::ReadChange, change.resource()).await?;
    Ok(signature)
}

fn checked_reason(reason: &str) -> Result<String, FlowError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        let detail = format!("a signature needs a reason of 1 to {REASON_MAX} characters");
        return Err(FlowError::invalid("/reason", detail));
    }
    Ok(reason.to_owned())
}

fn checked_zone(zone: String) -> Result<String, FlowError> {
    match jiff::tz::TimeZone::get(&zone) {
        Ok(_) => Ok(zone),
        Err(_) => Err(FlowError::invalid("/zone", "this is no time zone; give one such as `Europe/Lisbon`")),
    }
}
