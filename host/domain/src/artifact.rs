//! Artifacts: content addressed by its SHA-256, and a signed statement about it.

use std::{fmt, str::FromStr};

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{AccountId, ArtifactId, ArtifactRef, IdError, TenantId, Timestamp};

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// Runs a device.
    Firmware,
    /// A trained model.
    Model,
    /// Software beside the firmware.
    Application,
}

/// What the maker of an artifact signs: canonical JSON of this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactStatement {
    /// Always 1.
    pub v: u32,
    /// The artifact's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the plain content.
    pub digest: Digest,
    /// Size of the plain content.
    pub size_bytes: u64,
    /// Rises with every release; a lower one is an attempt to roll back to something known to be weak.
    pub release_counter: u64,
    /// The hardware models it is for; all when empty.
    #[serde(default)]
    pub models: Vec<String>,
    /// Not valid before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Not valid after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A statement with its signature: RSA-4096, RSASSA-PSS, SHA-512, salt of 64 bytes, over the exact text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedStatement {
    /// The exact text that was signed.
    pub statement: String,
    /// The signature, base64.
    pub signature: String,
    /// SHA-256 of the signer's public key (DER SubjectPublicKeyInfo), hexadecimal.
    pub key_id: String,
}

/// What came of verifying a signature. Each reason apart, so that a person knows what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureOutcome {
    /// Sound: trusted key, right padding, statement about exactly this content, valid now.
    Verified,
    /// The statement is not valid yet.
    NotYetValid,
    /// The statement is no longer valid.
    Expired,
    /// There is no signature.
    Missing,
    /// No trusted key has this id.
    UnknownKey,
    /// The key was trusted once.
    RevokedKey,
    /// The key has fewer than 4096 bits.
    KeyTooSmall,
    /// The signature is PKCS#1 v1.5, not PSS.
    WrongPadding,
    /// The salt has another length than 64 bytes.
    WrongSalt,
    /// The signature is not by this key over this text.
    BadSignature,
    /// The signed text is not a statement.
    MalformedStatement,
    /// The statement is about another artifact name or version.
    OtherArtifact,
    /// The statement is about content of another size.
    SizeMismatch,
    /// The statement is about other content.
    DigestMismatch,
}

impl SignatureOutcome {
    /// Its name in policies, evidence and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            SignatureOutcome::Verified => "verified",
            SignatureOutcome::NotYetValid => "not_yet_valid",
            SignatureOutcome::Expired => "expired",
            SignatureOutcome::Missing => "missing",
            SignatureOutcome::UnknownKey => "unknown_key",
            SignatureOutcome::RevokedKey => "revoked_key",
            SignatureOutcome::KeyTooSmall => "key_too_small",
            SignatureOutcome::WrongPadding => "wrong_padding",
            SignatureOutcome::WrongSalt => "wrong_salt",
            SignatureOutcome::BadSignature => "bad_signature",
            SignatureOutcome::MalformedStatement => "malformed_statement",
            SignatureOutcome::OtherArtifact => "other_artifact",
            SignatureOutcome::SizeMismatch => "size_mismatch",
            SignatureOutcome::DigestMismatch => "digest_mismatch",
        }
    }
}

impl fmt::Display for SignatureOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stored artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// Where it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// Its version. Name and version are unique in a tenant.
    pub version: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// The file name that devices see.
    pub file_name: String,
    /// SHA-256 of the plain content; also its address in the store.
    pub digest: Digest,
    /// SHA-1 of the plain content, hexadecimal, because the device protocol asks for it.
    pub sha1: String,
    /// MD5 of the plain content, hexadecimal, because the device protocol asks for it.
    pub md5: String,
    /// Size of the plain content.
    pub size_bytes: u64,
    /// What the maker says of it.
    pub signed: Option<SignedStatement>,
    /// Who pushed it.
    pub pushed_by: AccountId,
    /// When.
    pub pushed_at: Timestamp,
}

/// What came of verifying the signed statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureFacts {
    /// The outcome.
    pub outcome: SignatureOutcome,
    /// The key that is said to have signed.
    pub key_id: Option<String>,
    /// One sentence for a person.
    pub detail: String,
}

