//! One gate in four languages, and guests that look around: `cargo xtask plugins --examples` has built them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use interlock_sandbox::{Examination, Limits, Place, Plugin, Sandbox};
use interlock_workshop::{Asked, Function, Input, NOON, Suite, ask};

const TABLE: &str = "../../examples/plugins/storage-fit/cases.yaml";

/// Where build output is: this test's program is in `debug/deps` of it.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

async fn examine(component: &str) -> Examination {
    let path = match component {
        "storage-fit-rust" => target().join("interlock-plugins/storage-fit.wasm"),
        other => target().join("interlock-examples").join(other).with_extension("wasm"),
    };
    let wasm = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("`{}`: {error}: run `cargo xtask plugins --examples` first", path.display())
    });
    // Python takes long to compile, so what was compiled is kept; and nobody hurries.
    let limits = Limits { instances_max: 4, compile_timeout_ms: 600_000, ..Limits::default() };
    let sandbox = Sandbox::new(limits, Some(&target().join("interlock-examples/compiled"))).unwrap();
    sandbox.examine(wasm).await
}

async fn plugin_of(component: &str) -> Arc<Plugin> {
    examine(component).await.plugin.unwrap()
}

fn table() -> Suite {
    Suite::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE)).unwrap()
}

/// All that it said. What a reader of JSON says of a text that it cannot read is its own affair.
fn said(asked: &Asked) -> String {
    let error = asked.error.as_ref().map(|error| {
        let text = error.to_string();
        let end = text.find("something unreadable").unwrap_or(text.len());
        (error.code(), text[..end].to_owned())
    });
    let calls: Vec<_> = asked.calls.iter().map(|call| &call.transcript).collect();
    let looked_up: Vec<_> =
        calls.iter().flat_map(|it| &it.evidence).map(|it| (&it.source, &it.key)).collect();
    let logged: Vec<_> = calls.iter().flat_map(|it| &it.logs).map(|it| (it.level, &it.message)).collect();
    format!("{:?} {:?} {error:?} {looked_up:?} {logged:?}", asked.settings, asked.verdict)
}

fn fuel(asked: &Asked) -> Vec<u64> {
    asked.calls.iter().map(|call| call.transcript.fuel).collect()
}

/// Passes the table, says word for word what Rust says, uses the same fuel each time, and imports nothing but the contract.
async fn is_the_same_gate(language: &str) {
    let examination = examine(&format!("storage-fit-{language}")).await;
    for part in &examination.parts {
        let place = part.place;
        assert!(!matches!(place, Place::Foreign | Place::StandIn | Place::Missing), "{language}: {part:?}");
    }
    let plugin = examination.plugin.unwrap();
    let table = table();
    let report = table.run(&plugin).await;
    assert!(report.holds() && report.passed() >= 30, "{language}: {}", super::lines(&report));
    assert_eq!(report.skipped(), 0);

    let rust = plugin_of("storage-fit-rust").await;
    let (one, other) = (rust.description(), plugin.description());
    assert_eq!((&one.name, &one.summary), (&other.name, &other.summary), "{language}");
    assert_eq!(one.evidence_sources, other.evidence_sources, "{language}");
    let schema = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(schema(&one.settings_schema), schema(&other.settings_schema), "{language}");
    for case in &table.cases {
        let expected = ask(&rust, &case.input, Function::Evaluate).await.unwrap();
        let first = ask(&plugin, &case.input, Function::Evaluate).await.unwrap();
        let again = ask(&plugin, &case.input, Function::Evaluate).await.unwrap();
        assert_eq!(said(&first), said(&expected), "{language}: {}", case.name);
        assert_eq!(said(&again), said(&first), "{language}: {}", case.name);
        assert_eq!(fuel(&again), fuel(&first), "{language}: {}", case.name);
    }
}

#[tokio::test]
async fn the_rust_gate_passes_the_shared_table_with_the_same_fuel_each_time() {
    is_the_same_gate("rust").await;
}

#[tokio::test]
async fn the_c_gate_answers_every_case_as_the_rust_gate_does() {
    is_the_same_gate("c").await;
}

#[tokio::test]
async fn the_javascript_gate_answers_every_case_as_the_rust_gate_does() {
    is_the_same_gate("javascript").await;
}

#[tokio::test]
async fn the_python_gate_answers_every_case_as_the_rust_gate_does() {
    is_the_same_gate("python").await;
}

/// What it saw, as `code: message`.
async fn seen(plugin: &Plugin, now: u64) -> (Vec<String>, Vec<u64>) {
    let asked = ask(plugin, &Input::default().at(now), Function::Evaluate).await.unwrap();
    let verdict = asked.verdict.as_ref().unwrap_or_else(|| panic!("{:?}", asked.error));
    let findings = verdict.findings.iter().map(|finding| format!("{}: {}", finding.code, finding.message));
    (findings.collect(), fuel(&asked))
}

/// A guest that keeps its imports of WASI sees the question's own time, the same randomness each time, and nothing else.
async fn sees_nothing_that_changes(component: &str) -> Vec<String> {
    let examination = examine(component).await;
    let stand_ins = examination.parts.iter().filter(|part| part.place == Place::StandIn).count();
    assert!(stand_ins > 0, "{component} imports no WASI, so it shows nothing");
    let plugin = examination.plugin.unwrap();
    let (first, fuel) = seen(&plugin, NOON).await;
    assert_eq!(seen(&plugin, NOON).await, (first.clone(), fuel), "{component}");
    assert_eq!(first[0], format!("wall-clock: {NOON}"));
    let day = 86_400_000;
    let (later, _) = seen(&plugin, NOON + day).await;
    assert_eq!(later[0], format!("wall-clock: {}", NOON + day));
    first
}

#[tokio::test]
async fn a_python_guest_that_looks_around_sees_the_same_each_time() {
    let seen = sees_nothing_that_changes("looks-around-python").await;
    let told = |code: &str| {
        let prefix = format!("{code}: ");
        seen.iter()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("{code} in {seen:?}"))
    };
    assert_eq!((told("environment"), told("sleep")), ("[]", "None"), "no variables, and nothing waits");
    assert_eq!(told("file"), "FileNotFoundError");
    assert_eq!(told("system-random").len(), 32);
}

#[tokio::test]
async fn a_javascript_guest_that_looks_around_sees_the_same_each_time() {
    let seen = sees_nothing_that_changes("looks-around-javascript").await;
    assert!(seen.contains(&"zone: 0".to_owned()), "{seen:?}");
}
