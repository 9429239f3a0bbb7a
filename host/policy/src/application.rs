//! An application's own policies, for programs that ask over AuthZEN: any schema, any words, one tenant.
//!
//! [`Bundle`](crate::Bundle) answers Interlock's own questions, whose words are fixed. An [`Application`] answers those of
//! a tenant's other programs. Both are validated as a whole before they exist, both deny when a policy errs.
//!
//! **Invariants.** What a question leaves out denies, what it adds and no policy can read changes nothing, and what the
//! application keeps of an entity is all there is of it, but for what the application lets a question claim.

mod approval;
mod evaluate;
mod kept;
mod load;
mod question;
mod record;
mod schema;
mod search;
mod tenant;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    path::Path,
};

use cedar_policy::{Authorizer, Entities, EntityTypeName, EntityUid, Schema};
use interlock_domain::TenantId;
use interlock_ledger::Digest;
use serde_json::Value;

pub use approval::{APPROVAL, Approved};
pub(crate) use evaluate::Posed;
pub use load::ApplicationCase;
pub use question::{Access, Search, Thing, Verb, Wanted};
pub use record::MASK;
pub use search::{Found, Part};

use crate::{BundleError, Limits, bucket::Notes, files, slices::Slices};

/// A tenant's policies for programs of its own. Whoever holds one can ask it.
pub struct Application {
    /// SHA-256 of the canonical list of its files and their digests.
    pub digest: Digest,
    /// What it is called.
    pub name: String,
    /// Rises with every edit.
    pub revision: u64,
    /// What is never written into a record, as JSON pointers into a question.
    pub masked: Vec<String>,
    schema: Schema,
    declared: schema::Declared,
    /// What a question may say of a kept entity, by type.
    claims: BTreeMap<String, BTreeSet<String>>,
    /// Types and actions by the names that questions use.
    types: BTreeMap<String, EntityTypeName>,
    actions: BTreeMap<String, EntityUid>,
    buckets: HashMap<EntityUid, Bucket>,
    notes: Notes,
    /// The entities that the application keeps, with what each is written as.
    kept: Entities,
    written: HashMap<EntityUid, Value>,
    by_type: BTreeMap<String, Vec<EntityUid>>,
    authorizer: Authorizer,
}

/// What one action's questions need.
struct Bucket {
    enforced: Slices,
    monitored: Slices,
    action: Entities,
    /// Subjects and resources of which types the action applies to. A question about such needs no validation beyond that of
    /// its entities and context: it takes longer than the policies.
    applies_to: HashSet<(EntityTypeName, EntityTypeName)>,
    /// What its context may hold.
    context: Option<schema::Shape>,
}

impl Application {
    /// Reads and validates an application from its folder, within the default [`Limits`], and has its cases hold.
    pub fn load_dir(folder: &Path) -> Result<Self, BundleError> {
        Self::from_files(&Self::read_dir(folder)?)
    }

    /// The files in a folder by path inside it: what [`Application::from_files`] takes, for whoever keeps them too.
    pub fn read_dir(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
        Self::read_dir_within(folder, &Limits::default())
    }

    /// The same, within other limits.
    pub fn read_dir_within(folder: &Path, limits: &Limits) -> Result<BTreeMap<String, Vec<u8>>, BundleError> {
        files::read_dir(folder, limits)
    }

    /// Validates an application, given its files by path inside its folder, and has its cases hold.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, BundleError> {
        Self::from_files_within(files, &Limits::default(), None)
    }

    /// The same, within other limits. Given whose it is, one that names what belongs to another tenant is refused.
    pub fn from_files_within(
        files: &BTreeMap<String, Vec<u8>>,
        limits: &Limits,
        tenant: Option<&TenantId>,
    ) -> Result<Self, BundleError> {
        load::load(files, limits, tenant)
    }

    /// True when it has no policies, and so denies everything.
    pub fn denies_all(&self) -> bool {
        self.notes.is_empty()
    }

    /// How many policies it has.
    pub fn policy_count(&self) -> usize {
        self.notes.len()
    }

    /// How many policies a question about this action asks, by the name that questions use.
    pub fn policies_asked(&self, action: &str) -> usize {
        let bucket = self.actions.get(action).and_then(|action| self.buckets.get(action));
        bucket.map_or(0, |bucket| bucket.enforced.len() + bucket.monitored.len())
    }

    /// How many entities it keeps.
    pub fn entity_count(&self) -> usize {
        self.written.len()
    }
}

/// Without its policies and entities, which are pages of Cedar's inner types.
impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("digest", &self.digest)
            .field("name", &self.name)
            .field("revision", &self.revision)
            .field("policies", &self.policy_count())
            .finish_non_exhaustive()
    }
}
