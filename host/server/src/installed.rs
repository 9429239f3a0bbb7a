//! The plugins in the server's folder: what an environment has until a `plugin` change gives it something else.
//!
//! **Invariant:** a name means the component that first came under it. A file that is swapped later does not come into use
//! by a restart, or whoever can write the folder could replace a gate past every approval: it waits for a `plugin` change.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use interlock_domain::{Digest, TenantId};
use interlock_sandbox::{Plugin, Sandbox};
use interlock_store::{By, Commit, Kept, Note, SYSTEM, Store, Write};
use serde::Serialize;
use tracing::{info, warn};

use crate::{Clock, FlowError, StartError};

/// What came of looking at the folder.
#[derive(Debug, Default)]
pub struct Installed {
    /// Files that were refused, with the reason: shown by `/ready`.
    pub refused: Vec<(String, String)>,
    /// Files that are not what their name stands for: shown by `/ready`.
    pub waiting: Vec<Waiting>,
}

/// A file that a `plugin` change could bring into use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The file.
    pub file: String,
    /// What it calls itself.
    pub plugin: String,
    /// What it is.
    pub digest: Digest,
    /// What the name stands for.
    pub in_use: Digest,
    /// What to do about it.
    pub next: String,
}

/// A file that became a plugin.
struct Found {
    file: String,
    plugin: Arc<Plugin>,
}

/// Installs every component in the folder. What is refused is said and left out. A plugin says itself what it is called,
/// so a second file of one name is refused: otherwise whoever adds a file could quietly replace a gate.
pub(crate) async fn install_all(
    sandbox: &Sandbox,
    store: &Store,
    clock: &dyn Clock,
    dir: &Path,
) -> Result<Installed, StartError> {
    let mut installed = Installed::default();
    let found = read_all(sandbox, store, dir, &mut installed).await?;
    let meant = put_on_record(store, clock, &found).await?;
    for (name, Found { file, plugin }) in found {
        let digest = plugin.digest();
        let in_use = meant.get(&name).copied().unwrap_or(digest);
        let plugin = if in_use == digest {
            plugin
        } else {
            match first(sandbox, store, in_use).await? {
                Ok(first) => {
                    let next = format!(
                        "propose a `plugin` change in each environment that should use it: `interlock plugin activate \
                         {digest} --environment ENVIRONMENT`"
                    );
                    warn!(file, plugin = name, %digest, %in_use, next, "plugin file was swapped; it is not in use");
                    installed.waiting.push(Waiting { file, plugin: name.clone(), digest, in_use, next });
                    first
                }
                Err(reason) => {
                    let reason = format!(
                        "`{name}` stands for `{in_use}`, which is not this file and cannot be used: {reason}"
                    );
                    warn!(file, reason, "plugin refused");
                    installed.refused.push((file, reason));
                    continue;
                }
            }
        };
        sandbox.shelf().bind(&name, &plugin);
        info!(plugin = name, version = plugin.description().version, kind = %plugin.kind(),
            digest = %plugin.digest(), "plugin installed");
    }
    Ok(installed)
}

async fn read_all(
    sandbox: &Sandbox,
    store: &Store,
    dir: &Path,
    installed: &mut Installed,
) -> Result<BTreeMap<String, Found>, StartError> {
    let mut files: Vec<_> = match std::fs::read_dir(dir) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(StartError::Folder { path: dir.to_owned(), error }),
    };
    files.sort();
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for path in files {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let refused = match tokio::fs::read(&path).await {
            Err(error) => error.to_string(),
            Ok(wasm) => match sandbox.install(wasm.clone()).await {
                Err(error) => error.to_string(),
                Ok(plugin) => {
                    let name = plugin.description().name.clone();
                    match found.get(&name) {
                        Some(first) => format!(
                            "plugin `{name}` is installed from `{}` already; keep one of the two files",
                            first.file
                        ),
                        None => {
                            // Its decisions can be made again when the file is gone.
                            store.keep(Kept::Plugin, &plugin.digest(), &wasm).await?;
                            found.insert(name, Found { file, plugin });
                            continue;
                        }
                    }
                }
            },
        };
        warn!(file, reason = refused, "plugin refused");
        installed.refused.push((file, refused));
    }
    Ok(found)
}

/// What each name stands for. Names that were never seen before stand for what was found, from now on.
async fn put_on_record(
    store: &Store,
    clock: &dyn Clock,
    found: &BTreeMap<String, Found>,
) -> Result<BTreeMap<String, Digest>, FlowError> {
    let known = meant(store).await?;
    let new = found.iter().filter(|(name, _)| !known.contains_key(*name));
    let notes: Vec<Write> = new.map(|(name, found)| Write::Note(note(name, found))).collect();
    if notes.is_empty() {
        return Ok(known);
    }
    let system: TenantId = SYSTEM.parse().map_err(|error| FlowError::bad_id("", &error))?;
    let by = By { person: None, account: "host".to_owned(), auth: None };
    store.commit(Commit::new(system, by, clock.now(), notes, || clock.uuid())).await?;
    // Another replica may have been faster, with another file.
    meant(store).await
}

async fn meant(store: &Store) -> Result<BTreeMap<String, Digest>, FlowError> {
    let mut meant = BTreeMap::new();
    for (name, payload) in store.installed_plugins().await? {
        let said: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
        if let Some(digest) = said["digest"].as_str().and_then(|digest| digest.parse().ok()) {
            meant.entry(name).or_insert(digest);
        }
    }
    Ok(meant)
}

fn note(name: &str, found: &Found) -> Note {
    Note {
        kind: "plugin.installed",
        object_kind: "plugin",
        object_id: name.to_owned(),
        payload: serde_json::json!({
            "name": name, "version": found.plugin.description().version, "digest": found.plugin.digest(),
            "file": found.file,
        }),
    }
}

/// What first came under a name, as it was kept.
async fn first(
    sandbox: &Sandbox,
    store: &Store,
    digest: Digest,
) -> Result<Result<Arc<Plugin>, String>, FlowError> {
    let Some(wasm) = store.kept(Kept::Plugin, &digest).await? else {
        return Ok(Err("it is not kept".to_owned()));
    };
    Ok(sandbox.install_registered(digest, wasm).await.map_err(|error| error.to_string()))
}
