//! What the store of one call holds: the meters, the record, and the two imports of the contract.

use std::sync::Arc;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Result, Store, StoreContextMut, UpdateDeadline};

use crate::bindings::{evidence, gate::ComplianceGate, logging};
use crate::call::panic_text;
use crate::engine::{Machine, TICK_MS};
use crate::evidence::{Document, Ending, EvidenceAnswer, EvidenceLookup, EvidenceSource, Refusal};
use crate::inert::Inert;
use crate::limits::INTEGER_MAX;
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

    fn count_host_call(&mut self) -> Result<(), PluginError> {
        let host_calls_max = self.limits().host_calls_max;
        if self.host_calls >= host_calls_max {
            return Err(PluginError::HostCallsExceeded { host_calls_max });
        }
        self.host_calls += 1;
        Ok(())
    }

    /// Asks on a task of its own: the guest runs on a small stack that wasmtime switches to, and code that measures how
    /// much stack is left (Cedar does) would take that for an overflow. The task ends with the call.
    fn ask(&self, source: &str, key: &str) -> AbortOnDropHandle<EvidenceAnswer> {
        let asked = Arc::clone(&self.source);
        let (plugin, source, key) = (self.declared.name.clone(), source.to_owned(), key.to_owned());
        AbortOnDropHandle::new(tokio::spawn(async move { asked.fetch(&plugin, &source, &key).await }))
    }

    /// What comes of a look-up. One that ends the call is an answer too, so that it is recorded like every other.
    async fn look_up(&mut self, source: &str, key: &str) -> EvidenceAnswer {
        // Names count too: they are recorded even when nobody is asked.
        let bytes = source.len() + key.len();
        if !self.count_evidence(bytes as u64) {
            return EvidenceAnswer::Ended(Ending::TooLarge { bytes: bytes as u64, digest: None });
        }
        if !self.declared.evidence_sources.iter().any(|declared| declared == source) {
            let reason = format!("`{source}` is not among the evidence sources that this plugin declares");
            return EvidenceAnswer::Refused(Refusal::Denied(reason));
        }
        let answered = self.ask(source, key).await;
        self.waited = true;
        match answered {
            Ok(EvidenceAnswer::Found(document)) => self.found(source, document),
            // Only a record says so: the content was too large to be kept, but its size counts as it did then.
            Ok(EvidenceAnswer::Ended(Ending::TooLarge { bytes, digest })) if self.count_evidence(bytes) => {
                let what = digest.map_or_else(|| "a name".to_owned(), |digest| format!("content `{digest}`"));
                let reason = format!("{what} of {bytes} bytes was too large then, and is not recorded");
                EvidenceAnswer::Ended(Ending::Failed { reason })
            }
            Ok(answer) => answer,
            Err(error) => {
                let panic = error.try_into_panic();
                let reason = panic.map_or_else(|e| e.to_string(), |panic| panic_text(panic.as_ref()));
                EvidenceAnswer::Ended(Ending::Failed { reason })
            }
        }
    }

    fn found(&mut self, source: &str, mut document: Document) -> EvidenceAnswer {
        // What the record calls this content must be true whatever the source said.
        document.digest = Digest::of(&document.content);
        let bytes = document.content.len() as u64;
        if !self.count_evidence(bytes) {
            return EvidenceAnswer::Ended(Ending::TooLarge { bytes, digest: Some(document.digest) });
        }
        if document.fetched_at > INTEGER_MAX {
            let reason =
                format!("evidence source `{source}` says that it fetched at `{}`", document.fetched_at);
            return EvidenceAnswer::Ended(Ending::Failed { reason });
        }
        EvidenceAnswer::Found(document)
    }

    /// Whether so many more bytes of evidence are within the limit.
    fn count_evidence(&mut self, bytes: u64) -> bool {
        self.evidence_bytes = self.evidence_bytes.saturating_add(bytes);
        self.evidence_bytes <= self.limits().evidence_bytes_max
    }

    fn ended(&self, ending: Ending) -> PluginError {
        let Limits { evidence_bytes_max, call_timeout_ms, .. } = *self.limits();
        match ending {
            Ending::TooLarge { .. } => PluginError::EvidenceExceeded { evidence_bytes_max },
            Ending::Unanswered => PluginError::CallTimedOut { after_ms: call_timeout_ms },
            Ending::Failed { reason } => PluginError::HostFailed { reason },
        }
    }
}

impl logging::Host for CallState {
    fn log(&mut self, level: logging::Level, message: String) -> Result<()> {
        self.count_host_call()?;
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

impl evidence::Host for CallState {
    async fn fetch(
        &mut self,
        source: String,
        key: String,
    ) -> Result<std::result::Result<evidence::Document, evidence::Refusal>> {
        self.count_host_call()?;
        let answer = EvidenceAnswer::Ended(Ending::Unanswered);
        // Recorded before anybody is asked: if the time of the call is up meanwhile, this is how the look-up stays.
        self.lookups.push(EvidenceLookup { source: source.clone(), key: key.clone(), answer });
        let answer = self.look_up(&source, &key).await;
        if let Some(lookup) = self.lookups.last_mut() {
            lookup.answer = answer.clone();
        }
        Ok(match answer {
            EvidenceAnswer::Found(Document { media_type, content, digest, fetched_at }) => {
                Ok(evidence::Document { media_type, content, digest: digest.to_string(), fetched_at })
            }
            EvidenceAnswer::Refused(refusal) => Err(match refusal {
                Refusal::NotFound => evidence::Refusal::NotFound,
                Refusal::Denied(reason) => evidence::Refusal::Denied(reason),
                Refusal::Unavailable(reason) => evidence::Refusal::Unavailable(reason),
            }),
            EvidenceAnswer::Ended(ending) => return Err(self.ended(ending).into()),
        })
    }
}
