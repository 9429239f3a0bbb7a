//! Errors as AuthZEN has them: a status code, and a sentence.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::problem::{Kind, Problem, Said};

/// Why a question is not answered at all.
#[derive(Debug)]
pub(super) struct Unanswerable(Problem);

impl Unanswerable {
    /// The request does not fit.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self(Problem::new(Kind::Invalid, detail))
    }
}

impl<E: Into<Problem>> From<E> for Unanswerable {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Unanswerable {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// The same answer with a problem as a sentence. What does not fit a request is 400 here, whatever it is elsewhere.
pub(super) fn plain(response: Response) -> Response {
    let Some(kind) = response.extensions().get::<Kind>().copied() else { return response };
    let said = response.extensions().get::<Said>().map(|said| said.0.clone()).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    parts.status = match parts.status {
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UNSUPPORTED_MEDIA_TYPE => StatusCode::BAD_REQUEST,
        other => other,
    };
    let text = if said.is_empty() { kind.title().to_owned() } else { said };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Response::from_parts(parts, Body::from(text))
}
