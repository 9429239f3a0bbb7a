//! The WIT interface `types`: what every world shares.

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) type Instant = u64;
/// A span of time in milliseconds.
pub(crate) type Millis = u64;
/// `sha256:` and 64 lower-case hexadecimal digits.
pub(crate) type Digest = String;
/// A JSON document as text.
pub(crate) type Json = String;

/// What a change moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(enum)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ChangeKind {
    /// Firmware, model or application artifacts to devices.
    #[component(name = "release")]
    Release,
    /// Values to consumers.
    #[component(name = "config")]
    Config,
    /// A policy bundle.
    #[component(name = "policy")]
    Policy,
    /// A plugin.
    #[component(name = "plugin")]
    Plugin,
    /// Provisioning of a tenant.
    #[component(name = "tenant")]
    Tenant,
}

/// One artifact of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Artifact {
    /// The artifact's name.
    pub name: String,
    /// The version that the targets report once they run it.
    pub version: String,
    /// Digest of the plain content.
    pub digest: String,
    /// Size of the plain content.
    #[component(name = "size-bytes")]
    pub size_bytes: u64,
}

/// A revision that some of the population runs now and would be rolled back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct RollbackTarget {
    /// The version that these targets report today.
    pub version: String,
    /// The stored artifact of that version; absent when there is none to go back to.
    pub artifact: Option<String>,
    /// How many targets run it.
    pub targets: u64,
}

/// A change as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Change {
    /// The change's id.
    pub id: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// The environment that it goes to.
    pub environment: String,
    /// What it moves.
    pub kind: ChangeKind,
    /// SHA-256 of the canonical manifest.
    pub digest: String,
    /// One line for people.
    pub title: String,
    /// The person who proposed it.
    pub author: String,
    /// When, in milliseconds since the epoch.
    #[component(name = "proposed-at")]
    pub proposed_at: u64,
    /// What a release carries.
    pub artifacts: Vec<Artifact>,
    /// The targets.
    pub population: Population,
    /// Where each part of the population would go back to.
    pub rollback: Vec<RollbackTarget>,
    /// The whole manifest as canonical JSON.
    pub manifest: String,
}

/// The targets that a change is about, as resolved and hashed when it was proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Population {
    /// How many targets.
    pub size: u64,
    /// Digest of the sorted target ids.
    pub digest: String,
    /// The groups among them.
    pub groups: Vec<Group>,
}

/// A named group of targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Group {
    /// The group's name.
    pub name: String,
    /// How many targets are in it.
    pub size: u64,
}

/// How much a finding weighs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ComponentType, Lift, Lower,
)]
#[component(enum)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Severity {
    /// Worth knowing.
    #[component(name = "info")]
    Info,
    /// Worth a look before going on.
    #[component(name = "warning")]
    Warning,
    /// A reason to stop.
    #[component(name = "critical")]
    Critical,
}

/// One thing that a plugin noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Finding {
    /// Stable and machine-readable, lower-case with dashes.
    pub code: String,
    /// How much it weighs.
    pub severity: Severity,
    /// One sentence for a person.
    pub message: String,
    /// What it is about; may be empty.
    pub subject: String,
}

/// The answers of a gate or a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(enum)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Outcome {
    /// Nothing stands against it.
    #[component(name = "pass")]
    Pass,
    /// It may go on, with the findings in view.
    #[component(name = "warn")]
    Warn,
    /// It may go on, but not now.
    #[component(name = "hold")]
    Hold,
    /// It must not go on.
    #[component(name = "fail")]
    Fail,
}

/// An outcome and what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// At least one when the outcome is `fail`.
    pub findings: Vec<Finding>,
}

/// Why a plugin could not answer. The host treats every fault as a deny.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(variant)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The settings do not fit; the text names the path.
    #[component(name = "settings")]
    Settings(String),
    /// Evidence that is needed is missing or unreadable.
    #[component(name = "evidence")]
    Evidence(String),
    /// Anything else.
    #[component(name = "internal")]
    Internal(String),
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Description {
    /// Lower-case with dashes.
    pub name: String,
    /// Semantic version of the plugin.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema (draft 2020-12) of the settings.
    #[component(name = "settings-schema")]
    pub settings_schema: String,
    /// The evidence sources that it may ask for.
    #[component(name = "evidence-sources")]
    pub evidence_sources: Vec<String>,
}

/// One setting that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(record)]
pub struct SettingsProblem {
    /// JSON pointer (RFC 6901) into the settings; empty for the whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}
