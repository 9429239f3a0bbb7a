//! Logging in and out. Before somebody is known, and so outside any tenant's resources.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use interlock_domain::{AccountId, Session, SessionId};

use super::{
    at::At,
    auth::{Admin, Anybody, Caller, Read, Write, session},
    payload::Payload,
    wire,
};
use crate::{
    App, FlowError,
    flow::{
        enrolment::{self, EnrolmentDone, EnrolmentOffer, EnrolmentRequest, Invitation, InvitationCode},
        login::{
            self, LoggedIn, LoginRequest, PasskeyChallenge, PasskeyLogin,
            password::{self, PasswordChange},
        },
    },
    limits::Class,
    peer::Peer,
    problem::Problem,
};

/// Log in with password and a second factor
///
/// The answer sets the session's cookie and holds the token that goes into `X-CSRF-Token` of whatever changes something. Whoever
/// cannot log in gets one answer, whatever is wrong.
#[utoipa::path(post, path = "/v1/login", tag = "login", request_body = LoginRequest,
    responses((status = 200, description = "A new session", body = wire::login::LoggedIn)))]
pub(super) async fn with_password(
    State(app): State<Arc<App>>,
    peer: Peer,
    Payload(request): Payload<LoginRequest>,
) -> Result<impl IntoResponse, Problem> {
    admit(&app, peer)?;
    let logged_in = login::with_password(&app, request, &peer.to_string()).await?;
    logged_in_once_more(&app, peer, &logged_in, 1);
    Ok(welcome(&app, logged_in))
}

/// Ask for a challenge to log in with a passkey
#[utoipa::path(post, path = "/v1/login/challenge", tag = "login",
    responses((status = 200, description = "What the authenticator signs", body = PasskeyChallenge)))]
pub(super) async fn challenge(
    State(app): State<Arc<App>>,
    peer: Peer,
) -> Result<Json<PasskeyChallenge>, Problem> {
    admit(&app, peer)?;
    Ok(Json(login::challenge(&app).await?))
}

/// Log in with a passkey
#[utoipa::path(post, path = "/v1/login/passkey", tag = "login", request_body = PasskeyLogin,
    responses((status = 200, description = "A new session", body = wire::login::LoggedIn)))]
pub(super) async fn with_passkey(
    State(app): State<Arc<App>>,
    peer: Peer,
    Payload(request): Payload<PasskeyLogin>,
) -> Result<impl IntoResponse, Problem> {
    admit(&app, peer)?;
    let logged_in = login::with_passkey(&app, request, &peer.to_string()).await?;
    // The challenge counted too.
    logged_in_once_more(&app, peer, &logged_in, 2);
    Ok(welcome(&app, logged_in))
}

/// Nor does one account log in without end: what is above its own limit stays counted by address.
pub(super) fn logged_in_once_more(app: &App, peer: Peer, logged_in: &LoggedIn, taken: u32) {
    if app.limits.account(Class::Logins, logged_in.account.id.as_str(), app.clock.now()).is_ok() {
        led_to_something(app, peer, taken);
    }
}

/// Whoever is not known yet is counted by address.
pub(super) fn admit(app: &App, peer: Peer) -> Result<(), Problem> {
    app.limits.address(Class::Logins, peer.0, app.clock.now())?;
    Ok(())
}

/// Only tries that come to nothing use up what an address may: a whole hospital logs in from one.
fn led_to_something(app: &App, peer: Peer, taken: u32) {
    app.limits.give_back(Class::Logins, peer.0, taken);
}

pub(super) fn welcome(app: &App, logged_in: LoggedIn) -> impl IntoResponse + use<> {
    let csrf = session::csrf(&logged_in.token);
    let answer = wire::login::LoggedIn {
        csrf_token: csrf,
        session: logged_in.session.into(),
        name: logged_in.account.name.clone(),
        account: logged_in.account.into(),
    };
    ([(header::SET_COOKIE, session::cookie(app, &logged_in.token))], Json(answer))
}

/// Log out
///
/// Of a session that began at an identity provider the answer says where to log out there too, if the provider has a page for
/// that: whoever still is logged in there gets a new session here without a question.
#[utoipa::path(post, path = "/v1/logout", tag = "login", security(("session" = [])),
    responses((status = 200, description = "The session is over here, and may last at the provider", body = wire::login::LoggedOut),
        (status = 204, description = "The session is over")))]
pub(super) async fn out(State(app): State<Arc<App>>, caller: Anybody) -> Result<Response, Problem> {
    let mut there = None;
    if let Some(session) = &caller.0.session {
        login::end(&app, &caller.0.actor, &session.id).await?;
        there = login::oidc::log_out_address(&app, session).await;
    }
    let over = [(header::SET_COOKIE, session::no_cookie(&app))];
    Ok(match there {
        Some(logout_url) => (over, Json(wire::login::LoggedOut { logout_url })).into_response(),
        None => (StatusCode::NO_CONTENT, over).into_response(),
    })
}

