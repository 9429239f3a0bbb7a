//! What the sandbox adds to a gate call: measured against the same component called with bare wasmtime.
//!
//! ```text
//! cargo run --release -p interlock-sandbox --example call_cost -- GATE.wasm [SETTINGS.json] [--output json]
//! cargo run --release -p interlock-sandbox --example call_cost -- --question
//! ```
//!
//! `--question` prints the question as JSON instead, for programs that measure others with it.
//!
//! The two are called in turn, in one process, so that noise hits both; figures are the lower quartile of the rounds,
//! since other work on the machine can only add. Each line is `name value unit bound holds`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use interlock_sandbox::types::{Request, Response};
use interlock_sandbox::{Limits, NoEvidence, Sandbox};

use crate::figures::{Line, NOW, change, percentile_us};

#[expect(unreachable_pub, reason = "one program: nothing here is reachable from outside")]
mod figures;

const RATIO_MAX: f64 = 1.3;
const ROUNDS: usize = 1_000;
/// Calls of one kind before it is the other's turn.
const CALLS: u32 = 5;

fn main() -> anyhow::Result<ExitCode> {
    let (mut json, mut files) = (false, vec![]);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--question" {
            println!("{}", serde_json::json!({ "change": change(), "settings": {}, "now": NOW }));
            return Ok(ExitCode::SUCCESS);
        }
        if arg == "--output" {
            json = args.next().is_some_and(|format| format == "json");
        } else {
            files.push(arg);
        }
    }
    let wasm = std::fs::read(files.first().context("name a gate component")?)?;
    let settings = files.get(1).map_or(Ok("{}".to_owned()), std::fs::read_to_string)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = runtime.block_on(measure(wasm, settings))?;
    for line in &lines {
        line.print(json);
    }
    Ok(if lines.iter().all(Line::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(wasm: Vec<u8>, settings: String) -> anyhow::Result<Vec<Line>> {
    let sandbox = Sandbox::new(Limits::default(), None)?;
    let bare = sandbox.bare_gate(&wasm).map_err(|e| anyhow::anyhow!("{e:#}"))?;
    let plugin = sandbox.install(wasm).await?;
    let change = Arc::new(change());
    let request =
        Arc::new(Request::Evaluate { change: Arc::clone(&change), settings: settings.clone(), now: NOW });
    let evidence = Arc::new(NoEvidence);

    let ours = plugin.call(Arc::clone(&request), evidence.clone()).await;
    let theirs = bare.evaluate(&change, &settings, NOW).await.map_err(|e| anyhow::anyhow!("{e:#}"))?;
    match (&ours.outcome, theirs) {
        (Ok(Response::Verdict(ours)), Ok(theirs)) => {
            ensure!(*ours == theirs, "both must give the same verdict")
        }
        (ours, theirs) => eprintln!("no verdict: sandboxed {ours:?}, bare {theirs:?}"),
    }

    let (mut plain, mut sandboxed, mut recorded) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            let _ = std::hint::black_box(bare.evaluate(&change, &settings, NOW).await);
        }
        plain.push(start.elapsed());
        let start = Instant::now();
        for _ in 0..CALLS {
            std::hint::black_box(plugin.call(Arc::clone(&request), evidence.clone()).await);
        }
        sandboxed.push(start.elapsed());
        let start = Instant::now();
        for _ in 0..CALLS {
            std::hint::black_box(plugin.call(Arc::clone(&request), evidence.clone()).await.record()?);
        }
        recorded.push(start.elapsed());
    }
    let quartile_us = |mut rounds: Vec<Duration>| percentile_us(&mut rounds, 0.25) / f64::from(CALLS);
    let [plain, sandboxed, recorded] = [plain, sandboxed, recorded].map(quartile_us);
    let line = Line::new;
    Ok(vec![
        line("gate_call_bare", plain, "us", None),
        line("gate_call_sandboxed", sandboxed, "us", None),
        line("gate_call_recorded", recorded, "us", None),
        line("gate_call_ratio", sandboxed / plain, "ratio", Some(RATIO_MAX)),
        line("gate_call_recorded_ratio", recorded / plain, "ratio", None),
    ])
}
