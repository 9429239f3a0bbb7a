//! The component of a plugin, for whoever wants to run it on their own machine.

use interlock_domain::{Action, Actor, Digest};
use interlock_store::Kept;

use super::{ask::may_read, change::tenant};
use crate::{App, FlowError};

/// The bytes of a plugin that the tenant knows: one that is installed, or one that once answered a question of the tenant.
///
/// Every other one is not found, also one that is kept for somebody else: a digest alone opens nothing.
pub async fn fetch(app: &App, who: &Actor, digest: &Digest) -> Result<Vec<u8>, FlowError> {
    may_read(app, who, Action::ReadPlugin, tenant(who)).await?;
    let unknown = || FlowError::NotFound { what: "plugin", id: digest.to_string() };
    let installed = app.sandbox.shelf().all_bound().iter().any(|plugin| plugin.digest() == *digest);
    if !installed && !app.store.has_answered(&who.tenant, digest).await? {
        return Err(unknown());
    }
    let component = app.store.kept(Kept::Plugin, digest).await?.ok_or_else(unknown)?;
    let found = Digest::of(&component);
    if found != *digest {
        let detail = format!("what is kept of it was altered: it is `{found}` now; restore it from a backup");
        return Err(FlowError::Plugin { plugin: digest.to_string(), detail });
    }
    Ok(component)
}
