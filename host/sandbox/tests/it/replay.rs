//! The same component, input and evidence give the same output and fuel; anything else is named.

use std::sync::Arc;

use interlock_sandbox::types::Request;
use interlock_sandbox::{
    Call, Ending, EvidenceAnswer, EvidenceSource, InstallError, Limits, NoEvidence, Record, Refusal,
};
use serde_json::json;

use crate::evidence::{Shelf, curious};
use crate::limits::{Broken, Hundred, SilentAfter, asking};
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

/// A call that this limit ended at a look-up, repeated as it comes back from storage.
async fn ended_at_a_look_up(limits: Limits, looks_up: u64, source: Arc<dyn EvidenceSource>) -> Record {
    let plugin = install(limits, asking()).await;
    let record = plugin.call(evaluate(looks_up), source).await.record().unwrap();
    let stored = interlock_ledger::to_canonical(&record).unwrap();
    let record: Record = serde_json::from_slice(&stored).unwrap();
    let replayed = plugin.replay(&record).await;
    assert_eq!(replayed.differences, Vec::<String>::new());
    record
}

fn ended(record: &Record) -> (&str, &EvidenceAnswer) {
    (&record.error.as_ref().unwrap().code, &record.evidence.last().unwrap().answer)
}

#[tokio::test]
async fn a_call_that_too_much_evidence_ended_replays_as_it_ended() {
    let limits = |evidence_bytes_max| Limits { evidence_bytes_max, ..small() };
    let record = ended_at_a_look_up(limits(300), 3, Arc::new(Hundred)).await;
    let digest = Some(interlock_ledger::Digest::of([b'x'; 100]));
    let ending = EvidenceAnswer::Ended(Ending::TooLarge { bytes: 100, digest });
    assert_eq!((record.evidence.len(), ended(&record)), (3, ("evidence-exceeded", &ending)));
    // Already the names are too many: nobody was asked, then or now.
    let record = ended_at_a_look_up(limits(120), 3, Arc::new(Hundred)).await;
    let ending = EvidenceAnswer::Ended(Ending::TooLarge { bytes: 16, digest: None });
    assert_eq!((record.evidence.len(), ended(&record)), (2, ("evidence-exceeded", &ending)));
}

#[tokio::test]
async fn a_call_whose_time_was_up_at_a_look_up_replays_as_it_ended() {
    let limits = Limits { call_timeout_ms: 300, ..small() };
    let record = ended_at_a_look_up(limits, 3, Arc::new(SilentAfter::new(2))).await;
    let ending = EvidenceAnswer::Ended(Ending::Unanswered);
    assert_eq!((record.evidence.len(), ended(&record)), (3, ("call-timed-out", &ending)));
}

#[tokio::test]
async fn a_call_whose_source_failed_replays_as_it_ended() {
    let record = ended_at_a_look_up(small(), 3, Arc::new(Broken)).await;
    let ending = EvidenceAnswer::Ended(Ending::Failed { reason: "it panicked: no disk".into() });
    assert_eq!((record.evidence.len(), ended(&record)), (1, ("host-failed", &ending)));
}

#[tokio::test]
async fn calls_that_other_limits_ended_replay_as_they_ended() {
    let growing =
        Guest::gate("(if (i32.eq (memory.grow (i32.const 900)) (i32.const -1)) (then (unreachable))) $pass");
    let memory = install(Limits { memory_bytes_max: 1 << 20, ..small() }, growing).await;
    let host_calls = install(Limits { host_calls_max: 2, ..small() }, asking()).await;
    let spinning = Guest::gate(&format!("{} $pass", repeat("(nop)")));
    let fuel = install(Limits { fuel_max: 50_000, ..small() }, spinning).await;
    for (plugin, now, code) in [
        (memory, 0, "memory-exceeded"),
        (host_calls, 3, "host-calls-exceeded"),
        (fuel, 1_000_000, "out-of-fuel"),
    ] {
        let record = plugin.call(evaluate(now), Arc::new(Hundred)).await.record().unwrap();
        assert_eq!(record.error.as_ref().unwrap().code, code);
        assert_eq!(plugin.replay(&record).await.differences, Vec::<String>::new(), "{code}");
    }
}

#[tokio::test]
async fn a_record_cannot_turn_content_that_was_too_large_into_content_that_was_not() {
    let record =
        ended_at_a_look_up(Limits { evidence_bytes_max: 300, ..small() }, 3, Arc::new(Hundred)).await;
    let roomy = install(small(), asking()).await;
    assert_eq!(roomy.digest(), record.plugin);
    let replayed = roomy.replay(&record).await;
    assert!(
        replayed.differences[0].contains("of 100 bytes was too large then"),
        "{:?}",
        replayed.differences
    );
}

#[tokio::test]
async fn a_call_that_the_machine_ended_is_not_called_different() {
    let wasm = passing().build();
    let plugin = sandbox(small()).install(wasm).await.unwrap();
    let missing = Call::not_installed(plugin.digest(), evaluate(0)).record().unwrap();
    assert_eq!(missing.error.as_ref().unwrap().code, "not-installed");
    let slow = install(
        Limits { fuel_max: 1 << 52, deadline_ms: 20, ..small() },
        Guest::gate("(loop $again (br $again)) $pass"),
    )
    .await;
    let timed_out = ask(&slow, 0).await.record().unwrap();
    for (plugin, record, expected) in [
        (plugin, missing, "there was no call: the plugin was not installed"),
        (
            slow,
            timed_out,
            "the call ended as `timed-out`: that was the machine's doing, and cannot be repeated",
        ),
    ] {
        let replayed = plugin.replay(&record).await;
        assert_eq!((replayed.identical, replayed.differences), (false, vec![expected.to_owned()]));
    }
}

#[tokio::test]
async fn a_plugin_is_revived_for_a_replay_without_the_shelf() {
    let (_, record) = recorded().await;
    let sandbox = sandbox(small());
    let wasm = curious("artifact", "firmware").build();
    let plugin = sandbox.revive(record.plugin, wasm.clone()).await.unwrap();
    assert!(plugin.replay(&record).await.identical);
    assert!(sandbox.shelf().is_empty());
    let other = interlock_ledger::Digest::of("other");
    let error = sandbox.revive(other, wasm).await.unwrap_err();
    assert!(matches!(error, InstallError::DigestDiffers { expected, .. } if expected == other), "{error}");
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
