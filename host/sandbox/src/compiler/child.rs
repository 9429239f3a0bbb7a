//! The child: bounds itself, reads a component from its input, and writes the compiled form to its output.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use wasmtime::Engine;

use crate::engine::compiling;

// Exit codes that no other program is likely to end with.
/// The component does not compile; the reason is on the error output.
pub(super) const REFUSED: u8 = 71;
/// The child could not do its part.
pub(super) const FAILED: u8 = 72;
/// There was not enough memory.
pub(super) const OUT_OF_MEMORY: u8 = 73;

/// A quarter of what a call of a plugin gets where both want the processor. With less, good components would be killed for
/// the time that a busy machine did not give to them.
const NICENESS: i32 = 5;

pub(super) fn run(arguments: impl Iterator<Item = Result<String, OsString>>) -> ExitCode {
    match work(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, reason)) => {
            // Nobody to tell it to if this fails.
            let _ = io::stderr().write_all(reason.as_bytes());
            ExitCode::from(code)
        }
    }
}

fn work(arguments: impl Iterator<Item = Result<String, OsString>>) -> Result<(), (u8, String)> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| (FAILED, format!("{what}: {error}"))
    };
    let numbers: Option<Vec<u64>> = arguments.map(|argument| argument.ok()?.parse().ok()).collect();
    let Some([memory_bytes_max, cpu_secs, threads]) = numbers.as_deref() else {
        return Err((FAILED, "wants three numbers".to_owned()));
    };
    bound(*memory_bytes_max, *cpu_secs).map_err(failed("cannot bound itself"))?;
    let wasm = read().map_err(failed("cannot read the component"))?;
    end_with_the_parent();
    let refused = |error: wasmtime::Error| {
        let reason = format!("{error:#}");
        let code = if reason.contains("Cannot allocate memory") { OUT_OF_MEMORY } else { REFUSED };
        (code, reason)
    };
    let engine = Engine::new(&compiling(*threads > 1)).map_err(refused)?;
    let code = engine.precompile_component(&wasm).map_err(refused)?;
    io::stdout().write_all(&code).map_err(failed("cannot hand the result over"))
}

/// The parent kills it too; these hold also when the parent cannot.
fn bound(memory_bytes_max: u64, cpu_secs: u64) -> io::Result<()> {
    nice(NICENESS)?;
    let bounds = [
        (Resource::As, memory_bytes_max, memory_bytes_max),
        // At the first a signal that tells what it was, at the second the end.
        (Resource::Cpu, cpu_secs, cpu_secs.saturating_add(1)),
        // It writes into a pipe, and nowhere else; and what it was given is not for a core file.
        (Resource::Fsize, 0, 0),
        (Resource::Core, 0, 0),
    ];
    for (resource, current, maximum) in bounds {
        setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    }
    Ok(())
}

/// Its length first: the input stays open behind it.
fn read() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut wasm = Vec::new();
    (&mut input).take(length).read_to_end(&mut wasm)?;
    if wasm.len() as u64 == length { Ok(wasm) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The input closes when the parent is gone, however that came about: then nobody waits for the result.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = io::stdin().lock().read(&mut [0]);
        std::process::exit(i32::from(FAILED));
    });
}
