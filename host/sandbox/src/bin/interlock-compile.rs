//! Compiles components for programs that cannot be started again themselves: see `Compiler::program`.

use std::process::ExitCode;

fn main() -> ExitCode {
    interlock_sandbox::Compiler::enter().unwrap_or_else(|| {
        eprintln!(
            "interlock-compile: a server starts this to compile plugins; there is nothing to do by hand"
        );
        ExitCode::from(2)
    })
}