/// Which artifact, exactly: the key of the evidence source `artifact`, written `NAME@VERSION@DIGEST`, for example
/// `pump-firmware@2.0.0@sha256:…`.
///
/// All three, because the same bytes may be stored under several names and versions, and a signature is about one name
/// and one version: found by its content alone, an artifact would lend its signature to its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactKey {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the plain content.
    pub digest: Digest,
}

impl From<&ArtifactRef> for ArtifactKey {
    fn from(artifact: &ArtifactRef) -> Self {
        Self { name: artifact.name.clone(), version: artifact.version.clone(), digest: artifact.digest }
    }
}

impl fmt::Display for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}@{}", self.name, self.version, self.digest)
    }
}

impl FromStr for ArtifactKey {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        // Neither names nor versions have an `@`, so there is one reading.
        let parts: Vec<&str> = text.split('@').collect();
        if let [name, version, digest] = parts[..]
            && !name.is_empty()
            && !version.is_empty()
            && let Ok(digest) = digest.parse()
        {
            return Ok(Self { name: name.to_owned(), version: version.to_owned(), digest });
        }
        Err(IdError {
            text: text.chars().take(80).collect(),
            expected: "an artifact's name, version and digest, such as `pump-firmware@2.0.0@sha256:…`",
        })
    }
}

/// The evidence document of source `artifact`, key = [`ArtifactKey`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFacts {
    /// SHA-256 of the plain content.
    pub digest: Digest,
    /// Size of the plain content.
    pub size: u64,
    /// The artifact's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What came of verifying the signature.
    pub signature: SignatureFacts,
    /// The hardware models that its statement names; all when empty, and when there is no statement.
    pub models: Vec<String>,
    /// The counter that its statement claims.
    pub release_counter: Option<u64>,
    /// The counter below which it is a downgrade: see [`release_counter_floor`](crate::release_counter_floor).
    pub current_release_counter_max: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_key_is_name_version_and_digest_and_reads_as_it_is_written() {
        let digest = Digest::of("content");
        let key = ArtifactKey { name: "pump-firmware".to_owned(), version: "2.0.0+b1".to_owned(), digest };
        assert_eq!(key.to_string(), format!("pump-firmware@2.0.0+b1@{digest}"));
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in [
            digest.to_string(),
            format!("pump-firmware@{digest}"),
            format!("@2.0.0@{digest}"),
            format!("pump-firmware@@{digest}"),
            format!("pump@firmware@2.0.0@{digest}"),
            "pump-firmware@2.0.0@sha256:00".to_owned(),
        ] {
            let error = text.parse::<ArtifactKey>().unwrap_err();
            assert!(error.to_string().contains("such as `pump-firmware@2.0.0@sha256:…`"), "{error}");
        }
    }

    /// The outcome after this one. **Invariant:** every outcome is in it, or this does not compile.
    fn after(outcome: SignatureOutcome) -> Option<SignatureOutcome> {
        use SignatureOutcome as S;
        Some(match outcome {
            S::Verified => S::NotYetValid,
            S::NotYetValid => S::Expired,
            S::Expired => S::Missing,
            S::Missing => S::UnknownKey,
            S::UnknownKey => S::RevokedKey,
            S::RevokedKey => S::KeyTooSmall,
            S::KeyTooSmall => S::WrongPadding,
            S::WrongPadding => S::WrongSalt,
            S::WrongSalt => S::BadSignature,
            S::BadSignature => S::MalformedStatement,
            S::MalformedStatement => S::OtherArtifact,
            S::OtherArtifact => S::SizeMismatch,
            S::SizeMismatch => S::DigestMismatch,
            S::DigestMismatch => return None,
        })
    }

    /// The signature gate lives in another workspace. Its own tests hold it to the table in its README, so that the two
    /// together leave no outcome without a finding.
    #[test]
    fn the_signature_gate_documents_a_finding_for_every_outcome() {
        let readme = include_str!("../../../plugins/signature/README.md");
        let outcomes = std::iter::successors(Some(SignatureOutcome::Verified), |&outcome| after(outcome));
        for outcome in outcomes {
            assert!(readme.contains(&format!("| `{outcome}` |")), "`{outcome}` is not in the gate's README");
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }
}
