//! Electronic signatures (21 CFR Part 11): what a person is shown, what they mean by it, and the record of it.
//!
//! **Invariant:** what is signed names one change by id and by the digest of its manifest, and the exact text that was shown. A
//! signature of a manifest that was revised since is *superseded*: it stays, and counts no more, because the digest differs.

mod view;

use interlock_ledger::{CanonicalError, Digest, to_canonical};
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ArtifactRef, Change, ChangeId, DecisionId, DocumentRef, Meaning, PersonId, Role, SignatureId,
    TenantId, Timestamp, UsedDelegation,
};
pub(crate) use view::disorders;
pub use view::{sentence, view};

/// What binds a signature to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureBinding {
    /// The signer's passkey signed the intent itself.
    Passkey,
    /// The server attests it, after the password and a one-time code.
    Server,
}

/// Who signs, as of then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// The person.
    pub person: PersonId,
    /// Through which account.
    pub account: AccountId,
    /// What they are called, as it is printed.
    pub name: String,
    /// What they are there, by their roles.
    pub title: String,
    /// Where: the tenant.
    pub organization: TenantId,
}

/// How far a signature reaches, and for whom it speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The one stage that it is for, counted from 0; absent when it is for the whole change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<u32>,
    /// Whose roles count, when the signer signs with roles that were lent to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<UsedDelegation>,
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    /// `change`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which.
    pub id: ChangeId,
    /// Its revision when it was shown.
    pub version: u64,
    /// SHA-256 of the canonical JSON of its manifest.
    pub digest: Digest,
}

/// What a person is about to sign. A passkey signs its digest; whatever differs makes another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// 1.
    pub v: u32,
    /// The name of the log that records it.
    pub origin: String,
    /// The signature's id.
    pub sig_id: SignatureId,
    /// Who.
    pub signer: Signer,
    /// What they mean.
    pub meaning: Meaning,
    /// That, in the words that they were shown.
    pub sentence: String,
    /// How far it reaches.
    #[serde(flatten)]
    pub extent: Extent,
    /// Why, in their words.
    pub reason: String,
    /// What.
    pub record: SignedRecord,
    /// SHA-256 of the text as it was shown.
    pub view_sha256: Digest,
    /// SHA-256 of the session's id.
    pub session_sha256: Digest,
    /// When it was shown.
    pub issued_at: Timestamp,
    /// Until when it can be signed.
    pub expires_at: Timestamp,
}

/// The parts of the manifest by digest, so that a reader of the record knows what it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// What the change brings.
    pub artifacts: Vec<ArtifactRef>,
    /// The documents about it, risk assessments among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentRef>,
    /// The set of targets.
    pub targets: Digest,
    /// The policies that were in force when it was proposed.
    pub bundle: Digest,
    /// What the gates had said by then.
    pub gates: Digest,
    /// The strategy, its settings and its plan.
    pub strategy: Digest,
    /// How it comes back.
    pub rollback: Digest,
}

/// The passkey's own signature, with all that it takes to verify it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasskeyProof {
    /// Its id, base64url.
    pub credential: String,
    /// Its public key as COSE writes it, base64url.
    pub key: String,
    /// The relying party.
    pub rp_id: String,
    /// The page.
    pub origins: Vec<String>,
    /// What the page signed, base64url.
    pub client_data: String,
    /// What the authenticator says, base64url.
    pub authenticator_data: String,
    /// Over both, base64url.
    pub signature: String,
}

/// How the signer proved who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningProof {
    /// `password`, `totp`, `passkey`.
    pub components: Vec<String>,
    /// Whether this is the first signature of a signing session, which takes two.
    pub first: bool,
    /// The passkey's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<PasskeyProof>,
}

/// By what right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// The roles that the signer held there and then.
    pub roles: Vec<Role>,
    /// Where the change was: gates or approvals.
    pub state: crate::State,
    /// The policy decision that let them.
    pub decision: DecisionId,
    /// The policies that allowed it.
    pub policies: Vec<String>,
}

/// When, and by which clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedClock {
    /// `server`.
    pub source: String,
    /// How far the true time is ahead of it, as the time server says; absent where none is configured.
    pub offset_ms: Option<i64>,
    /// The signer's time zone, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// A signature record: the payload of its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureRecord {
    /// What was signed.
    #[serde(flatten)]
    pub intent: Intent,
    /// When.
    pub signed_at: Timestamp,
    /// By which clock.
    pub clock: SignedClock,
    /// What the manifest comes to.
    pub manifest: Covered,
    /// How the signer proved who they are.
    pub auth: SigningProof,
    /// What binds it.
    pub binding: SignatureBinding,
    /// By what right.
    pub authority: Authority,
    /// SHA-256 of the envelope of each earlier signature on this digest.
    pub prior: Vec<Digest>,
}

/// A signature as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Its id.
    pub id: SignatureId,
    /// Where.
    pub tenant: TenantId,
    /// Of which change.
    pub change: ChangeId,
    /// By whom.
    pub person: PersonId,
    /// The digest of the manifest that was signed.
    pub digest: Digest,
    /// What was meant.
    pub meaning: Meaning,
    /// What binds it.
    pub binding: SignatureBinding,
    /// When.
    pub signed_at: Timestamp,
    /// The DSSE envelope around the record, as JSON text.
    pub envelope: String,
}

impl Signature {
    /// SHA-256 of the envelope.
    pub fn envelope_digest(&self) -> Digest {
        Digest::of(&self.envelope)
    }

    /// What the ledger says of it: ids and digests, nothing of what persons are called or wrote.
    pub fn shown(&self) -> serde_json::Value {
        serde_json::json!({
            "binding": self.binding, "change": self.change, "digest": self.digest, "envelope": self.envelope_digest(),
            "id": self.id, "meaning": self.meaning, "person": self.person,
        })
    }

    /// Whether the change was revised since.
    pub fn is_superseded(&self, change: &Change) -> bool {
        self.digest != change.digest
    }
}

impl Intent {
    /// SHA-256 of the canonical JSON: the challenge that a passkey signs.
    pub fn challenge(&self) -> Result<Digest, CanonicalError> {
        Ok(Digest::of(to_canonical(self)?))
    }
}

impl Covered {
    /// Of this change as it is.
    pub fn of(change: &Change) -> Result<Self, CanonicalError> {
        let manifest = &change.manifest;
        Ok(Self {
            artifacts: manifest.artifacts.clone(),
            documents: manifest.documents.clone(),
            targets: manifest.population.digest,
            bundle: manifest.bundle,
            gates: Digest::of_canonical(&change.gates)?,
            strategy: Digest::of_canonical(&manifest.strategy)?,
            rollback: Digest::of_canonical(&manifest.rollback)?,
        })
    }
}

#[cfg(test)]
#[path = "esign_tests.rs"]
mod tests;
