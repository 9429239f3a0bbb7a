//! Plugins: where they are, who must vouch for them, and what a call may use.

use std::{collections::BTreeSet, path::PathBuf};

use interlock_sandbox::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Plugins.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// The folder with the components (`*.wasm`).
    pub dir: PathBuf,
    /// Where compiled components are kept; a folder in the data folder when empty.
    pub cache_dir: PathBuf,
    /// Most bindings in one environment.
    pub bindings_max: usize,
    /// Compile in the server's own process, where a compilation cannot be stopped, instead of in a child that is killed when its time is
    /// up: only for hosts that cannot start processes.
    pub compile_in_process: bool,
    /// The folder with the Ed25519 public keys (`*.pem`) of those who may sign plugins and, in the file `revoked`, the ids of
    /// keys that no longer count; a folder in the data folder when empty. What changes in it counts at once.
    pub trusted_signers_dir: PathBuf,
    /// How many of them must have signed a plugin that is pulled, each key counted once. With 0 everybody's plugins are taken,
    /// and `/ready` says so.
    pub signers_min: u32,
    /// Where plugins are pulled from.
    pub registry: PluginRegistry,
    /// What a call may use.
    pub limits: Limits,
}

/// Where plugins are pulled from: nowhere, unless it is said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PluginRegistry {
    /// The OCI registries that may be asked, as references write them, such as `registry.example` or `127.0.0.1:5000`.
    pub hosts: BTreeSet<String>,
    /// Those among them that are spoken to without TLS.
    pub plain_http: BTreeSet<String>,
    /// The folders from which `dir:PATH/NAME` may be read.
    pub folders: Vec<PathBuf>,
    /// Names and passwords for the registries, as `docker login` writes them (`config.json`); none when empty.
    pub credentials_file: PathBuf,
    /// How long one pull may take, in milliseconds.
    pub timeout_ms: u64,
    /// Where pulled plugins are kept by digest; a folder in the data folder when empty.
    pub cache_dir: PathBuf,
    /// How much of them is kept there, in bytes. The oldest goes first, and what is in use, or was a moment ago and stays ready
    /// (`limits.shelf_spares_max`), last. What came into use by a change is in the database too, whatever goes here.
    pub cache_bytes_max: u64,
}

impl Default for PluginRegistry {
    fn default() -> Self {
        Self {
            hosts: BTreeSet::new(),
            plain_http: BTreeSet::new(),
            folders: Vec::new(),
            credentials_file: PathBuf::new(),
            timeout_ms: 20_000,
            cache_dir: PathBuf::new(),
            cache_bytes_max: 1 << 30,
        }
    }
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("plugins"),
            cache_dir: PathBuf::new(),
            bindings_max: 200,
            compile_in_process: false,
            trusted_signers_dir: PathBuf::new(),
            signers_min: 1,
            registry: PluginRegistry::default(),
            limits: Limits::default(),
        }
    }
}
