//! What is sent and taken as it stands here.

use std::collections::BTreeMap;

use interlock_domain as domain;
use interlock_domain::{AccountId, Digest, Timestamp};
use interlock_ledger::StoredRow;
use interlock_policy as policy;
use interlock_sandbox as sandbox;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{change, rollout};
use crate::flow::levels::ProfileShown;

/// A yes to a digest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApprovalRequest)]
pub(crate) struct Approval {
    /// The digest of what was read. Another one than the change has now is refused.
    #[schema(value_type = String, example = "sha256:3b1f7a0c5e2d4986b7a1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9")]
    pub(crate) digest: Digest,
    /// What is meant by it.
    #[serde(default)]
    pub(crate) meaning: Meaning,
    /// Why, in one's own words.
    #[schema(example = "Hazard analysis HA-112 reviewed; residual risk acceptable")]
    pub(crate) reason: String,
    /// The one stage of the rollout that it is for, counted from 0; for the whole change when absent.
    #[serde(default)]
    pub(crate) stage: Option<u32>,
    /// The delegation under which it is given; with one's own roles when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) delegation: Option<domain::DelegationId>,
}

/// What a person means by a yes (21 CFR 11.50).
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ApprovalMeaning)]
pub(crate) enum Meaning {
    /// They reviewed it.
    Review,
    /// They approve it.
    #[default]
    Approval,
    /// They take responsibility for it.
    Responsibility,
}

impl From<Meaning> for domain::Meaning {
    fn from(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Review => domain::Meaning::Review,
            Meaning::Approval => domain::Meaning::Approval,
            Meaning::Responsibility => domain::Meaning::Responsibility,
        }
    }
}

/// A no to a digest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RejectionRequest)]
pub(crate) struct Rejection {
    /// The digest of what was read.
    #[schema(value_type = String)]
    pub(crate) digest: Digest,
    /// Why, in one's own words.
    #[schema(example = "The alarm limits of annex B are not covered by a test")]
    pub(crate) reason: String,
}

/// What came of looking at an incident.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentReviewRequest)]
pub(crate) struct Reviewed {
    /// What was found, in one's own words.
    #[schema(example = "the alarm was real; both people acted within their duty")]
    pub(crate) findings: String,
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// Why, in one's own words.
    #[schema(example = "ward 3 reports occlusion alarms")]
    pub(crate) reason: String,
}

/// A change and where its targets are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownChange {
    #[serde(flatten)]
    #[schema(value_type = change::Change)]
    pub(crate) change: domain::Change,
    /// How many targets are in which state.
    #[schema(value_type = rollout::Progress)]
    pub(crate) progress: domain::Progress,
    /// What has come together of its approval profile; absent where none is for it, or nothing waits any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<ProfileShown>,
}

/// A stored artifact.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Artifact {
    /// Its id.
    #[schema(value_type = String, example = "art_0193470d5c5a7f3e8a6b2f8d9c1e4a73")]
    id: domain::ArtifactId,
    /// Where it is.
    #[schema(value_type = String)]
    tenant: domain::TenantId,
    /// Its name.
    #[schema(example = "pump-firmware")]
    name: String,
    /// Its version.
    #[schema(example = "2.0.0")]
    version: String,
    /// `firmware`, `model` or `application`.
    #[schema(value_type = String, example = "firmware")]
    kind: domain::ArtifactKind,
    /// The file name that devices see.
    file_name: String,
    /// SHA-256 of the content.
    #[schema(value_type = String)]
    digest: Digest,
    /// SHA-1 of the content, because the device protocol asks for it.
    sha1: String,
    /// MD5 of the content, because the device protocol asks for it.
    md5: String,
    /// Size of the content.
    size_bytes: u64,
    /// What the maker says of it: `statement`, `signature`, `key_id`.
    #[schema(value_type = Option<Object>)]
    signed: Option<domain::SignedStatement>,
    /// The account that pushed it.
    #[schema(value_type = String)]
    pushed_by: AccountId,
    /// When.
    #[schema(value_type = String)]
    pushed_at: Timestamp,
}

impl From<domain::Artifact> for Artifact {
    fn from(artifact: domain::Artifact) -> Self {
        let domain::Artifact {
            id,
            tenant,
            name,
            version,
            kind,
            file_name,
            digest,
            sha1,
            md5,
            size_bytes,
            signed,
            pushed_by,
            pushed_at,
        } = artifact;
        Self {
            id,
            tenant,
            name,
            version,
            kind,
            file_name,
            digest,
            sha1,
            md5,
            size_bytes,
            signed,
            pushed_by,
            pushed_at,
        }
    }
}

