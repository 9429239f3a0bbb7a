//! The decision API: OpenID AuthZEN Authorization API 1.0, for each tenant that has an application.
//!
//! The policy decision point of tenant `mercy` is `https://HOST/v1/tenants/mercy`; what AuthZEN puts below it is there:
//! `access/v1/evaluation`, `access/v1/evaluations`, `access/v1/search/{subject,resource,action}`. Where it is announced:
//! `/.well-known/authzen-configuration/v1/tenants/mercy`.
//!
//! **Invariant:** a question that is well formed is answered with 200, yes or no; everything else has a status code and a
//! sentence as its body, as AuthZEN wants it.

mod body;
mod error;
mod evaluation;
mod metadata;
mod request;
mod search;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::HeaderName,
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{get, post},
};

use crate::{App, api};

/// Given back as it came.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Its routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let access = Router::new()
        .route("/access/v1/evaluation", post(evaluation::one))
        .route("/access/v1/evaluations", post(evaluation::several))
        .route("/access/v1/requests", post(request::make))
        .route("/access/v1/requests/{id}", get(request::look))
        .route("/access/v1/search/subject", post(search::subject))
        .route("/access/v1/search/resource", post(search::resource))
        .route("/access/v1/search/action", post(search::action))
        .route_layer(from_fn_with_state(app.clone(), api::authenticate));
    Router::new()
        .nest("/v1/tenants/{tenant}", access)
        .route("/.well-known/authzen-configuration/v1/tenants/{tenant}", get(metadata::show))
        .route_layer(from_fn(plainly))
        .with_state(app)
}

/// The request's id is given back, and a problem becomes a sentence.
async fn plainly(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = error::plain(next.run(request).await);
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
