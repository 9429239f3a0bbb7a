//! `Idempotency-Key`: a POST that changes something is done once, however often it is sent
//! (draft-ietf-httpapi-idempotency-key-header-06).
//!
//! The request is done in a task of its own: a client that hangs up cannot leave it half-answered.

use std::sync::Arc;

use axum::{
    Extension,
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use interlock_store::Begin;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::{Instrument, Span, warn};

use super::{auth::Known, payload};
use crate::{
    App,
    once::{self, Asked},
    problem::{self, Kind, Problem},
};

/// The header.
pub(crate) const KEY: &str = "Idempotency-Key";
/// Says that an answer is not new.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
const KEY_MAX: usize = 255;
/// Largest answer: everything that a POST answers is far smaller.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The headers that belong to an answer.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];
/// Questions that are POSTs because they cost something. They change nothing, so they may be repeated freely.
pub(crate) const QUESTIONS: [&str; 2] = ["/decisions/{id}/replay", "/ledger/verify"];
/// What a challenge makes sure of by itself, and whose body is too secret to be kept even as a digest: each challenge counts
/// once. A challenge that nobody answers is nothing.
const BY_CHALLENGE: [&str; 4] = [
    "/changes/{id}/signatures/intent",
    "/changes/{id}/signatures",
    "/ledger/reviews/intent",
    "/ledger/reviews",
];
/// What is kept under its digest is the same however often it is sent, and too large to be held here.
const BY_DIGEST: &str = "/tenants/{tenant}/plugins";

/// What is kept of an answer with a secret in it: repeating the request does not show the secret again.
#[derive(Debug, Clone)]
pub(crate) struct WithoutSecret(pub(crate) Vec<u8>);

/// An answer as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    headers: Vec<(String, String)>,
    body: String,
}

/// Whether a POST to this route needs no key.
pub(crate) fn needs_no_key(route: &str) -> bool {
    let repeatable = QUESTIONS.iter().chain(&BY_CHALLENGE);
    repeatable.into_iter().any(|end| route.ends_with(end)) || !route.contains("/tenants/{tenant}")
}

/// Does a request once.
pub(crate) async fn once(
    State(app): State<Arc<App>>,
    Extension(known): Extension<Known>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if request.method() != Method::POST || needs_no_key(route.as_str()) || route.as_str().ends_with(BY_DIGEST)
    {
        return Ok(next.run(request).await);
    }
    let key = key(request.headers())?;
    let (parts, body) = request.into_parts();
    let bytes = payload::read(&parts.headers, app.config.server.body_bytes_max, body).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let asked = Asked { key, principal: format!("{}/{}", known.actor.tenant, known.actor.account) };
    let fingerprint = fingerprint([parts.method.as_str(), path, &asked.principal], &bytes);
    match app.store.idempotency_begin(&asked.key, &asked.principal, &fingerprint, app.clock.now()).await? {
        Begin::Fresh => {}
        Begin::Done { status, body } => return replayed(status, &body),
        Begin::InProgress => {
            return Err(Problem::new(
                Kind::IdempotencyInProgress,
                "a request with this key is being handled; repeat it after a moment to get its answer",
            ));
        }
        Begin::AnswerLost { made } => {
            return Err(Problem::new(
                Kind::IdempotencyAnswerLost,
                format!(
                    "this was done, but the server stopped before it could keep its answer; read {made} instead of \
                     sending it again"
                ),
            ));
        }
        Begin::OtherPayload => {
            return Err(Problem::new(
                Kind::IdempotencyKeyReused,
                "this key came before with another body or path; draw a new key for each thing that you want done",
            )
            .with("header", KEY));
        }
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    let work = async move {
        let response = once::with(asked.clone(), next.run(request)).await;
        keep(asked, &app, response).await
    };
    let work = problem::handling(problem::instance().unwrap_or_default(), work);
    let done = match crate::trace::current() {
        Some(trace) => tokio::spawn(crate::trace::with(trace, work).instrument(Span::current())).await,
        None => tokio::spawn(work.instrument(Span::current())).await,
    };
    // A panic: whether something was written before it is not known, so the key stays bound until the store lets go.
    Ok(done.unwrap_or_else(|error| Problem::internal(&error).into_response()))
}

/// Keeps the answer for repeats, unless the same request may come to something else later.
async fn keep(asked: Asked, app: &App, response: Response) -> Response {
    let Asked { key, principal } = asked;
    let kind = response.extensions().get::<Kind>().copied();
    let passing = kind.map_or(response.status().is_server_error(), Kind::is_passing);
    if kind == Some(Kind::OutcomeUnknown) {
        // It may have been done: a repeat must not do it again before somebody has looked.
        return response;
    }
    if passing {
        if let Err(error) = app.store.idempotency_abandon(&key, &principal).await {
            warn!(%error, "an idempotency key could not be let go; it lets go of itself in some seconds");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        return Problem::internal(&"an answer broke off while it was kept").into_response();
    };
    let answer = Answer {
        headers: KEPT
            .iter()
            .filter_map(|name| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned())))
            .collect(),
        body: kept_body(&parts.extensions, &body),
    };
    let text = serde_json::to_string(&answer).unwrap_or_default();
    if let Err(error) = app.store.idempotency_finish(&key, &principal, parts.status.as_u16(), &text).await {
        warn!(%error, "an answer could not be kept; a repeat finds that it was done and not what it was answered");
    }
    Response::from_parts(parts, Body::from(body))
}

