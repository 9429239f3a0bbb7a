//! One call: a fresh store, the guest inside its bounds, and a name for whatever ended it.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use interlock_ledger::Digest;
use wasmtime::component::InstancePre;
use wasmtime::{Error, Store, Trap};

use crate::answer;
use crate::bindings::gate::{ComplianceGate, ComplianceGatePre};
use crate::bindings::health::exports::interlock::plugin::health as wit_health;
use crate::bindings::health::{HealthCheck, HealthCheckPre};
use crate::bindings::strategy::exports::interlock::plugin::strategy as wit_strategy;
use crate::bindings::strategy::{RolloutStrategy, RolloutStrategyPre};
use crate::engine::Machine;
use crate::evidence::EvidenceSource;
use crate::state::{CallState, Declared, open};
use crate::transcript::{Call, Transcript};
use crate::types::{Fault, PluginKind, Request, Response};
use crate::{Limits, PluginError};

/// A component that can be instantiated without further checks.
pub(crate) struct Runner {
    pub(crate) digest: Digest,
    machine: Arc<Machine>,
    world: World,
}

/// The component, typed by its world.
enum World {
    Gate(ComplianceGatePre<CallState>),
    Health(HealthCheckPre<CallState>),
    Strategy(RolloutStrategyPre<CallState>),
}

/// An instance of it.
enum Guest {
    Gate(ComplianceGate),
    Health(HealthCheck),
    Strategy(RolloutStrategy),
}

impl Runner {
    /// # Errors
    /// When a function has not the type that the contract gives it.
    pub(crate) fn new(
        machine: &Arc<Machine>,
        digest: Digest,
        kind: PluginKind,
        component: InstancePre<CallState>,
    ) -> wasmtime::Result<Self> {
        let world = match kind {
            PluginKind::ComplianceGate => World::Gate(ComplianceGatePre::new(component)?),
            PluginKind::HealthCheck => World::Health(HealthCheckPre::new(component)?),
            PluginKind::RolloutStrategy => World::Strategy(RolloutStrategyPre::new(component)?),
        };
        Ok(Self { digest, machine: Arc::clone(machine), world })
    }

    pub(crate) const fn kind(&self) -> PluginKind {
        match self.world {
            World::Gate(_) => PluginKind::ComplianceGate,
            World::Health(_) => PluginKind::HealthCheck,
            World::Strategy(_) => PluginKind::RolloutStrategy,
        }
    }

    pub(crate) async fn run(
        &self,
        declared: &Arc<Declared>,
        request: Arc<Request>,
        evidence: Arc<dyn EvidenceSource>,
    ) -> Call {
        let admitted = self.machine.admit().await;
        let started = Instant::now();
        let opened = admitted.and_then(|permit| {
            let store = open(&self.machine, declared, evidence, request.now().unwrap_or(0));
            store
                .map(|store| (permit, store))
                .map_err(|e| PluginError::HostFailed { reason: format!("{e:#}") })
        });
        let (permit, mut store) = match opened {
            Ok(opened) => opened,
            Err(error) => return Call { outcome: Err(error), transcript: self.transcript(request, started) },
        };
        let outcome = self.bounded(&mut store, &request).await;
        let fuel_left = store.get_fuel().unwrap_or(0);
        let state = store.into_data();
        drop(permit);
        let transcript = Transcript {
            fuel: self.limits().fuel_max.saturating_sub(fuel_left),
            host_calls: state.host_calls,
            memory_bytes_peak: state.meter.memory_bytes_peak(),
            evidence: state.lookups,
            logs: state.logs,
            ..self.transcript(request, started)
        };
        Call { outcome, transcript }
    }

    /// The answer within the whole call's time, held against the contract.
    async fn bounded(
        &self,
        store: &mut Store<CallState>,
        request: &Request,
    ) -> Result<Response, PluginError> {
        let after_ms = self.limits().call_timeout_ms;
        let guest = survive(self.answer(store, request));
        let response = match tokio::time::timeout(Duration::from_millis(after_ms), guest).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(reason)) => return Err(PluginError::HostFailed { reason }),
            Err(_elapsed) => return Err(PluginError::CallTimedOut { after_ms }),
        };
        answer::check(request, &response).map_err(|reason| PluginError::BadOutput { reason })?;
        Ok(response)
    }

    async fn answer(&self, store: &mut Store<CallState>, request: &Request) -> Result<Response, PluginError> {
        let guest = match self.world.instantiate(store).await {
            Ok(guest) => guest,
            Err(error) => {
                return Err(self.name(store, &error, |reason| PluginError::InstantiationFailed { reason }));
            }
        };
        match guest.ask(store, request).await {
            Some(Ok(Ok(response))) => Ok(response),
            Some(Ok(Err(fault))) => Err(PluginError::Fault(fault)),
            Some(Err(error)) => Err(self.name(store, &error, |reason| PluginError::BadOutput { reason })),
            None => Err(PluginError::WrongKind { kind: self.kind(), function: request.function() }),
        }
    }

    /// Which limit or trap it was. What is neither broke the canonical ABI, or never started: `otherwise`.
    fn name(
        &self,
        store: &mut Store<CallState>,
        error: &Error,
        otherwise: impl FnOnce(String) -> PluginError,
    ) -> PluginError {
        if let Some(limit) = error.downcast_ref::<PluginError>() {
            return limit.clone();
        }
        let limits = self.limits();
        let trap = error.downcast_ref::<Trap>();
        match trap {
            Some(Trap::OutOfFuel) => return PluginError::OutOfFuel { fuel_max: limits.fuel_max },
            Some(Trap::Interrupt) => return PluginError::TimedOut { after_ms: limits.deadline_ms },
            Some(Trap::StackOverflow) => return PluginError::StackOverflow,
            _ => {}
        }
        // A guest that was refused memory gives up in its own way; the refusal says more than its trap.
        if let Some(refused) = store.data_mut().meter.take_refused() {
            return refused;
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return PluginError::Trapped { reason: format!("it exited with status {}", exit.0) };
        }
        if let Some(trap) = trap {
            return PluginError::Trapped { reason: trap.to_string() };
        }
        let reason = format!("{error:#}");
        // wasmtime keeps the type of this error to itself.
        if reason.contains("fuel allocated for hostcalls has been exhausted") {
            return PluginError::OutputTooLarge { output_bytes_max: limits.output_bytes_max };
        }
        otherwise(reason)
    }

    fn limits(&self) -> &Limits {
        &self.machine.limits
    }

    /// The record of a call in which nothing happened yet.
    fn transcript(&self, request: Arc<Request>, started: Instant) -> Transcript {
        Transcript {
            plugin: self.digest,
            request,
            fuel: 0,
            elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            host_calls: 0,
            memory_bytes_peak: 0,
            evidence: Vec::new(),
            logs: Vec::new(),
        }
    }
}

