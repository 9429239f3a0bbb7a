//! What a `policy` change does: one bundle takes the place of another.

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::PersonId;

/// A policy bundle by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleRef {
    /// SHA-256 of the canonical list of its files.
    pub digest: Digest,
    /// What it is called.
    pub name: String,
    /// Rises with every bundle that is in force.
    pub revision: u64,
}

/// The bundle before and after, and what that means for those who approve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPlan {
    /// What is in force when it is proposed.
    pub from: BundleRef,
    /// What is in force from then on.
    pub to: BundleRef,
    /// Ids of policies that only the new one has.
    pub added: Vec<String>,
    /// Ids of policies that only the old one has.
    pub removed: Vec<String>,
    /// Ids of policies that say something else.
    pub altered: Vec<String>,
    /// How it may let through what was refused before, one sentence each.
    pub weakens: Vec<String>,
    /// Where it came from, when that was git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PolicySource>,
}

/// A head in git that policies came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySource {
    /// Its commit.
    pub commit: String,
    /// Its branch, as `refs/heads/main`.
    pub reference: String,
    /// Who signed what came since the last one that was taken: the principals of their keys, several with commas.
    pub signers: Vec<String>,
}

impl PolicySource {
    /// Whether a key of this person signed any of it: their id is among the key's principals.
    pub fn is_signed_by(&self, person: &PersonId) -> bool {
        self.signers.iter().flat_map(|principals| principals.split(',')).any(|one| one == person.as_str())
    }
}

impl PolicyPlan {
    /// Why this is no plan.
    pub fn fault(&self) -> Option<String> {
        let (from, to) = (&self.from, &self.to);
        if to.digest == from.digest {
            return Some(format!("bundle `{}` is in force already", to.digest));
        }
        (to.revision <= from.revision).then(|| {
            format!(
                "bundle `{}` has revision {}, and revision {} is in force; raise `revision` in bundle.toml above that",
                to.digest, to.revision, from.revision
            )
        })
    }
}
