//! Gates that other engines ask, each in the engine's own protocol: Flagger, Argo Rollouts, Kayenta, Kubernetes.
//!
//! Below `/gate/{token}` for engines that can send no header, and below `/v1/tenants/{tenant}/gates/{gate}` for those that
//! send a key.
//!
//! **Invariant:** a token stands in no log, record or answer; what does not answer in time is a no.

mod argo;
pub(crate) mod document;
mod flagger;
mod kayenta;
mod kubernetes;
mod read;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{FromRequestParts, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::request::Parts,
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{get, post},
};
use interlock_domain::{Engine, GateName};
use tracing::{Span, info};

use crate::{
    App, FlowError, api,
    flow::{
        engine::{self, Said, Wish},
        gate::{self, Through},
    },
    limits::Class,
    peer::Peer,
    problem::{Kind, Problem},
};

/// Where gates with a token in the path are.
const BY_TOKEN: &str = "/gate/";

/// Its routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let engines = || {
        Router::new()
            .route("/flagger/{hook}", post(flagger::hook))
            .route("/argo", get(argo::by_query).post(argo::by_body).put(argo::by_body))
            .route("/kayenta/canaryConfig", get(kayenta::configs))
            .route("/kayenta/canary/{id}", get(kayenta::look).post(kayenta::begin))
            .route("/kayenta/judge", post(kayenta::judge))
            .route("/kubernetes", post(kubernetes::review))
    };
    let by_token = engines().route_layer(from_fn_with_state(app.clone(), by_token));
    let by_name = engines()
        .route_layer(from_fn_with_state(app.clone(), by_name))
        .route_layer(from_fn_with_state(app.clone(), api::authenticate));
    Router::new()
        .nest("/gate/{token}", by_token)
        .nest("/v1/tenants/{tenant}/gates/{gate}", by_name)
        .with_state(app)
}

/// A path without the token in it: what logs and problems say.
pub(crate) fn redacted(path: &str) -> String {
    match path.strip_prefix(BY_TOKEN) {
        Some(rest) => match rest.split_once('/') {
            Some((_, rest)) => format!("{BY_TOKEN}***/{rest}"),
            None => format!("{BY_TOKEN}***"),
        },
        None => path.to_owned(),
    }
}

/// Lets in only those with a good token.
async fn by_token(
    State(app): State<Arc<App>>,
    peer: Peer,
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = param(&params, "token");
    let now = app.clock.now();
    let through = match gate::by_token(&app, &token).await? {
        Ok(through) => through,
        Err(refusal) => {
            info!(%refusal, "a gate's token was refused");
            // Whoever guesses uses up what their address may.
            app.limits.address(Class::Unauthenticated, peer.0, now)?;
            return Err(Problem::new(Kind::Unauthenticated, refusal.to_string()));
        }
    };
    peer.admit(&app, &through.gate.tenant)?;
    app.limits.account(Class::Questions, through.actor.account.as_str(), now)?;
    let span = Span::current();
    span.record("tenant", through.gate.tenant.as_str());
    span.record("account", through.actor.account.as_str());
    pass(through, request, next).await
}

/// Lets in those whose key is known already, where there is a gate of this name.
async fn by_name(
    State(app): State<Arc<App>>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    caller: api::Caller<api::Read>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let name = param(&params, "gate");
    let absent = || Problem::not_found("gate", &name.chars().take(80).collect::<String>());
    let name: GateName = name.parse().map_err(|_| absent())?;
    let through = gate::by_name(&app, &caller.actor, &name).await?;
    pass(through, request, next).await
}

async fn pass(through: Through, mut request: Request, next: Next) -> Result<Response, Problem> {
    request.extensions_mut().insert(through);
    Ok(next.run(request).await)
}

fn param(params: &Result<RawPathParams, RawPathParamsRejection>, name: &str) -> String {
    let found = params.iter().flatten().find(|(each, _)| *each == name);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// The gate that is asked through.
struct Asking(Arc<Through>);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let through = parts.extensions.get::<Through>().cloned();
        through
            .map(|through| Self(Arc::new(through)))
            .ok_or_else(|| Problem::internal(&"a route is not behind a gate"))
    }
}

impl Asking {
    /// The same gate, if it is for this engine.
    fn of(self, engine: Engine) -> Result<Arc<Through>, Problem> {
        let made_for = self.0.gate.engine;
        if made_for == engine {
            return Ok(self.0);
        }
        Err(Problem::new(
            Kind::NotFound,
            format!("this gate is for {made_for}, not for {engine}; have one made for it"),
        ))
    }
}

/// Answers through a gate within the time that there is. The error says why there is no answer.
async fn answered(app: &App, through: &Through, wish: Wish, most: Option<Duration>) -> Result<Said, String> {
    let limit = Duration::from_millis(app.config.engines.timeout_ms);
    let limit = most.map_or(limit, |most| most.min(limit));
    match tokio::time::timeout(limit, engine::answer(app, through, wish)).await {
        Ok(done) => done.map_err(|error| said_of(&error)),
        Err(_) => Err(format!("there is no answer within {} ms", limit.as_millis())),
    }
}

/// What an engine is told of a failure: what a caller of the API is, and nothing of the inside.
fn said_of(error: &FlowError) -> String {
    match error {
        FlowError::Store(_) => "the answer cannot be put on record just now, so there is none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_cut_out_of_every_path() {
        for (path, shown) in [
            ("/gate/ilg_1_secret/flagger/rollback", "/gate/***/flagger/rollback"),
            ("/gate/ilg_1_secret", "/gate/***"),
            ("/gate/ilg_1_secret/", "/gate/***/"),
            ("/v1/tenants/mercy/gates/x/argo", "/v1/tenants/mercy/gates/x/argo"),
        ] {
            assert_eq!(redacted(path), shown);
        }
    }
}
