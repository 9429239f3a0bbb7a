//! The sandbox: where components become plugins.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use interlock_ledger::Digest;
use jsonschema::{PatternOptions, Validator};
use thiserror::Error;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, Linker};

use crate::cache::Cache;
use crate::call::Runner;
use crate::contract;
use crate::engine::Machine;
use crate::evidence::NoEvidence;
use crate::plugin::Plugin;
use crate::shelf::Shelf;
use crate::state::{CallState, Declared};
use crate::types::{Description, PluginKind, Request, Response};
use crate::{Limits, PluginError, SandboxError, inert, state};

/// Why a component did not become a plugin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// More bytes than allowed.
    #[error(
        "the component has `{bytes}` bytes, `{component_bytes_max}` are allowed: strip it, or raise `component_bytes_max`"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        component_bytes_max: u64,
    },
    /// Not the bytes that were registered.
    #[error("the component's digest is `{found}`, registered was `{expected}`")]
    DigestDiffers {
        /// What was registered.
        expected: Digest,
        /// What the bytes have.
        found: Digest,
    },
    /// No valid component, or one beyond the limits of an instance.
    #[error("the component does not compile: {reason}")]
    Compile {
        /// What wasmtime said.
        reason: String,
    },
    /// The compiler took too long. What it is at will still be cached.
    #[error(
        "the component did not compile within `{after_ms}` ms: try again later, or raise `compile_timeout_ms`"
    )]
    CompileTimedOut {
        /// The limit.
        after_ms: u64,
    },
    /// It imports what no plugin may have.
    #[error("the component imports {}, which no plugin may: use `evidence` instead", list(names))]
    ForeignImports {
        /// All of them.
        names: Vec<String>,
    },
    /// It needs functions of the contract that this host is too old to have.
    #[error(
        "the component needs {}, and this server has version {version} of the contract: update the server, or build the \
         component for {version}",
        list(names)
    )]
    NewerContract {
        /// All of them.
        names: Vec<String>,
        /// The newest version that is served here.
        version: &'static str,
    },
    /// It is no plugin.
    #[error("the component exports none of `gate`, `health` and `strategy` of `interlock:plugin@1`")]
    NoWorld,
    /// It wants to be two things.
    #[error("the component is both a {one} and a {other}: make two components of it")]
    TwoWorlds {
        /// One world.
        one: PluginKind,
        /// Another.
        other: PluginKind,
    },
    /// Functions of its world are missing.
    #[error("a {kind} must also export {}", list(names))]
    MissingExports {
        /// The world.
        kind: PluginKind,
        /// All that is missing.
        names: Vec<String>,
    },
    /// A function or import has another type than in the contract.
    #[error("the component does not keep to `interlock:plugin@1`: {reason}")]
    Contract {
        /// What wasmtime said.
        reason: String,
    },
    /// It could not say what it is.
    #[error("the component failed its smoke test `describe`: {0}")]
    SmokeTest(PluginError),
    /// The settings schema is none.
    #[error("the component's settings schema is not valid: {reason}")]
    Schema {
        /// What is wrong with it.
        reason: String,
    },
    /// The host's own part failed.
    #[error("the host failed to install the component: {reason}")]
    Host {
        /// What happened.
        reason: String,
    },
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Compiles, inspects and keeps plugins. One for each process.
pub struct Sandbox {
    machine: Arc<Machine>,
    linker: Linker<CallState>,
    cache: Option<Arc<Cache>>,
    compilers: Arc<Semaphore>,
    shelf: Shelf,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("limits", self.limits()).field("plugins", &self.shelf.len()).finish()
    }
}

impl Sandbox {
    /// A sandbox, with a cache of compiled plugins if there is a directory for it.
    ///
    /// # Errors
    /// When the limits make no sense, wasmtime does not start here, or the directory cannot be used.
    pub fn new(limits: Limits, cache_dir: Option<&Path>) -> Result<Self, SandboxError> {
        let machine = Arc::new(Machine::new(limits)?);
        let limits = &machine.limits;
        let cache = cache_dir.map(|dir| Cache::open(dir, limits.cache_entries_max)).transpose()?;
        let mut linker = Linker::new(&machine.engine);
        state::link(&mut linker)
            .and_then(|()| inert::link(&mut linker))
            .map_err(|e| SandboxError::Engine { reason: format!("{e:#}") })?;
        Ok(Self {
            linker,
            cache: cache.map(Arc::new),
            compilers: Arc::new(Semaphore::new(limits.compile_concurrency as usize)),
            shelf: Shelf::new(limits.shelf_spares_max),
            machine,
        })
    }

