//! The cookie of somebody who logged in.
//!
//! **Invariant:** a cookie alone changes nothing: browsers send it along with what other pages ask for. Whatever changes
//! something carries a token that no other page can read, and comes from a page of our own.

use axum::http::{HeaderMap, HeaderValue, Method, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_domain::Scope;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Known, refused};
use crate::{
    App,
    flow::login,
    problem::{Kind, Problem},
};

/// The header that carries the token.
pub(crate) const CSRF: &str = "X-CSRF-Token";
/// Browsers take a cookie of this name only from this host, over TLS, for every path.
pub(crate) const SECURE: &str = "__Host-interlock";
/// Its name where there is no TLS.
const PLAIN: &str = "interlock";
/// The cookie of a login at an identity provider, while it lasts.
const LOGIN_SECURE: &str = "__Host-interlock-login";
/// Its name where there is no TLS.
const LOGIN_PLAIN: &str = "interlock-login";
/// Longer texts are no tokens.
const TOKEN_MAX: usize = 128;

/// The session that was shown, before anything was looked up.
pub(super) struct Shown<'a> {
    token: &'a str,
    method: &'a Method,
    headers: &'a HeaderMap,
}

/// The session in these headers, if there is one.
pub(super) fn shown<'a>(
    app: &App,
    method: &'a Method,
    headers: &'a HeaderMap,
) -> Result<Option<Shown<'a>>, Problem> {
    let mut ours = cookies(headers, name(app));
    match (ours.next(), ours.next()) {
        (None, _) => Ok(None),
        (Some(token), None) if token.len() <= TOKEN_MAX => Ok(Some(Shown { token, method, headers })),
        (Some(_), _) => Err(refused("the cookie is none of this server's, or stands twice; log in again")),
    }
}

/// The values of the cookies of this name.
fn cookies<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|text| text.split(';')).filter_map(move |pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

impl Shown<'_> {
    /// Whether it worked lately.
    pub(super) fn worked(&self, app: &App) -> bool {
        app.keys.session_worked(&login::hash_of(self.token))
    }

    /// Who is logged in.
    pub(super) async fn known(self, app: &App) -> Result<Known, Problem> {
        let Some((actor, session)) = login::authenticate(app, self.token).await? else {
            return Err(refused("the session is over; log in again: POST /v1/login"));
        };
        if !self.method.is_safe() {
            self.check_page(app)?;
        }
        Ok(Known {
            session: Some(session.into()),
            csrf: Some(csrf(self.token).into()),
            ..Known::new(actor, vec![Scope::Read, Scope::Write, Scope::Admin])
        })
    }

    fn check_page(&self, app: &App) -> Result<(), Problem> {
        let text = |name: &str| self.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let given = text(CSRF).unwrap_or_default();
        if !bool::from(given.as_bytes().ct_eq(csrf(self.token).as_bytes())) {
            let detail = format!("`{CSRF}` is missing or is not this session's; `GET /v1/me` answers it");
            return Err(Problem::new(Kind::CrossSite, detail).with("header", CSRF));
        }
        if let Some(site) = text("sec-fetch-site")
            && !matches!(site, "same-origin" | "none")
        {
            let detail = "another site asked for this; open a page of this server";
            return Err(Problem::new(Kind::CrossSite, detail).with("header", "Sec-Fetch-Site"));
        }
        if let Some(origin) = text("origin")
            && !is_ours(app, origin, text("host"))
        {
            let detail = "this came from another page; open a page of this server";
            return Err(Problem::new(Kind::CrossSite, detail).with("header", "Origin"));
        }
        Ok(())
    }
}

/// Whether a page of this origin is ours.
fn is_ours(app: &App, origin: &str, host: Option<&str>) -> bool {
    let public = app.config.server.public_url.trim_end_matches('/');
    origin == public
        || app.config.login.passkey_origins.iter().any(|page| page == origin)
        || host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, there)| there == host))
}

/// The token that goes with a session's: only who has that can work it out.
pub(crate) fn csrf(token: &str) -> String {
    let digest = Sha256::new().chain_update("interlock csrf\n").chain_update(token).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// What a browser keeps.
pub(crate) fn cookie(app: &App, token: &str) -> HeaderValue {
    set(app, token, app.config.login.session_ms / 1_000)
}

/// What makes a browser forget it.
pub(crate) fn no_cookie(app: &App) -> HeaderValue {
    set(app, "", 0)
}

/// What a browser keeps while it is at an identity provider. `Lax`: it comes back from another site.
pub(crate) fn login_cookie(app: &App, secret: &str) -> HeaderValue {
    set_as(app, login_name(app), secret, "Lax", app.config.login.challenge_ms / 1_000)
}

/// What makes a browser forget it.
pub(crate) fn no_login_cookie(app: &App) -> HeaderValue {
    set_as(app, login_name(app), "", "Lax", 0)
}

/// What a browser kept; nothing when it stands twice.
pub(crate) fn login_secret(app: &App, headers: &HeaderMap) -> Option<String> {
    let mut ours = cookies(headers, login_name(app));
    match (ours.next(), ours.next()) {
        (Some(secret), None) if !secret.is_empty() && secret.len() <= TOKEN_MAX => Some(secret.to_owned()),
        _ => None,
    }
}

fn set(app: &App, value: &str, max_age_s: u64) -> HeaderValue {
    set_as(app, name(app), value, "Strict", max_age_s)
}

fn set_as(app: &App, name: &str, value: &str, site: &str, max_age_s: u64) -> HeaderValue {
    let secure = if app.config.login.plain_http { "" } else { "; Secure" };
    let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite={site}; Max-Age={max_age_s}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn name(app: &App) -> &'static str {
    if app.config.login.plain_http { PLAIN } else { SECURE }
}

fn login_name(app: &App) -> &'static str {
    if app.config.login.plain_http { LOGIN_PLAIN } else { LOGIN_SECURE }
}
