//! One immutable, digest-named set of schema, policies and cases.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

use cedar_policy::{Authorizer, Entities, Policy, Request, Schema};
use interlock_domain::{Action, Determining, Environment, Profile, Question};
use interlock_ledger::Digest;

use crate::{
    BundleError, Limits,
    bucket::{Bucket, Notes},
    cases::CaseFile,
    clause, files,
    invariants::Invariant,
    load, sample_question,
};

/// A validated set of policies. Whoever holds one can ask it.
pub struct Bundle {
    /// SHA-256 of the canonical list of its files and their digests.
    pub digest: Digest,
    /// What it is called.
    pub name: String,
    /// Rises with every edit, so that an old bundle cannot be played again.
    pub revision: u64,
    /// The environments that the guard rails for guarded environments leave alone. Every other one is guarded.
    pub unguarded: BTreeSet<Environment>,
    pub(crate) profiles: Option<Vec<Profile>>,
    pub(crate) schema: Schema,
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) notes: Notes,
    pub(crate) cases: Vec<CaseFile>,
    pub(crate) invariants: Vec<Invariant>,
    pub(crate) authorizer: Authorizer,
}

impl Bundle {
    /// Reads, validates and tries a bundle from a folder, within the default [`Limits`].
    pub fn load_dir(folder: &Path) -> Result<Self, BundleError> {
        Self::load_dir_within(folder, &Limits::default())
    }

    /// Reads, validates and tries a bundle from a folder.
    pub fn load_dir_within(folder: &Path, limits: &Limits) -> Result<Self, BundleError> {
        Self::from_files_within(&files::read_dir(folder, limits)?, limits)
    }

    /// The files in a folder by path inside the bundle, within the default [`Limits`]: what [`Bundle::from_files`] takes,
    /// for whoever keeps them too.
    pub fn read_dir(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
        Self::read_dir_within(folder, &Limits::default())
    }

    /// The same, within other limits.
    pub fn read_dir_within(folder: &Path, limits: &Limits) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
        files::read_dir(folder, limits)
    }

    /// Validates and tries a bundle, given its files by path inside the bundle, within the default [`Limits`].
    pub fn from_files(files: BTreeMap<String, Vec<u8>>) -> Result<Self, BundleError> {
        Self::from_files_within(&files, &Limits::default())
    }

    /// Validates and tries a bundle, given its files by path inside the bundle.
    pub fn from_files_within(
        files: &BTreeMap<String, Vec<u8>>,
        limits: &Limits,
    ) -> Result<Self, BundleError> {
        let bundle = load::load(files, limits)?;
        bundle.smoke_test()?;
        Ok(bundle)
    }

    /// Asks one sample question for every action. An answer may be yes or no; it must not be an error, or the bundle
    /// would deny for a reason that nobody intended. Loading does this; it is public for whoever wants to be sure.
    pub fn smoke_test(&self) -> Result<(), BundleError> {
        for &action in Action::ALL {
            let answer = self.ask(&sample_question(action));
            if !answer.errors.is_empty() {
                return Err(BundleError::Mute { action, errors: answer.errors });
            }
        }
        Ok(())
    }

    /// True when it has no policies, and so denies everything. Worth a warning wherever bundles are shown.
    pub fn denies_all(&self) -> bool {
        self.notes.is_empty()
    }

    /// What it may speak of.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The ids of its policies, sorted.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.notes.keys().map(String::as_str).collect()
    }

    /// What its annotations say of a policy.
    pub fn note(&self, id: &str) -> Option<&Determining> {
        self.notes.get(id)
    }

    /// What is to hold whatever the policies say, in the order of files and lines. It decides nothing.
    pub fn invariants(&self) -> &[Invariant] {
        &self.invariants
    }

    /// The policies that are asked about an action, and whether each only watches; sorted by id.
    pub fn policies_of(&self, action: Action) -> Vec<(&Policy, bool)> {
        let bucket = &self.buckets[action as usize];
        let enforced = bucket.enforced.policies().map(|policy| (policy, false));
        let mut policies: Vec<_> =
            enforced.chain(bucket.monitored.policies().map(|policy| (policy, true))).collect();
        policies.sort_by_key(|(policy, _)| policy.id().to_string());
        policies
    }

    /// A question in Cedar's own words, valid against the schema; or why it does not fit.
    pub fn posed(&self, question: &Question) -> Result<(Request, Entities), String> {
        self.request(question, &self.buckets[question.action as usize]).map_err(|error| error.to_string())
    }

    /// How many policies it has.
    pub fn policy_count(&self) -> usize {
        self.notes.len()
    }

    /// Whether an answer about this action may depend on anything besides who asks and about what: on the time, above all.
    pub fn reads_context(&self, action: Action) -> bool {
        let bucket = &self.buckets[action as usize];
        bucket.enforced.policies().chain(bucket.monitored.policies()).any(reads_context)
    }
}

/// Whether a policy names the context. One that cannot be looked into may.
fn reads_context(policy: &Policy) -> bool {
    let json = clause::json_of(policy);
    json.is_null() || clause::any(&json, &|fields| fields.get("Var").is_some_and(|var| var == "context"))
}

/// Without its policies, which are pages of Cedar's inner types.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("digest", &self.digest)
            .field("name", &self.name)
            .field("revision", &self.revision)
            .field("policies", &self.policy_count())
            .finish_non_exhaustive()
    }
}
