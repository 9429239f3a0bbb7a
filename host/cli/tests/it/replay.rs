//! Recorded decisions put to plugins, and cases made of them: with decisions in files, and a server that lists them.

use interlock_ledger::Digest;
use serde_json::{Value, json};

use crate::fake::{Body, FakeServer, run};
use crate::plugin::{Folder, built, parsed, plugin};

/// What a plugin said when it was asked by hand, as a server would have recorded it.
async fn decision(name: &str, folder: &Folder, input: &str, id: u32) -> Value {
    let file = folder.put("asked.yaml", input);
    let asked = parsed(&plugin(&["--output", "json", "run", &built(name), "--input", &file]).await);
    let call = asked["calls"].as_array().unwrap().last().unwrap().clone();
    let outcome = if call["error"].is_null() { "answered" } else { "failed" };
    json!({
        "id": format!("dec_{id:032x}"), "tenant": "default", "change": format!("chg_{id:032x}"),
        "at": "2026-03-02T12:00:00.000Z", "outcome": outcome, "elapsed_us": call["elapsed_us"],
        "subject": { "type": "plugin", "name": name, "digest": call["plugin"], "function": call["function"],
            "transcript": call },
    })
}

const LARGE: &str =
    "{ change: { title: Large, artifacts: [{ name: fw, size_bytes: 11 }] }, settings: { max_bytes: 10 } }";
const SMALL: &str =
    "{ change: { title: Small, artifacts: [{ name: fw, size_bytes: 9 }] }, settings: { max_bytes: 10 } }";

/// The same plugin with another digest: a custom section at the end means nothing to anybody.
fn another(name: &str, folder: &Folder) -> String {
    let mut wasm = std::fs::read(built(name)).unwrap();
    wasm.extend([0, 2, 1, b'x']);
    let path = folder.path("another.wasm");
    std::fs::write(&path, wasm).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_component_that_decided_does_exactly_what_is_recorded_or_it_is_said() {
    let folder = Folder::new();
    let mut recorded = decision("size-limit", &folder, LARGE, 1).await;
    let file = folder.put("decision.json", &recorded.to_string());
    let component = built("size-limit");
    let same = plugin(&["replay", &file, "--plugin", &component]).await;
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.stdout.contains("\nidentical: answer, fuel, look-ups and logs are as recorded"), "{same:?}");

    recorded["subject"]["transcript"]["fuel"] = json!(1);
    let file = folder.put("decision.json", &recorded.to_string());
    let differs = plugin(&["replay", &file, "--plugin", &component]).await;
    assert_eq!(differs.code, 1, "{differs:?}");
    assert!(differs.stdout.contains("not as recorded:\n  fuel: recorded 1, repeated "), "{differs:?}");

    recorded["subject"]["transcript"]["input"]["now"] = json!(7);
    let file = folder.put("decision.json", &recorded.to_string());
    let altered = plugin(&["replay", &file, "--plugin", &component]).await;
    assert_eq!(altered.code, 3, "{altered:?}");
    assert!(altered.stdout.contains("not asked: the recorded input was altered"), "{altered:?}");
}

#[tokio::test]
async fn a_component_is_asked_from_where_it_is_published() {
    let folder = Folder::new();
    let file = folder.put("decision.json", &decision("size-limit", &folder, LARGE, 1).await.to_string());
    let published = folder.path("published").to_str().unwrap().to_owned();
    std::fs::create_dir(&published).unwrap();
    std::fs::copy(built("size-limit"), format!("{published}/size-limit.wasm")).unwrap();
    let reference = format!("dir:{published}/size-limit");
    let same = plugin(&["replay", &file, "--plugin", &reference]).await;
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.stdout.contains("\nidentical: "), "{same:?}");
    let absent = plugin(&["replay", &file, "--plugin", &format!("dir:{published}/absent")]).await;
    assert_eq!(absent.code, 1, "{absent:?}");
    assert!(absent.stderr.contains("absent"), "{absent:?}");
}

