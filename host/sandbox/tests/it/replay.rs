//! The same component, input and evidence give the same output and fuel; anything else is named.

use std::sync::Arc;

use interlock_sandbox::types::Request;
use interlock_sandbox::{EvidenceAnswer, NoEvidence, Record, Refusal};
use serde_json::json;

use crate::evidence::{Shelf, curious};
use crate::support::*;

async fn recorded() -> (Arc<interlock_sandbox::Plugin>, Record) {
    let plugin = install(small(), curious("artifact", "firmware")).await;
    let record = plugin.call(evaluate(7), Arc::new(Shelf::default())).await.record().unwrap();
    (plugin, record)
}

#[tokio::test]
async fn the_same_input_twice_gives_the_same_output_and_fuel() {
    let plugin = install(small(), Guest::gate(&Guest::long_verdict(&now()))).await;
    let first = ask(&plugin, 300).await.record().unwrap();
    let second = ask(&plugin, 300).await.record().unwrap();
    assert_eq!(Record { elapsed_us: second.elapsed_us, ..first.clone() }, second);
    assert_ne!(ask(&plugin, 301).await.record().unwrap().input_digest, first.input_digest);
}

#[tokio::test]
async fn a_recorded_call_replays_identically_without_the_source() {
    let (plugin, record) = recorded().await;
    // As it comes back from storage.
    let stored = interlock_ledger::to_canonical(&record).unwrap();
    let record: Record = serde_json::from_slice(&stored).unwrap();
    let replayed = plugin.replay(&record).await;
    assert_eq!(replayed.differences, Vec::<String>::new());
    assert!(replayed.identical);
}

#[tokio::test]
async fn failed_calls_and_undeclared_sources_replay_too() {
    let fails = install(small(), Guest::gate("(unreachable)")).await;
    let record = ask(&fails, 0).await.record().unwrap();
    assert_eq!(record.error.as_ref().unwrap().code, "trapped");
    assert!(record.output.is_none() && record.output_digest.is_none());
    assert!(fails.replay(&record).await.identical);

    let nosy = install(small(), curious("patients", "firmware")).await;
    let record = nosy.call(evaluate(0), Arc::new(Shelf::default())).await.record().unwrap();
    assert!(nosy.replay(&record).await.identical);
}

#[tokio::test]
async fn whatever_was_changed_in_a_record_is_named() {
    let (plugin, good) = recorded().await;
    let difference = async |change: &dyn Fn(&mut Record)| {
        let mut record = good.clone();
        change(&mut record);
        let replayed = plugin.replay(&record).await;
        assert!(!replayed.identical);
        replayed.differences.join("; ")
    };
    let fuel = difference(&|r| r.fuel += 1).await;
    assert!(fuel.starts_with("fuel: recorded"), "{fuel}");
    let output =
        difference(&|r| r.output = Some(json!({"verdict": {"outcome": "fail", "findings": []}}))).await;
    assert!(output.starts_with("output: recorded"), "{output}");
    let input = difference(&|r| r.input["now"] = json!(8)).await;
    assert!(input.starts_with("the recorded input has digest"), "{input}");
    let plugin_digest = difference(&|r| r.plugin = interlock_ledger::Digest::of("other")).await;
    assert!(plugin_digest.starts_with("the record is about plugin"), "{plugin_digest}");
    let evidence = difference(&|r| r.evidence[0].answer = EvidenceAnswer::Refused(Refusal::NotFound)).await;
    assert!(evidence.contains("logs: recorded"), "{evidence}");
    let log = difference(&|r| r.logs[0].message = "v2.2".into()).await;
    assert!(log.starts_with("logs: recorded"), "{log}");
    let slower = Record { elapsed_us: good.elapsed_us + 1, ..good.clone() };
    assert!(plugin.replay(&slower).await.identical, "time is not compared");
}

#[tokio::test]
async fn a_record_is_canonical_json_and_reads_well() {
    let plugin = install(small(), passing()).await;
    let call =
        plugin.call(Request::CheckSettings { settings: r#"{"days":3}"#.into() }, Arc::new(NoEvidence)).await;
    let mut record = serde_json::to_value(call.record().unwrap()).unwrap();
    assert_eq!(record["plugin"].take(), json!(plugin.digest()));
    record["elapsed_us"].take();
    let fuel = record["fuel"].take();
    assert!(fuel.as_u64().unwrap() > 0);
    let digest = |value: serde_json::Value| json!(interlock_ledger::Digest::of_canonical(&value).unwrap());
    let input = json!({"function": "check_settings", "settings": "{\"days\":3}"});
    let expected = json!({
        "plugin": null,
        "function": "check-settings",
        "input_digest": digest(input.clone()),
        "input": input,
        "output": {"problems": []},
        "output_digest": digest(json!({"problems": []})),
        "error": null,
        "fuel": null,
        "elapsed_us": null,
        "host_calls": 0,
        "memory_bytes_peak": 131_072,
        "evidence": [],
        "logs": [],
    });
    assert_eq!(record, expected);
}
