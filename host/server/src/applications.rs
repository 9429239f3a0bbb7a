//! The tenants' applications: loaded from a folder with a folder for each tenant, swapped as a whole.
//!
//! A tenant whose application cannot be loaded keeps its last good one; no other tenant notices.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use interlock_domain::{Digest, TenantId, Timestamp};
use interlock_policy::{Application, BundleError, Limits};

use crate::{StartError, config::Policies};

/// What is in force, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    dir: PathBuf,
    limits: Limits,
    loaded: ArcSwap<BTreeMap<TenantId, InForce>>,
    refused: ArcSwap<BTreeMap<String, String>>,
    /// What was in force once and is not to be here: its folder is gone, or it cannot be read any more.
    passed_over: ArcSwap<BTreeMap<TenantId, Digest>>,
}

/// An application, and since when it is in force, where that was written down.
#[derive(Debug, Clone)]
struct InForce {
    application: Arc<Application>,
    since: Option<Timestamp>,
}

/// The files of an application, by path inside its folder.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// What is found in the folders, by tenant: an application and its files, or why there is none.
pub(crate) type InFolders = BTreeMap<TenantId, Result<(Application, Files), String>>;

impl Applications {
    /// Reads every tenant's folder; there are none when there is no folder for them. Nothing is in force yet.
    pub(crate) fn open(policies: &Policies) -> Result<(Self, InFolders), StartError> {
        let (dir, limits) = (policies.applications_dir.clone(), Limits::from(&policies.limits));
        let (mut refused, mut found) = (BTreeMap::new(), BTreeMap::new());
        for (name, path) in folders(&dir)? {
            match name.parse::<TenantId>() {
                Ok(tenant) => {
                    let read = read(&path, &limits, &tenant).map_err(|error| error.to_string());
                    found.insert(tenant, read);
                }
                Err(_) => _ = refused.insert(name, "the folder is not named like a tenant".to_owned()),
            }
        }
        let opened = Self { dir, limits, refused: ArcSwap::from_pointee(refused), ..Self::default() };
        Ok((opened, found))
    }

    /// Whether tenants may have one at all.
    pub(crate) fn enabled(&self) -> bool {
        !self.dir.as_os_str().is_empty()
    }

    /// The tenant's application.
    pub(crate) fn of(&self, tenant: &TenantId) -> Option<Arc<Application>> {
        self.loaded.load().get(tenant).map(|in_force| Arc::clone(&in_force.application))
    }

    /// Since when this application of the tenant is in force, where it still is and that was written down.
    pub(crate) fn since(&self, tenant: &TenantId, digest: &Digest) -> Option<Timestamp> {
        let loaded = self.loaded.load();
        loaded.get(tenant).filter(|in_force| in_force.application.digest == *digest)?.since
    }

    /// Reads the tenant's application from its folder, without putting it in force.
    pub(crate) fn read(&self, tenant: &TenantId) -> Result<(Application, Files), BundleError> {
        read(&self.dir.join(tenant.as_str()), &self.limits, tenant)
    }

    /// Puts an application in force for its tenant, and nothing is refused there any more.
    pub(crate) fn replace(
        &self,
        tenant: &TenantId,
        application: &Arc<Application>,
        since: Option<Timestamp>,
    ) {
        self.hold(tenant, application, since);
        self.refused.rcu(|refused| {
            let mut refused = BTreeMap::clone(refused);
            refused.remove(tenant.as_str());
            refused
        });
    }

    /// Puts an application in force for its tenant, whatever else is refused there.
    pub(crate) fn hold(&self, tenant: &TenantId, application: &Arc<Application>, since: Option<Timestamp>) {
        self.loaded.rcu(|loaded| {
            let mut loaded = BTreeMap::clone(loaded);
            loaded.insert(tenant.clone(), InForce { application: Arc::clone(application), since });
            loaded
        });
    }

    /// Shows why the tenant's folder is not in force.
    pub(crate) fn refuse(&self, tenant: &TenantId, reason: &str) {
        tracing::warn!(%tenant, reason, "application refused");
        self.refused.rcu(|refused| {
            let mut refused = BTreeMap::clone(refused);
            refused.insert(tenant.to_string(), reason.to_owned());
            refused
        });
    }

    /// Leaves this one out of force here, until another one comes.
    pub(crate) fn pass_over(&self, tenant: &TenantId, digest: Digest) {
        self.passed_over.rcu(|passed_over| {
            let mut passed_over = BTreeMap::clone(passed_over);
            passed_over.insert(tenant.clone(), digest);
            passed_over
        });
    }

    /// Whether there is nothing to do for a tenant whose application is to be this one.
    pub(crate) fn follows(&self, tenant: &TenantId, digest: Digest) -> bool {
        self.loaded.load().get(tenant).is_some_and(|in_force| in_force.application.digest == digest)
            || self.passed_over.load().get(tenant) == Some(&digest)
    }

    /// How many are loaded, and which folders were refused, with the reason.
    pub(crate) fn state(&self) -> (usize, Arc<BTreeMap<String, String>>) {
        (self.loaded.load().len(), self.refused.load_full())
    }
}

fn read(folder: &Path, limits: &Limits, tenant: &TenantId) -> Result<(Application, Files), BundleError> {
    let files = Application::read_dir_within(folder, limits)?;
    Ok((Application::from_files_within(&files, limits, Some(tenant))?, files))
}

fn folders(dir: &Path) -> Result<Vec<(String, PathBuf)>, StartError> {
    if dir.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let unusable = |error| StartError::Folder { path: dir.to_owned(), error };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unusable)? {
        let entry = entry.map_err(unusable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_dir() {
            folders.push((name, entry.path()));
        }
    }
    folders.sort();
    Ok(folders)
}
