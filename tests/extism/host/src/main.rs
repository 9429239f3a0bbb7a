//! What a call of an Extism plugin costs. Prints one JSON object a line, for `cargo xtask bench`.
//!
//! ```text
//! interlock-extism GUEST.wasm QUESTION.json
//! ```
//!
//! The plugin is compiled once. *fresh* makes an instance for each call, as Interlock does, so that nothing of one call reaches the next; *reused*
//! calls the same instance again, as Extism's examples do, and keeps whatever the guest left. *bounded* has what
//! Interlock's calls always have: a limit of fuel, of memory and of time. The question is written and the
//! answer read as JSON in each call: that is the price of bytes where Interlock has types.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde_json::{Value, json};

const ROUNDS: usize = 1_000;
const CALLS: u32 = 5;

fn main() -> anyhow::Result<()> {
    let usage = "usage: interlock-extism GUEST.wasm QUESTION.json";
    let mut arguments = std::env::args().skip(1);
    let (guest, question) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let question: Value = serde_json::from_slice(&std::fs::read(question)?)?;
    let wasm = std::fs::read(guest)?;
    let manifest = || Manifest::new([Wasm::data(wasm.clone())]);

    let bounded = manifest().with_memory_max(1_024).with_timeout(Duration::from_secs(1));
    let bounded = PluginBuilder::new(bounded).with_fuel_limit(500_000_000).with_cache_disabled();
    let bounded = CompiledPlugin::new(bounded)?;
    let free = CompiledPlugin::new(PluginBuilder::new(manifest()).with_cache_disabled())?;
    let mut kept = Plugin::new_from_compiled(&free)?;
    ensure!(ask(&mut kept, &question)?["outcome"] == "pass", "it must answer the same");

    let [mut in_bounded, mut in_free, mut in_kept] = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        in_bounded.push(time(|| ask(&mut Plugin::new_from_compiled(&bounded)?, &question))?);
        in_free.push(time(|| ask(&mut Plugin::new_from_compiled(&free)?, &question))?);
        in_kept.push(time(|| ask(&mut kept, &question))?);
    }
    let figures = [
        ("extism_call_fresh_bounded", in_bounded),
        ("extism_call_fresh", in_free),
        ("extism_call_reused", in_kept),
    ];
    for (name, rounds) in figures {
        println!("{}", json!({ "name": name, "value": quartile_us(rounds), "unit": "us", "bound": null, "holds": true }));
    }
    Ok(())
}

fn ask(plugin: &mut Plugin, question: &Value) -> anyhow::Result<Value> {
    let answer = plugin.call::<&str, &[u8]>("evaluate", &question.to_string())?;
    Ok(serde_json::from_slice(answer)?)
}

fn time(mut call: impl FnMut() -> anyhow::Result<Value>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    for _ in 0..CALLS {
        std::hint::black_box(call()?);
    }
    Ok(start.elapsed())
}

/// Of one call, over rounds of [`CALLS`].
fn quartile_us(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort_unstable();
    rounds[rounds.len() / 4].as_secs_f64() * 1e6 / f64::from(CALLS)
}
