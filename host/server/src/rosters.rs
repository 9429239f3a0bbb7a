//! What this replica has of the rosters: which revision of each it put onto the shelf, and what did not load.
//!
//! **Invariant:** what a change may use is read from the store each time; this only says what is ready to be called, and
//! what to tell an operator.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use interlock_domain::{Digest, Environment, TenantId, Timestamp};
use serde::Serialize;

/// How long a component that did not load is left alone.
const RETRY_AFTER_MS: i64 = 60_000;

/// An environment of a tenant.
pub(crate) type Place = (TenantId, Environment);

/// What this replica has of the rosters.
#[derive(Debug, Default)]
pub(crate) struct Rosters {
    /// Held while the shelf follows the store.
    pub(crate) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    followed: BTreeMap<Place, Followed>,
    broken: BTreeMap<Digest, (String, Timestamp)>,
}

#[derive(Debug, Clone, Default)]
struct Followed {
    revision: u64,
    plugins: Vec<Digest>,
    unloaded: Vec<Unloaded>,
}

/// An active plugin that does not load: what it judges is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Unloaded {
    pub(crate) tenant: TenantId,
    pub(crate) environment: Environment,
    pub(crate) plugin: String,
    pub(crate) digest: Digest,
    pub(crate) reason: String,
}

impl Rosters {
    /// Whether the shelf has all of this revision, or would not get more of it by looking again now.
    pub(crate) fn follows(&self, place: &Place, revision: u64, now: Timestamp) -> bool {
        let state = self.state();
        state.followed.get(place).is_some_and(|followed| {
            followed.revision == revision
                && followed.unloaded.iter().all(|unloaded| state.reason(&unloaded.digest, now).is_some())
        })
    }

    /// The shelf has this revision now, but for what did not load.
    pub(crate) fn followed(
        &self,
        place: Place,
        revision: u64,
        plugins: Vec<Digest>,
        unloaded: Vec<Unloaded>,
    ) {
        self.state().followed.insert(place, Followed { revision, plugins, unloaded });
    }

    /// Why a component does not load, when it was tried lately.
    pub(crate) fn reason(&self, digest: &Digest, now: Timestamp) -> Option<String> {
        self.state().reason(digest, now)
    }

    /// A component does not load.
    pub(crate) fn broke(&self, digest: Digest, reason: String, now: Timestamp) {
        self.state().broken.insert(digest, (reason, now));
    }

    /// A component loads.
    pub(crate) fn mended(&self, digest: &Digest) {
        self.state().broken.remove(digest);
    }

    /// How many active plugins do not load.
    pub(crate) fn unloaded(&self) -> usize {
        self.state().followed.values().map(|followed| followed.unloaded.len()).sum()
    }

    /// The active plugins of a tenant that do not load.
    pub(crate) fn unloaded_of(&self, tenant: &TenantId) -> Vec<Unloaded> {
        let state = self.state();
        let unloaded = state.followed.values().flat_map(|followed| &followed.unloaded);
        unloaded.filter(|unloaded| unloaded.tenant == *tenant).cloned().collect()
    }

    /// Whether a component is active in some environment.
    pub(crate) fn active(&self, digest: &Digest) -> bool {
        self.state().followed.values().any(|followed| followed.plugins.contains(digest))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reason(&self, digest: &Digest, now: Timestamp) -> Option<String> {
        let (reason, at) = self.broken.get(digest)?;
        (now.millis_since(*at) < RETRY_AFTER_MS).then(|| reason.clone())
    }
}
