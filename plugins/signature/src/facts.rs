//! What the host states about an artifact: evidence source `artifact`, key `NAME@VERSION@DIGEST`.
//!
//! The host verifies the cryptography; this gate only judges what it found.

use std::collections::BTreeMap;

use interlock_plugin_sdk::{Artifact, Change, Fault};
use serde::Deserialize;

/// What the host knows about one artifact.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Digest of the plain content.
    pub(crate) digest: String,
    /// Size of the plain content in bytes.
    pub(crate) size: u64,
    pub(crate) signature: Signature,
    /// The hardware models that the signed statement names; all when empty.
    pub(crate) models: Vec<String>,
    /// The counter that the signed statement carries; absent without a statement.
    pub(crate) release_counter: Option<u64>,
    /// The highest counter that was released so far; absent before the first release. A release that was rolled back
    /// does not count against what its targets went back to.
    pub(crate) current_release_counter_max: Option<u64>,
}

impl Facts {
    /// A fault unless these facts are about this very artifact.
    pub(crate) fn about(&self, artifact: &Artifact) -> Result<(), Fault> {
        let asked = [&artifact.name, &artifact.version, &artifact.digest];
        let answered = [&self.name, &self.version, &self.digest];
        if asked == answered {
            return Ok(());
        }
        Err(Fault::Evidence(format!(
            "asked about artifact `{}` {} ({}), but the answer is about `{}` {} ({})",
            asked[0], asked[1], asked[2], answered[0], answered[1], answered[2]
        )))
    }
}

/// What this gate reads of the manifest.
#[derive(Deserialize)]
struct Manifest {
    population: Population,
}

#[derive(Deserialize)]
struct Population {
    /// Not in manifests from before it was recorded.
    #[serde(default)]
    models: BTreeMap<String, u64>,
}

/// The hardware models of a change's targets, with how many targets each has.
pub(crate) fn models(change: &Change) -> Result<BTreeMap<String, u64>, Fault> {
    let manifest = serde_json::from_str::<Manifest>(&change.manifest);
    let models = manifest.map(|manifest| manifest.population.models).unwrap_or_default();
    if models.is_empty() {
        return Err(Fault::Evidence(
            "the manifest does not say of which models the targets are; propose the change again".to_owned(),
        ));
    }
    Ok(models)
}

/// How the verification of the signature went.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Signature {
    pub(crate) outcome: Outcome,
    /// The key that the statement names.
    pub(crate) key_id: Option<String>,
    /// What else the host has to say, as a sentence.
    pub(crate) detail: Option<String>,
}

/// One reason each. An outcome that is not listed here cannot be judged and is a fault, so a deny.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Verified,
    Missing,
    UnknownKey,
    RevokedKey,
    DigestMismatch,
    SizeMismatch,
    WrongPadding,
    WrongSalt,
    KeyTooSmall,
    BadSignature,
    MalformedStatement,
    OtherArtifact,
    Expired,
    NotYetValid,
}

impl Outcome {
    /// The finding's code, what is wrong, and what to do; nothing for a good signature.
    pub(crate) fn objection(self) -> Option<(&'static str, &'static str, &'static str)> {
        Some(match self {
            Self::Verified => return None,
            Self::Missing => ("signature-missing", "is not signed", "sign it and push it again"),
            Self::UnknownKey => (
                "signature-unknown-key",
                "is signed with a key that is not in the trust store",
                "sign it with a trusted key, or have the key added",
            ),
            Self::RevokedKey => (
                "signature-revoked-key",
                "is signed with a revoked key",
                "sign it with a key that is in force",
            ),
            Self::DigestMismatch => (
                "signature-digest-mismatch",
                "is not what was signed: its digest differs from the signed one",
                "push the original content, or sign this one",
            ),
            Self::SizeMismatch => (
                "signature-size-mismatch",
                "is not what was signed: its size differs from the signed one",
                "push the original content, or sign this one",
            ),
            Self::WrongPadding => (
                "signature-wrong-padding",
                "has a signature with another padding than PSS",
                "sign it with RSA-PSS and SHA-512",
            ),
            Self::WrongSalt => (
                "signature-wrong-salt",
                "has a signature with another salt length than that of SHA-512",
                "sign it with a salt of 64 bytes",
            ),
            Self::KeyTooSmall => {
                ("signature-key-too-small", "is signed with a key that is too small", "sign it with RSA-4096")
            }
            Self::BadSignature => (
                "signature-bad",
                "has a signature that does not verify",
                "treat it as tampered with until its origin is clear",
            ),
            Self::MalformedStatement => {
                ("signature-malformed", "has a signed statement that cannot be read", "sign it again")
            }
            Self::OtherArtifact => (
                "signature-other-artifact",
                "has a signed statement about another artifact or version",
                "push the statement that belongs to it, or sign one",
            ),
            Self::Expired => ("signature-expired", "has a signature that has expired", "sign it again"),
            Self::NotYetValid => (
                "signature-not-yet-valid",
                "has a signature that is not valid yet",
                "wait until it is, or sign it again",
            ),
        })
    }
}
