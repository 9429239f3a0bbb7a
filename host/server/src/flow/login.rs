//! Logging in, and what a session is good for.
//!
//! **Invariant:** whoever cannot log in learns nothing else: unknown name, wrong password, wrong or used code, locked,
//! deactivated are one answer after equal work. Each step replaces the login of the revision before, so that a code counts
//! once, on however many replicas.

pub(crate) mod oidc;
mod passkey;
pub(crate) mod password;

use interlock_domain::{
    Account, AccountKind, Actor, Login, LoginRefusal, Proof, Session, SessionId, TenantId, Timestamp,
    called_as_before,
};
use interlock_store::{Note, SessionsEnd, StoreError, Write};
use interlock_vault::login::Code;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

pub use self::passkey::{PasskeyChallenge, PasskeyLogin, challenge, with_passkey};
pub(super) use self::passkey::{bytes, expires, keep};
use super::{
    anew::TRIES,
    device::{token_hash, token_text},
};
use crate::{App, FlowError};

/// Longest name that is looked for.
const NAME_MAX: usize = 200;

/// Somebody who wants to log in with a password.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The tenant.
    #[schema(example = "mercy")]
    pub tenant: String,
    /// The account's name.
    #[schema(example = "Ana Sousa")]
    pub name: String,
    /// The password.
    pub password: String,
    /// The code that the authenticator app shows, six digits.
    #[serde(default)]
    pub code: Option<String>,
    /// A recovery code, in its place.
    #[serde(default)]
    pub recovery_code: Option<String>,
}

/// Somebody who logged in. The token is in nobody else's hands.
pub struct LoggedIn {
    /// What the cookie holds.
    pub token: String,
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub account: Account,
}

/// What somebody shows, beside the password: a code or a recovery code.
pub(super) struct Second<'a> {
    pub(super) code: Option<&'a str>,
    pub(super) recovery: Option<&'a str>,
}

/// Logs somebody in with password and a second factor.
pub async fn with_password(app: &App, request: LoginRequest, peer: &str) -> Result<LoggedIn, FlowError> {
    let now = app.clock.now();
    let found = named(app, &request.tenant, &request.name).await?;
    // Whatever is found, one password is hashed.
    let hash = found.as_ref().and_then(|(login, _)| login.password.clone());
    let normal = normalised(&request.password);
    let fits = app.hashing.verify(normal.clone(), hash.clone()).await?;
    let Some((login, account)) = found.filter(|(_, account)| may_log_in(account)) else {
        return nobody(app, now).await;
    };
    let second = Second { code: request.code.as_deref(), recovery: request.recovery_code.as_deref() };
    let proofs = if fits { proofs(app, &login, &second, now) } else { Vec::new() };
    // After the code: else the time it takes would tell a password that fits.
    let passes = login.proved(&proofs, true, now).is_ok();
    let anew = match &hash {
        Some(hash) if passes && app.hashing.is_above(hash) => Some(app.hashing.hash(normal).await?),
        _ => None,
    };
    let by_code = proofs.iter().any(|proof| matches!(proof, Proof::Totp { .. }));
    let how = if by_code { "password+totp" } else { "password+recovery" };
    admit(app, Attempt { login, account, proofs, how, peer, hash: anew, now }, Vec::new()).await
}

/// Somebody who showed something.
struct Attempt<'a> {
    login: Login,
    account: Account,
    proofs: Vec<Proof>,
    how: &'static str,
    peer: &'a str,
    /// A dearer hash of the password.
    hash: Option<String>,
    now: Timestamp,
}

/// Lets somebody in, or counts the failure.
async fn admit(app: &App, attempt: Attempt<'_>, more: Vec<Write>) -> Result<LoggedIn, FlowError> {
    let Attempt { login, account, proofs, how, peer, hash, now } = attempt;
    let mut current = login.clone();
    for _ in 0..TRIES {
        // What was shown fitted what there was then.
        let same = current.password == login.password && current.passkeys.len() == login.passkeys.len();
        let passed = match current.proved(&proofs, true, now) {
            Ok(passed) if same => passed,
            Ok(_) => return refused(LoginRefusal::Incomplete),
            Err(refusal) => {
                return fail(app, &current, refusal, now).await;
            }
        };
        let passed = match &hash {
            Some(hash) => Login { password: Some(hash.clone()), ..passed },
            None => passed,
        };
        let (token, session) = begin(app, &account, how, peer, now)?;
        let note = began(&session);
        let mut writes = vec![
            Write::Login { login: Box::new(passed), event: "login.passed" },
            Write::Session(Box::new(session.clone())),
            note,
        ];
        writes.extend(more.iter().cloned());
        let actor = account.actor(format!("session:{}", session.id));
        match app.commit(&actor, now, writes).await {
            Err(FlowError::Store(StoreError::Conflict { what: "login of", .. })) => {
                let again = app.store.login(&account.tenant, &account.id).await?;
                let Some(again) = again else { return refused(LoginRefusal::Incomplete) };
                current = again;
            }
            // Its challenge was answered: a replay.
            Err(FlowError::Store(StoreError::Conflict { .. })) => return refused(LoginRefusal::Replayed),
            done => {
                done?;
                counted(&account.tenant, "passed");
                return Ok(LoggedIn { token, session, account });
            }
        }
    }
    Err(StoreError::Busy.into())
}

