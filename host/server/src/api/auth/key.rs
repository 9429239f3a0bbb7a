//! An API key in the `Authorization` header.

use tracing::info;

use super::{Known, refused};
use crate::{
    App,
    flow::key::{self, KeyRefusal},
    peer::Peer,
    problem::Problem,
};

/// Longer texts are no keys.
const TEXT_MAX: usize = 256;

/// The key that was shown, before anything was looked up.
pub(super) struct Shown<'a>(&'a str);

/// The key in this text.
pub(super) fn shown(text: &str) -> Shown<'_> {
    Shown(if text.len() <= TEXT_MAX { text } else { "" })
}

impl Shown<'_> {
    /// Whether it worked lately.
    pub(super) fn worked(&self, app: &App) -> bool {
        key::id_in(self.0).is_some_and(|(id, _)| app.keys.worked(&id))
    }

    /// Who acts with it.
    pub(super) async fn known(self, app: &App, peer: Peer) -> Result<Known, Problem> {
        match key::authenticate(app, self.0, peer.0).await? {
            Ok((actor, scopes)) => Ok(Known::of(actor, scopes)),
            Err(refusal) => {
                info!(%refusal, "a key was refused");
                Err(match refusal {
                    // Only who holds the secret gets so far, so they may know.
                    KeyRefusal::Expired
                    | KeyRefusal::Revoked
                    | KeyRefusal::Inactive
                    | KeyRefusal::Ownerless => refused(&refusal.to_string()),
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
