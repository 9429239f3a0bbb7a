//! What a registry keeps of a plugin: OCI image manifests with the wasm media types.
//!
//! The artifact is that of the CNCF's "Wasm OCI Artifact layout", which `wkg` writes too: one config, one layer. Signatures
//! are referrers as OCI image and distribution 1.1 describe them: a manifest whose `subject` is the plugin's.

use std::collections::BTreeMap;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM: &str = "application/wasm";
/// What a referrer with signatures is.
pub(crate) const SIGNATURES: &str = "application/vnd.interlock.plugin.signatures.v1+json";
pub(crate) const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Manifests and indexes beyond this are not read.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 256 << 10;
/// So many referrers with signatures are read of one plugin, the first ones.
pub(crate) const REFERRERS_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

/// The tag under which referrers are found where a registry has no referrers API (OCI distribution 1.1, "Referrers Tag
/// Schema").
pub(crate) fn referrers_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.to_hex())
}

/// The config that `wkg` reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WasmConfig<'a> {
    /// Always the same, so that one component has one manifest digest whenever it is pushed.
    pub(crate) created: &'static str,
    pub(crate) architecture: &'static str,
    pub(crate) os: &'static str,
    pub(crate) layer_digests: [Digest; 1],
    pub(crate) component: Component<'a>,
}

#[derive(Serialize)]
pub(crate) struct Component<'a> {
    pub(crate) exports: &'a [String],
    pub(crate) imports: &'a [String],
    pub(crate) target: Option<&'a str>,
}
