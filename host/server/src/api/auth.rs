//! Who asks, and what their key is for.
//!
//! **Invariant:** no handler below `/v1/tenants/{tenant}` runs for a caller of another tenant, and every handler says
//! in its signature which scope it needs.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::{FromRequestParts, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use interlock_domain::{Actor, Scope};
use tracing::{Span, info};

use crate::{
    App, FlowError,
    flow::key,
    problem::{Kind, Problem},
};

/// Longer texts are no keys.
const AUTHORIZATION_MAX: usize = 256;

/// Somebody whose key is good, as the middleware leaves them in the request.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) actor: Arc<Actor>,
    scopes: Arc<[Scope]>,
}

/// Lets in only those with a good key of the tenant in the path.
pub(crate) async fn authenticate(
    State(app): State<Arc<App>>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (actor, scopes) = known(&app, request.headers()).await?;
    // A path that is not UTF-8 names nothing.
    let params = params.map_err(|_| Problem::not_found("path", request.uri().path()))?;
    let tenant =
        params.iter().find(|(name, _)| *name == "tenant").map(|(_, tenant)| tenant).unwrap_or_default();
    if tenant != actor.tenant.as_str() {
        // The same answer as for a tenant that does not exist.
        return Err(Problem::not_found("tenant", &tenant.chars().take(80).collect::<String>()));
    }
    let span = Span::current();
    span.record("tenant", tenant);
    span.record("account", actor.account.as_str());
    request.extensions_mut().insert(Known { actor: Arc::new(actor), scopes: scopes.into() });
    Ok(next.run(request).await)
}

async fn known(app: &App, headers: &HeaderMap) -> Result<(Actor, Vec<Scope>), Problem> {
    let refused = |detail: &str| Problem::new(Kind::Unauthenticated, detail);
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Err(refused("there is no `Authorization` header; send `Authorization: Bearer ilk_…`"));
    };
    let text = given.to_str().ok().filter(|text| text.len() <= AUTHORIZATION_MAX);
    let token = text
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return Err(refused("the `Authorization` header is not of the form `Bearer ilk_…`"));
    };
    match key::authenticate(app, token.trim()).await? {
        Ok(known) => Ok(known),
        Err(refusal) => {
            info!(%refusal, "a key was refused");
            Err(refused(match refusal {
                // Only who holds the secret gets so far, so they may know.
                key::KeyRefusal::Expired | key::KeyRefusal::Revoked | key::KeyRefusal::Inactive => {
                    return Err(refused(&refusal.to_string()));
                }
                // Alike, so that nobody learns which keys exist.
                key::KeyRefusal::Malformed | key::KeyRefusal::Unknown => {
                    "this key does not work here; check it or ask an administrator for a new one"
                }
            }))
        }
    }
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

fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    }
}