/// What a failure comes to. The caller's answer is always the same.
async fn fail<T>(app: &App, login: &Login, refusal: LoginRefusal, now: Timestamp) -> Result<T, FlowError> {
    if refusal == LoginRefusal::Locked {
        app.store.write_nothing_of_a_login(now).await?;
        counted(&login.tenant, "locked");
        return refused(refusal);
    }
    count_failure(app, login, now, Login::failed).await?;
    counted(&login.tenant, "failed");
    refused(refusal)
}

/// Counts a failure, whoever else counts one at the same time, and says whether this one locked.
pub(super) async fn count_failure(
    app: &App,
    login: &Login,
    now: Timestamp,
    failed: fn(&Login, interlock_domain::LoginLimits, Timestamp) -> Login,
) -> Result<bool, FlowError> {
    let mut current = login.clone();
    loop {
        if current.is_locked(now) {
            return Ok(false);
        }
        let next = failed(&current, app.config.login.limits(), now);
        let locks = next.is_locked(now);
        let event = if locks { "login.locked" } else { "login.failed" };
        if locks {
            warn!(account = %current.account, "too many failures: the login is locked");
            metrics::counter!("login_locks_total", "tenant" => current.tenant.to_string()).increment(1);
        }
        let write = Write::Login { login: Box::new(next), event };
        match app.commit_as_host(&current.tenant, now, None, vec![write]).await {
            Err(FlowError::Store(StoreError::Conflict { .. })) => {
                match app.store.login(&current.tenant, &current.account).await? {
                    Some(again) => current = again,
                    None => return Ok(false),
                }
            }
            done => {
                done?;
                return Ok(locks);
            }
        }
    }
}

async fn nobody<T>(app: &App, now: Timestamp) -> Result<T, FlowError> {
    app.store.write_nothing_of_a_login(now).await?;
    info!("a login was refused: there is no such account, or it may not log in");
    metrics::counter!("logins_total", "tenant" => "unknown", "outcome" => "failed").increment(1);
    Err(FlowError::LoginRefused)
}

fn refused<T>(refusal: LoginRefusal) -> Result<T, FlowError> {
    info!(%refusal, "a login was refused");
    Err(FlowError::LoginRefused)
}

fn counted(tenant: &TenantId, outcome: &'static str) {
    metrics::counter!("logins_total", "tenant" => tenant.to_string(), "outcome" => outcome).increment(1);
}

async fn named(app: &App, tenant: &str, name: &str) -> Result<Option<(Login, Account)>, FlowError> {
    let Ok(tenant) = tenant.parse::<TenantId>() else { return Ok(None) };
    if name.len() > NAME_MAX || name.contains('\0') {
        return Ok(None);
    }
    let one_form = called_as_before(name);
    let found = app.store.login_named(&tenant, &one_form).await?;
    // One of before names had one form.
    if found.is_none() && name.trim() != one_form {
        return Ok(app.store.login_named(&tenant, name.trim()).await?);
    }
    Ok(found)
}

/// Programs never log in.
fn may_log_in(account: &Account) -> bool {
    account.active && account.kind == AccountKind::User
}

/// As it was hashed. One that could never have been set fits nothing.
pub(super) fn normalised(password: &str) -> String {
    interlock_domain::password_as_hashed(password).unwrap_or_default()
}

/// What fits, of what was shown beside a password that fits.
pub(super) fn proofs(app: &App, login: &Login, second: &Second<'_>, now: Timestamp) -> Vec<Proof> {
    let mut proofs = vec![Proof::Password];
    if let (Some(code), Some(totp)) = (second.code.and_then(Code::parse), &login.totp)
        && let Some(secret) = app.secrets.open(&totp.sealed, &sealed_for(&login.account))
        && let Some(step) = code.step(&secret, now.as_millis())
    {
        proofs.push(Proof::Totp { step });
    }
    // Not used up beside a code that fits.
    if let Some(code) = second.recovery.filter(|_| proofs.len() == 1) {
        proofs.push(Proof::Recovery { sha256: recovery_hash(code) });
    }
    proofs
}