#[tokio::test]
async fn another_component_or_other_settings_are_compared_by_their_answer() {
    let folder = Folder::new();
    let file = folder.put("decision.json", &decision("size-limit", &folder, LARGE, 1).await.to_string());
    let (other, component) = (another("size-limit", &folder), built("size-limit"));
    let same = plugin(&["replay", &file, "--plugin", &other, "--fail-on-change"]).await;
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.stdout.ends_with("\nthe answer is the same\n"), "{same:?}");

    let settings = folder.put("settings.json", r#"{ "max_bytes": 12 }"#);
    let asked = ["--output", "json", "replay", &file, "--plugin", &component, "--settings", &settings];
    let changed = plugin(&asked).await;
    let body = parsed(&changed);
    assert_eq!((changed.code, &body["changed"]), (0, &json!(true)), "{changed:?}");
    let difference = &body["differences"][0];
    assert_eq!(
        (&difference["change"], &difference["name"]),
        (&json!("removed"), &json!("artifact-too-large"))
    );
    assert_eq!(plugin(&[&asked[..], &["--fail-on-change"]].concat()).await.code, 1);
    let told = plugin(&asked[2..]).await;
    assert!(told.stdout.contains("outcome   fail -> pass\n"), "{told:?}");
    assert!(told.stdout.contains("removed  finding artifact-too-large"), "{told:?}");

    let misfit = folder.put("settings.json", r#"{ "max_byte": 12 }"#);
    let refused = plugin(&["replay", &file, "--plugin", &component, "--settings", &misfit]).await;
    assert!(refused.stdout.contains("outcome   fail -> settings refused\n"), "{refused:?}");

    let kind = plugin(&["replay", &file, "--plugin", &built("canary")]).await;
    assert_eq!(kind.code, 3, "{kind:?}");
    assert!(
        kind.stdout.contains("is a question to a compliance-gate, and this is a rollout-strategy"),
        "{kind:?}"
    );
}

#[tokio::test]
async fn evidence_that_the_record_does_not_hold_is_named_and_can_be_given() {
    let folder = Folder::new();
    let mut recorded = decision("signature", &folder, "{ change: { title: Signed } }", 1).await;
    let asked = recorded["subject"]["transcript"]["evidence"][0].clone();
    // As if the version that decided had not asked for it.
    recorded["subject"]["transcript"]["evidence"] = json!([]);
    let file = folder.put("decision.json", &recorded.to_string());
    let other = another("signature", &folder);
    let (source, key) = (asked["source"].as_str().unwrap(), asked["key"].as_str().unwrap());
    let missing = plugin(&["replay", &file, "--plugin", &other]).await;
    assert!(missing.stdout.contains(&format!("not in the record: `{key}` of `{source}`")), "{missing:?}");
    let evidence = json!({ source: { key: { "refused": "not_found" } } });
    let evidence = folder.put("evidence.json", &evidence.to_string());
    let given = plugin(&["replay", &file, "--plugin", &other, "--evidence", &evidence]).await;
    assert!(!given.stdout.contains("not in the record"), "{given:?}");
}

#[tokio::test]
async fn all_decisions_since_a_time_are_grouped_by_what_would_change() {
    let folder = Folder::new();
    let inputs = [LARGE, SMALL, LARGE];
    let mut items = Vec::new();
    for (id, input) in (1..).zip(inputs) {
        items.push(decision("size-limit", &folder, input, id).await);
    }
    let server = FakeServer::start().await;
    server.answers([(200, Body::Json(json!({ "items": items, "next_cursor": null })))]);
    let component = built("size-limit");
    let asked = ["plugin", "replay", "--plugin", &component, "--since", "7d"];
    let same = server.run(&[&asked[..], &["--fail-on-change"]].concat(), "").await;
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.stdout.contains(": 3 the same, 0 changed, 0 not asked\n"), "{same:?}");

    let settings = folder.put("settings.json", r#"{ "max_bytes": 20 }"#);
    let asked = [&asked[..], &["--settings", &settings]].concat();
    let changed = server.run(&asked, "").await;
    assert_eq!(changed.code, 0, "{changed:?}");
    assert!(
        changed.stdout.starts_with("2 times: fail -> pass, finding artifact-too-large removed\n"),
        "{changed:?}"
    );
    assert!(changed.stdout.contains(": 1 the same, 2 changed, 0 not asked\n"), "{changed:?}");
    assert_eq!(server.run(&[&asked[..], &["--fail-on-change"]].concat(), "").await.code, 1);
    let nobody = server.run(&["plugin", "replay", "--since", "7d"], "").await;
    assert_eq!(nobody.code, 2, "{nobody:?}");
}

#[tokio::test]
async fn what_is_no_decision_of_a_plugin_is_wrong_usage() {
    let folder = Folder::new();
    let policy = json!({ "id": "dec_1", "subject": { "type": "policy", "question": {}, "answer": {} } });
    let file = folder.put("decision.json", &policy.to_string());
    let component = built("size-limit");
    let run = plugin(&["replay", &file, "--plugin", &component]).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("`interlock decision replay`"), "{run:?}");
    for named in ["dec_7", "/no/such/decision.json"] {
        assert_eq!(plugin(&["replay", named, "--plugin", &component]).await.code, 2, "{named}");
    }
    assert_eq!(plugin(&["replay", "--plugin", &component]).await.code, 2, "neither a decision nor a time");
}

