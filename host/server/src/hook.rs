//! `POST /hooks/policies`: a git server says that it has something new. It only has git looked at sooner, at most every
//! `policies.git.poll_ms_min`, so that a replay costs nothing; what is taken is decided by what is found there.
//!
//! **Invariant:** nothing of a body is kept. Who does not say that they sign, or says that they send too much, has nothing read; and
//! who signs badly uses up what their address may.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use http_body_util::BodyExt as _;
use subtle::ConstantTimeEq;
use tracing::{info, warn};

use crate::{
    App,
    limits::Class,
    peer::Peer,
    problem::{Kind, Problem},
};

/// The one route.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new().route("/hooks/policies", post(called)).with_state(app)
}

async fn called(
    State(app): State<Arc<App>>,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let git = &app.config.policies.git;
    let file = &git.webhook_secret_file;
    if !git.is_on() || file.as_os_str().is_empty() {
        let detail = "no webhook is configured here; set `policies.git.webhook_secret_file`";
        return Err(Problem::new(Kind::NotFound, detail));
    }
    let most = git.webhook_bytes_max;
    let says = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if says.is_some_and(|says| says > most as u64) {
        return Err(too_large(most));
    }
    // Taken before anything is read, so that many at once from one address are counted too; given back when it was signed.
    app.limits.address(Class::Unauthenticated, peer.0, app.clock.now())?;
    let secret = tokio::fs::read_to_string(file).await.map_err(|error| {
        warn!(%error, file = %file.display(), "the webhook's secret cannot be read");
        Problem::new(Kind::Internal, "the webhook's secret cannot be read; the log says why")
    })?;
    if !is_signed(secret.trim(), &headers, body, most).await? {
        info!("a webhook was refused: it is not signed with the secret");
        let detail = "`X-Hub-Signature-256` is not the HMAC of this body under the configured secret";
        return Err(Problem::new(Kind::Unauthenticated, detail));
    }
    app.limits.give_back(Class::Unauthenticated, peer.0, 1);
    app.sync.ask();
    Ok(StatusCode::ACCEPTED)
}

fn too_large(most: usize) -> Problem {
    let detail = format!("a hook has at most {most} bytes (`policies.git.webhook_bytes_max`)");
    Problem::new(Kind::BodyTooLarge, detail)
}

/// As GitHub, Gitea and Forgejo sign, or GitLab with the secret itself. Only of the former is a body read.
async fn is_signed(secret: &str, headers: &HeaderMap, body: Body, most: usize) -> Result<bool, Problem> {
    if secret.is_empty() {
        return Ok(false);
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(signature) = text("x-hub-signature-256") else {
        let token = text("x-gitlab-token");
        return Ok(token.is_some_and(|token| bool::from(token.as_bytes().ct_eq(secret.as_bytes()))));
    };
    let tag = signature.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok());
    let Some(tag) = tag.filter(|tag| tag.len() == hmac::HMAC_SHA256.tag_len()) else { return Ok(false) };
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    let (mut body, mut read) = (body, 0);
    while let Some(frame) = body.frame().await {
        let cut = |_| Problem::new(Kind::BodyTooLarge, "the body of the hook broke off, or is too long");
        if let Ok(part) = frame.map_err(cut)?.into_data() {
            read += part.len();
            if read > most {
                return Err(too_large(most));
            }
            signing.update(&part);
        }
    }
    Ok(bool::from(signing.sign().as_ref().ct_eq(tag.as_slice())))
}