fn kept_body(extensions: &axum::http::Extensions, body: &Bytes) -> String {
    let kept = extensions.get::<WithoutSecret>().map_or(&body[..], |without| &without.0);
    String::from_utf8_lossy(kept).into_owned()
}

fn replayed(status: u16, kept: &str) -> Result<Response, Problem> {
    let answer: Answer = serde_json::from_str(kept).map_err(|error| Problem::internal(&error))?;
    let status = StatusCode::from_u16(status).map_err(|error| Problem::internal(&error))?;
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The key, with or without the quotes that the draft asks for.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(given) = headers.get(KEY) else {
        return Err(Problem::new(
            Kind::IdempotencyKeyMissing,
            "there is no `Idempotency-Key`; send a new one for each thing that you want done",
        )
        .with("header", KEY));
    };
    let text = given.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if text.is_empty() || text.len() > KEY_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::header(
            KEY,
            format!("an idempotency key has 1 to {KEY_MAX} printable ASCII characters"),
        ));
    }
    Ok(text.to_owned())
}

/// SHA-256 of method, path, principal and body, each with its length so that none can pass for part of another.
fn fingerprint(parts: [&str; 3], body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in parts.map(str::as_bytes).into_iter().chain([body]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_keeps_its_parts_apart() {
        let one = fingerprint(["POST", "/ab", "c"], b"d");
        assert_ne!(one, fingerprint(["POST", "/a", "bc"], b"d"));
        assert_ne!(one, fingerprint(["POST", "/ab", "cd"], b""));
        assert_eq!(one, fingerprint(["POST", "/ab", "c"], b"d"));
    }

    #[test]
    fn a_key_may_be_quoted_and_must_be_printable() {
        let of = |value: &'static [u8]| {
            key(&HeaderMap::from_iter([(
                HeaderName::from_static("idempotency-key"),
                HeaderValue::from_bytes(value).unwrap(),
            )]))
            .map_err(|problem| problem.kind())
        };
        assert_eq!(of(b"\"abc\"").unwrap(), "abc");
        assert_eq!(of(b"abc").unwrap(), "abc");
        assert_eq!(of(b"a b"), Err(Kind::BadHeader));
        assert_eq!(of(b"\"\""), Err(Kind::BadHeader));
        assert_eq!(of(&[b'k'; 256]), Err(Kind::BadHeader));
    }
}
