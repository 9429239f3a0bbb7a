//! Who asks, and what they may ask for: one file for each way to prove it.
//!
//! **Invariant:** no handler below `/v1/tenants/{tenant}` runs for a caller of another tenant, and every handler says
//! in its signature which scope it needs.

mod jwt;
mod key;
pub(crate) mod session;
mod signed;

use std::{marker::PhantomData, sync::Arc};

use axum::{
    body::Body,
    extract::{
        FromRequestParts, MatchedPath, RawPathParams, Request, State, rejection::RawPathParamsRejection,
    },
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::Response,
};
use interlock_domain::{Actor, Scope, Session, TenantId, Timestamp};
use tracing::Span;

use crate::{
    App, FlowError,
    limits::Class,
    peer::Peer,
    problem::{Kind, Problem},
};

/// Somebody who proved who they are, as the middleware leaves them in the request.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) actor: Arc<Actor>,
    scopes: Arc<[Scope]>,
    /// Of a person who logged in.
    pub(crate) session: Option<Arc<Session>>,
    /// The token that goes with it.
    pub(crate) csrf: Option<Arc<str>>,
    /// Whether the request itself is signed.
    signed: bool,
}

impl Known {
    fn new(actor: Actor, scopes: Vec<Scope>) -> Self {
        Self::of(Arc::new(actor), scopes.into())
    }

    fn of(actor: Arc<Actor>, scopes: Arc<[Scope]>) -> Self {
        Self { actor, scopes, session: None, csrf: None, signed: false }
    }

    fn signed(actor: Actor, scopes: Vec<Scope>) -> Self {
        Self { signed: true, ..Self::new(actor, scopes) }
    }
}

/// What somebody shows to prove who they are, before anything was looked up: one case for each way.
/// What it finds says in [`Actor::auth`] which way it was.
enum Shown<'a> {
    Key(key::Shown<'a>),
    Session(session::Shown<'a>),
    Jwt(jwt::Shown<'a>),
}

impl<'a> Shown<'a> {
    /// What stands in these headers. Exactly one way counts: what is ambiguous is refused.
    fn of(app: &App, method: &'a Method, headers: &'a HeaderMap) -> Result<Self, Problem> {
        match session::shown(app, method, headers)? {
            Some(_) if headers.contains_key(header::AUTHORIZATION) => {
                Err(refused("there is a session's cookie and an `Authorization` header; send one of them"))
            }
            Some(shown) => Ok(Shown::Session(shown)),
            None => {
                let text = bearer(headers)?;
                Ok(jwt::shown(text).map_or_else(|| Shown::Key(key::shown(text)), Shown::Jwt))
            }
        }
    }

    /// Whose it is.
    async fn known(self, app: &App, peer: Peer, tenant: Option<&TenantId>) -> Result<Known, Problem> {
        match self {
            Shown::Key(shown) => shown.known(app, peer).await,
            Shown::Session(shown) => shown.known(app).await,
            Shown::Jwt(shown) => shown.known(app, tenant).await,
        }
    }

    /// Whether it worked lately, as far as that is known without a look-up.
    fn worked(&self, app: &App) -> bool {
        match self {
            Shown::Key(shown) => shown.worked(app),
            Shown::Session(shown) => shown.worked(app),
            // Whether it is good is seen before anything is looked up.
            Shown::Jwt(_) => true,
        }
    }
}

/// What stands in `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Err(refused("there is no `Authorization` header; send `Authorization: Bearer ilk_…`"));
    };
    let split = given.to_str().ok().and_then(|text| text.split_once(' '));
    match split.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        Some((_, token)) => Ok(token.trim()),
        None => Err(refused("the `Authorization` header is not of the form `Bearer ilk_…`")),
    }
}

/// The answer to who proves nothing.
fn refused(detail: &str) -> Problem {
    Problem::new(Kind::Unauthenticated, detail)
}

