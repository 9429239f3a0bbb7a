//! What went wrong, in hawkBit's words: clients compare `errorCode`, with its spelling mistakes.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use interlock_domain::Refusal;
use interlock_store::StoreError;
use serde::Serialize;
use tracing::error;

use crate::FlowError;

/// A refusal on its way to a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct DdiError {
    kind: Kind,
    message: String,
    retry_in_secs: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    NotReadable,
    BadAttributes,
    BadValue,
    AlreadyConfirmed,
    Closed,
    TooLarge,
    Busy,
    Stopping,
    Internal,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    exception_class: &'static str,
    error_code: &'static str,
    message: &'a str,
}

impl Kind {
    /// Status, `errorCode` and `exceptionClass`.
    fn words(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "hawkbit.server.error.client.unauthorized",
                "org.springframework.security.authentication.BadCredentialsException",
            ),
            Kind::NotFound => (
                StatusCode::NOT_FOUND,
                "hawkbit.server.error.repo.entitiyNotFound",
                "org.eclipse.hawkbit.repository.exception.EntityNotFoundException",
            ),
            Kind::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "hawkbit.server.error.client.methodNotAllowed",
                "org.springframework.web.HttpRequestMethodNotSupportedException",
            ),
            Kind::NotReadable => (
                StatusCode::BAD_REQUEST,
                "hawkbit.server.error.rest.body.notReadable",
                "org.eclipse.hawkbit.rest.exception.MessageNotReadableException",
            ),
            Kind::BadAttributes => (
                StatusCode::BAD_REQUEST,
                "hawkbit.server.error.repo.invalidTargetAttributes",
                "org.eclipse.hawkbit.repository.exception.InvalidTargetAttributeException",
            ),
            Kind::BadValue => (
                StatusCode::BAD_REQUEST,
                "hawkbit.server.error.repo.constraintViolation",
                "org.eclipse.hawkbit.repository.exception.ConstraintViolationException",
            ),
            Kind::AlreadyConfirmed => (
                StatusCode::CONFLICT,
                "hawkbit.server.error.repo.autoConfAlreadyActive",
                "org.eclipse.hawkbit.repository.exception.AutoConfirmationAlreadyActiveException",
            ),
            Kind::Closed => (
                StatusCode::GONE,
                "hawkbit.server.error.entityreadonly",
                "org.eclipse.hawkbit.repository.exception.EntityReadOnlyException",
            ),
            Kind::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "hawkbit.server.error.quota.fileSizeExceeded",
                "org.eclipse.hawkbit.repository.exception.FileSizeQuotaExceededException",
            ),
            Kind::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "hawkbit.server.error.client.tooManyRequests",
                "org.eclipse.hawkbit.repository.exception.ConcurrentModificationException",
            ),
            Kind::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "hawkbit.server.error.server.serviceUnavailable",
                "org.eclipse.hawkbit.repository.exception.GenericServerException",
            ),
            Kind::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "hawkbit.server.error.repo.genericError",
                "org.eclipse.hawkbit.repository.exception.GenericServerException",
            ),
        }
    }
}

impl DdiError {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_in_secs: 1 }
    }

    /// The device asks more often than it may.
    pub(super) fn too_often(retry_in_secs: u32) -> Self {
        let message = format!("this device asks too often; it may again in {retry_in_secs} s");
        Self { retry_in_secs, ..Self::new(Kind::Busy, message) }
    }

    /// The caller is not who it says. One answer for every reason, so that nobody learns which devices exist.
    pub(super) fn unauthorized() -> Self {
        Self::new(Kind::Unauthorized, "this device and token do not go together; check both")
    }

    pub(super) fn not_found(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        Self::new(Kind::NotFound, format!("this device has no {what} `{id}`"))
    }

    pub(super) fn unreadable(detail: impl std::fmt::Display) -> Self {
        Self::new(Kind::NotReadable, format!("the body cannot be read: {detail}"))
    }

    pub(super) fn bad_attributes(detail: impl Into<String>) -> Self {
        Self::new(Kind::BadAttributes, detail)
    }

    pub(super) fn bad_value(detail: impl Into<String>) -> Self {
        Self::new(Kind::BadValue, detail)
    }

    pub(super) fn already_confirmed() -> Self {
        let message =
            "every action is confirmed by its approvers before it is offered; the device is not asked";
        Self::new(Kind::AlreadyConfirmed, message)
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        Self::new(Kind::TooLarge, format!("the body has more than {bytes_max} bytes; send less at once"))
    }

    /// Where a closed action is as good as none: it can be read no more.
    pub(super) fn closed_as_absent(self) -> Self {
        match self.kind {
            Kind::Closed => Self { kind: Kind::NotFound, ..self },
            _ => self,
        }
    }
}

impl From<FlowError> for DdiError {
    fn from(error: FlowError) -> Self {
        match &error {
            FlowError::NotFound { .. } | FlowError::Refused(Refusal::NoSuchAction { .. }) => {
                Self::new(Kind::NotFound, error.to_string())
            }
            FlowError::Refused(Refusal::ActionClosed { .. }) => Self::new(Kind::Closed, error.to_string()),
            FlowError::Invalid { .. } | FlowError::Refused(_) => Self::new(Kind::BadValue, error.to_string()),
            // Both clients try again after 429; rauc-hawkbit-updater does so at once.
            FlowError::Store(StoreError::Busy | StoreError::Behind { .. } | StoreError::Conflict { .. }) => {
                Self::new(Kind::Busy, "the server is busy; try again in a moment")
            }
            FlowError::Store(StoreError::Closed) => {
                Self::new(Kind::Stopping, "the server is stopping; try again in a moment")
            }
            _ => {
                error!(%error, "a device's request failed inside");
                Self::new(Kind::Internal, "something broke inside the server; its log says what")
            }
        }
    }
}

impl IntoResponse for DdiError {
    fn into_response(self) -> Response {
        let (status, error_code, exception_class) = self.kind.words();
        let mut response =
            (status, Json(Wire { exception_class, error_code, message: &self.message })).into_response();
        let headers = response.headers_mut();
        match self.kind {
            Kind::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("TargetToken"));
            }
            Kind::Busy | Kind::Stopping => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_in_secs));
            }
            _ => {}
        }
        response
    }
}

/// What stands where the protocol has nothing.
pub(super) async fn no_such_path() -> DdiError {
    DdiError::new(Kind::NotFound, "the device protocol has nothing at this path")
}

/// What stands where the protocol has something, but not for this method.
pub(super) async fn no_such_method() -> DdiError {
    DdiError::new(
        Kind::MethodNotAllowed,
        "this path is not for this method; the `Allow` header says for which it is",
    )
}
