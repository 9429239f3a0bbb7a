//! Recorded decisions put to other components: what evidence the record holds for them, and what it does not.

use std::sync::Arc;

use interlock_sandbox::types::Request;
use interlock_sandbox::{Document, EvidenceAnswer, EvidenceSource, Limits, Plugin};
use interlock_workshop::{Answer, Lookup, Otherwise, Recorded, Replay, alike, replay};
use serde_json::{Value, json};

use crate::support::{FETCH, Guest, LOG, evaluate, install, passing};

/// Looks these up one after the other, and passes.
async fn curious(lookups: &[(&str, &str)]) -> Arc<Plugin> {
    let mut guest = Guest::new("compliance-gate");
    let mut body = String::from("(local $out i32) (local.set $out (call $alloc (i32.const 48)))");
    for (source, key) in lookups {
        let ((source, source_len), (key, key_len)) = (guest.text(source), guest.text(key));
        body += &format!(
            "(call $fetch (i32.const {source}) (i32.const {source_len}) (i32.const {key}) (i32.const {key_len})
               (local.get $out))"
        );
    }
    body += "$pass";
    guest.imports = format!("{LOG}\n{FETCH}");
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    install(Limits::default(), guest).await
}

/// Gives every key its name, and another one each time.
#[derive(Default)]
struct Fresh(std::sync::atomic::AtomicU64);

#[async_trait::async_trait]
impl EvidenceSource for Fresh {
    async fn fetch(&self, _plugin: &str, _source: &str, key: &str) -> EvidenceAnswer {
        let at = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        EvidenceAnswer::Found(Document::new("text/plain", key, at))
    }
}

/// The plugin's decision about the usual change, as a server records it.
async fn decided(plugin: &Plugin) -> Value {
    let call = plugin.call(evaluate(0), Arc::new(Fresh::default())).await;
    let record = call.record().unwrap();
    json!({ "id": "dec_1", "change": "chg_1", "at": null, "subject": { "type": "plugin", "name": "test-plugin",
        "digest": record.plugin, "function": record.function, "transcript": record } })
}

async fn put(to: &Plugin, decision: Value) -> Replay {
    let recorded = Recorded::from_value("decision", decision).unwrap();
    replay(to, &recorded, &Otherwise::default()).await
}

fn lookup(source: &str, key: &str) -> Lookup {
    Lookup { source: source.to_owned(), key: key.to_owned() }
}

#[tokio::test]
async fn the_component_that_decided_is_held_to_the_last_unit_of_fuel() {
    let plugin = curious(&[("artifact", "a")]).await;
    let decision = decided(&plugin).await;
    let replayed = put(&plugin, decision.clone()).await;
    assert_eq!(replayed.not_reproduced.as_deref(), Some(&[][..]), "{replayed:?}");
    assert!(replayed.is_reproduced() && !replayed.is_changed());
    let mut more = decision;
    more["subject"]["transcript"]["fuel"] = json!(1);
    let replayed = put(&plugin, more).await;
    assert!(!replayed.is_reproduced(), "{replayed:?}");
    assert!(!replayed.is_changed(), "the answer is the same");
}

#[tokio::test]
async fn another_component_gets_what_the_record_holds_in_any_order_and_as_often_as_it_asks() {
    let decision = decided(&*curious(&[("artifact", "a"), ("artifact", "b")]).await).await;
    let other = curious(&[("artifact", "b"), ("artifact", "a"), ("artifact", "a")]).await;
    let replayed = put(&other, decision).await;
    assert_eq!(replayed.not_held, [], "{replayed:?}");
    assert!(replayed.not_reproduced.is_none(), "nothing is to be reproduced by another component");
    assert!(!replayed.is_changed() && replayed.cost.after.fuel > replayed.cost.before.fuel, "{replayed:?}");
}

#[tokio::test]
async fn what_the_record_does_not_hold_is_named_once() {
    let decision = decided(&*curious(&[("artifact", "a")]).await).await;
    let other = curious(&[("artifact", "c"), ("artifact", "a"), ("artifact", "c"), ("artifact", "b")]).await;
    let replayed = put(&other, decision).await;
    assert_eq!(replayed.not_held, [lookup("artifact", "b"), lookup("artifact", "c")]);
}

#[tokio::test]
async fn a_refusal_of_what_was_not_declared_then_is_no_evidence_now() {
    let mut decision = decided(&*curious(&[("patients", "a")]).await).await;
    let refused = &mut decision["subject"]["transcript"]["evidence"][0];
    assert!(refused["answer"]["refused"]["denied"].is_string(), "{refused}");
    // The test plugin declares `artifact`: as if this were a source that only a later version declares.
    refused["source"] = json!("artifact");
    let replayed = put(&*curious(&[("artifact", "a")]).await, decision).await;
    assert_eq!(replayed.not_held, [lookup("artifact", "a")]);
}

#[tokio::test]
async fn a_failure_and_a_refusal_of_the_settings_are_answers_too() {
    let passes = install(Limits::default(), passing()).await;
    let mut decision = decided(&passes).await;
    let input = json!({ "function": "evaluate", "settings": r#"{"days":0}"# });
    let transcript = &mut decision["subject"]["transcript"];
    transcript["input"]["settings"] = input["settings"].clone();
    let request: Request = serde_json::from_value(transcript["input"].clone()).unwrap();
    transcript["input_digest"] = json!(interlock_ledger::Digest::of_canonical(&request).unwrap());
    let mut traps = Guest::new("compliance-gate");
    traps.export("gate", "evaluate", "(param $in i32) (result i32)", "(unreachable)");
    let other = install(Limits::default(), traps).await;
    let misfit = put(&other, decision.clone()).await;
    assert!(
        matches!(&misfit.after, Some(Answer::Refused(problems)) if problems[0].path == "/days"),
        "{misfit:?}"
    );
    let fits = Otherwise { settings: Some(json!({})), evidence: None };
    let recorded = Recorded::from_value("decision", decision).unwrap();
    let trapped = replay(&other, &recorded, &fits).await;
    assert_eq!(trapped.outcome(), "pass -> error trapped");
    let same_way = alike(&[misfit, trapped.clone(), trapped]);
    let counts: Vec<usize> = same_way.iter().map(|alike| alike.decisions.len()).collect();
    assert_eq!(counts, [2, 1], "{same_way:?}");
}

#[test]
fn what_is_no_decision_of_a_plugin_says_what_it_is() {
    let policy = json!({ "id": "dec_1", "subject": { "type": "policy" } });
    let error = Recorded::from_value("it", policy).unwrap_err().to_string();
    assert!(error.contains("`interlock decision replay`"), "{error}");
    let lost = json!({ "id": "d", "subject": { "type": "plugin", "name": "p", "transcript": { "unrecordable": "why" } } });
    assert!(Recorded::from_value("it", lost).unwrap_err().to_string().contains("could not be recorded"));
    let missing = Recorded::from_value("it", json!({ "id": "d" })).unwrap_err().to_string();
    assert!(missing.contains("subject"), "{missing}");
}
