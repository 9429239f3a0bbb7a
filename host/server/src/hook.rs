//! `POST /hooks/policies`: a git server says that it has something new. It only has git looked at sooner, at most every
//! `policies.git.poll_ms_min`, so that a replay costs nothing; what is taken is decided by what is found there.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use subtle::ConstantTimeEq;
use tracing::{info, warn};

use crate::{
    App,
    problem::{Kind, Problem},
};

/// Longest body: GitHub sends at most 25 MiB, and of pushes far less.
const BODY_MAX: usize = 4 << 20;

/// The one route.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new().route("/hooks/policies", post(called)).with_state(app)
}

async fn called(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<StatusCode, Problem> {
    let file = &app.config.policies.git.webhook_secret_file;
    if !app.config.policies.git.is_on() || file.as_os_str().is_empty() {
        let detail = "no webhook is configured here; set `policies.git.webhook_secret_file`";
        return Err(Problem::new(Kind::NotFound, detail));
    }
    let body = to_bytes(body, BODY_MAX).await;
    let body =
        body.map_err(|_| Problem::new(Kind::BodyTooLarge, format!("a hook has at most {BODY_MAX} bytes")))?;
    let secret = tokio::fs::read_to_string(file).await.map_err(|error| {
        warn!(%error, file = %file.display(), "the webhook's secret cannot be read");
        Problem::new(Kind::Internal, "the webhook's secret cannot be read; the log says why")
    })?;
    if !is_signed(secret.trim(), &headers, &body) {
        info!("a webhook was refused: it is not signed with the secret");
        let detail = "`X-Hub-Signature-256` is not the HMAC of this body under the configured secret";
        return Err(Problem::new(Kind::Unauthenticated, detail));
    }
    app.sync.ask();
    Ok(StatusCode::ACCEPTED)
}

/// As GitHub, Gitea and Forgejo sign, or GitLab with the secret itself.
fn is_signed(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    if secret.is_empty() {
        return false;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(signature) = text("x-hub-signature-256") {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = signature.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok());
        return tag.is_some_and(|tag| hmac::verify(&key, body, &tag).is_ok());
    }
    text("x-gitlab-token").is_some_and(|token| bool::from(token.as_bytes().ct_eq(secret.as_bytes())))
}
