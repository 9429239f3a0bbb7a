//! Calls when there is more than one thing to do: 64 at once, and while a hostile component is compiled. Also guests in other
//! languages.
//!
//! ```text
//! cargo run --release -p interlock-sandbox --example crowd_cost -- SIZE-LIMIT.wasm [LANGUAGE=STORAGE-FIT.wasm …] [--output json]
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use interlock_sandbox::types::Request;
use interlock_sandbox::{
    Compiler, Document, EvidenceAnswer, EvidenceSource, Limits, NoEvidence, Plugin, Sandbox,
};

use crate::figures::{Line, NOW, change, percentile_us};

#[expect(unreachable_pub, reason = "one program: nothing here is reachable from outside")]
mod figures;
#[expect(unreachable_pub, reason = "the tests reach it")]
#[path = "../tests/it/support/hostile.rs"]
mod hostile;

const AT_ONCE: usize = 64;
const WAVES: usize = 400;
const AT_ONCE_P99_MAX_MS: f64 = 5.0;
/// How long calls are measured without and with a compilation beside them, in turn.
const SPELL: Duration = Duration::from_millis(1_500);
const SPELLS: usize = 4;
const SLOWER_MAX: f64 = 2.0;
const HOSTILE_BYTES_MIN: usize = 5 << 20;
const GUEST_CALLS: usize = 300;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(code) = Compiler::enter() {
        return Ok(code);
    }
    let (mut json, mut files) = (false, vec![]);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--output" {
            json = args.next().is_some_and(|format| format == "json");
        } else {
            files.push(arg);
        }
    }
    let (gate, guests) = files.split_first().context("name a gate component")?;
    let wasm = std::fs::read(gate)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut lines = runtime.block_on(at_once(wasm.clone()))?;
    lines.extend(runtime.block_on(beside_a_compilation(wasm))?);
    for guest in guests {
        let (language, path) = guest.split_once('=').context("write LANGUAGE=FILE")?;
        lines.push(runtime.block_on(in_language(language, path))?);
    }
    for line in &lines {
        line.print(json);
    }
    Ok(if lines.iter().all(Line::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request() -> Arc<Request> {
    Arc::new(Request::Evaluate { change: Arc::new(change()), settings: "{}".into(), now: NOW })
}

/// From the moment that all 64 are asked for until each has its answer, on two threads.
async fn at_once(wasm: Vec<u8>) -> anyhow::Result<Vec<Line>> {
    let plugin = Sandbox::new(Limits::default(), None)?.install(wasm).await?;
    let request = request();
    let mut samples = Vec::with_capacity(WAVES * AT_ONCE);
    for _ in 0..WAVES {
        let begun = Instant::now();
        let calls: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let (plugin, request) = (Arc::clone(&plugin), Arc::clone(&request));
                tokio::spawn(async move {
                    let call = plugin.call(request, Arc::new(NoEvidence)).await;
                    (begun.elapsed(), call.outcome.is_ok())
                })
            })
            .collect();
        for call in calls {
            let (took, good) = call.await?;
            ensure!(good, "a call failed");
            samples.push(took);
        }
    }
    let [p50, p99] = [0.5, 0.99].map(|share| percentile_us(&mut samples, share) / 1e3);
    Ok(vec![
        Line::new("gate_calls_64_at_once_p50", p50, "ms", None),
        Line::new("gate_calls_64_at_once_p99", p99, "ms", Some(AT_ONCE_P99_MAX_MS)),
    ])
}

/// Calls one after the other, without and with the compilation of a component of 5 MiB that takes far longer.
async fn beside_a_compilation(wasm: Vec<u8>) -> anyhow::Result<Vec<Line>> {
    let sandbox = Arc::new(Sandbox::with_compiler(Limits::default(), None, Compiler::own_program()?)?);
    let plugin = sandbox.install(wasm.clone()).await?;
    let hostile = hostile::with_module(wasm, &hostile::module(270, 1_000));
    ensure!(hostile.len() >= HOSTILE_BYTES_MIN, "the hostile component has only {} bytes", hostile.len());
    let (mut alone, mut beside) = (vec![], vec![]);
    for number in 0..SPELLS {
        spell(&plugin, &mut alone).await?;
        let compiling = tokio::spawn({
            let (sandbox, wasm) =
                (Arc::clone(&sandbox), hostile::with_mark(hostile.clone(), &[u8::try_from(number)?]));
            async move { sandbox.install(wasm).await.map(drop) }
        });
        // It reads the component first.
        tokio::time::sleep(Duration::from_millis(300)).await;
        spell(&plugin, &mut beside).await?;
        ensure!(!compiling.is_finished(), "the hostile component was compiled too quickly to tell");
        compiling.abort();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut lines = Vec::new();
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let [alone, beside] = [&mut alone, &mut beside].map(|samples| percentile_us(samples, share));
        lines.push(Line::new(format!("gate_call_alone_{name}"), alone, "us", None));
        lines.push(Line::new(format!("gate_call_beside_compilation_{name}"), beside, "us", None));
        lines.push(Line::new(
            format!("gate_call_slowed_by_compilation_{name}"),
            beside / alone,
            "ratio",
            Some(SLOWER_MAX),
        ));
    }
    Ok(lines)
}

async fn spell(plugin: &Plugin, samples: &mut Vec<Duration>) -> anyhow::Result<()> {
    let request = request();
    let until = Instant::now() + SPELL;
    while Instant::now() < until {
        let begun = Instant::now();
        let call = plugin.call(Arc::clone(&request), Arc::new(NoEvidence)).await;
        samples.push(begun.elapsed());
        ensure!(call.outcome.is_ok(), "a call failed");
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Knows every artifact.
struct Facts;

#[async_trait]
impl EvidenceSource for Facts {
    async fn fetch(&self, _plugin: &str, _source: &str, key: &str) -> EvidenceAnswer {
        let mut parts = key.split('@');
        let mut part = || parts.next().unwrap_or_default();
        let facts = serde_json::json!({
            "name": part(), "version": part(), "digest": part(), "size": 8_388_608, "models": ["pump-x2"],
        });
        EvidenceAnswer::Found(Document::new("application/json", facts.to_string(), NOW))
    }
}

/// The same gate, whatever it is written in.
async fn in_language(language: &str, path: &str) -> anyhow::Result<Line> {
    let name = format!("gate_call_in_{language}");
    let Ok(wasm) = std::fs::read(path) else {
        return Ok(Line { name, value: None, unit: "us", bound: None });
    };
    let limits = Limits { compile_timeout_ms: 600_000, compile_concurrency: 2, ..Limits::default() };
    let plugin = Sandbox::new(limits, None)?.install(wasm).await.with_context(|| format!("`{path}`"))?;
    let request = request();
    let mut samples = vec![];
    for _ in 0..GUEST_CALLS {
        let begun = Instant::now();
        let call = plugin.call(Arc::clone(&request), Arc::new(Facts)).await;
        samples.push(begun.elapsed());
        ensure!(call.outcome.is_ok(), "`{path}`: {:?}", call.outcome);
    }
    Ok(Line::new(name, percentile_us(&mut samples, 0.5), "us", None))
}