/// An artifact and what its signature is worth today.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownArtifact {
    #[serde(flatten)]
    pub(crate) artifact: Artifact,
    /// `outcome`, `key_id` and a sentence for people.
    #[schema(value_type = Object, example = json!({
        "outcome": "verified", "key_id": "9f86d081", "detail": "signed by a trusted key"
    }))]
    pub(crate) signature: domain::SignatureFacts,
}

/// A ledger entry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Its place in the log.
    #[schema(example = 41)]
    pub(crate) index: u64,
    /// The RFC 6962 leaf hash, hexadecimal.
    leaf_hash: String,
    /// The entry. Its canonical JSON (RFC 8785) is what the leaf hash is over.
    #[schema(value_type = Object)]
    entry: serde_json::Value,
    /// What the entry's data digest is over; absent (`null`) once erased.
    #[schema(value_type = Option<Object>)]
    payload: Option<serde_json::Value>,
}

impl From<StoredRow> for Entry {
    fn from(row: StoredRow) -> Self {
        // What was altered so that it is no JSON any more is shown as text; verifying says that it was altered.
        let json = |bytes: &[u8]| {
            serde_json::from_slice(bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
        };
        Self {
            index: row.idx,
            leaf_hash: hex::encode(&row.leaf_hash),
            entry: json(&row.body),
            payload: row.payload.as_deref().map(json),
        }
    }
}

/// An installed plugin.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Plugin {
    /// Its name, under which proposals and the configuration choose it.
    #[schema(example = "canary")]
    name: String,
    /// Its version.
    #[schema(example = "1.0.0")]
    version: String,
    /// `compliance-gate`, `health-check` or `rollout-strategy`.
    #[schema(value_type = String, example = "rollout-strategy")]
    kind: sandbox::types::PluginKind,
    /// SHA-256 of the component: its identity.
    #[schema(value_type = String)]
    digest: Digest,
    /// One sentence.
    summary: String,
    /// JSON Schema (draft 2020-12) of its settings.
    #[schema(value_type = Object)]
    settings_schema: serde_json::Value,
    /// The evidence sources that it may ask for.
    evidence_sources: Vec<String>,
}

impl From<&sandbox::Plugin> for Plugin {
    fn from(plugin: &sandbox::Plugin) -> Self {
        let about = plugin.description();
        Self {
            name: about.name.clone(),
            version: about.version.clone(),
            kind: plugin.kind(),
            digest: plugin.digest(),
            summary: about.summary.clone(),
            // Installing parsed it already.
            settings_schema: serde_json::from_str(&about.settings_schema).unwrap_or_default(),
            evidence_sources: about.evidence_sources.clone(),
        }
    }
}

/// The policies in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Bundle {
    /// Its digest, which decisions refer to.
    #[schema(value_type = String)]
    digest: Digest,
    /// What it is called.
    name: String,
    /// Rises with every edit.
    revision: u64,
    /// How many policies it has.
    policies: usize,
    /// True when it has none and so denies everything.
    denies_all: bool,
}

impl From<&policy::Bundle> for Bundle {
    fn from(bundle: &policy::Bundle) -> Self {
        Self {
            digest: bundle.digest,
            name: bundle.name.clone(),
            revision: bundle.revision,
            policies: bundle.policy_count(),
            denies_all: bundle.denies_all(),
        }
    }
}

/// The files of a bundle.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BundleFiles {
    /// By path inside the bundle.
    files: BTreeMap<String, String>,
}

impl From<BTreeMap<String, Vec<u8>>> for BundleFiles {
    fn from(files: BTreeMap<String, Vec<u8>>) -> Self {
        let text = |content: Vec<u8>| String::from_utf8_lossy(&content).into_owned();
        Self { files: files.into_iter().map(|(path, content)| (path, text(content))).collect() }
    }
}

/// The policies that a tenant's programs ask over AuthZEN.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Application {
    /// Its digest, which decisions refer to.
    #[schema(value_type = String)]
    digest: Digest,
    /// What it is called.
    name: String,
    /// Rises with every edit.
    revision: u64,
    /// How many policies it has.
    policies: usize,
    /// How many entities it keeps.
    entities: usize,
    /// True when it has no policies and so denies everything.
    denies_all: bool,
}

impl From<&policy::Application> for Application {
    fn from(application: &policy::Application) -> Self {
        Self {
            digest: application.digest,
            name: application.name.clone(),
            revision: application.revision,
            policies: application.policy_count(),
            entities: application.entity_count(),
            denies_all: application.denies_all(),
        }
    }
}
