//! Many plugins from the warm cache: how long until all are ready, and what the process holds then.
//!
//! ```text
//! cargo run --release -p interlock-sandbox --example warm_start -- PLUGIN.wasm [--output json]
//! ```
//!
//! The cache is filled first. Then this program starts itself again, so that time and memory are those of a process
//! that has compiled nothing.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, ensure};
use interlock_sandbox::{Limits, Sandbox};

use crate::figures::Line;

#[expect(
    unreachable_pub,
    dead_code,
    reason = "one program: nothing here is reachable from outside, nor all of it used"
)]
mod figures;
#[expect(unreachable_pub, dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/it/support/hostile.rs"]
mod hostile;

const PLUGINS: u16 = 200;
const LOAD: &str = "load";
const MS_MAX: f64 = 2_000.0;
const MB_MAX: f64 = 300.0;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.windows(2).any(|two| two == ["--output", "json"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let [load, plugin, cache, ..] = &arguments[..]
        && load == LOAD
    {
        let wasm = std::fs::read(plugin)?;
        let lines = runtime.block_on(measure(&wasm, Path::new(cache)))?;
        lines.iter().for_each(|line| line.print(json));
        return Ok(if lines.iter().all(Line::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let plugin = arguments.first().context("name a component")?;
    let cache = tempfile::tempdir()?;
    runtime.block_on(fill(&std::fs::read(plugin)?, cache.path()))?;
    let mut again = Command::new(std::env::current_exe()?);
    again.arg(LOAD).arg(plugin).arg(cache.path());
    if json {
        again.args(["--output", "json"]);
    }
    Ok(if again.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn limits() -> Limits {
    Limits { compile_concurrency: 2, ..Limits::default() }
}

async fn fill(wasm: &[u8], cache: &Path) -> anyhow::Result<()> {
    let sandbox = std::sync::Arc::new(Sandbox::new(limits(), Some(cache))?);
    let mut installing = tokio::task::JoinSet::new();
    for number in 0..PLUGINS {
        let (sandbox, wasm) = (std::sync::Arc::clone(&sandbox), marked(wasm, number));
        installing.spawn(async move { sandbox.install(wasm).await.map(drop) });
    }
    while let Some(installed) = installing.join_next().await {
        installed??;
    }
    Ok(())
}

fn marked(wasm: &[u8], number: u16) -> Vec<u8> {
    hostile::with_mark(wasm.to_vec(), &number.to_le_bytes())
}

/// One after the other, as a server does when it starts; each is compiled code read, checked, loaded and asked to describe itself.
async fn measure(wasm: &[u8], cache: &Path) -> anyhow::Result<Vec<Line>> {
    let compiled = std::fs::read_dir(cache)?.count();
    let begun = Instant::now();
    let sandbox = Sandbox::new(limits(), Some(cache))?;
    for number in 0..PLUGINS {
        let plugin = sandbox.install(marked(wasm, number)).await?;
        sandbox.shelf().bind(&number.to_string(), &plugin);
    }
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    ensure!(sandbox.shelf().len() == usize::from(PLUGINS), "not all are ready");
    ensure!(std::fs::read_dir(cache)?.count() == compiled, "the cache was not warm");
    Ok(vec![
        Line::new("plugins_200_from_warm_cache", ms, "ms", Some(MS_MAX)),
        Line::new("plugins_200_resident", resident_mb()?, "MB", Some(MB_MAX)),
    ])
}

/// Resident memory of this process (proc(5), `VmRSS`).
fn resident_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kb * 1_024.0 / 1e6)
}
