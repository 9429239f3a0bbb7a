//! Push a plugin: it is loaded, asked what it is, and kept. Only a change brings it into use.

use std::sync::Arc;

use interlock_domain::{Action, Actor, Digest};
use interlock_sandbox::Plugin;
use interlock_store::{Kept, Note, Write};
use interlock_vault::envelope::Envelope;

use super::{
    acquire::{as_signed, keep_envelopes, vouched},
    ask::permit,
    change::tenant,
};
use crate::{App, FlowError};

/// Keeps a component as a candidate. It takes as many trusted signers as one that is pulled: what too few vouch for is
/// neither compiled nor kept.
pub async fn push(
    app: &App,
    who: &Actor,
    wasm: Vec<u8>,
    envelope: Option<&Envelope>,
) -> Result<Arc<Plugin>, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::PushPlugin, tenant(who), None, now).await?;
    let digest = Digest::of(&wasm);
    let vouched =
        vouched(app, envelope.map_or(&[], std::slice::from_ref), digest, "", &digest.to_string(), None)?;
    let plugin = app.sandbox.install(wasm.clone()).await?;
    if let Some(statement) = &vouched.statement {
        as_signed(&plugin, statement, "")?;
    }
    let about = plugin.description();
    app.store.keep(Kept::Plugin, &digest, &wasm).await?;
    keep_envelopes(app, digest, envelope.map_or(&[], std::slice::from_ref)).await?;
    let note = Note {
        kind: "plugin.pushed",
        object_kind: "plugin",
        object_id: digest.to_string(),
        payload: serde_json::json!({
            "name": about.name, "version": about.version, "digest": digest, "size_bytes": wasm.len(),
            "signers": vouched.signers,
        }),
    };
    // Pushed again it is what it was: one who vouches for it more is seen when it is activated.
    let mut writes = vec![Write::Decision(Box::new(decision))];
    if !app.store.has_pushed(&who.tenant, &digest).await? {
        writes.push(Write::Note(note));
    }
    app.commit(who, now, writes).await?;
    Ok(plugin)
}
