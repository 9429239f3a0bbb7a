//! The wasm engine: what guests may use of wasm, how instances get their memory, and the clock that interrupts them.

use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::{Limits, PluginError, SandboxError};

/// How often guests are asked whether their time is up. Also the unit in which they let other tasks run.
pub(crate) const TICK_MS: u64 = 10;

/// What all plugins of a sandbox share.
pub(crate) struct Machine {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pooled: bool,
    instances: Semaphore,
}

impl Machine {
    pub(crate) fn new(limits: Limits) -> Result<Self, SandboxError> {
        limits.check()?;
        let (engine, pooled) = start(&limits)?;
        tick(engine.weak())?;
        let instances = Semaphore::new(limits.instances_max as usize);
        Ok(Self { engine, limits, pooled, instances })
    }

    /// Whether instances come from a pool.
    pub(crate) const fn pooled(&self) -> bool {
        self.pooled
    }

    /// Waits for a free instance. The pool's totals are not a queue: to exceed them is an error, hence the semaphore.
    pub(crate) async fn admit(&self) -> Result<SemaphorePermit<'_>, PluginError> {
        if let Ok(permit) = self.instances.try_acquire() {
            return Ok(permit);
        }
        let waited_ms = self.limits.queue_timeout_ms;
        match tokio::time::timeout(Duration::from_millis(waited_ms), self.instances.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(closed)) => Err(PluginError::HostFailed { reason: closed.to_string() }),
            Err(_elapsed) => Err(PluginError::Busy { waited_ms }),
        }
    }
}

/// With a pool where the address space allows one, else without. Reserving the pool is itself the probe: containers
/// limit address space in more ways than one could ask about.
fn start(limits: &Limits) -> Result<(Engine, bool), SandboxError> {
    // Two components compile side by side at most `compile_concurrency`; none may take all cores from the calls.
    let mut config = compiling(limits.compile_concurrency > 1);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    match Engine::new(&config) {
        Ok(engine) => return Ok((engine, true)),
        Err(error) => {
            tracing::warn!(%error, "no address space for an instance pool: instances are made on demand")
        }
    }
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    let engine = Engine::new(&config).map_err(|e| SandboxError::Engine { reason: format!("{e:#}") })?;
    Ok((engine, false))
}

/// Everything that makes a guest bounded and its results reproducible, and with that all that decides what code is
/// compiled. Threads, garbage collection, exceptions and component-model async are not compiled in.
pub(crate) fn compiling(parallel: bool) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .parallel_compilation(parallel);
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let instances = limits.instances_max;
    let memory_bytes_max = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
    let table_elements_max = usize::try_from(limits.table_elements_max).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // Every instance may take what one component may have, so that the semaphore alone decides who waits.
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(limits.core_instances_max))
        .total_memories(instances.saturating_mul(limits.memories_max))
        .total_tables(instances.saturating_mul(limits.tables_max))
        .max_core_instances_per_component(limits.core_instances_max)
        .max_memories_per_component(limits.memories_max)
        .max_memories_per_module(limits.memories_max)
        .max_tables_per_component(limits.tables_max)
        .max_tables_per_module(limits.tables_max)
        .table_elements(table_elements_max)
        .max_memory_size(memory_bytes_max)
        // Pages that a guest wrote stay mapped and are zeroed; the kernel says which those are.
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// A thread, not a task: a guest that never yields must not be able to keep the clock from ticking.
fn tick(engine: EngineWeak) -> Result<(), SandboxError> {
    let ticker = move || {
        loop {
            thread::sleep(Duration::from_millis(TICK_MS));
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    };
    let spawned = thread::Builder::new().name("interlock-ticker".into()).spawn(ticker);
    spawned.map(drop).map_err(|e| SandboxError::Engine { reason: format!("no thread for its clock: {e}") })
}
