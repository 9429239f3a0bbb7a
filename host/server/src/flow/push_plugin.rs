//! Push a plugin: it is loaded, asked what it is, and kept. Only a change brings it into use.

use std::sync::Arc;

use interlock_domain::{Action, Actor};
use interlock_sandbox::Plugin;
use interlock_store::{Kept, Note, Write};

use super::{ask::permit, change::tenant};
use crate::{App, FlowError};

/// Keeps a component as a candidate.
pub async fn push(app: &App, who: &Actor, wasm: Vec<u8>) -> Result<Arc<Plugin>, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::PushPlugin, tenant(who), None, now).await?;
    let plugin = app.sandbox.install(wasm.clone()).await?;
    let (digest, about) = (plugin.digest(), plugin.description());
    app.store.keep(Kept::Plugin, &digest, &wasm).await?;
    let note = Note {
        kind: "plugin.pushed",
        object_kind: "plugin",
        object_id: digest.to_string(),
        payload: serde_json::json!({
            "name": about.name, "version": about.version, "digest": digest, "size_bytes": wasm.len(),
        }),
    };
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), Write::Note(note)]).await?;
    Ok(plugin)
}
