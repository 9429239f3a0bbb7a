//! Invitations: an administrator lets somebody in, and never learns by what they log in.

use interlock_domain::{
    Account, AccountId, AccountKind, Action, Actor, Enrolled, Enrolment, Login, Passkey, TenantId, Timestamp,
    Totp,
};
use interlock_store::{Ceremony, Write};
use interlock_vault::login::{self as proving, Code, passkey};
use serde::{Deserialize, Serialize};

use super::{
    account::{end_keys, forget, written},
    ask::permit,
    change::tenant,
    device::token_hash,
    login::{bytes, end_all, expires, keep, random_token, recovery_hash, sealed_for},
    own,
};
use crate::{App, FlowError};

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;

/// An invitation. The code cannot be read again.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct Invitation {
    /// What the person gives to follow it: `ile_…`.
    pub code: String,
    /// For which account.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// Until when.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

/// Somebody follows an invitation.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationCode {
    /// The tenant.
    #[schema(example = "mercy")]
    pub tenant: String,
    /// The invitation's code.
    pub code: String,
}

/// What to set, with all that it takes.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct EnrolmentOffer {
    /// Whose it is.
    pub name: String,
    /// What an authenticator app reads, as text or as a picture: `otpauth://…`. Shown this once.
    pub otpauth: String,
    /// What a passkey is made for, base64url.
    pub challenge: String,
    /// The domain that a passkey is for.
    pub rp_id: String,
    /// The algorithms that a passkey may have, as COSE numbers them.
    pub algorithms: Vec<i64>,
    /// Until when.
    #[schema(value_type = String)]
    pub expires_at: Timestamp,
}

/// What somebody set: a password with a code, a passkey, or both.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The tenant.
    #[schema(example = "mercy")]
    pub tenant: String,
    /// The invitation's code.
    pub code: String,
    /// The challenge of the offer.
    pub challenge: String,
    /// A password of 12 to 128 characters.
    #[serde(default)]
    pub password: Option<String>,
    /// What the authenticator app shows, to prove that it works.
    #[serde(default)]
    pub totp_code: Option<String>,
    /// A passkey.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub passkey: Option<passkey::Registration>,
}

/// It is set. The recovery codes cannot be read again.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct EnrolmentDone {
    /// Whose it is.
    pub name: String,
    /// Each logs in once in place of a code, with the password.
    pub recovery_codes: Vec<String>,
}

/// An offer that waits.
#[derive(Serialize, Deserialize)]
struct Waiting {
    account: AccountId,
    sealed: String,
}

/// Invites the person of an account to set by what they log in. What they had before ends. An account with a role that takes
/// two administrators waits for the second one, and for a day when it was somebody's already.
pub async fn invite(app: &App, who: &Actor, id: &AccountId) -> Result<Invitation, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::CreateKey, tenant(who), None, now).await?;
    let from = app.store.account(&who.tenant, id).await?;
    let from = from.ok_or_else(|| FlowError::NotFound { what: "account", id: id.to_string() })?;
    if from.kind == AccountKind::Service {
        return Err(FlowError::invalid("", "a program never logs in; make it a key: POST /keys"));
    }
    if !from.active {
        return Err(FlowError::invalid("", "the account is deactivated; activate it first"));
    }
    own::check_means(app, who, &from).await?;
    let before = app.store.login(&who.tenant, id).await?;
    let had_keys = !app.store.live_credentials(&who.tenant, id).await?.is_empty();
    // An administrator invites themselves, but for an account of theirs that approves: by it somebody could sign who has nothing but
    // their key.
    let own = who.person == from.person && !from.answers_for_safety();
    let account = if own || !from.takes_two() {
        from.clone()
    } else if before.is_some() || had_keys {
        from.reset(&who.person, now)
    } else {
        from.clone().handed_out(&who.person, now)
    };
    let secret = random_token()?;
    let life_ms = i64::try_from(app.config.login.invitation_ms).unwrap_or(i64::MAX);
    let expires_at = now.plus_millis(life_ms);
    let open = Enrolment { code_sha256: token_hash(&secret), by: who.person.clone(), expires_at };
    let event = if before.is_some() { "login.reset" } else { "login.invited" };
    let login = before.unwrap_or_else(|| Login::none(&from, now)).invited(open, now);
    let mut writes = vec![Write::Decision(Box::new(decision))];
    let mut ended = Vec::new();
    if account != from {
        // Whoever had the account acts no more until it is confirmed, with a key neither.
        ended = end_keys(app, &account, now, &mut writes).await?;
    }
    writes.push(written(&account, Some(from)));
    writes.push(Write::Login { login: Box::new(login), event });
    writes.push(end_all(&account));
    app.commit(who, now, writes).await?;
    forget(app, &ended);
    app.subjects.forget(&account.id);
    let code = format!("ile_{}_{secret}", id.as_str().trim_start_matches("acc_"));
    Ok(Invitation { code, account: account.id, expires_at })
}

