//! A roster as it is sent: with what each plugin declares, is granted and lacks.

use std::collections::BTreeMap;

use interlock_domain as domain;
use interlock_domain::{ChangeId, Digest, Environment, Timestamp};
use interlock_sandbox::types::PluginKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::change;
use crate::flow::roster::{InUse, Seen};

/// What an environment uses of plugins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownRoster {
    /// Of which environment.
    #[schema(value_type = String, example = "production")]
    environment: Environment,
    /// Whether it comes from the server's configuration, because no `plugin` change came into force here yet.
    configured: bool,
    /// Rises with every `plugin` change; 0 when it is configured.
    revision: u64,
    /// The change that made it so; absent (`null`) when it is configured.
    #[schema(value_type = Option<String>)]
    change: Option<ChangeId>,
    /// When; absent (`null`) when it is configured.
    #[schema(value_type = Option<String>)]
    at: Option<Timestamp>,
    /// The active plugins by name.
    plugins: BTreeMap<String, ShownActive>,
    /// What they are used for, by id.
    #[schema(value_type = BTreeMap<String, change::Binding>)]
    bindings: BTreeMap<String, domain::Binding>,
    /// The gate groups by name.
    #[schema(value_type = BTreeMap<String, change::GateGroup>)]
    groups: BTreeMap<String, domain::GateGroup>,
    /// What does not hold together; each denies what needs it.
    faults: Vec<String>,
}

impl ShownRoster {
    pub(crate) fn new(
        environment: Environment,
        in_use: InUse,
        plugins: BTreeMap<String, ShownActive>,
    ) -> Self {
        let InUse { roster, record } = in_use;
        Self {
            environment,
            configured: record.is_none(),
            revision: record.as_ref().map_or(0, |record| record.revision),
            at: record.as_ref().map(|record| record.at),
            change: record.map(|record| record.change),
            plugins,
            faults: roster.faults(),
            bindings: roster.bindings,
            groups: roster.groups,
        }
    }
}

/// A plugin that is in use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownActive {
    /// Its version.
    version: String,
    /// SHA-256 of the component.
    #[schema(value_type = String)]
    digest: Digest,
    /// `compliance-gate`, `health-check` or `rollout-strategy`; absent (`null`) when it does not load.
    #[schema(value_type = Option<String>)]
    kind: Option<PluginKind>,
    /// Why it does not load; absent (`null`) when it does. What it judges is denied.
    unloaded: Option<String>,
    /// The evidence sources that it says it needs.
    declared: Vec<String>,
    /// What it may read: what is granted here, and what the policies give it by name.
    granted: Vec<String>,
    /// What it declares and may not read.
    missing: Vec<String>,
    /// Whose signatures of the component count today: the names under which the keys are trusted, by key id. Empty when
    /// nobody's do.
    signers: BTreeMap<String, String>,
}

impl From<Seen> for ShownActive {
    fn from(seen: Seen) -> Self {
        let Seen { plugin, kind, unloaded, declared, granted, missing, signers } = seen;
        Self {
            version: plugin.version,
            digest: plugin.digest,
            kind,
            unloaded,
            declared,
            granted,
            missing,
            signers,
        }
    }
}