    /// The bounds that hold here.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.machine.limits
    }

    /// Whether instances come from a pool, which is faster, or are made on demand.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.machine.pooled()
    }

    pub(crate) const fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// The plugins that are ready.
    #[must_use]
    pub const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Makes a plugin of a component, or says why not: bounds it, compiles it off the request path, checks imports and
    /// exports, asks it to describe itself in a sandbox, and puts it on the shelf under its digest.
    ///
    /// # Errors
    /// Each reason apart; nothing is kept of a component that fails.
    pub async fn install(&self, wasm: Vec<u8>) -> Result<Arc<Plugin>, InstallError> {
        let digest = Digest::of(&wasm);
        if let Some(plugin) = self.shelf.get(&digest) {
            self.shelf.keep(&plugin);
            return Ok(plugin);
        }
        let component = self.compile_bounded(digest, wasm).await?;
        let plugin = Arc::new(self.accept(digest, &component).await?);
        self.shelf.keep(&plugin);
        Ok(plugin)
    }

    /// The same for bytes that must have a digest that was registered before.
    ///
    /// # Errors
    /// Also when they have another.
    pub async fn install_registered(
        &self,
        expected: Digest,
        wasm: Vec<u8>,
    ) -> Result<Arc<Plugin>, InstallError> {
        let found = Digest::of(&wasm);
        if found != expected {
            return Err(InstallError::DigestDiffers { expected, found });
        }
        self.install(wasm).await
    }

    /// Makes a plugin of a component that was installed once, only for whoever asks: a replay must not bring back to the
    /// shelf what was taken off it.
    ///
    /// # Errors
    /// As [`Sandbox::install_registered`].
    pub async fn revive(&self, expected: Digest, wasm: Vec<u8>) -> Result<Arc<Plugin>, InstallError> {
        let found = Digest::of(&wasm);
        if found != expected {
            return Err(InstallError::DigestDiffers { expected, found });
        }
        let component = self.compile(found, wasm).await?;
        Ok(Arc::new(self.accept(found, &component).await?))
    }

    /// Refuses what is too large before anybody looks at it.
    pub(crate) async fn compile_bounded(
        &self,
        digest: Digest,
        wasm: Vec<u8>,
    ) -> Result<Component, InstallError> {
        let bytes = wasm.len() as u64;
        let component_bytes_max = self.limits().component_bytes_max;
        if bytes > component_bytes_max {
            return Err(InstallError::TooLarge { bytes, component_bytes_max });
        }
        self.compile(digest, wasm).await
    }

    /// On a thread of its own and never more than `compile_concurrency` of them: a component that is slow to compile
    /// delays other installations, and no call.
    async fn compile(&self, digest: Digest, wasm: Vec<u8>) -> Result<Component, InstallError> {
        let after_ms = self.limits().compile_timeout_ms;
        let compilers = Arc::clone(&self.compilers);
        let machine = Arc::clone(&self.machine);
        let cache = self.cache.clone();
        let compiled = async move {
            let permit =
                compilers.acquire_owned().await.map_err(|e| InstallError::Host { reason: e.to_string() })?;
            let work = move || {
                // A compilation cannot be stopped. The permit goes with it, so that giving up does not add threads.
                let _permit = permit;
                compile(&machine, cache.as_deref(), &digest, &wasm)
            };
            tokio::task::spawn_blocking(work)
                .await
                .map_err(|e| InstallError::Host { reason: e.to_string() })?
        };
        match tokio::time::timeout(Duration::from_millis(after_ms), compiled).await {
            Ok(component) => component,
            Err(_elapsed) => Err(InstallError::CompileTimedOut { after_ms }),
        }
    }

    pub(crate) async fn accept(&self, digest: Digest, component: &Component) -> Result<Plugin, InstallError> {
        let kind = contract::inspect(&self.machine.engine, component)?;
        contract::typecheck(&self.machine.engine, component, kind)?;
        let runner = self
            .linker
            .instantiate_pre(component)
            .and_then(|component| Runner::new(&self.machine, digest, kind, component))
            .map_err(|e| InstallError::Contract { reason: format!("{e:#}") })?;
        let nothing = Arc::new(Declared::default());
        let smoke = runner.run(&nothing, Arc::new(Request::Describe), Arc::new(NoEvidence)).await;
        let description = match smoke.outcome {
            Ok(Response::Description(description)) => description,
            Ok(other) => return Err(InstallError::Host { reason: format!("`describe` gave {other:?}") }),
            Err(error) => return Err(InstallError::SmokeTest(error)),
        };
        let schema = schema(&description)?;
        let Description { name, evidence_sources, .. } = description.clone();
        Ok(Plugin { runner, declared: Arc::new(Declared { name, evidence_sources }), description, schema })
    }
}

fn compile(
    machine: &Machine,
    cache: Option<&Cache>,
    digest: &Digest,
    wasm: &[u8],
) -> Result<Component, InstallError> {
    let engine = &machine.engine;
    if let Some(component) = cache.and_then(|cache| cache.load(engine, digest)) {
        return Ok(component);
    }
    let component = Component::from_binary(engine, wasm)
        .map_err(|e| InstallError::Compile { reason: format!("{e:#}") })?;
    if let Some(cache) = cache {
        cache.store(engine, digest, &component);
    }
    Ok(component)
}

/// Patterns run in linear time, and references stay inside the document: the schema comes from outside.
fn schema(description: &Description) -> Result<Validator, InstallError> {
    let invalid = |reason: String| InstallError::Schema { reason };
    let schema: serde_json::Value = serde_json::from_str(&description.settings_schema)
        .map_err(|e| invalid(format!("it is no JSON: {e}")))?;
    jsonschema::draft202012::options()
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|e| invalid(format!("at `{}`: {e}", e.instance_path().as_str())))
}
