//! What went wrong, as people and programs read it: RFC 9457 problems whose `type` is a page of this server.
//!
//! **Invariant:** a problem says what the caller needs and nothing of the inside. What only the operator needs is
//! logged once, where the problem is made, under the trace id that the problem carries.

mod flow;
mod kind;
pub(crate) mod page;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value};

pub use kind::Kind;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

tokio::task_local! {
    static INSTANCE: String;
}

/// Runs `work` as the handling of the request to this path; problems made meanwhile name it as their `instance`.
pub(crate) async fn handling<T>(path: String, work: impl Future<Output = T>) -> T {
    INSTANCE.scope(path, work).await
}

/// The path of the request that is being handled.
pub(crate) fn instance() -> Option<String> {
    INSTANCE.try_with(Clone::clone).ok()
}

/// What a problem says, left in its answer for edges whose protocol has another form for it.
#[derive(Debug, Clone)]
pub(crate) struct Said(pub(crate) String);

/// A problem, on its way to whoever asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: String,
    extensions: Map<String, Value>,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of this kind; `detail` says what is wrong with this very request and what to do next.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), extensions: Map::new(), retry_after_s: kind.retry_after_s() }
    }

    /// A field that does not fit. `field` is a JSON pointer into the body.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail).with("field", field.into())
    }

    /// A parameter of the query that does not fit.
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail).with("parameter", name.into())
    }

    /// A header that is missing or does not fit.
    pub fn header(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Kind::BadHeader, detail).with("header", name)
    }

    /// There is no such thing, or it is not the caller's: the two look the same from outside.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} `{id}`"))
    }

    /// Something broke inside. `error` is for the log; the caller only learns under which trace id it stands there.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed inside");
        Self::new(Kind::Internal, "something broke inside the server; its log says what under this trace id")
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// With another time to ask again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The status code that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// What is wrong with this very request.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A member beyond those of RFC 9457, such as `field`.
    pub fn extension(&self, name: &str) -> Option<&Value> {
        self.extensions.get(name)
    }
}

/// The body of a problem (RFC 9457). Other members may follow: `field` (JSON pointer), `parameter`, `header`,
/// `reasons`, `policies`, `decision`, `missing`, `faults`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/problems/invalid", "title": "A field does not fit", "status": 422,
    "detail": "unknown field `titel`, expected one of `environment`, `title`", "field": "/titel",
    "instance": "/v1/tenants/mercy/changes", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
}))]
pub(crate) struct Wire {
    /// Which kind of problem: a page of this server explains it.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in a few words.
    title: &'static str,
    /// The status code.
    status: u16,
    /// What is wrong with this request and what to do next.
    detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// What to look for in logs and in the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    extensions: Map<String, Value>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.kind;
        let retry_after_s = self.retry_after_s;
        let said = Said(self.detail.clone());
        let wire = Wire {
            kind: kind.path(),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: self.detail,
            instance: instance(),
            trace_id: crate::trace::current(),
            extensions: self.extensions,
        };
        // Strings and JSON values only: this cannot fail, and an empty body would still carry the status.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = (kind.status(), [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if kind == Kind::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(kind);
        response.extensions_mut().insert(said);
        response
    }
}

/// What stands where nothing is.
pub(crate) async fn no_such_route(uri: axum::http::Uri) -> Problem {
    let path: String = crate::gates::redacted(uri.path()).chars().take(200).collect();
    Problem::new(Kind::NotFound, format!("there is nothing at `{path}`; see `/docs` for what there is"))
}

/// What stands where something is, but not for this method.
pub(crate) async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> Problem {
    let path: String = crate::gates::redacted(uri.path()).chars().take(200).collect();
    Problem::new(
        Kind::MethodNotAllowed,
        format!("`{path}` takes no {method}; the `Allow` header says what it takes"),
    )
}

#[cfg(test)]
#[path = "problem/tests.rs"]
mod tests;
