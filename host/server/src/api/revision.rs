//! Revisions: `ETag` says which one was read, `If-Match` which one a caller means.

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::problem::{Kind, Problem};

/// The revision that a caller means to act on; any when absent or `*`.
pub(crate) struct IfMatch(pub(crate) Option<u64>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(given) = parts.headers.get(header::IF_MATCH) else { return Ok(IfMatch(None)) };
        let text = given.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(IfMatch(None));
        }
        if text.starts_with("W/") {
            // RFC 9110: `If-Match` compares strongly, and a weak tag matches nothing.
            return Err(Problem::new(
                Kind::Stale,
                "a weak tag matches no revision; send the `ETag` as it came",
            ));
        }
        let revision =
            text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(|text| text.parse().ok());
        match revision {
            Some(revision) => Ok(IfMatch(Some(revision))),
            None => {
                Err(Problem::header("If-Match", "this is no `ETag` of this server, which looks like `\"3\"`"))
            }
        }
    }
}

/// An answer about a revision of something.
pub(crate) struct Tagged<T>(pub(crate) u64, pub(crate) T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let Tagged(revision, body) = self;
        let mut response = Json(body).into_response();
        if let Ok(tag) = HeaderValue::try_from(format!("\"{revision}\"")) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}
