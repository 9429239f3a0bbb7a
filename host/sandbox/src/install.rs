//! Why a component does not become a plugin.

use interlock_ledger::Digest;
use thiserror::Error;

use crate::PluginError;
use crate::types::PluginKind;

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
    /// The compiler took too long, and was killed.
    #[error(
        "the component did not compile within `{after_ms}` ms: make it smaller or simpler, or raise `compile_timeout_ms`"
    )]
    CompileTimedOut {
        /// The limit.
        after_ms: u64,
    },
    /// The compiler needed too much memory.
    #[error(
        "the component did not compile within `{compile_memory_bytes_max}` bytes of memory: make it smaller or simpler, or \
         raise `compile_memory_bytes_max`"
    )]
    CompileMemoryExceeded {
        /// The limit.
        compile_memory_bytes_max: u64,
    },
    /// It is too large when compiled.
    #[error(
        "the component compiles to more than `{compiled_bytes_max}` bytes: make it smaller, or raise `compiled_bytes_max`"
    )]
    CompiledTooLarge {
        /// The limit.
        compiled_bytes_max: u64,
    },
    /// Others were before it.
    #[error(
        "the component's turn to compile did not come within `{waited_ms}` ms: try again later, or raise \
         `compile_concurrency`"
    )]
    CompilerBusy {
        /// How long it waited.
        waited_ms: u64,
    },
    /// The process that compiles did not do its part.
    #[error(
        "the compiling process failed: {reason}; try again, and look at the memory and processes of this machine"
    )]
    CompilerFailed {
        /// What happened.
        reason: String,
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

impl InstallError {
    /// A name that stays the same, for records, metrics and problem types.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "component-too-large",
            Self::DigestDiffers { .. } => "digest-differs",
            Self::Compile { .. } => "does-not-compile",
            Self::CompileTimedOut { .. } => "compile-timed-out",
            Self::CompileMemoryExceeded { .. } => "compile-memory-exceeded",
            Self::CompiledTooLarge { .. } => "compiled-too-large",
            Self::CompilerBusy { .. } => "compiler-busy",
            Self::CompilerFailed { .. } => "compiler-failed",
            Self::ForeignImports { .. } => "foreign-imports",
            Self::NewerContract { .. } => "newer-contract",
            Self::NoWorld => "no-world",
            Self::TwoWorlds { .. } => "two-worlds",
            Self::MissingExports { .. } => "missing-exports",
            Self::Contract { .. } => "contract",
            Self::SmokeTest(_) => "smoke-test",
            Self::Schema { .. } => "settings-schema",
            Self::Host { .. } => "host-failed",
        }
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
