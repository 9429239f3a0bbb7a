//! Whether what was given proves the signer, and what a failure comes to.

use interlock_domain::{Actor, Digest, Login, PasskeyProof, Proof, Timestamp};
use interlock_store::{Note, StoreError, Write};
use interlock_vault::login::passkey;
use tracing::{info, warn};

use super::{Place, SignRequest, TRIES};
use crate::{
    App, FlowError,
    flow::{
        clock,
        login::{Second, count_failure, end_all_of, normalised, proofs},
    },
};

/// What was given and fits.
pub(super) struct Given {
    pub(super) proofs: Vec<Proof>,
    pub(super) passkey: Option<PasskeyProof>,
}

impl Given {
    /// What the record calls it.
    pub(super) fn components(&self) -> Vec<String> {
        let name = |proof: &Proof| match proof {
            Proof::Password => "password",
            Proof::Totp { .. } => "totp",
            Proof::Recovery { .. } => "recovery",
            Proof::Passkey { .. } => "passkey",
        };
        self.proofs.iter().map(|proof| name(proof).to_owned()).collect()
    }
}

/// What fits, of what was given. A recovery code never signs.
pub(super) async fn given(
    app: &App,
    login: &Login,
    request: &SignRequest,
    challenge: &Digest,
    now: Timestamp,
) -> Result<Given, FlowError> {
    if let Some(assertion) = &request.passkey {
        return Ok(by_passkey(app, login, assertion, challenge));
    }
    let password = normalised(request.password.as_deref().unwrap_or_default());
    let fits = app.hashing.verify_signer(password, login.password.clone()).await?;
    let second = Second { code: request.code.as_deref(), recovery: None };
    let mut proofs = if fits { proofs(app, login, &second, now) } else { Vec::new() };
    // A code that was given and does not fit is a failure, also where none was needed.
    if request.code.is_some() && proofs.len() < 2 {
        proofs.clear();
    }
    Ok(Given { proofs, passkey: None })
}

fn by_passkey(app: &App, login: &Login, assertion: &passkey::Assertion, challenge: &Digest) -> Given {
    let none = Given { proofs: Vec::new(), passkey: None };
    let party = app.config.login.relying_party();
    let Some(used) = login.passkeys.iter().find(|passkey| passkey.id == assertion.credential) else {
        return none;
    };
    match passkey::verify(&party, challenge.as_bytes(), &used.key, assertion) {
        Ok(counter) => Given {
            proofs: vec![Proof::Passkey { id: used.id.clone(), counter }],
            passkey: Some(PasskeyProof {
                credential: used.id.clone(),
                key: used.key.clone(),
                rp_id: party.id,
                origins: party.origins,
                client_data: assertion.client_data.clone(),
                authenticator_data: assertion.authenticator_data.clone(),
                signature: assertion.signature.clone(),
            }),
        },
        Err(error) => {
            info!(%error, "a passkey did not sign");
            none
        }
    }
}

/// Whoever signs, proved.
pub(super) struct Proved<'a> {
    /// What was given.
    pub(super) given: &'a Given,
    /// Their login, with what was given used up.
    pub(super) login: Login,
    /// Whether two components were needed.
    pub(super) complete: bool,
    /// How far the true time is ahead.
    pub(super) offset_ms: Option<i64>,
}

/// Something that is about to be signed.
pub(super) trait Signable: Sync {
    /// What comes of it.
    type Signed: Send;

    /// What a passkey signs.
    fn challenge(&self) -> Result<Digest, FlowError>;

    /// Writes it, with what proved the signer used up.
    fn commit(&self, proved: Proved<'_>) -> impl Future<Output = Result<Self::Signed, FlowError>> + Send;
}

/// Proves whoever signs and has what they sign written. When their login, or a change that is signed, was altered meanwhile by
/// something else, it is tried again.
pub(super) async fn signing<S: Signable>(
    app: &App,
    who: &Actor,
    place: Place<'_>,
    request: &SignRequest,
    what: &S,
    now: Timestamp,
) -> Result<S::Signed, FlowError> {
    let login = app.store.login(&who.tenant, &who.account).await?.ok_or(FlowError::SignatureRefused)?;
    let complete = !place.session.signs_on(place.peer, app.config.login.sessions(), now);
    if complete && request.passkey.is_none() && (request.password.is_none() || request.code.is_none()) {
        return Err(FlowError::FullSignatureRequired);
    }
    // Before what proves the signer is used up.
    let offset_ms = clock::offset(app).await?;
    let given = given(app, &login, request, &what.challenge()?, now).await?;
    let mut current = login.clone();
    for _ in 0..TRIES {
        let proved = match current.proved(&given.proofs, complete, now) {
            Ok(proved) if current.changed_at == login.changed_at => proved.signed(),
            _ => return refuse(app, who, place, &current, now).await,
        };
        match what.commit(Proved { given: &given, login: proved, complete, offset_ms }).await {
            Err(FlowError::Store(StoreError::Conflict { what: "challenge" | "session", .. })) => {
                return Err(FlowError::SignatureRefused);
            }
            Err(FlowError::Store(StoreError::Conflict { what: "login of" | "change", .. })) => {
                let again = app.store.login(&who.tenant, &who.account).await?;
                current = again.ok_or(FlowError::SignatureRefused)?;
            }
            done => return done,
        }
    }
    Err(StoreError::Busy.into())
}

/// Counts a failed signing. The third in a row locks the login, ends every session and is on record as what it may be:
/// somebody else's attempt (21 CFR 11.300(d)).
pub(super) async fn refuse<T>(
    app: &App,
    who: &Actor,
    place: Place<'_>,
    login: &Login,
    now: Timestamp,
) -> Result<T, FlowError> {
    if login.is_locked(now) {
        // By failures to log in, perhaps somebody else's: no reason to end what the person has open.
        return Err(FlowError::SignatureRefused);
    }
    metrics::counter!("signings_refused_total", "tenant" => who.tenant.to_string()).increment(1);
    if count_failure(app, login, now, Login::failed_to_sign).await? {
        warn!(account = %who.account, "too many failed signings: the login is locked and its sessions end");
        metrics::counter!("security_events_total", "event" => "signing_locked").increment(1);
        let note = Note {
            kind: "security.signing_locked",
            object_kind: "session",
            object_id: place.session.id.to_string(),
            payload: serde_json::json!({ "account": who.account }),
        };
        let end = end_all_of(&who.tenant, &who.account);
        app.commit_as_host(&who.tenant, now, None, vec![end, Write::Note(note)]).await?;
    }
    Err(FlowError::SignatureRefused)
}
