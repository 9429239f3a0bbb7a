//! The component of a plugin, for whoever wants to run it on their own machine.

use interlock_domain::{Action, Actor, Digest, TenantId};
use interlock_store::Kept;

use super::{ask::may_read, change::tenant};
use crate::{App, FlowError};

/// The bytes of a plugin that the tenant knows: one that is installed, or one that once answered a question of the tenant.
///
/// Every other one is not found, also one that is kept for somebody else: a digest alone opens nothing.
pub async fn fetch(app: &App, who: &Actor, digest: &Digest) -> Result<Vec<u8>, FlowError> {
    may_read(app, who, Action::ReadPlugin, tenant(who)).await?;
    let unknown = || FlowError::NotFound { what: "plugin", id: digest.to_string() };
    if !knows(app, &who.tenant, digest).await? {
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

/// Whether a tenant knows a component: it is installed for all or in use there, it lies in the server's folder, the tenant
/// pushed it, or it answered a question of the tenant.
pub(crate) async fn knows(app: &App, tenant: &TenantId, digest: &Digest) -> Result<bool, FlowError> {
    let own = format!("{tenant}/");
    // Slots with a place before the name are those of rosters.
    let here = |slot: &str| !slot.contains('/') || slot.starts_with(&own);
    let installed =
        app.sandbox.shelf().slots().iter().any(|(slot, plugin)| here(slot) && plugin.digest() == *digest);
    Ok(installed
        || app.installed.waiting.iter().any(|waiting| waiting.digest == *digest)
        || app.store.has_pushed(tenant, digest).await?
        || app.store.has_answered(tenant, digest).await?)
}
