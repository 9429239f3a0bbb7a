//! The figures that need a whole server: memory at rest, cold start, and a thousand polling devices.
//!
//! Prints one JSON object a line; `cargo xtask bench` builds everything it needs and prints the figures of all rooms.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use interlock_emulator::{Fleet, FleetOptions};
use interlock_tests::{Hospital, Server, Setup, TENANT};
use serde_json::json;

/// As many plugins as the figure asks for.
const PLUGINS: usize = 10;
/// As many devices as the figure asks for.
const DEVICES_AT_REST: usize = 10_000;
/// As many devices as poll each second.
const DEVICES_POLLING: usize = 1_000;
/// How long they poll.
const POLLING: Duration = Duration::from_secs(20);
/// How often a cold start is measured; the median counts.
const STARTS: usize = 5;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "usage: interlock-bench PROGRAM PLUGINS";
    let (program, plugins) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let many = tempfile::tempdir()?;
    copies(&plugins, many.path())?;
    let setup = Setup::quick(program, many.path());
    at_rest(setup.clone()).await?;
    polling(setup).await
}

/// Ten plugins: the built ones, and copies that differ by an empty custom section, which is a digest of its own.
fn copies(plugins: &Path, into: &Path) -> anyhow::Result<()> {
    let mut built: Vec<PathBuf> = std::fs::read_dir(plugins)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    built.sort();
    ensure!(!built.is_empty(), "no plugins in `{}`", plugins.display());
    for number in 0..PLUGINS.max(built.len()) {
        let source = &built[number % built.len()];
        let mut wasm = std::fs::read(source)?;
        if number >= built.len() {
            wasm.extend_from_slice(&[0, 3, 2, b'c', u8::try_from(number)?]);
        }
        let name = source.file_name().context("a plugin without a name")?.to_string_lossy().into_owned();
        // Copies come first, so that the originals are what the names are bound to in the end.
        let name = if number < built.len() { format!("z-{name}") } else { format!("a{number}-{name}") };
        std::fs::write(into.join(name), wasm)?;
    }
    Ok(())
}

async fn at_rest(setup: Setup) -> anyhow::Result<()> {
    let mut hospital = Hospital::open(setup, DEVICES_AT_REST).await?;
    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        hospital.server.kill().await?;
        let began = Instant::now();
        hospital.server.restart().await?;
        starts.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    starts.sort_by(f64::total_cmp);
    figure("server_cold_start_to_ready", starts[STARTS / 2], "ms", 1_000.0);
    // Something must have been asked of it: a server that has done nothing yet is not at rest, but asleep.
    hospital.pumps_on("1.0.0").await?;
    figure("server_at_rest_resident", resident_mb(&hospital.server)?, "MB", 150.0);
    hospital.server.stop().await
}

async fn polling(setup: Setup) -> anyhow::Result<()> {
    let hospital = Hospital::open(setup, DEVICES_POLLING).await?;
    let options = FleetOptions {
        devices: hospital.pumps.clone(),
        poll_ms: Some(1_000),
        telemetry_ms: None,
        download: false,
        ..FleetOptions::new(hospital.server.url.parse()?, TENANT)
    };
    // The first polls register every device's version; they are not part of the figure.
    let warming = Fleet::start(options.clone())?;
    hospital.everybody_on(&warming, "1.0.0").await?;
    warming.stop().await;
    let fleet = Fleet::start(options)?;
    tokio::time::sleep(POLLING).await;
    let snapshot = fleet.stop().await;
    let due = DEVICES_POLLING as f64 * POLLING.as_secs_f64();
    ensure!(snapshot.polls as f64 > 0.9 * due, "only {} of {due} polls were made", snapshot.polls);
    figure("polls_failed_of_1000_devices", snapshot.failed_polls as f64, "polls", 0.0);
    figure("poll_p99_of_1000_devices", snapshot.poll_p99_ms, "ms", 50.0);
    hospital.server.stop().await
}

fn figure(name: &str, value: f64, unit: &str, bound: f64) {
    println!(
        "{}",
        json!({ "name": name, "value": value, "unit": unit, "bound": bound, "holds": value <= bound })
    );
}

/// Resident memory of the server's process (proc(5), `VmRSS`).
fn resident_mb(server: &Server) -> anyhow::Result<f64> {
    let pid = server.pid().context("the server does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kb * 1_024.0 / 1e6)
}