impl World {
    async fn instantiate(&self, store: &mut Store<CallState>) -> wasmtime::Result<Guest> {
        Ok(match self {
            Self::Gate(gate) => Guest::Gate(gate.instantiate_async(store).await?),
            Self::Health(health) => Guest::Health(health.instantiate_async(store).await?),
            Self::Strategy(strategy) => Guest::Strategy(strategy.instantiate_async(store).await?),
        })
    }
}

type Answer = wasmtime::Result<Result<Response, Fault>>;

impl Guest {
    /// `None` when this world has no such function.
    async fn ask(&self, store: &mut Store<CallState>, request: &Request) -> Option<Answer> {
        Some(match (self, request) {
            (guest, Request::Describe) => guest.describe(store).await,
            (guest, Request::CheckSettings { settings }) => guest.check_settings(store, settings).await,
            (Self::Gate(gate), Request::Evaluate { change, settings, now }) => {
                let verdict = gate.interlock_plugin_gate().call_evaluate(store, change, settings, *now).await;
                verdict.map(|verdict| verdict.map(Response::Verdict))
            }
            (Self::Health(health), Request::Needs { change, settings }) => {
                let queries = health.interlock_plugin_health().call_needs(store, change, settings).await;
                let ours = |queries: Vec<_>| Response::Queries(queries.into_iter().map(Into::into).collect());
                queries.map(|queries| queries.map(ours))
            }
            (Self::Health(health), Request::Judge { observations, settings, now }) => {
                let seen: Vec<wit_health::Observation> = observations.iter().map(Into::into).collect();
                let verdict = health.interlock_plugin_health().call_judge(store, &seen, settings, *now).await;
                verdict.map(|verdict| verdict.map(Response::Verdict))
            }
            (Self::Strategy(strategy), Request::Plan { change, population, settings }) => {
                let strategy = strategy.interlock_plugin_strategy();
                let stages = strategy.call_plan(store, change, population, settings).await;
                let ours = |stages: Vec<_>| Response::Stages(stages.into_iter().map(Into::into).collect());
                stages.map(|stages| stages.map(ours))
            }
            (Self::Strategy(strategy), Request::Advance { situation }) => {
                let situation = wit_strategy::Situation::from(situation.as_ref());
                let directive = strategy.interlock_plugin_strategy().call_advance(store, &situation).await;
                directive.map(|directive| directive.map(|directive| Response::Directive(directive.into())))
            }
            _ => return None,
        })
    }

    async fn describe(&self, store: &mut Store<CallState>) -> Answer {
        let description = match self {
            Self::Gate(gate) => gate.interlock_plugin_plugin().call_describe(store).await,
            Self::Health(health) => health.interlock_plugin_plugin().call_describe(store).await,
            Self::Strategy(strategy) => strategy.interlock_plugin_plugin().call_describe(store).await,
        };
        description.map(|description| Ok(Response::Description(description)))
    }

    async fn check_settings(&self, store: &mut Store<CallState>, settings: &String) -> Answer {
        let problems = match self {
            Self::Gate(gate) => gate.interlock_plugin_plugin().call_check_settings(store, settings).await,
            Self::Health(health) => {
                health.interlock_plugin_plugin().call_check_settings(store, settings).await
            }
            Self::Strategy(s) => s.interlock_plugin_plugin().call_check_settings(store, settings).await,
        };
        problems.map(|problems| Ok(Response::Problems(problems)))
    }
}

/// Turns a panic below, be it of an evidence source or of wasmtime, into a failed call: one plugin must not take the
/// task with it that serves others.
async fn survive<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic_text(panic.as_ref()))),
    })
    .await
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a word"))
}
