//! Finding and running compilers.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::ToolchainError;

/// Lines of a compiler's output that an error shows: the last ones say most.
const OUTPUT_LINES_MAX: usize = 60;

/// A program in one of these folders, or on the path.
pub(crate) fn find(name: &str, first: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let candidates = first.iter().cloned().chain(env::split_paths(&path));
    candidates.map(|dir| dir.join(name)).find(|program| program.is_file())
}

/// Runs a program to its end without an input, and keeps what it prints.
pub(crate) fn output(command: &mut Command) -> Result<Output, ToolchainError> {
    let program = command.get_program().to_string_lossy().into_owned();
    // What a compiler says of itself when it fails would push what it says of the plugin off the page.
    command.env("RUST_BACKTRACE", "0").env_remove("RUST_LIB_BACKTRACE");
    command.stdin(Stdio::null()).output().map_err(|source| ToolchainError::Start { program, source })
}

/// Runs a program that must succeed; `what` says what for. Yields what it printed to stdout.
pub(crate) fn succeed(command: &mut Command, what: &str) -> Result<Vec<u8>, ToolchainError> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = [&output.stderr[..], b"\n", &output.stdout].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(OUTPUT_LINES_MAX)..).unwrap_or_default();
    let shown = if last.is_empty() { output.status.to_string() } else { last.join("\n") };
    Err(ToolchainError::Failed { what: what.to_owned(), output: shown })
}

/// What a program prints, trimmed; nothing when it fails.
pub(crate) fn capture(program: &str, arguments: &[&str], dir: &Path) -> Result<String, ToolchainError> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir);
    let stdout = succeed(&mut command, &format!("`{program} {}`", arguments.join(" ")))?;
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}
