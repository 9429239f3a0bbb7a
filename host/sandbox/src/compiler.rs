//! Where components are compiled: off the request path, bounded, and in a process that can be killed.
//!
//! A hostile component can keep a compiler busy for minutes or have it eat memory, and wasmtime says that guarding against
//! that is the embedder's part. A thread cannot be stopped; a process can. So the program starts itself again as a
//! child that reads one component, writes its compiled form, and does nothing else: with little priority, limited memory
//! and processor time, an empty environment, and no way to write a file. It is killed when its time is up, and
//! when nobody waits for it any more.

mod child;
mod parent;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::SandboxError;

pub(crate) use parent::compile;

/// What the child is started with, before its bounds. Not a word that a person would type.
const CHILD: &str = "__compile-component";

/// Whether this program can be started again as a child.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Where components are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compiler {
    /// In a child process of this program, which can be killed.
    Child(PathBuf),
    /// In this process, where a compilation can be given up but not stopped: for hosts that cannot start processes, and for
    /// those that compile nothing but what is theirs.
    InProcess,
}

impl Compiler {
    /// The first thing that `main` does in a program that compiles in children: `Some` in a child, which has then done its work and
    /// must end with this code.
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    ///
    /// fn main() -> ExitCode {
    ///     if let Some(code) = interlock_sandbox::Compiler::enter() {
    ///         return code;
    ///     }
    ///     // …
    ///     ExitCode::SUCCESS
    /// }
    /// ```
    #[must_use]
    pub fn enter() -> Option<ExitCode> {
        let mut arguments = std::env::args_os().skip(1);
        if arguments.next().is_some_and(|word| word == CHILD) {
            return Some(child::run(arguments.map(OsString::into_string)));
        }
        ENTERED.store(true, Ordering::Relaxed);
        None
    }

    /// Children that are this very program.
    ///
    /// # Errors
    /// When its `main` does not begin with [`Compiler::enter`]: started again, it would begin anew instead of compiling.
    pub fn own_program() -> Result<Self, SandboxError> {
        if !ENTERED.load(Ordering::Relaxed) {
            return Err(SandboxError::NoCompiler {
                reason: "its `main` does not begin with `Compiler::enter`".to_owned(),
            });
        }
        // Not its path, where an upgrade may have put another program meanwhile.
        let running = PathBuf::from("/proc/self/exe");
        if running.exists() {
            return Ok(Self::Child(running));
        }
        let program = std::env::current_exe();
        program.map(Self::Child).map_err(|e| SandboxError::NoCompiler { reason: e.to_string() })
    }

    /// Children that are another program whose `main` begins with [`Compiler::enter`], for example `interlock-compile`.
    pub fn program(path: impl Into<PathBuf>) -> Self {
        Self::Child(path.into())
    }
}
