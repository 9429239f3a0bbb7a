//! What the store of one call holds: the meters, the record, and the two imports of the contract.

mod look_up;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Result, Store, StoreContextMut, UpdateDeadline};

use crate::bindings::{gate::ComplianceGate, logging};
use crate::engine::{Machine, TICK_MS};
use crate::evidence::{EvidenceLookup, EvidenceSource};
use crate::inert::Inert;
use crate::meter::Meter;
use crate::{Limits, PluginError};

/// What the description of a plugin entitles it to.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) evidence_sources: Vec<String>,
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// For the curious.
    Info,
    /// For the operator.
    Warn,
    /// For the operator, now.
    Error,
}

/// One line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// What it said.
    pub message: String,
}

/// One call, seen from inside its store.
pub(crate) struct CallState {
    machine: Arc<Machine>,
    declared: Arc<Declared>,
    source: Arc<dyn EvidenceSource>,
    pub(crate) meter: Meter,
    ticks: u64,
    waited: bool,
    pub(crate) host_calls: u32,
    log_bytes: u64,
    evidence_bytes: u64,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) lookups: Vec<EvidenceLookup>,
    /// Only for guests with WASI imports, and made at their first use.
    pub(crate) wasi: Option<Box<Inert>>,
    pub(crate) now_ms: u64,
}

/// A fresh store: no state outlives a call, so nothing can pass from one tenant to the next.
pub(crate) fn open(
    machine: &Arc<Machine>,
    declared: &Arc<Declared>,
    source: Arc<dyn EvidenceSource>,
    now_ms: u64,
) -> Result<Store<CallState>> {
    let limits = &machine.limits;
    let state = CallState {
        machine: Arc::clone(machine),
        declared: Arc::clone(declared),
        source,
        meter: Meter::new(limits),
        ticks: 0,
        waited: false,
        host_calls: 0,
        log_bytes: 0,
        evidence_bytes: 0,
        logs: Vec::new(),
        lookups: Vec::new(),
        wasi: None,
        now_ms,
    };
    let mut store = Store::try_new(&machine.engine, state)?;
    store.limiter(|state| &mut state.meter);
    store.set_fuel(limits.fuel_max)?;
    store.set_hostcall_fuel(usize::try_from(limits.output_bytes_max).unwrap_or(usize::MAX));
    // Before instantiation: a start function may loop too.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(on_tick);
    Ok(store)
}

/// Lets other tasks run once per tick, and ends the call when its time is up.
fn on_tick(mut store: StoreContextMut<'_, CallState>) -> Result<UpdateDeadline> {
    let state = store.data_mut();
    // The tick that fell into waiting for evidence is not the guest's.
    if !std::mem::take(&mut state.waited) {
        state.ticks += 1;
    }
    let after_ms = state.limits().deadline_ms;
    if state.ticks.saturating_mul(TICK_MS) >= after_ms {
        return Err(PluginError::TimedOut { after_ms }.into());
    }
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

/// Adds the imports of the contract to a linker. All three worlds have the same.
pub(crate) fn link(linker: &mut Linker<CallState>) -> Result<()> {
    ComplianceGate::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}

impl CallState {
    fn limits(&self) -> &Limits {
        &self.machine.limits
    }

    /// Counts so many calls of the host, or none of them if they are too many.
    fn count_host_calls(&mut self, calls: usize) -> Result<(), PluginError> {
        let host_calls_max = self.limits().host_calls_max;
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        match self.host_calls.checked_add(calls).filter(|counted| *counted <= host_calls_max) {
            Some(counted) => self.host_calls = counted,
            None => return Err(PluginError::HostCallsExceeded { host_calls_max }),
        }
        Ok(())
    }
}

impl logging::Host for CallState {
    fn log(&mut self, level: logging::Level, message: String) -> Result<()> {
        self.count_host_calls(1)?;
        self.log_bytes = self.log_bytes.saturating_add(message.len() as u64);
        let log_bytes_max = self.limits().log_bytes_max;
        if self.log_bytes > log_bytes_max {
            return Err(PluginError::LogExceeded { log_bytes_max }.into());
        }
        let level = match level {
            logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error => LogLevel::Error,
        };
        self.logs.push(LogLine { level, message });
        Ok(())
    }
}
