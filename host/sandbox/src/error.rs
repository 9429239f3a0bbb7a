//! What can go wrong: with the sandbox itself, and in one call of a plugin.

use interlock_ledger::Digest;
use thiserror::Error;

use crate::types::{Fault, PluginKind};

/// Why the sandbox cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A limit under which nothing could run.
    #[error("limit `{field}` {reason}")]
    Limit {
        /// The field of [`crate::Limits`].
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// wasmtime refused to start.
    #[error("cannot start the wasm engine: {reason}")]
    Engine {
        /// What wasmtime said.
        reason: String,
    },
    /// Components cannot be compiled in a child process.
    #[error(
        "this program cannot compile plugins in a child process: {reason}; repair that, or compile in this process \
         (`plugins.compile_in_process = true`), where a hostile plugin can keep a thread busy"
    )]
    NoCompiler {
        /// Why not.
        reason: String,
    },
    /// The cache directory cannot be used.
    #[error("cannot use `{path}` as the cache of compiled plugins: {source}")]
    Cache {
        /// The directory.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// Why a call has no answer. The host treats each of these as a deny with its own reason.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The guest stopped itself, or did what wasm forbids.
    #[error("the plugin trapped: {reason}")]
    Trapped {
        /// What wasmtime said.
        reason: String,
    },
    /// It used all its fuel.
    #[error("the plugin used up its fuel of `{fuel_max}` units")]
    OutOfFuel {
        /// The limit.
        fuel_max: u64,
    },
    /// It computed for too long.
    #[error("the plugin computed for longer than `{after_ms}` ms")]
    TimedOut {
        /// The limit.
        after_ms: u64,
    },
    /// The call took too long as a whole, evidence included.
    #[error("the call did not end within `{after_ms}` ms, evidence included")]
    CallTimedOut {
        /// The limit.
        after_ms: u64,
    },
    /// It asked for more memory than it may have, and could not do without.
    #[error("the plugin needs more than `{memory_bytes_max}` bytes of memory: it asked for `{wanted_bytes}`")]
    MemoryExceeded {
        /// The limit over all memories.
        memory_bytes_max: u64,
        /// What all memories together would have taken.
        wanted_bytes: u64,
    },
    /// The same for tables.
    #[error("the plugin needs more than `{table_elements_max}` table elements: it asked for `{wanted}`")]
    TableExceeded {
        /// The limit over all tables.
        table_elements_max: u64,
        /// What all tables together would have held.
        wanted: u64,
    },
    /// It called itself too deeply.
    #[error("the plugin exhausted its call stack")]
    StackOverflow,
    /// It called the host too often.
    #[error("the plugin called the host more than `{host_calls_max}` times")]
    HostCallsExceeded {
        /// The limit.
        host_calls_max: u32,
    },
    /// It logged too much.
    #[error("the plugin logged more than `{log_bytes_max}` bytes")]
    LogExceeded {
        /// The limit.
        log_bytes_max: u64,
    },
    /// It asked for more evidence than one call may hold.
    #[error("the plugin was given more than `{evidence_bytes_max}` bytes of evidence")]
    EvidenceExceeded {
        /// The limit.
        evidence_bytes_max: u64,
    },
    /// It handed over too much at once.
    #[error("the plugin handed over more than `{output_bytes_max}` bytes at once")]
    OutputTooLarge {
        /// The limit.
        output_bytes_max: u64,
    },
    /// It answered something that the contract does not allow.
    #[error("the plugin's answer breaks the contract: {reason}")]
    BadOutput {
        /// Which rule, and where.
        reason: String,
    },
    /// It said that it cannot answer.
    #[error("the plugin could not answer: {}", fault_text(.0))]
    Fault(Fault),
    /// It could not even be started.
    #[error("the plugin could not be started: {reason}")]
    InstantiationFailed {
        /// What wasmtime said.
        reason: String,
    },
    /// A question that its world does not have.
    #[error("a {kind} does not answer `{function}`: ask a plugin of the right kind")]
    WrongKind {
        /// What the plugin is.
        kind: PluginKind,
        /// What it was asked.
        function: &'static str,
    },
    /// All instances were busy for too long.
    #[error("no free sandbox within `{waited_ms}` ms: try again, or raise `instances_max`")]
    Busy {
        /// How long the call waited.
        waited_ms: u64,
    },
    /// There was nobody to call.
    #[error("it is not installed here: put the component `{digest}` back, or propose the change anew")]
    NotInstalled {
        /// The component that is missing.
        digest: Digest,
    },
    /// There is a component, and it does not become a plugin any more.
    #[error("its component does not load: {reason}")]
    NotLoaded {
        /// Why.
        reason: String,
    },
    /// The host's own part of the call failed.
    #[error("the host failed during the call: {reason}")]
    HostFailed {
        /// What happened.
        reason: String,
    },
}

impl PluginError {
    /// A name that stays the same, for records, metrics and problem types.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Trapped { .. } => "trapped",
            Self::OutOfFuel { .. } => "out-of-fuel",
            Self::TimedOut { .. } => "timed-out",
            Self::CallTimedOut { .. } => "call-timed-out",
            Self::MemoryExceeded { .. } => "memory-exceeded",
            Self::TableExceeded { .. } => "table-exceeded",
            Self::StackOverflow => "stack-overflow",
            Self::HostCallsExceeded { .. } => "host-calls-exceeded",
            Self::LogExceeded { .. } => "log-exceeded",
            Self::EvidenceExceeded { .. } => "evidence-exceeded",
            Self::OutputTooLarge { .. } => "output-too-large",
            Self::BadOutput { .. } => "bad-output",
            Self::Fault(Fault::Settings(_)) => "fault-settings",
            Self::Fault(Fault::Evidence(_)) => "fault-evidence",
            Self::Fault(Fault::Internal(_)) => "fault-internal",
            Self::InstantiationFailed { .. } => "instantiation-failed",
            Self::WrongKind { .. } => "wrong-kind",
            Self::Busy { .. } => "busy",
            Self::NotInstalled { .. } => "not-installed",
            Self::NotLoaded { .. } => "not-loaded",
            Self::HostFailed { .. } => "host-failed",
        }
    }
}

fn fault_text(fault: &Fault) -> String {
    match fault {
        Fault::Settings(text) => format!("its settings do not fit: {text}"),
        Fault::Evidence(text) => format!("evidence is missing: {text}"),
        Fault::Internal(text) => text.clone(),
    }
}
