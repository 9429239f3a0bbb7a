//! How the targets of a change would come back, as of now.

use interlock_domain::{Change, Timestamp, WaysBack};

use super::evidence::verified_way_back;
use crate::{App, FlowError};

/// What brings back the targets that a change has not reached yet.
pub(crate) struct WayBack {
    /// For each version that they run, the artifact that brings them back to it; verified today.
    pub(crate) versions: WaysBack,
    /// Whether every one of them has one.
    pub(crate) complete: bool,
}

impl WayBack {
    /// What they run may have changed since the change was proposed, and so may what a signature is worth.
    pub(crate) async fn today(app: &App, change: &Change, now: Timestamp) -> Result<Self, FlowError> {
        let mut versions = WaysBack::new();
        let mut complete = true;
        let running = app.store.versions_ahead(change.tenant(), &change.id).await?;
        // A change brings one artifact, and its targets come back to an older version of the same.
        let name = change.manifest.artifacts.first().map(|artifact| artifact.name.as_str());
        for version in running {
            let way = match (&version, name) {
                (Some(version), Some(name)) => {
                    verified_way_back(app, change.tenant(), name, version, now).await?
                }
                _ => None,
            };
            match (version, way) {
                (Some(version), Some(artifact)) => _ = versions.insert(version, artifact),
                _ => complete = false,
            }
        }
        Ok(Self { versions, complete })
    }
}
