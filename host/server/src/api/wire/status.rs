//! How it is with one tenant.

use std::collections::BTreeMap;

use interlock_domain::{Digest, Environment};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{flow::status::Status, rosters::Unloaded};

/// What is amiss for a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantStatus {
    /// `ok`, or `degraded` when something below is amiss.
    #[schema(example = "ok")]
    status: &'static str,
    /// Why its application was refused; null when it has none or all is well.
    application_refused: Option<String>,
    /// Sources that failed its plugins when they were last asked, with the reason: what needs them is denied.
    #[schema(value_type = BTreeMap<String, String>)]
    evidence_failing: BTreeMap<String, String>,
    /// Plugins that are active in some environment and do not load: what they judge there is denied.
    plugins_unloaded: Vec<UnloadedPlugin>,
}

/// A plugin that is active and does not load.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnloadedPlugin {
    /// Where it is active.
    #[schema(value_type = String)]
    environment: Environment,
    /// What it is called.
    plugin: String,
    /// What it is.
    #[schema(value_type = String)]
    digest: Digest,
    /// Why it does not load.
    reason: String,
}

impl From<Status> for TenantStatus {
    fn from(status: Status) -> Self {
        let Status { application_refused, evidence_failing, plugins_unloaded } = status;
        let well =
            application_refused.is_none() && evidence_failing.is_empty() && plugins_unloaded.is_empty();
        Self {
            status: if well { "ok" } else { "degraded" },
            application_refused,
            evidence_failing,
            plugins_unloaded: plugins_unloaded.into_iter().map(UnloadedPlugin::from).collect(),
        }
    }
}

impl From<Unloaded> for UnloadedPlugin {
    fn from(unloaded: Unloaded) -> Self {
        let Unloaded { tenant: _, environment, plugin, digest, reason } = unloaded;
        Self { environment, plugin, digest, reason }
    }
}
