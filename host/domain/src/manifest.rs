//! The manifest: canonical JSON of all that a change would do. Its SHA-256 is the change's digest.

use std::{collections::BTreeMap, fmt, str::FromStr};

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    AtOnce, Environment, GateBinding, GateMode, GroupBinding, IdError, PluginPlan, PluginRef, PolicyPlan,
    Refusal, Selector, Stage, TenantId,
};

/// What a change moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Firmware, models or applications to devices.
    Release,
    /// Values to consumers.
    Config,
    /// A policy bundle.
    Policy,
    /// A plugin digest.
    Plugin,
    /// Provisioning.
    Tenant,
}

impl ChangeKind {
    /// Its name in policies and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Release => "release",
            ChangeKind::Config => "config",
            ChangeKind::Policy => "policy",
            ChangeKind::Plugin => "plugin",
            ChangeKind::Tenant => "tenant",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChangeKind {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        [ChangeKind::Release, ChangeKind::Config, ChangeKind::Policy, ChangeKind::Plugin, ChangeKind::Tenant]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| IdError {
                text: text.chars().take(80).collect(),
                expected: "a kind of change: release, config, policy, plugin or tenant",
            })
    }
}

/// An artifact that the change brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Its name.
    pub name: String,
    /// The version that targets report once they run it.
    pub version: String,
    /// SHA-256 of the plain content.
    pub digest: Digest,
    /// Size of the plain content.
    pub size_bytes: u64,
}

/// A document about an artifact, as it was when the change was proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRef {
    /// About which artifact.
    pub artifact: Digest,
    /// `sbom`, `provenance` and so on.
    pub kind: String,
    /// For example `application/vnd.cyclonedx+json`.
    pub media_type: String,
    /// SHA-256 of the document.
    pub digest: Digest,
}

/// The targets, as resolved when the change was proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// How many.
    pub size: u64,
    /// SHA-256 over the sorted ids, each followed by a line feed.
    pub digest: Digest,
    /// Their sites and groups (`site:north`, `group:canaries`) with how many targets each has.
    pub groups: BTreeMap<String, u64>,
    /// Their hardware models with how many targets each has. Empty only in manifests from before this was recorded,
    /// whose digests must stay what they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, u64>,
}

/// A revision that part of the population runs now, and what would bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackTarget {
    /// What these targets report today; absent for targets that never reported.
    pub version: Option<String>,
    /// The stored artifact of that version, when there is one whose signature verified.
    pub artifact: Option<Digest>,
    /// How many targets.
    pub targets: u64,
}

/// The strategy that leads the rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyBinding {
    /// The plugin.
    pub plugin: PluginRef,
    /// Its settings.
    pub settings: serde_json::Value,
    /// The stages that it planned, as approvers see them.
    pub plan: Vec<Stage>,
}

/// A health check that watches the rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthBinding {
    /// The id of its binding; its plugin's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The plugin.
    pub plugin: PluginRef,
    /// Its settings.
    pub settings: serde_json::Value,
    /// Whether what it says counts, or is only recorded.
    #[serde(default = "enforced", skip_serializing_if = "is_enforced")]
    pub mode: GateMode,
}

impl HealthBinding {
    /// What it is called: its id, or else its plugin's name.
    pub fn called(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.plugin.name)
    }
}

pub(crate) fn enforced() -> GateMode {
    GateMode::Enforce
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
pub(crate) fn is_enforced(mode: &GateMode) -> bool {
    *mode == GateMode::Enforce
}

/// All that a change would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always 1.
    pub v: u32,
    /// In which tenant.
    pub tenant: TenantId,
    /// In which environment.
    pub environment: Environment,
    /// What it moves.
    pub kind: ChangeKind,
    /// One line for people.
    pub title: String,
    /// What brings it about; ticket numbers and the like.
    pub description: String,
    /// What it brings.
    pub artifacts: Vec<ArtifactRef>,
    /// The documents about what it brings: what its gates read, whatever is attached later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentRef>,
    /// Whom it was meant for.
    pub selector: Selector,
    /// Whom that meant when it was proposed.
    pub population: Population,
    /// How it gets there; absent of a change that reaches no target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyBinding>,
    /// What it does to the roster of its environment; absent of every change but a `plugin` change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugins: Option<PluginPlan>,
    /// What watches it.
    pub health: Vec<HealthBinding>,
    /// What judges it first.
    pub gates: Vec<GateBinding>,
    /// Which policies it puts in force; absent of every change but a `policy` change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<PolicyPlan>,
    /// How many of a site or group are on their way at once, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_once: Vec<AtOnce>,
    /// The gate groups that judge in place of their members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupBinding>,
    /// The policies that were in force when it was proposed.
    pub bundle: Digest,
    /// How it comes back.
    pub rollback: Vec<RollbackTarget>,
    /// A target that shows no progress for so long counts as failed.
    pub silent_after_ms: u64,
    /// How often health is judged.
    pub judge_every_ms: u64,
}

impl Manifest {
    /// The change's digest: SHA-256 of the canonical JSON.
    pub fn digest(&self) -> Result<Digest, Refusal> {
        Digest::of_canonical(self).map_err(|error| Refusal::BadManifest(error.to_string()))
    }

    /// The stages as its strategy planned them; none when it has no strategy.
    pub fn plan(&self) -> &[Stage] {
        self.strategy.as_ref().map_or(&[], |strategy| &strategy.plan)
    }

    /// True when every target has a stored artifact to go back to.
    pub fn rollback_complete(&self) -> bool {
        self.rollback.iter().all(|target| target.artifact.is_some())
    }

    /// The digest of a set of targets.
    pub fn population_digest<'a>(targets: impl IntoIterator<Item = &'a crate::DeviceId>) -> Digest {
        let mut ids: Vec<&str> = targets.into_iter().map(crate::DeviceId::as_str).collect();
        ids.sort_unstable();
        let mut text = String::with_capacity(ids.len() * 24);
        for id in ids {
            text.push_str(id);
            text.push('\n');
        }
        Digest::of(text.as_bytes())
    }
}