/// Set another password
///
/// In a session, with the password of now and a code. All sessions end; the answer is a new one.
#[utoipa::path(post, path = "/v1/me/password", tag = "login", security(("session" = [])), request_body = PasswordChange,
    responses((status = 200, description = "A new session", body = wire::login::LoggedIn)))]
pub(super) async fn password(
    State(app): State<Arc<App>>,
    peer: Peer,
    caller: Anybody,
    Payload(request): Payload<PasswordChange>,
) -> Result<impl IntoResponse, Problem> {
    admit(&app, peer)?;
    let session = caller.0.session.as_deref().ok_or(FlowError::OnlyInPerson)?;
    Ok(welcome(&app, password::change(&app, &caller.0.actor, session, request, &peer.to_string()).await?))
}

/// Show who asks
#[utoipa::path(get, path = "/v1/me", tag = "login", security(("key" = ["read"]), ("session" = [])),
    responses((status = 200, description = "Who it is, and in which session", body = wire::login::Me)))]
pub(super) async fn me(
    State(app): State<Arc<App>>,
    caller: Anybody,
) -> Result<Json<wire::login::Me>, Problem> {
    let known = caller.0;
    let means = login::means_changed(&app, &known.actor).await?;
    Ok(Json(wire::login::Me {
        means_changed_at: means.map(|at| at.to_string()),
        csrf_token: known.csrf.as_deref().map(str::to_owned),
        session: known.session.as_deref().cloned().map(Into::into),
        actor: (*known.actor).clone(),
    }))
}

/// List one's own sessions
#[utoipa::path(get, path = "/sessions", tag = "login", security(("key" = ["read"]), ("session" = [])),
    responses((status = 200, description = "Those that last", body = wire::login::Sessions)))]
pub(super) async fn sessions(
    State(app): State<Arc<App>>,
    caller: Caller<Read>,
) -> Result<Json<wire::login::Sessions>, Problem> {
    let found = login::sessions(&app, &caller.actor).await?;
    Ok(Json(wire::login::Sessions { items: found.into_iter().map(Session::into).collect() }))
}

/// End one of one's own sessions
#[utoipa::path(delete, path = "/sessions/{id}", tag = "login", security(("key" = ["write"]), ("session" = [])),
    params(("id" = String, Path, description = "The session")),
    responses((status = 204, description = "It is over")))]
pub(super) async fn end(
    State(app): State<Arc<App>>,
    caller: Caller<Write>,
    At(id): At<SessionId>,
) -> Result<StatusCode, Problem> {
    login::end(&app, &caller.actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Invite the person of an account to set by what they log in
///
/// What they logged in with before ends, and so do their sessions. An account with a role that takes two administrators waits for
/// the second one, and for 24 hours when it was somebody's already.
#[utoipa::path(post, path = "/accounts/{id}/enrolment", tag = "login", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The account")),
    responses((status = 201, description = "The invitation and, this once, its code", body = Invitation)))]
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    caller: Caller<Admin>,
    At(id): At<AccountId>,
) -> Result<impl IntoResponse, Problem> {
    let invitation = enrolment::invite(&app, &caller.actor, &id).await?;
    let shown = Invitation { code: String::new(), ..invitation.clone() };
    let kept = super::idempotency::WithoutSecret(serde_json::to_vec(&shown).unwrap_or_default());
    Ok((StatusCode::CREATED, axum::Extension(kept), Json(invitation)))
}

/// Follow an invitation: see what can be set
#[utoipa::path(post, path = "/v1/enrolments", tag = "login", request_body = InvitationCode,
    responses((status = 200, description = "What to set", body = EnrolmentOffer)))]
pub(super) async fn enrol(
    State(app): State<Arc<App>>,
    peer: Peer,
    Payload(request): Payload<InvitationCode>,
) -> Result<Json<EnrolmentOffer>, Problem> {
    admit(&app, peer)?;
    let offer = enrolment::begin(&app, request).await?;
    led_to_something(&app, peer, 1);
    Ok(Json(offer))
}

/// Set by what to log in
#[utoipa::path(post, path = "/v1/enrolments/complete", tag = "login", request_body = EnrolmentRequest,
    responses((status = 200, description = "It is set", body = EnrolmentDone)))]
pub(super) async fn enrolled(
    State(app): State<Arc<App>>,
    peer: Peer,
    Payload(request): Payload<EnrolmentRequest>,
) -> Result<Json<EnrolmentDone>, Problem> {
    admit(&app, peer)?;
    let done = enrolment::complete(&app, request).await?;
    led_to_something(&app, peer, 1);
    Ok(Json(done))
}
