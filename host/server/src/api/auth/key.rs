//! An API key in the `Authorization` header.

use axum::http::{HeaderMap, header};
use tracing::info;

use super::{Known, refused};
use crate::{
    App,
    flow::key::{self, KeyRefusal},
    peer::Peer,
    problem::Problem,
};

/// Longer texts are no keys.
const AUTHORIZATION_MAX: usize = 256;

/// The key that was shown, before anything was looked up.
pub(super) struct Shown<'a>(&'a str);

/// The key in these headers.
pub(super) fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Problem> {
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Err(refused("there is no `Authorization` header; send `Authorization: Bearer ilk_…`"));
    };
    let text = given.to_str().ok().filter(|text| text.len() <= AUTHORIZATION_MAX);
    let token = text
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return Err(refused("the `Authorization` header is not of the form `Bearer ilk_…`"));
    };
    Ok(Shown(token.trim()))
}

impl Shown<'_> {
    /// Whether it worked lately.
    pub(super) fn worked(&self, app: &App) -> bool {
        key::id_in(self.0).is_some_and(|(id, _)| app.keys.worked(&id))
    }

    /// Who acts with it.
    pub(super) async fn known(self, app: &App, peer: Peer) -> Result<Known, Problem> {
        match key::authenticate(app, self.0, peer.0).await? {
            Ok((actor, scopes)) => Ok(Known::new(actor, scopes)),
            Err(refusal) => {
                info!(%refusal, "a key was refused");
                Err(match refusal {
                    // Only who holds the secret gets so far, so they may know.
                    KeyRefusal::Expired | KeyRefusal::Revoked | KeyRefusal::Inactive => {
                        refused(&refusal.to_string())
                    }
                    KeyRefusal::Elsewhere => peer.refused("this key"),
                    // Alike, so that nobody learns which keys exist.
                    KeyRefusal::Malformed | KeyRefusal::Unknown => {
                        refused("this key does not work here; check it or ask an administrator for a new one")
                    }
                })
            }
        }
    }
}
