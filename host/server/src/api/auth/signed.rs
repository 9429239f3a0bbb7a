//! A request that is signed as a whole (RFC 9421).
//!
//! **Invariant:** nothing of a body is read before the signature over its digest is found good: strangers hold no memory.

use axum::{
    body::{Body, Bytes, HttpBody as _},
    extract::Request,
    http::{HeaderMap, header},
};
use sfv::{Dictionary, ListEntry, Parser};
use sha2::{Digest as _, Sha256};
use tracing::info;

use super::{Known, refused};
use crate::{
    App,
    api::{COMPONENTS, UPLOAD, payload},
    flow::{
        key::KeyRefusal,
        signed::{self, SignedRefusal},
    },
    message::{self, Message, SignedFault},
    peer::Peer,
    problem::{Kind, Problem},
};

/// Whether a request says that it is signed.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key("signature-input") || headers.contains_key("signature")
}

/// Who signed this request, and the request with its body.
pub(super) async fn known(
    app: &App,
    peer: Peer,
    route: &str,
    request: Request,
) -> Result<(Known, Request), Problem> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Err(refused(
            "the request is signed and has an `Authorization` header too; send one of the two",
        ));
    }
    let (parts, body) = request.into_parts();
    let (scheme, authority) = place(app)?;
    let message = Message {
        method: parts.method.as_str(),
        scheme: &scheme,
        authority: &authority,
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
    };
    let bad = |fault: SignedFault| refused(&fault.to_string());
    let signed = message::read(&parts.headers).map_err(bad)?;
    let identity = &app.config.identity;
    let seconds = |ms: u64| i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    let (life, skew) = (seconds(identity.signature_life_ms_max), seconds(identity.signature_skew_ms));
    let now = app.clock.now().as_millis().div_euclid(1_000);
    signed.check(&message, !body.is_end_stream(), now, life, skew).map_err(bad)?;
    let base = signed.base(&message).map_err(bad)?;
    let held = signed::holder(app, &signed, &base, peer.0).await?.map_err(|refusal| told(refusal, peer))?;
    let body = match most(app, route) {
        Some(most) => {
            let bytes = payload::read(&parts.headers, most, body).await?;
            same_digest(&parts.headers, &bytes)?;
            Body::from(bytes)
        }
        // An artifact's content is compared with its digest while it comes in.
        None => body,
    };
    let (actor, scopes) = signed::once(app, &signed, &held).await?.map_err(|refusal| told(refusal, peer))?;
    Ok((Known::signed(actor, scopes), Request::from_parts(parts, body)))
}

/// What whoever sent it is told.
fn told(refusal: SignedRefusal, peer: Peer) -> Problem {
    info!(%refusal, "a signed request was refused");
    match refusal {
        SignedRefusal::Replayed => Problem::new(Kind::NonceReplayed, refusal.to_string()),
        SignedRefusal::Key(KeyRefusal::Elsewhere) => peer.refused("this key"),
        // Alike, so that nobody learns which keys exist.
        SignedRefusal::Key(KeyRefusal::Unknown | KeyRefusal::Malformed) => refused(
            "the signature does not fit: check `keyid`, the key and the text that was signed (`server.public_url` is what \
             `@target-uri` begins with)",
        ),
        SignedRefusal::Key(_) | SignedRefusal::OtherAlgorithm => refused(&refusal.to_string()),
    }
}

/// The most that is read to compare it; nothing for what is not held in memory.
fn most(app: &App, route: &str) -> Option<usize> {
    match route {
        UPLOAD => None,
        COMPONENTS => {
            Some(usize::try_from(app.config.plugins.limits.component_bytes_max).unwrap_or(usize::MAX))
        }
        _ => Some(app.config.server.body_bytes_max),
    }
}

/// What the address of every request begins with. Not from `Host`: with that, what was signed for one server could be sent to
/// another one that has the same key.
fn place(app: &App) -> Result<(String, String), Problem> {
    let url = app.config.server.public_url.to_ascii_lowercase();
    let split = url.split_once("://");
    let (scheme, rest) =
        split.ok_or_else(|| refused("signed requests are not taken here: `server.public_url` is not set"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(usual).unwrap_or(authority);
    Ok((scheme.to_owned(), authority.to_owned()))
}

/// Compares the body with its `Content-Digest` (RFC 9530), where there is a body or the header.
fn same_digest(headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    let mut lines = headers.get_all("content-digest").iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) if body.is_empty() => return Ok(()),
        (Some(line), None) => line.to_str().ok(),
        _ => None,
    };
    let digests = line.and_then(|line| Parser::new(line).parse::<Dictionary>().ok());
    let given = digests.as_ref().and_then(|digests| match digests.get("sha-256")? {
        ListEntry::Item(item) => item.bare_item.as_byte_sequence(),
        ListEntry::InnerList(_) => None,
    });
    match given {
        Some(given) if given == Sha256::digest(body).as_slice() => Ok(()),
        Some(_) => Err(refused("the body is not what `Content-Digest` says")),
        None => Err(refused("a signed request with a body has one `Content-Digest: sha-256=:…:`")),
    }
}
