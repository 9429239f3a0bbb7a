//! The yardstick: the same component, called with nothing around it.
//!
//! Only the cost measurement uses this. Same engine, fresh store, typed pre-instantiation; no limiter, no timeout, no
//! queue, no meters, no transcript, no check of the answer.

use std::sync::Arc;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Result, Store};

use crate::Sandbox;
use crate::bindings::gate::{ComplianceGate, ComplianceGatePre};
use crate::bindings::{evidence, logging};
use crate::engine::Machine;
use crate::types::{Change, Fault, Verdict};

/// A gate that is called as plainly as wasmtime allows.
pub struct BareGate {
    machine: Arc<Machine>,
    gate: ComplianceGatePre<Nothing>,
}

/// Knows no evidence and hears no log.
struct Nothing;

impl logging::Host for Nothing {
    fn log(&mut self, _level: logging::Level, _message: String) -> Result<()> {
        Ok(())
    }
}

impl evidence::Host for Nothing {
    async fn fetch(
        &mut self,
        _source: String,
        _key: String,
    ) -> Result<std::result::Result<evidence::Document, evidence::Refusal>> {
        Ok(Err(evidence::Refusal::NotFound))
    }

    async fn fetch_many(
        &mut self,
        _source: String,
        keys: Vec<String>,
    ) -> Result<Vec<std::result::Result<evidence::Document, evidence::Refusal>>> {
        Ok(keys.into_iter().map(|_| Err(evidence::Refusal::NotFound)).collect())
    }
}

impl Sandbox {
    /// The component as a bare gate of this sandbox's engine.
    ///
    /// # Errors
    /// When it is no gate.
    #[doc(hidden)]
    pub fn bare_gate(&self, wasm: &[u8]) -> Result<BareGate> {
        let machine = self.machine();
        let component = Component::from_binary(&machine.engine, wasm)?;
        let mut linker = Linker::new(&machine.engine);
        ComplianceGate::add_to_linker::<_, HasSelf<Nothing>>(&mut linker, |nothing| nothing)?;
        let gate = ComplianceGatePre::new(linker.instantiate_pre(&component)?)?;
        Ok(BareGate { machine: Arc::clone(machine), gate })
    }
}

impl BareGate {
    /// One call in a fresh store.
    ///
    /// # Errors
    /// When the guest traps.
    pub async fn evaluate(
        &self,
        change: &Change,
        settings: &String,
        now: u64,
    ) -> Result<std::result::Result<Verdict, Fault>> {
        let mut store = Store::new(&self.machine.engine, Nothing);
        store.set_fuel(self.machine.limits.fuel_max)?;
        store.set_epoch_deadline(u64::MAX / 2);
        let gate = self.gate.instantiate_async(&mut store).await?;
        gate.interlock_plugin_gate().call_evaluate(&mut store, change, settings, now).await
    }
}