/// To what an account's secret is bound: it opens for nobody else.
pub(super) fn sealed_for(account: &interlock_domain::AccountId) -> String {
    format!("totp of {account}")
}

/// The hash of a recovery code, however it was typed.
pub(super) fn recovery_hash(code: &str) -> String {
    let bare: String = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    token_hash(&bare.to_ascii_lowercase())
}

/// A fresh session: nothing of one before goes into it.
fn begin(
    app: &App,
    account: &Account,
    how: &str,
    peer: &str,
    now: Timestamp,
) -> Result<(String, Session), FlowError> {
    let token = random_token()?;
    let absolute_ms = i64::try_from(app.config.login.session_ms).unwrap_or(i64::MAX);
    let session = Session {
        id: SessionId::new(app.clock.uuid()),
        tenant: account.tenant.clone(),
        account: account.id.clone(),
        token_sha256: token_hash(&token),
        peer: peer.to_owned(),
        proof: how.to_owned(),
        created_at: now,
        seen_at: now,
        ends_at: now.plus_millis(absolute_ms),
        signing: None,
    };
    Ok((token, session))
}

/// 256 bits.
pub(super) fn random_token() -> Result<String, FlowError> {
    let mut bytes = [0u8; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| FlowError::invalid("", "the machine gave no random bytes; try again"))?;
    Ok(token_text(&bytes))
}

fn began(session: &Session) -> Write {
    Write::Note(Note {
        kind: "session.begun",
        object_kind: "session",
        object_id: session.id.to_string(),
        payload: serde_json::json!({ "account": session.account, "proof": session.proof }),
    })
}

/// What is kept of a token.
pub(crate) fn hash_of(token: &str) -> String {
    token_hash(token)
}

/// Who acts in the session of this token; nobody when it is over.
pub async fn authenticate(app: &App, token: &str) -> Result<Option<(Actor, Session)>, FlowError> {
    let now = app.clock.now();
    let limits = app.config.login.sessions();
    // Looked up each time: what ends a session anywhere ends it everywhere at once.
    let Some((session, account)) = app.store.session(&token_hash(token)).await? else { return Ok(None) };
    if !session.lasts(limits, now) || !may_log_in(&account) {
        return Ok(None);
    }
    app.keys.session_used(&session.token_sha256);
    // Not at every request: within a hundredth of the time that it may be idle.
    let stale_ms = i64::try_from(limits.idle_ms / 100).unwrap_or(i64::MAX);
    if now.millis_since(session.seen_at) > stale_ms {
        app.store.touch_session(&session.id, now).await?;
    }
    Ok(Some((account.actor(format!("session:{}", session.id)), session)))
}

/// When the means of whoever asks were last set.
pub async fn means_changed(app: &App, who: &Actor) -> Result<Option<Timestamp>, FlowError> {
    if who.kind != AccountKind::User {
        return Ok(None);
    }
    let login = app.store.login(&who.tenant, &who.account).await?;
    Ok(login.map(|login| login.changed_at))
}

/// The sessions of whoever asks that last.
pub async fn sessions(app: &App, who: &Actor) -> Result<Vec<Session>, FlowError> {
    let now = app.clock.now();
    let limits = app.config.login.sessions();
    let found = app.store.sessions(&who.tenant, &who.account).await?;
    Ok(found.into_iter().filter(|session| session.lasts(limits, now)).collect())
}

/// Ends a session of whoever asks.
pub async fn end(app: &App, who: &Actor, id: &SessionId) -> Result<(), FlowError> {
    let own = sessions(app, who).await?;
    if !own.iter().any(|session| session.id == *id) {
        return Err(FlowError::NotFound { what: "session", id: id.to_string() });
    }
    let note = Note {
        kind: "session.ended",
        object_kind: "session",
        object_id: id.to_string(),
        payload: serde_json::json!({ "account": who.account }),
    };
    let end =
        SessionsEnd { tenant: who.tenant.clone(), account: who.account.clone(), only: Some(id.clone()) };
    app.commit(who, app.clock.now(), vec![Write::SessionsEnd(end), Write::Note(note)]).await?;
    Ok(())
}

/// Ends all sessions of an account, as part of what ends them.
pub(super) fn end_all(account: &Account) -> Write {
    end_all_of(&account.tenant, &account.id)
}

/// As [`end_all`].
pub(super) fn end_all_of(tenant: &TenantId, account: &interlock_domain::AccountId) -> Write {
    Write::SessionsEnd(SessionsEnd { tenant: tenant.clone(), account: account.clone(), only: None })
}