#[tokio::test]
async fn a_component_that_the_server_gives_altered_is_refused() {
    let folder = Folder::new();
    let file = folder.put("decision.json", &decision("size-limit", &folder, SMALL, 1).await.to_string());
    let server = FakeServer::start().await;
    server.answers([(200, Body::Json(json!({})))]);
    let run = server.run(&["plugin", "replay", &file], "").await;
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("the server gave another component"), "{run:?}");
    let denied = json!({ "type": "/problems/denied", "title": "The policies say no", "detail": "why" });
    server.answers([(403, Body::Json(denied))]);
    let run = server.run(&["plugin", "replay", &file], "").await;
    assert_eq!(run.code, 1, "{run:?}");
    let digest = Digest::of(std::fs::read(built("size-limit")).unwrap());
    assert!(run.stderr.contains(&digest.to_string()) && run.stderr.contains("--plugin FILE"), "{run:?}");
}

#[tokio::test]
async fn decisions_of_every_kind_become_cases_that_pass() {
    let table = [
        ("size-limit", LARGE),
        ("signature", "{ change: { title: Unsigned } }"),
        ("thresholds", "{ change: { title: Asked } }"),
        ("canary", "{ change: { title: Planned } }"),
        (
            "canary",
            "{ change: { title: Led }, situation: { stage: 0, settled_at: 3h ago, progress: { verified: 10 }, health: { thresholds: pass } } }",
        ),
        (
            "thresholds",
            "{ change: { title: Judged }, observations: { error_rate: 0.25, latency_ms: { treatment: 80, control: 75 }, exposed: 10, failed: 0, silent: 0 } }",
        ),
    ];
    let folder = Folder::new();
    for (id, (name, input)) in (1..).zip(table) {
        let recorded = decision(name, &folder, input, id).await;
        let file = folder.put(&format!("decision-{id}.json"), &recorded.to_string());
        let cases = folder.path(&format!("{name}.yaml"));
        let (component, cases) = (built(name), cases.to_str().unwrap().to_owned());
        let run = plugin(&["test", &component, &cases, "--record", &file]).await;
        assert_eq!(run.code, 0, "{input}: {run:?}");
        assert!(run.stderr.contains("1 cases added"), "{run:?}");
        let text = std::fs::read_to_string(&cases).unwrap();
        assert!(text.starts_with(&format!("plugin: {name}\ncases:\n  - name: ")), "{text}");
        // A second time it is there already.
        let again = plugin(&["test", &component, &cases, "--record", &file]).await;
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.stderr.contains("has a case `"), "{again:?}");
        assert_eq!(std::fs::read_to_string(&cases).unwrap(), text);
    }
}

