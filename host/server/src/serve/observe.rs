//! What happens around every request: trace id, span, time limit, catch of panics, headers, metrics, one log line.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use metrics::{counter, histogram};
use tracing::{Instrument, Level, debug, error, field::Empty, info, span};

use super::headers::secure;
use crate::{
    App, api, gates,
    peer::Peer,
    problem::{self, Kind, Problem},
    trace,
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
/// The route of what is not there: one label for all of it, so that scanners cannot fill the metrics.
const NOWHERE: &str = "none";

/// The outermost layer.
pub(super) async fn observe(
    State(app): State<Arc<App>>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let drawn = app.clock.uuid();
    let trace = trace_of(request.headers()).unwrap_or_else(|| drawn.simple().to_string());
    // What is random in an id of this kind is at its end.
    let span_id = format!("{:016x}", drawn.as_u128() as u64);
    let route = matched.as_ref().map_or(NOWHERE, MatchedPath::as_str).to_owned();
    let method = method(request.method());
    let path = gates::redacted(request.uri().path());
    let peer = Peer::of(&app.config.http, request.extensions(), request.headers());
    request.extensions_mut().insert(peer);
    // What the decision API answers is on record: a line and a span for each of thousands a second say nothing more.
    let recorded = route.contains("/access/v1/");
    macro_rules! request_span {
        ($level:expr) => {
            span!(
                $level,
                "request",
                method,
                route,
                trace_id = trace,
                client = Empty,
                tenant = Empty,
                account = Empty
            )
        };
    }
    let span = if recorded { request_span!(Level::DEBUG) } else { request_span!(Level::INFO) };
    if let Peer(Some(client)) = peer {
        span.record("client", client.to_string());
    }

    let limit =
        (!api::is_unhurried(&route)).then(|| Duration::from_millis(app.config.server.request_timeout_ms));
    let handled = problem::handling(path.clone(), guarded(limit, next.run(request)));
    let mut response = trace::with(trace.clone(), handled).instrument(span.clone()).await;

    secure(response.headers_mut(), &path);
    if let Ok(value) = HeaderValue::try_from(format!("00-{trace}-{span_id}-01")) {
        response.headers_mut().insert(TRACEPARENT, value);
    }
    if let Ok(value) = HeaderValue::try_from(&trace) {
        response.headers_mut().insert(TRACE_ID, value);
    }
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    counter!("http_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!("http_request_duration_seconds", "route" => route.clone(), "method" => method)
        .record(elapsed.as_secs_f64());
    let elapsed_ms = elapsed.as_secs_f64() * 1e3;
    let problem = response.extensions().get::<Kind>().map(|kind| kind.slug());
    let loud = route.starts_with("/v1/") || route.starts_with("/gate/");
    span.in_scope(|| match loud && !(recorded && status < 400) {
        true => info!(status, elapsed_ms, path, problem, "request"),
        // A fleet polls a thousand times a second, and probes never end.
        false => debug!(status, elapsed_ms, path, problem, "request"),
    });
    response
}

/// Answers within the limit, and also when the handler panics.
async fn guarded(limit: Option<Duration>, work: impl Future<Output = Response>) -> Response {
    let work = AssertUnwindSafe(work).catch_unwind();
    let done = match limit {
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => {
                let detail =
                    format!("no answer within {} ms; repeat it to learn what came of it", limit.as_millis());
                return Problem::new(Kind::TimedOut, detail).into_response();
            }
        },
        None => work.await,
    };
    done.unwrap_or_else(|panic| {
        let said =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        error!(panic = said.unwrap_or("without a message"), "a handler panicked");
        Problem::internal(&"a handler panicked").into_response()
    })
}

fn trace_of(headers: &HeaderMap) -> Option<String> {
    trace::of_traceparent(headers.get(TRACEPARENT)?.to_str().ok()?)
}

/// The method as a label: clients may invent methods, metrics may not grow with them.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_as_a_problem_without_its_message() {
        let response = guarded(None, async { panic!("the password is hunter2") }).await;
        assert_eq!(response.extensions().get(), Some(&Kind::Internal));
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("hunter2"));
    }

    #[test]
    fn uploads_and_costly_questions_may_take_their_time_and_nothing_else() {
        for unhurried in ["artifacts/{name}/{version}", "ledger/verify", "decisions/{id}/replay"] {
            assert!(api::is_unhurried(&format!("/v1/tenants/{{tenant}}/{unhurried}")), "{unhurried}");
        }
        for hurried in ["ledger/entries", "changes", "changes/{id}/approve", "artifacts/{id}"] {
            assert!(!api::is_unhurried(&format!("/v1/tenants/{{tenant}}/{hurried}")), "{hurried}");
        }
    }

    #[tokio::test]
    async fn a_request_without_end_is_answered_at_the_limit() {
        let response = guarded(Some(Duration::ZERO), std::future::pending()).await;
        assert_eq!(response.extensions().get(), Some(&Kind::TimedOut));
    }
}