/// Who sent this. Who proves nothing uses up what their address may; then only what worked lately is still looked at, so
/// that somebody who guesses costs nothing and shuts out nobody beside them.
async fn prove(
    app: &App,
    peer: Peer,
    tenant: Option<&TenantId>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Known, Problem> {
    let now = app.clock.now();
    let shown = match Shown::of(app, method, headers) {
        Ok(shown) => shown,
        Err(problem) => return Err(strange(app, peer, now, problem)),
    };
    if !shown.worked(app) {
        app.limits.is_spent(peer.0, now)?;
    }
    shown.known(app, peer, tenant).await.map_err(|problem| counted(app, peer, problem))
}

/// A failure that proves nothing counts.
fn counted(app: &App, peer: Peer, problem: Problem) -> Problem {
    match problem.kind() {
        Kind::Unauthenticated | Kind::NonceReplayed => strange(app, peer, app.clock.now(), problem),
        _ => problem,
    }
}

/// The answer to a stranger: another one when there were too many.
fn strange(app: &App, peer: Peer, now: Timestamp, problem: Problem) -> Problem {
    match app.limits.address(Class::Unauthenticated, peer.0, now) {
        Ok(_) => problem,
        Err(often) => often.into(),
    }
}

/// Lets in only those who prove that they are of the tenant in the path, from where it may be used, and not too often.
pub(crate) async fn authenticate(
    State(app): State<Arc<App>>,
    route: MatchedPath,
    peer: Peer,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    // Nothing that borrows the headers outlives this line.
    let named = params.as_ref().ok().and_then(|params| params.iter().find(|(name, _)| *name == "tenant"));
    let named: Option<TenantId> = named.and_then(|(_, tenant)| tenant.parse().ok());
    let known = if signed::is_signed(request.headers()) {
        app.limits.is_spent(peer.0, app.clock.now())?;
        let read = signed::known(&app, peer, route.as_str(), request).await;
        let (known, whole) = read.map_err(|problem| counted(&app, peer, problem))?;
        request = whole;
        known
    } else {
        prove(&app, peer, named.as_ref(), request.method(), request.headers()).await?
    };
    // A path that is not UTF-8 names nothing.
    let params = params.map_err(|_| Problem::not_found("path", request.uri().path()))?;
    let tenant =
        params.iter().find(|(name, _)| *name == "tenant").map(|(_, tenant)| tenant).unwrap_or_default();
    if tenant != known.actor.tenant.as_str() {
        // The same answer as for a tenant that does not exist. Whoever runs the server sees that it was tried.
        let tenant: String = tenant.chars().take(80).collect();
        let (account, of) = (&known.actor.account, &known.actor.tenant);
        tracing::warn!(%account, %of, %tenant, route = route.as_str(), "an account asked for another tenant");
        return Err(Problem::not_found("tenant", &tenant));
    }
    let span = Span::current();
    span.record("tenant", tenant);
    span.record("account", known.actor.account.as_str());
    peer.admit(&app, &known.actor.tenant)?;
    if !known.signed && must_be_signed(&app, request.method(), route.as_str()) {
        let detail = format!(
            "`{} {}` must be signed; see `docs/identity.md`",
            request.method(),
            below(route.as_str())
        );
        return Err(Problem::new(Kind::SignatureRequired, detail));
    }
    let class = Class::of(request.method(), route.as_str());
    let left = match app.limits.account(class, known.actor.account.as_str(), app.clock.now()) {
        Ok(left) => left,
        Err(often) => return Ok(often.answered()),
    };
    request.extensions_mut().insert(known);
    let mut response = next.run(request).await;
    if let Some(left) = left {
        left.tell(&mut response);
    }
    Ok(response)
}

/// Whether the operator wants this operation signed. `HEAD` is answered by whatever answers `GET`, and so is that.
fn must_be_signed(app: &App, method: &Method, route: &str) -> bool {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let named = |operation: &String| operation.split_once(' ') == Some((method.as_str(), below(route)));
    app.config.identity.signed_operations.iter().any(named)
}

/// A route below its tenant.
fn below(route: &str) -> &str {
    route.split_once("{tenant}").map_or(route, |(_, below)| below)
}

/// What a handler needs a key to be for.
pub(crate) trait Needs: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// Reading.
pub(crate) struct Read;
/// Proposing, approving, operating.
pub(crate) struct Write;
/// Keys and bundles.
pub(crate) struct Admin;

impl Needs for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Needs for Write {
    const SCOPE: Scope = Scope::Write;
}
impl Needs for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// Who asks, with a key that is for this.
pub(crate) struct Caller<N: Needs> {
    pub(crate) actor: Arc<Actor>,
    needs: PhantomData<N>,
}

impl<N: Needs, S: Sync> FromRequestParts<S> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(known) = parts.extensions.get::<Known>() else {
            return Err(Problem::internal(&"a route is not behind authentication"));
        };
        if !known.scopes.contains(&N::SCOPE) {
            return Err(FlowError::OutOfScope { scope: name(N::SCOPE) }.into());
        }
        Ok(Self { actor: known.actor.clone(), needs: PhantomData })
    }
}

/// Whoever proves who they are, of whichever tenant.
pub(crate) struct Anybody(pub(crate) Known);

impl FromRequestParts<Arc<App>> for Anybody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let peer = Peer::found(&parts.extensions);
        let known = if signed::is_signed(&parts.headers) {
            signed_without_body(app, peer, parts).await?
        } else {
            prove(app, peer, None, &parts.method, &parts.headers).await?
        };
        let actor = &known.actor;
        peer.admit(app, &actor.tenant)?;
        let class = Class::of(&parts.method, parts.uri.path());
        app.limits.account(class, actor.account.as_str(), app.clock.now())?;
        Ok(Self(known))
    }
}

/// Who signed a request that only reads: of one with a body nobody has read that yet.
async fn signed_without_body(app: &App, peer: Peer, parts: &Parts) -> Result<Known, Problem> {
    if !parts.method.is_safe() {
        let detail = "only a request that reads may be signed here; log in, or send a key";
        return Err(strange(app, peer, app.clock.now(), refused(detail)));
    }
    app.limits.is_spent(peer.0, app.clock.now())?;
    let request = Request::from_parts(parts.clone(), Body::empty());
    let read = signed::known(app, peer, parts.uri.path(), request).await;
    read.map(|(known, _)| known).map_err(|problem| counted(app, peer, problem))
}

/// A person who logged in. Keys and programs never sign.
pub(crate) struct InPerson {
    pub(crate) actor: Arc<Actor>,
    pub(crate) session: Arc<Session>,
}

impl<S: Sync> FromRequestParts<S> for InPerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(known) = parts.extensions.get::<Known>() else {
            return Err(Problem::internal(&"a route is not behind authentication"));
        };
        let session = known.session.clone().ok_or(FlowError::OnlyInPerson)?;
        Ok(Self { actor: known.actor.clone(), session })
    }
}

fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    }
}
