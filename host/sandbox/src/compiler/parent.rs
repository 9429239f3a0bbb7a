//! The parent: starts a child, talks to it within bounds, and says how it ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::CHILD;
use super::child::{OUT_OF_MEMORY, REFUSED};
use crate::{InstallError, Limits};

/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 8 << 10;
/// What the standard library says before it aborts.
const NO_MEMORY: &str = "memory allocation of";
/// `SIGXCPU`: the limit of processor time.
const CPU_TIME_IS_UP: i32 = 24;

/// The compiled form of a component, made by a child. The child does not outlive the future.
pub(crate) async fn compile(program: &Path, limits: &Limits, wasm: &[u8]) -> Result<Vec<u8>, InstallError> {
    let after_ms = limits.compile_timeout_ms;
    let mut child = start(program, limits).map_err(|error| InstallError::CompilerFailed {
        reason: format!("cannot start `{}`: {error}", program.display()),
    })?;
    match tokio::time::timeout(Duration::from_millis(after_ms), talk(&mut child, limits, wasm)).await {
        Ok(result) => result,
        // Dropped on the way out, and with that killed.
        Err(_elapsed) => Err(InstallError::CompileTimedOut { after_ms }),
    }
}

fn start(program: &Path, limits: &Limits) -> io::Result<Child> {
    // Processor time of all threads; the parent's clock comes first unless the parent is in trouble.
    let cpu_secs = limits.compile_timeout_ms.div_ceil(1_000).saturating_mul(limits.compile_threads.into());
    Command::new(program)
        .arg(CHILD)
        .arg(limits.compile_memory_bytes_max.to_string())
        .arg(cpu_secs.saturating_add(1).to_string())
        .arg(limits.compile_threads.to_string())
        // The environment holds secrets of the server.
        .env_clear()
        .env("RAYON_NUM_THREADS", limits.compile_threads.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

async fn talk(child: &mut Child, limits: &Limits, wasm: &[u8]) -> Result<Vec<u8>, InstallError> {
    let failed = |error: io::Error| InstallError::CompilerFailed { reason: error.to_string() };
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(InstallError::CompilerFailed { reason: "it has no pipes".to_owned() });
    };
    let tell = async {
        // A child that does not listen says why when it ends.
        let _ = input.write_all(&(wasm.len() as u64).to_le_bytes()).await;
        let _ = input.write_all(wasm).await;
        let _ = input.flush().await;
        // Closed only when all is read: that is how the child knows that this process lives.
        Ok(input)
    };
    let compiled_bytes_max = limits.compiled_bytes_max;
    let hear = async {
        let code = read(output, compiled_bytes_max).await.map_err(failed)?;
        code.ok_or(InstallError::CompiledTooLarge { compiled_bytes_max })
    };
    let complain = async {
        let mut errors = errors;
        let mut reason = Vec::new();
        (&mut errors).take(REASON_BYTES_MAX as u64).read_to_end(&mut reason).await.map_err(failed)?;
        // What is beyond is not kept, but must not make the child wait.
        tokio::io::copy(&mut errors, &mut tokio::io::sink()).await.map_err(failed)?;
        Ok(String::from_utf8_lossy(&reason).into_owned())
    };
    let (_input, code, reason) = tokio::try_join!(tell, hear, complain)?;
    let status = child.wait().await.map_err(failed)?;
    if status.success() { Ok(code) } else { Err(ended(status, reason, limits)) }
}

/// `None` when there is more.
async fn read(from: impl AsyncRead + Unpin, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).await?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

fn ended(status: ExitStatus, reason: String, limits: &Limits) -> InstallError {
    let compile_memory_bytes_max = limits.compile_memory_bytes_max;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    if code == Some(OUT_OF_MEMORY) || reason.contains(NO_MEMORY) {
        return InstallError::CompileMemoryExceeded { compile_memory_bytes_max };
    }
    if status.signal() == Some(CPU_TIME_IS_UP) {
        return InstallError::CompileTimedOut { after_ms: limits.compile_timeout_ms };
    }
    if code == Some(REFUSED) {
        return InstallError::Compile { reason };
    }
    let reason = reason.lines().next().unwrap_or_default();
    InstallError::CompilerFailed { reason: format!("it ended with {status}: {reason}") }
}