#[tokio::test]
async fn recorded_cases_stand_behind_the_others_and_beside_their_defaults() {
    let folder = Folder::new();
    let there = "# Ours.\nplugin: size-limit\ndefaults:\n  settings: { max_bytes: 1 }\n  change: { kind: config }\ncases:\n  - name: small # but not small enough\n    change: { artifacts: [{ size_bytes: 2 }] }\n    expect: { outcome: fail }\n";
    let cases = folder.put("cases.yaml", there);
    let recorded = decision("size-limit", &folder, SMALL, 1).await;
    let file = folder.put("decision.json", &recorded.to_string());
    let component = built("size-limit");
    let run = plugin(&["test", &component, &cases, "--record", &file]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.ends_with("2 passed, 0 failed, 0 skipped\n"), "{run:?}");
    let text = std::fs::read_to_string(&cases).unwrap();
    assert!(text.starts_with(there) && text.contains("\n    alone: true\n"), "{text}");

    for (name, text, told) in [
        ("flow.yaml", "cases: [{ name: a, expect: { outcome: pass } }]\n", "one below the other"),
        ("cases.json", "{}", "`.yaml` file"),
        ("other.yaml", "plugin: other\ncases:\n", "its cases are for `other`"),
    ] {
        let cases = folder.put(name, text);
        let run = plugin(&["test", &component, &cases, "--record", &file]).await;
        assert_eq!(run.code, 2, "{name}: {run:?}");
        assert!(run.stderr.contains(told), "{name}: {run:?}");
        assert_eq!(std::fs::read_to_string(&cases).unwrap(), text, "nothing is half-written");
    }
}

#[tokio::test]
async fn evidence_above_the_limit_becomes_no_case() {
    let folder = Folder::new();
    let asked = decision("signature", &folder, "{ change: { title: Signed } }", 1).await;
    let lookup = asked["subject"]["transcript"]["evidence"][0].clone();
    let (source, key) = (lookup["source"].as_str().unwrap(), lookup["key"].as_str().unwrap());
    let input =
        json!({ "change": { "title": "Signed" }, "evidence": { source: { key: { "text": "12345678" } } } });
    let recorded = decision("signature", &folder, &input.to_string(), 2).await;
    let file = folder.put("decision.json", &recorded.to_string());
    let (component, cases) = (built("signature"), folder.path("cases.yaml"));
    let asked = ["test", &component, cases.to_str().unwrap(), "--evidence-bytes-max"];
    let over = plugin(&[&asked[..], &["7", "--record", &file]].concat()).await;
    assert_eq!(over.code, 1, "{over:?}");
    assert!(over.stderr.contains("has 8 bytes") && over.stderr.contains("--evidence-bytes-max"), "{over:?}");
    assert!(!cases.exists());
    let within = plugin(&[&asked[..], &["8", "--record", &file]].concat()).await;
    assert_eq!(within.code, 0, "{within:?}");
}

#[tokio::test]
async fn the_decisions_of_the_last_days_become_cases_once() {
    let folder = Folder::new();
    let mut items = Vec::new();
    for (id, input) in [(2, SMALL), (1, LARGE)] {
        items.push(decision("size-limit", &folder, input, id).await);
    }
    let server = FakeServer::start().await;
    server.answers([(200, Body::Json(json!({ "items": items, "next_cursor": null })))]);
    let (component, cases) = (built("size-limit"), folder.path("cases.yaml"));
    let asked = ["plugin", "test", &component, cases.to_str().unwrap(), "--record-since", "1d"];
    for (added, passed) in [(2, 2), (0, 2)] {
        let run = server.run(&asked, "").await;
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains(&format!("{added} cases added")), "{run:?}");
        assert!(run.stdout.ends_with(&format!("{passed} passed, 0 failed, 0 skipped\n")), "{run:?}");
    }
    let text = std::fs::read_to_string(&cases).unwrap();
    assert!(text.find("Large").unwrap() < text.find("Small").unwrap(), "the oldest first: {text}");
    let offline = run(&asked, "").await;
    assert_eq!(offline.code, 2, "{offline:?}");
}
