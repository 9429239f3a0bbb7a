//! Logging in at an identity provider: the browser is sent there, and comes back.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts as _, Path, Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    auth::session,
    login::{admit, logged_in_once_more, welcome},
    payload::Payload,
    wire,
};
use crate::{
    App, FlowError,
    flow::login::oidc::{self, Back, Finished, For, HandedCode},
    peer::Peer,
    problem::Problem,
};

/// What a login is for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    /// The path on this server to go to afterwards; `/v1/me` when absent.
    next: Option<String>,
    /// The port of the program on this machine that wants to log in (RFC 8252).
    port: Option<u16>,
    /// The SHA-256 of what that program alone has, base64url.
    challenge: Option<String>,
}

/// Log in at an identity provider
///
/// For a browser: it is sent there, and comes back with a session. `docs/identity.md` says how a provider is set up.
#[utoipa::path(get, path = "/v1/login/oidc/{provider}", tag = "login",
    params(("provider" = String, Path, description = "Its name in the configuration"), Wanted),
    responses((status = 303, description = "To the provider",
        headers(("Location" = String, description = "Its page"), ("Set-Cookie" = String, description = "Of this login")))))]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    peer: Peer,
    Path(provider): Path<String>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    admit(&app, peer)?;
    let asked: Wanted = query(request).await?;
    let wanted = match (asked.port, asked.challenge) {
        (None, None) => For::Page(oidc::next(asked.next)),
        (Some(port), Some(challenge)) if asked.next.is_none() => For::Program { port, challenge },
        _ => return Err(Problem::parameter("port", "give `port` and `challenge` together, or `next`")),
    };
    let begun = oidc::begin(&app, &provider, wanted).await.map_err(of_query)?;
    let cookie = session::login_cookie(&app, &begun.secret);
    Ok(found(&begun.location, cookie))
}

/// Come back from an identity provider
#[utoipa::path(get, path = "/v1/login/oidc/{provider}/callback", tag = "login",
    params(("provider" = String, Path, description = "Its name in the configuration"), Back),
    responses((status = 200, description = "A page that goes on, with a new session in a cookie; or one that hands the \
        login to the program that asked for it", content_type = "text/html", body = String)))]
pub(super) async fn back(
    State(app): State<Arc<App>>,
    peer: Peer,
    Path(provider): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    admit(&app, peer)?;
    let back: Back = query(request).await?;
    let secret = session::login_secret(&app, &headers);
    let finished = oidc::finish(&app, &provider, back, secret.as_deref(), &peer.to_string()).await?;
    let mut response = match finished {
        Finished::Page { logged_in, next } => {
            // It was counted when it began, too.
            logged_in_once_more(&app, peer, &logged_in, 2);
            let cookie = session::cookie(&app, &logged_in.token);
            let mut response = page(&goes_on(&next));
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Finished::Program { port, code, name, word } => page(&hands_over(port, &code, &name, &word)),
    };
    response.headers_mut().append(header::SET_COOKIE, session::no_login_cookie(&app));
    Ok(response)
}

/// Take over a login that was made in a browser
///
/// For the program that the login was for: with the code that the browser brought, and what its challenge is the SHA-256 of.
#[utoipa::path(post, path = "/v1/login/handed", tag = "login", request_body = HandedCode,
    responses((status = 200, description = "A new session", body = wire::login::LoggedIn)))]
pub(super) async fn handed(
    State(app): State<Arc<App>>,
    peer: Peer,
    Payload(request): Payload<HandedCode>,
) -> Result<impl IntoResponse, Problem> {
    admit(&app, peer)?;
    let logged_in = oidc::take_over(&app, request, &peer.to_string()).await?;
    // It was counted when it began and when the browser came back, too.
    logged_in_once_more(&app, peer, &logged_in, 3);
    Ok(welcome(&app, logged_in))
}

async fn query<T: serde::de::DeserializeOwned + 'static>(request: Request) -> Result<T, Problem> {
    let (mut parts, _) = request.into_parts();
    let read = Query::<T>::from_request_parts(&mut parts, &()).await;
    read.map(|Query(read)| read).map_err(|error| Problem::parameter("", error.body_text()))
}

/// What is a field to the flow is a parameter here.
fn of_query(error: FlowError) -> Problem {
    match error {
        FlowError::Invalid { field, detail } => Problem::parameter(field.trim_start_matches('/'), detail),
        error => error.into(),
    }
}

fn found(location: &str, cookie: HeaderValue) -> (StatusCode, [(HeaderName, HeaderValue); 2]) {
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location), (header::SET_COOKIE, cookie)])
}

fn page(body: &str) -> Response {
    let html = format!("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">{body}</html>\n");
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// Not a redirect: a browser that follows one from another site does not send the session's cookie, which is `SameSite=Strict`.
fn goes_on(next: &str) -> String {
    let next = escaped(next);
    format!(
        "<title>Logged in</title><meta http-equiv=\"refresh\" content=\"0;url={next}\"></head>\
         <body><p>You are logged in. <a href=\"{next}\">Go on</a></p></body>"
    )
}

/// Not by itself: whoever looks at it decides, so that a link alone gives no program a session.
fn hands_over(port: u16, code: &str, name: &str, word: &str) -> String {
    let (name, code) = (escaped(name), escaped(code));
    format!(
        "<title>Log in a program</title></head><body><p>A program on this computer wants to log in as <b>{name}</b>. \
         Go on only if you have just started it and it shows <b>{word}</b>.</p>\
         <p><a href=\"http://127.0.0.1:{port}/?code={code}\">Log it in</a></p></body>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
