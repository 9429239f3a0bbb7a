//! The policy bundle: loaded from its folder, smoke-tested, then swapped. Whatever goes wrong, the last good one
//! stays.

use std::{path::Path, sync::Arc};

use interlock_domain::{Action, Actor};
use interlock_policy::Bundle;
use interlock_store::{Note, Write};

use super::{
    ask::{may_read, permit},
    change::tenant,
};
use crate::{App, FlowError};

/// The active bundle.
pub async fn show(app: &App, who: &Actor) -> Result<Arc<Bundle>, FlowError> {
    may_read(app, who, Action::ReadBundle, tenant(who)).await?;
    Ok(app.policies.bundle())
}

/// Loads the bundle again from its folder.
pub async fn reload(app: &App, who: &Actor) -> Result<Arc<Bundle>, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::ReloadBundle, tenant(who), None, now).await?;
    let bundle = load(&app.config.policies.dir)?;
    let payload = serde_json::json!({
        "bundle": bundle.digest, "name": bundle.name, "revision": bundle.revision,
        "before": app.policies.bundle().digest,
    });
    let note = Write::Note(Note {
        kind: "bundle.loaded",
        object_kind: "bundle",
        object_id: bundle.digest.to_string(),
        payload,
    });
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), note]).await?;
    app.policies.replace(bundle);
    app.wake();
    Ok(app.policies.bundle())
}

/// The bundle in this folder, or the built-in one when there is no folder.
pub fn load(dir: &Path) -> Result<Bundle, FlowError> {
    let bundle =
        if dir.as_os_str().is_empty() { interlock_policy::default_bundle()? } else { Bundle::load_dir(dir)? };
    bundle.smoke_test()?;
    Ok(bundle)
}
