//! Versions of the contract: 1.x only adds, so that a plugin of any of them runs as long as the host has what it calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use interlock_sandbox::types::{Artifact, Change, Outcome, Request, Response};
use interlock_sandbox::{
    Document, EvidenceAnswer, EvidenceLookup, EvidenceSource, InstallError, Place, PluginError, Refusal,
};
use serde_json::json;
use wit_component::semver_check;
use wit_parser::Resolve;

use crate::evidence::Shelf;
use crate::limits::{Broken, Hundred, SilentAfter};
use crate::support::*;

fn from_here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The published versions of the contract, and the one of today.
fn contracts() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(from_here("../../wit/frozen")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.push(from_here("../../wit/interlock.wit"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.into_iter().map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_version_of_the_contract_takes_the_plugins_of_the_one_before() {
    let contracts = contracts();
    assert!(contracts.len() > 1, "nothing is frozen");
    for pair in contracts.windows(2) {
        let [(older, old), (newer, new)] = pair else { unreachable!("a pair") };
        for world in ["compliance-gate", "health-check", "rollout-strategy"] {
            let mut resolve = Resolve::default();
            let [old, new] = [(older, old), (newer, new)].map(|(name, text)| {
                let package = resolve.push_str(name, text).unwrap();
                resolve.select_world(&[package], Some(world)).unwrap()
            });
            semver_check(resolve, old, new).unwrap_or_else(|e| panic!("{world}, {older} to {newer}: {e:#}"));
        }
    }
}

/// Knows facts of every artifact.
struct Facts;

#[async_trait]
impl EvidenceSource for Facts {
    async fn fetch(&self, _plugin: &str, _source: &str, key: &str) -> EvidenceAnswer {
        let [name, version, digest] = key.split('@').collect::<Vec<_>>().try_into().unwrap();
        let facts = json!({
            "name": name, "version": version, "digest": digest, "size": 7, "models": [], "release_counter": 2,
            "signature": { "outcome": "verified", "key_id": "release-2026" }, "current_release_counter_max": 1,
        });
        EvidenceAnswer::Found(Document::new("application/json", facts.to_string(), 0))
    }
}

#[tokio::test]
async fn a_plugin_frozen_at_1_0_0_runs_beside_one_of_today() {
    let sandbox = sandbox(small());
    let frozen = fs::read(from_here("tests/frozen/signature-1.0.0.wasm")).unwrap();
    let frozen = sandbox.install(frozen).await.unwrap();
    let today = sandbox.install(batch("artifact", &["firmware", "nothing"]).build()).await.unwrap();
    assert_eq!(sandbox.shelf().len(), 2);

    let digest = format!("sha256:{}", "a".repeat(64));
    let artifact = Artifact { name: "pump".into(), version: "2".into(), digest, size_bytes: 7 };
    let release = Arc::new(Change { artifacts: vec![artifact], ..change().as_ref().clone() });
    let request = |change| Request::Evaluate { change, settings: "{}".into(), now: 0 };
    let (old, new) = tokio::join!(
        frozen.call(request(release), Arc::new(Facts)),
        today.call(request(change()), Arc::new(Shelf::default())),
    );
    assert!(
        matches!(&old.outcome, Ok(Response::Verdict(verdict)) if verdict.outcome == Outcome::Pass),
        "{old:?}"
    );
    assert_eq!(old.transcript.evidence.len(), 1, "it asked for the facts of its artifact");
    assert!(frozen.replay(&old.record().unwrap()).await.identical);
    assert_eq!(new.outcome, Ok(pass()));
}

/// A gate of a contract to come. `imports` may use what that has more.
fn of_1_2_0(imports: &str) -> Vec<u8> {
    let mut guest = passing();
    guest.imports = imports.into();
    guest.wit = guest.wit.replace("package interlock:plugin@1.1.0;", "package interlock:plugin@1.2.0;");
    guest.wit = guest.wit.replace(
        "    fetch: func(",
        "    @since(version = 1.2.0)\n    entries: func() -> u32;\n    fetch: func(",
    );
    let module = guest.module().replace("@1.1.0", "@1.2.0");
    encode(&guest, &module)
}

#[tokio::test]
async fn a_plugin_built_for_a_newer_contract_runs_if_it_needs_nothing_new() {
    let plugin = sandbox(small()).install(of_1_2_0("")).await.unwrap();
    assert_eq!(ask(&plugin, 0).await.outcome, Ok(pass()));
}

#[tokio::test]
async fn a_plugin_that_needs_a_newer_contract_is_refused_and_the_function_named() {
    let needs = r#"(import "interlock:plugin/evidence@1.2.0" "entries" (func $entries (result i32)))"#;
    let sandbox = sandbox(small());
    let error = sandbox.install(of_1_2_0(needs)).await.unwrap_err();
    assert!(matches!(error, InstallError::NewerContract { .. }), "{error}");
    let text = "the component needs `interlock:plugin/evidence@1.2.0#entries`, and this server has version 1.1.0 of \
                the contract: update the server, or build the component for 1.1.0";
    assert_eq!(error.to_string(), text);
    let parts = sandbox.examine(of_1_2_0(needs)).await.parts;
    let newer: Vec<_> =
        parts.iter().filter(|part| part.place == Place::Newer).map(|part| &part.name).collect();
    assert_eq!(newer, ["interlock:plugin/evidence@1.2.0#entries"]);
}

#[tokio::test]
async fn another_first_number_is_another_contract() {
    let mut guest = passing();
    guest.wit = guest.wit.replace("package interlock:plugin@1.1.0;", "package interlock:plugin@2.0.0;");
    let module = guest.module().replace("@1.1.0", "@2.0.0");
    let error = sandbox(small()).install(encode(&guest, &module)).await.unwrap_err();
    assert!(
        matches!(&error, InstallError::ForeignImports { names } if names == &["interlock:plugin/types@2.0.0"]),
        "{error}"
    );
}

/// Looks these keys up at once, fails with the number of the key unless it was told what `told` says of it, and passes.
fn batch(source: &str, keys: &[&str]) -> Guest {
    let mut guest = Guest::new("compliance-gate");
    let (source, source_len) = guest.text(source);
    let keys: Vec<u32> = keys
        .iter()
        .flat_map(|key| {
            let (at, len) = guest.text(key);
            [at as u32, len as u32]
        })
        .collect();
    let list = guest.words(&keys);
    // Logs, for each answer, `0` for a document and `1` for a refusal.
    let body = format!(
        "(local $out i32) (local $left i32) (local $at i32)
         (local.set $out (call $alloc (i32.const 8)))
         (call $many (i32.const {source}) (i32.const {source_len}) (i32.const {list}) (i32.const {count})
           (local.get $out))
         (local.set $at (i32.load (local.get $out)))
         (local.set $left (i32.load offset=4 (local.get $out)))
         (if (i32.ne (local.get $left) (i32.const {count})) (then (unreachable)))
         (block $done (loop $again
           (br_if $done (i32.eqz (local.get $left)))
           (i32.store8 (i32.const 0) (i32.add (i32.const 48) (i32.load8_u (local.get $at))))
           (call $log (i32.const 1) (i32.const 0) (i32.const 1))
           (local.set $at (i32.add (local.get $at) (i32.const 40)))
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br $again)))
         $pass",
        count = keys.len() / 2,
    );
    guest.imports = format!(
        "{LOG}
         (import \"interlock:plugin/evidence@1.1.0\" \"fetch-many\" (func $many (param i32 i32 i32 i32 i32)))"
    );
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    guest
}

fn logged(call: &interlock_sandbox::Call) -> String {
    call.transcript.logs.iter().map(|line| line.message.as_str()).collect()
}

fn keys(lookups: &[EvidenceLookup]) -> Vec<&str> {
    lookups.iter().map(|lookup| lookup.key.as_str()).collect()
}

#[tokio::test]
async fn many_look_ups_are_answered_counted_and_recorded_one_by_one() {
    let asked = ["firmware", "nothing", "far", "firmware"];
    let plugin = install(small(), batch("artifact", &asked)).await;
    let call = plugin.call(evaluate(0), Arc::new(Shelf::default())).await;
    assert_eq!(call.outcome, Ok(pass()));
    assert_eq!(logged(&call), "0110");
    assert_eq!(keys(&call.transcript.evidence), asked);
    assert_eq!(call.transcript.host_calls, 4 + 4, "look-ups and log lines");
    assert!(plugin.replay(&call.record().unwrap()).await.identical);
}

#[tokio::test]
async fn many_look_ups_of_an_undeclared_source_are_refused_before_anybody_is_asked() {
    let plugin = install(small(), batch("patients", &["a", "b"])).await;
    let shelf = Arc::new(Shelf::default());
    let call = plugin.call(evaluate(0), Arc::clone(&shelf) as Arc<dyn EvidenceSource>).await;
    assert_eq!(logged(&call), "11");
    assert!(shelf.asked.lock().unwrap().is_empty());
    assert_eq!(call.transcript.evidence.len(), 2);
}

/// Answers with how often it was asked, and a document only every other time.
#[derive(Default)]
struct Moody(std::sync::atomic::AtomicU64);

#[async_trait]
impl EvidenceSource for Moody {
    async fn fetch(&self, _plugin: &str, _source: &str, _key: &str) -> EvidenceAnswer {
        let asked = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if asked.is_multiple_of(2) {
            EvidenceAnswer::Found(Document::new("text/plain", asked.to_string(), asked))
        } else {
            EvidenceAnswer::Refused(Refusal::NotFound)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_many_times_replays_in_the_order_in_which_it_was_answered() {
    let plugin = install(small(), batch("artifact", &["a"; 30])).await;
    let call = plugin.call(evaluate(0), Arc::new(Moody::default())).await;
    assert_eq!(logged(&call), "01".repeat(15));
    let record = call.record().unwrap();
    for _ in 0..20 {
        let replayed = plugin.replay(&record).await;
        assert!(replayed.identical, "{:?}", replayed.differences);
    }
}

#[tokio::test]
async fn many_look_ups_at_once_count_against_the_limit_of_host_calls() {
    // A log line follows each of two look-ups.
    let limits = |host_calls_max| interlock_sandbox::Limits { host_calls_max, ..small() };
    let plugin = install(limits(4), batch("artifact", &["firmware", "nothing"])).await;
    assert_eq!(plugin.call(evaluate(0), Arc::new(Shelf::default())).await.outcome, Ok(pass()));

    let plugin = install(limits(4), batch("artifact", &["firmware"; 5])).await;
    let shelf = Arc::new(Shelf::default());
    let call = plugin.call(evaluate(0), Arc::clone(&shelf) as Arc<dyn EvidenceSource>).await;
    assert_eq!(call.outcome, Err(PluginError::HostCallsExceeded { host_calls_max: 4 }));
    assert!(shelf.asked.lock().unwrap().is_empty(), "nobody is asked for what is too much from the start");
}

#[tokio::test]
async fn no_keys_count_as_one_look_up_so_that_a_flood_of_them_ends() {
    let plugin = install(small(), batch("artifact", &[])).await;
    let call = plugin.call(evaluate(0), Arc::new(Shelf::default())).await;
    assert_eq!((call.outcome, call.transcript.host_calls), (Ok(pass()), 1));
    assert!(call.transcript.evidence.is_empty());
}

#[tokio::test]
async fn many_look_ups_at_once_count_against_the_limit_of_evidence() {
    const LOOK_UP: u64 = 100 + "artifact".len() as u64 + 1;
    let limits = |evidence_bytes_max| interlock_sandbox::Limits { evidence_bytes_max, ..small() };
    let plugin = install(limits(3 * LOOK_UP), batch("artifact", &["a", "b", "c"])).await;
    assert_eq!(plugin.call(evaluate(0), Arc::new(Hundred)).await.outcome, Ok(pass()));

    let plugin = install(limits(3 * LOOK_UP), batch("artifact", &["a", "b", "c", "d"])).await;
    let beyond = plugin.call(evaluate(0), Arc::new(Hundred)).await;
    let evidence_bytes_max = 3 * LOOK_UP;
    assert_eq!(beyond.outcome, Err(PluginError::EvidenceExceeded { evidence_bytes_max }));
    assert_eq!(keys(&beyond.transcript.evidence), ["a", "b", "c", "d"]);
    assert!(plugin.replay(&beyond.record().unwrap()).await.identical);
}

#[tokio::test]
async fn many_look_ups_that_end_the_call_replay_as_they_ended() {
    let limits = interlock_sandbox::Limits { call_timeout_ms: 50, ..small() };
    let names: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plugin = install(limits, batch("artifact", &names)).await;

    let silent = plugin.call(evaluate(0), Arc::new(SilentAfter::new(10))).await;
    assert_eq!(silent.outcome, Err(PluginError::CallTimedOut { after_ms: 50 }));
    assert_eq!(silent.transcript.evidence.len(), 11, "what was told, and what nobody answered");
    assert!(plugin.replay(&silent.record().unwrap()).await.identical);

    let broken = plugin.call(evaluate(0), Arc::new(Broken)).await;
    assert_eq!(broken.outcome, Err(PluginError::HostFailed { reason: "it panicked: no disk".into() }));
    assert_eq!(broken.transcript.evidence.len(), 1);
    assert!(plugin.replay(&broken.record().unwrap()).await.identical);
}
