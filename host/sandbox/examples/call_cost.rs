//! What the sandbox adds to a gate call: measured against the same component called with bare wasmtime.
//!
//! ```text
//! cargo run --release -p interlock-sandbox --example call_cost -- GATE.wasm [SETTINGS.json] [--output json]
//! ```
//!
//! The two are called in turn, in one process, so that noise hits both; figures are the lower quartile of the rounds,
//! since other work on the machine can only add. Each line is `name value unit bound holds`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use interlock_sandbox::types::{
    Artifact, Change, ChangeKind, Group, Population, Request, Response, RollbackTarget,
};
use interlock_sandbox::{Limits, NoEvidence, Sandbox};

const RATIO_MAX: f64 = 1.5;
const ROUNDS: usize = 1_000;
/// Calls of one kind before it is the other's turn.
const CALLS: u32 = 5;
const NOW: u64 = 1_750_000_000_000;

fn main() -> anyhow::Result<ExitCode> {
    let (mut json, mut files) = (false, vec![]);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
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

struct Line {
    name: &'static str,
    value: f64,
    unit: &'static str,
    bound: Option<f64>,
}

impl Line {
    fn holds(&self) -> bool {
        self.bound.is_none_or(|bound| self.value <= bound)
    }

    fn print(&self, json: bool) {
        let Self { name, value, unit, bound } = self;
        let holds = self.holds();
        if json {
            let line = serde_json::json!({"name": name, "value": value, "unit": unit, "bound": bound, "holds": holds});
            println!("{line}");
        } else {
            let bound = bound.map_or("-".to_owned(), |bound| format!("<={bound}"));
            println!("{name} {value:.2} {unit} {bound} {holds}");
        }
    }
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
    let [plain, sandboxed, recorded] = [plain, sandboxed, recorded].map(quartile_us);
    let line = |name, value, unit, bound| Line { name, value, unit, bound };
    Ok(vec![
        line("gate_call_bare", plain, "us", None),
        line("gate_call_sandboxed", sandboxed, "us", None),
        line("gate_call_recorded", recorded, "us", None),
        line("gate_call_ratio", sandboxed / plain, "ratio", Some(RATIO_MAX)),
        line("gate_call_recorded_ratio", recorded / plain, "ratio", None),
    ])
}

/// Of one call, over rounds of [`CALLS`].
fn quartile_us(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort_unstable();
    rounds[rounds.len() / 4].as_secs_f64() * 1e6 / f64::from(CALLS)
}

/// Of the size that a release to three sites has.
fn change() -> Change {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let artifact = |name: &str| Artifact {
        name: name.into(),
        version: "2.1.0".into(),
        digest: digest("a"),
        size_bytes: 8_388_608,
    };
    let group = |name: &str, size| Group { name: name.into(), size };
    Change {
        id: "chg_01981f5e7a3c7d4e8f60718293a4b5c6".into(),
        tenant: "acme".into(),
        environment: "production".into(),
        kind: ChangeKind::Release,
        digest: digest("b"),
        title: "Pump firmware 2.1.0".into(),
        author: "usr_01981f5e7a3c7d4e8f60718293a4b5c7".into(),
        proposed_at: NOW - 3_600_000,
        artifacts: vec![artifact("pump-firmware"), artifact("pump-application")],
        population: Population {
            size: 200,
            digest: digest("c"),
            groups: vec![group("site-a", 80), group("site-b", 70), group("site-c", 50)],
        },
        rollback: vec![RollbackTarget { version: "2.0.3".into(), artifact: Some(digest("d")), targets: 200 }],
        manifest: r#"{"kind":"release","artifacts":[],"strategy":{"name":"canary"}}"#.into(),
    }
}