/// Shows what somebody who was invited may set.
pub async fn begin(app: &App, request: InvitationCode) -> Result<EnrolmentOffer, FlowError> {
    let now = app.clock.now();
    let (login, account) = invited(app, &request.tenant, &request.code, now).await?;
    let unrandom = || FlowError::invalid("", "the machine gave no random bytes; try again");
    let secret = proving::new_secret().ok_or_else(unrandom)?;
    let sealed = app.secrets.seal(&secret, &sealed_for(&account.id)).ok_or_else(unrandom)?;
    let challenge = random_token()?;
    let expires_at = expires(app, now);
    let waiting = Waiting { account: login.account, sealed };
    keep(app, Ceremony::Enrolment, &token_hash(&challenge), &waiting, expires_at, now).await?;
    Ok(EnrolmentOffer {
        otpauth: proving::uri(&secret, &app.config.login.issuer, &account.name).to_string(),
        name: account.name,
        challenge,
        rp_id: app.config.login.passkey_domain.clone(),
        algorithms: passkey::ALGORITHMS.to_vec(),
        expires_at,
    })
}

/// Sets what somebody chose. The invitation and the offer are used up with it.
pub async fn complete(app: &App, request: EnrolmentRequest) -> Result<EnrolmentDone, FlowError> {
    let now = app.clock.now();
    let (login, account) = invited(app, &request.tenant, &request.code, now).await?;
    let id = token_hash(&request.challenge);
    let waiting: Option<Waiting> = app.store.ceremony(Ceremony::Enrolment, &id, now).await?;
    let Some(waiting) = waiting.filter(|waiting| waiting.account == account.id) else {
        let detail = "this offer was used or is over; begin again: POST /v1/enrolments";
        return Err(FlowError::invalid("/challenge", detail));
    };
    let mut set = Enrolled::default();
    let mut recovery_codes = Vec::new();
    if let Some(password) = &request.password {
        let fault =
            |error: interlock_domain::PasswordFault| FlowError::invalid("/password", error.to_string());
        let normal = interlock_domain::password(password, &account.name).map_err(fault)?;
        let secret = app.secrets.open(&waiting.sealed, &sealed_for(&account.id));
        let code = request.totp_code.as_deref().and_then(Code::parse);
        let step = code.zip(secret).and_then(|(code, secret)| code.step(&secret, now.as_millis()));
        let Some(last_step) = step else {
            let detail =
                "this is not what the app shows for this secret; check the clock of the device and try again";
            return Err(FlowError::invalid("/totp_code", detail));
        };
        let hash = app.hashing.hash(normal).await?;
        set.password = Some((hash, Totp { sealed: waiting.sealed, last_step }));
        recovery_codes = (0..RECOVERY_CODES).map(|_| recovery_code()).collect::<Result<_, _>>()?;
        set.recovery = recovery_codes.iter().map(|code| recovery_hash(code)).collect();
    }
    if let Some(registration) = &request.passkey {
        let refused = |error: passkey::PasskeyError| FlowError::invalid("/passkey", error.to_string());
        let challenge = bytes(&request.challenge).unwrap_or_default();
        let made = passkey::register(&app.config.login.relying_party(), &challenge, registration);
        let passkey::Made { id, key, counter } = made.map_err(refused)?;
        set.passkey = Some(Passkey { id, key, counter, added_at: now });
    }
    let Some(login) = login.enrolled(set, now) else {
        let detail = "set a password with a code, a passkey, or both";
        return Err(FlowError::invalid("/password", detail));
    };
    let writes = vec![
        Write::Login { login: Box::new(login), event: "login.enrolled" },
        Write::CeremonyUsed(id),
        end_all(&account),
    ];
    app.commit(&account.actor("enrolment".to_owned()), now, writes).await?;
    Ok(EnrolmentDone { name: account.name, recovery_codes })
}

/// Whoever has this code; the same answer whatever is wrong with it.
async fn invited(app: &App, tenant: &str, code: &str, now: Timestamp) -> Result<(Login, Account), FlowError> {
    let refused = || FlowError::InvitationRefused;
    let tenant: TenantId = tenant.parse().map_err(|_| refused())?;
    let (id, secret) = code.strip_prefix("ile_").and_then(|rest| rest.split_once('_')).ok_or_else(refused)?;
    let id: AccountId = format!("{}_{id}", AccountId::PREFIX).parse().map_err(|_| refused())?;
    let login = app.store.login(&tenant, &id).await?;
    let login = login.filter(|login| login.is_invited_by(&token_hash(secret), now)).ok_or_else(refused)?;
    let account = app.store.account(&tenant, &id).await?.filter(|account| account.active);
    Ok((login, account.ok_or_else(refused)?))
}

/// 80 bits, in groups that people can read.
fn recovery_code() -> Result<String, FlowError> {
    let mut bytes = [0u8; 10];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| FlowError::invalid("", "the machine gave no random bytes; try again"))?;
    let text = hex::encode(bytes);
    Ok([&text[..5], &text[5..10], &text[10..15], &text[15..]].join("-"))
}
