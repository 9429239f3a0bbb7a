//! WASI without a world behind it, so that guests whose toolchains import it run too, and run the same every time.
//!
//! The clock stands still at the instant that the question is about, sleep ends at once, randomness is a constant
//! stream, the environment is empty, output goes nowhere, and there are no files and no network.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{self, DynPollable, Pollable};
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::state::CallState;

/// WASI packages that the stand-in satisfies.
pub(crate) const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Handles that a guest may hold at once.
const HANDLES_MAX: usize = 1_000;
/// Bytes of randomness that a guest may ask for at once.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// The stand-in's state in one call.
pub(crate) struct Inert {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl Inert {
    fn new(now_ms: u64) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let ctx = WasiCtx::builder()
            .wall_clock(Still { now_ms })
            .monotonic_clock(Still { now_ms: 0 })
            .secure_random(Deterministic::new(stream(b"interlock wasi:random/random")))
            .insecure_random(Deterministic::new(stream(b"interlock wasi:random/insecure")))
            .insecure_random_seed(0)
            .max_random_size(RANDOM_BYTES_MAX)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self { ctx, table }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let now_ms = self.now_ms;
        let Inert { ctx, table } = &mut **self.wasi.get_or_insert_with(|| Box::new(Inert::new(now_ms)));
        WasiCtxView { ctx, table }
    }
}

/// Adds the stand-in to a linker. Costs nothing in calls of guests that do not import it.
pub(crate) fn link(linker: &mut Linker<CallState>) -> Result<()> {
    p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, Clocks>(linker, |state| Timers { table: state.ctx().table })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// 4 KiB that look random, repeated for ever: long enough for guests that draw until they like what they drew.
fn stream(label: &[u8]) -> Vec<u8> {
    (0_u8..128).flat_map(|block| Sha256::new().chain_update(label).chain_update([block]).finalize()).collect()
}

/// A clock that stands still.
struct Still {
    now_ms: u64,
}

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.now_ms)
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.now_ms.saturating_mul(1_000_000)
    }
}

/// `wasi:clocks/monotonic-clock`: wasmtime's own would sleep in real time on a clock that never moves.
struct Timers<'a> {
    table: &'a mut ResourceTable,
}

/// Names [`Timers`] for the linker.
struct Clocks;

impl HasData for Clocks {
    type Data<'a> = Timers<'a>;
}

impl monotonic_clock::Host for Timers<'_> {
    fn now(&mut self) -> Result<u64> {
        Ok(0)
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, _when: u64) -> Result<Resource<DynPollable>> {
        self.elapsed()
    }

    fn subscribe_duration(&mut self, _duration: u64) -> Result<Resource<DynPollable>> {
        self.elapsed()
    }
}

impl Timers<'_> {
    fn elapsed(&mut self) -> Result<Resource<DynPollable>> {
        let timer = self.table.push(Elapsed)?;
        p2::subscribe(self.table, timer)
    }
}

/// A timer that has run out.
struct Elapsed;

#[wasmtime_wasi::async_trait]
impl Pollable for Elapsed {
    async fn ready(&mut self) {}
}
