//! Logging in with a passkey: a challenge that counts once, and its answer.

use interlock_domain::{Proof, Timestamp};
use interlock_store::{Ceremony, Write};
use interlock_vault::login::passkey::{self, Assertion};
use serde::{Deserialize, Serialize};

use super::{Attempt, LoggedIn, admit, may_log_in, named, nobody, random_token};
use crate::{App, FlowError, flow::device::token_hash};

/// What an authenticator is asked to sign. It names no passkey, so that it says of nobody whether they have one.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PasskeyChallenge {
    /// What is to be signed, base64url.
    pub challenge: String,
    /// The domain that the passkey is for.
    pub rp_id: String,
    /// Until when.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

/// The answer to a challenge.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyLogin {
    /// The tenant.
    #[schema(example = "mercy")]
    pub tenant: String,
    /// The account's name.
    pub name: String,
    /// The challenge that was answered.
    pub challenge: String,
    /// What the authenticator made of it.
    #[schema(value_type = Object)]
    pub assertion: Assertion,
}

/// Makes a challenge for whoever wants to log in.
pub async fn challenge(app: &App) -> Result<PasskeyChallenge, FlowError> {
    let now = app.clock.now();
    let text = random_token()?;
    let expires_at = expires(app, now);
    keep(app, Ceremony::Login, &token_hash(&text), &(), expires_at, now).await?;
    Ok(PasskeyChallenge { challenge: text, rp_id: app.config.login.passkey_domain.clone(), expires_at })
}

/// Logs somebody in with a passkey.
pub async fn with_passkey(app: &App, request: PasskeyLogin, peer: &str) -> Result<LoggedIn, FlowError> {
    let now = app.clock.now();
    let id = token_hash(&request.challenge);
    let waits = app.store.ceremony::<()>(Ceremony::Login, &id, now).await?.is_some();
    let found = named(app, &request.tenant, &request.name).await?;
    let Some((login, account)) = found.filter(|(_, account)| may_log_in(account)) else {
        return nobody(app, now).await;
    };
    let party = app.config.login.relying_party();
    let used = login.passkeys.iter().find(|passkey| passkey.id == request.assertion.credential);
    let signed = used.filter(|_| waits).zip(bytes(&request.challenge)).and_then(|(passkey, challenge)| {
        let verified = passkey::verify(&party, &challenge, &passkey.key, &request.assertion);
        let counter = verified.inspect_err(|error| tracing::info!(%error, "a passkey was refused")).ok()?;
        Some(Proof::Passkey { id: passkey.id.clone(), counter })
    });
    let proofs = signed.into_iter().collect();
    let attempt = Attempt { login, account, proofs, how: "passkey", peer, hash: None, now };
    admit(app, attempt, vec![Write::CeremonyUsed(id)]).await
}

pub(crate) fn bytes(challenge: &str) -> Option<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(challenge).ok()
}

pub(crate) fn expires(app: &App, now: Timestamp) -> Timestamp {
    now.plus_millis(i64::try_from(app.config.login.challenge_ms).unwrap_or(i64::MAX))
}

/// Keeps what waits for an answer.
pub(crate) async fn keep(
    app: &App,
    kind: Ceremony,
    id: &str,
    waiting: &impl Serialize,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), FlowError> {
    let most = app.config.login.challenges_max;
    let kept = app.store.begin_ceremony(kind, id, waiting, expires_at, now, most).await?;
    if kept { Ok(()) } else { Err(interlock_store::StoreError::Busy.into()) }
}
