//! The tenants' applications: loaded from a folder with a folder for each tenant, swapped as a whole.
//!
//! A tenant whose application cannot be loaded has none, or keeps its last good one; no other tenant notices.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use interlock_domain::TenantId;
use interlock_policy::{Application, BundleError};

use crate::StartError;

/// What is loaded, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    dir: PathBuf,
    loaded: ArcSwap<BTreeMap<TenantId, Arc<Application>>>,
    refused: ArcSwap<BTreeMap<String, String>>,
}

/// The files of an application, by path inside its folder.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

impl Applications {
    /// Loads every tenant's application; none when there is no folder. Gives back the files of what was loaded.
    pub(crate) fn open(dir: PathBuf) -> Result<(Self, BTreeMap<TenantId, Files>), StartError> {
        let (mut loaded, mut refused, mut files) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, path) in folders(&dir)? {
            let Ok(tenant) = name.parse::<TenantId>() else {
                refused.insert(name, "the folder is not named like a tenant".to_owned());
                continue;
            };
            match read(&path) {
                Ok((application, read)) => {
                    files.insert(tenant.clone(), read);
                    loaded.insert(tenant, Arc::new(application));
                }
                Err(error) => _ = refused.insert(name, error.to_string()),
            }
        }
        for (tenant, reason) in &refused {
            tracing::warn!(tenant, reason, "application refused");
        }
        let opened =
            Self { dir, loaded: ArcSwap::from_pointee(loaded), refused: ArcSwap::from_pointee(refused) };
        Ok((opened, files))
    }

    /// The tenant's application.
    pub(crate) fn of(&self, tenant: &TenantId) -> Option<Arc<Application>> {
        self.loaded.load().get(tenant).cloned()
    }

    /// Reads the tenant's application from its folder, without putting it in force.
    pub(crate) fn read(&self, tenant: &TenantId) -> Result<(Application, Files), BundleError> {
        read(&self.dir.join(tenant.as_str()))
    }

    /// Puts an application in force for its tenant.
    pub(crate) fn replace(&self, tenant: &TenantId, application: &Arc<Application>) {
        self.loaded.rcu(|loaded| {
            let mut loaded = BTreeMap::clone(loaded);
            loaded.insert(tenant.clone(), Arc::clone(application));
            loaded
        });
        self.refused.rcu(|refused| {
            let mut refused = BTreeMap::clone(refused);
            refused.remove(tenant.as_str());
            refused
        });
    }

    /// How many are loaded, and which folders were refused, with the reason.
    pub(crate) fn state(&self) -> (usize, Arc<BTreeMap<String, String>>) {
        (self.loaded.load().len(), self.refused.load_full())
    }
}

fn read(folder: &Path) -> Result<(Application, Files), BundleError> {
    let files = Application::read_dir(folder)?;
    Ok((Application::from_files(&files)?, files))
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
