//! The sandbox: where components become plugins.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use interlock_ledger::Digest;
use jsonschema::{PatternOptions, Validator};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, Linker};

use crate::cache::{Cache, Compiled};
use crate::call::Runner;
use crate::contract;
use crate::engine::Machine;
use crate::evidence::NoEvidence;
use crate::plugin::Plugin;
use crate::shelf::Shelf;
use crate::state::{CallState, Declared};
use crate::types::{Description, Request, Response};
use crate::{Compiler, InstallError, Limits, SandboxError, inert, state};

/// Compiles, inspects and keeps plugins. One for each process.
pub struct Sandbox {
    machine: Arc<Machine>,
    linker: Linker<CallState>,
    cache: Option<Arc<Cache>>,
    compiler: Compiler,
    compilers: Arc<Semaphore>,
    shelf: Shelf,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("limits", self.limits()).field("plugins", &self.shelf.len()).finish()
    }
}

impl Sandbox {
    /// A sandbox that compiles in this process, with a cache of compiled plugins if there is a directory for it: for tests,
    /// and for tools that compile nothing but what is theirs.
    ///
    /// # Errors
    /// When the limits make no sense, wasmtime does not start here, or the directory cannot be used.
    pub fn new(limits: Limits, cache_dir: Option<&Path>) -> Result<Self, SandboxError> {
        Self::with_compiler(limits, cache_dir, Compiler::InProcess)
    }

    /// The same with a compiler of one's choice. What is installed by others is compiled by [`Compiler::own_program`].
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    pub fn with_compiler(
        limits: Limits,
        cache_dir: Option<&Path>,
        compiler: Compiler,
    ) -> Result<Self, SandboxError> {
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
            compiler,
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

    /// From the cache, or compiled off the request path and never more than `compile_concurrency` at a time: a component that is
    /// slow to compile delays other installations of new components, and no call. Nothing goes on compiling for a
    /// caller that is gone.
    async fn compile(&self, digest: Digest, wasm: Vec<u8>) -> Result<Component, InstallError> {
        if let Some(component) = self.cached(digest).await? {
            return Ok(component);
        }
        let waited_ms = self.limits().compile_queue_timeout_ms;
        let turn = Arc::clone(&self.compilers).acquire_owned();
        let permit = match tokio::time::timeout(Duration::from_millis(waited_ms), turn).await {
            Ok(permit) => permit.map_err(|e| InstallError::Host { reason: e.to_string() })?,
            Err(_elapsed) => return Err(InstallError::CompilerBusy { waited_ms }),
        };
        // Whoever was before may have compiled the same.
        if let Some(component) = self.cached(digest).await? {
            return Ok(component);
        }
        match &self.compiler {
            Compiler::Child(program) => {
                let code = Compiled::by_child(program, self.limits(), &wasm).await?;
                drop(permit);
                self.keep(digest, code).await
            }
            Compiler::InProcess => {
                let after_ms = self.limits().compile_timeout_ms;
                let machine = Arc::clone(&self.machine);
                let work = off_the_request_path(move || {
                    // This compilation cannot be stopped. The permit goes with it, so that giving up does not add threads.
                    let _permit = permit;
                    Compiled::here(&machine.engine, &wasm)
                        .map_err(|e| InstallError::Compile { reason: format!("{e:#}") })
                });
                match tokio::time::timeout(Duration::from_millis(after_ms), work).await {
                    Ok(code) => self.keep(digest, code?).await,
                    Err(_elapsed) => Err(InstallError::CompileTimedOut { after_ms }),
                }
            }
        }
    }

    async fn cached(&self, digest: Digest) -> Result<Option<Component>, InstallError> {
        let Some(cache) = self.cache.clone() else { return Ok(None) };
        let machine = Arc::clone(&self.machine);
        off_the_request_path(move || Ok(cache.load(&machine.engine, &digest))).await
    }

    /// Loads what was just compiled, and keeps it for the next start.
    async fn keep(&self, digest: Digest, code: Compiled) -> Result<Component, InstallError> {
        let (machine, cache) = (Arc::clone(&self.machine), self.cache.clone());
        off_the_request_path(move || {
            // Some limits are those of instances: whoever compiles does not know them.
            let component = code
                .revive(&machine.engine)
                .map_err(|e| InstallError::Compile { reason: format!("{e:#}") })?;
            if let Some(cache) = cache {
                cache.store(&machine.engine, &digest, &code);
            }
            Ok(component)
        })
        .await
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

/// On a thread for what takes long.
async fn off_the_request_path<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InstallError> + Send + 'static,
) -> Result<T, InstallError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| InstallError::Host { reason: e.to_string() })?
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
