//! The program as scripts and people meet it: exit codes, what goes to stdout and what to stderr.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod advisory;
mod documents;
mod export;
mod fake;
mod gates;
mod in_use;
mod incident;
mod ledger;
mod ledger_copy;
mod login;
mod plugin;
mod policy;
mod policy_git;
mod publish;
mod replay;
mod scaffold;
mod signing;
mod status;
mod witness;

use std::{fs::OpenOptions, io::pipe, process::Command};

use fake::{Body, FakeServer, run};
use serde_json::{Value, json};

fn problem(title: &str) -> Body {
    Body::Json(json!({ "type": "/problems/some-kind", "title": title, "detail": "what and why" }))
}

#[tokio::test]
async fn what_the_server_answers_decides_between_refused_and_failed() {
    let server = FakeServer::start().await;
    let table = [
        (200, Body::Json(json!({ "items": [] })), 0),
        (400, problem("A header is missing or does not fit"), 1),
        (401, problem("Who are you?"), 1),
        (403, problem("The policies say no"), 1),
        (404, problem("There is no such thing"), 1),
        (409, problem("You answered to another digest"), 1),
        (422, problem("A field does not fit"), 1),
        (429, problem("Too often"), 3),
        (500, problem("Something broke inside"), 3),
        (503, problem("Too much at once"), 3),
        (504, problem("It took too long"), 3),
        // Somebody else answers there.
        (404, Body::Html("<h1>Not Found</h1>"), 3),
        (502, Body::Html("<h1>Bad Gateway</h1>"), 3),
    ];
    for (status, body, code) in table {
        server.answers([(status, body)]);
        let run = server.run(&["change", "list"], "").await;
        assert_eq!(run.code, code, "{status}: {run:?}");
        assert_eq!(run.stderr.is_empty(), code == 0, "{status}: {run:?}");
    }
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let run = Command::new(env!("CARGO_BIN_EXE_interlock")).arg("man").stdout(writer).output().unwrap();
    assert_eq!((run.status.code(), String::from_utf8(run.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_interlock")).arg("man").stdout(full).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.code() == Some(3) && said.contains("cannot write to stdout"), "{said}");
}

#[tokio::test]
async fn what_goes_wrong_without_a_server_has_its_code_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("empty"), "").unwrap();
    std::fs::create_dir(path("bundle")).unwrap();
    let (missing, empty, data, bundle) = (path("missing"), path("empty"), path("data"), path("bundle"));
    let key = ["--name", "Ines", "--role", "administrator", "--data-dir", &data];
    let local = [&["key", "create", "--local"][..], &key].concat();
    let with = |more: &[&'static str]| [&local[..], more].concat();
    let served = "--key=ilk_test";
    let table = [
        // Wrong usage: the command line, or a file that it names.
        (vec!["change", "list", "--colour"], 2),
        (vec!["change", "list"], 2),
        (vec![served, "--tenant", "Mercy!", "change", "list"], 2),
        (with(&["--tenant", "Mercy!"]), 2),
        (vec![served, "change", "propose", "--file", &missing], 2),
        (vec![served, "artifact", "push", &missing, "--name", "fw", "--version", "1"], 2),
        (vec!["artifact", "sign", &empty, "--name", "fw", "--version", "1", "--sign-with", &missing], 2),
        (vec!["artifact", "sign", &empty, "--name", "fw", "--version", "1", "--sign-with", &empty], 2),
        (vec!["serve", "--check", "--config", &missing], 2),
        (with(&["--config", "/no/such/file.toml"]), 2),
        (vec!["fleet", "emulate", "--tokens", &missing], 2),
        (vec!["fleet", "emulate", "--behaviour", "explode"], 2),
        // A no, by the rules that a server would apply.
        (with(&["--expires-in-days", "91"]), 1),
        (vec!["bundle", "check", &bundle], 1),
        // Nobody there.
        (vec![served, "--server", "http://127.0.0.1:1", "change", "list"], 3),
        // And what works.
        (local.clone(), 0),
        (vec!["serve", "--check"], 0),
    ];
    for (arguments, code) in table {
        let run = run(&arguments, "").await;
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert_eq!(run.stderr.is_empty(), code == 0 && !arguments.contains(&"--local"), "{run:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_verified_is_told_from_what_is_refused() {
    let server = FakeServer::start().await;
    for (outcome, code) in [("sound", 0), ("tampered", 1), ("unverifiable", 2)] {
        server.answers([(200, Body::Json(json!({ "outcome": outcome, "findings": [] })))]);
        assert_eq!(server.run(&["ledger", "verify"], "").await.code, code);
    }
    server.answers([(200, Body::Json(json!({ "identical": false })))]);
    assert_eq!(server.run(&["decision", "replay", "dec_1"], "").await.code, 3);
}

fn digest(of: char) -> String {
    format!("sha256:{}", of.to_string().repeat(64))
}

fn plugin(name: &str) -> Value {
    json!({ "name": name, "version": "1.0.0", "digest": digest('9') })
}

/// A change that waits for a second approval.
fn change(state: &str) -> Value {
    let stage = |name: &str, exposure: Value, hold_ms: u64| json!({ "name": name, "exposure": exposure, "hold_ms": hold_ms });
    json!({
        "id": "chg_1", "author_name": "Ana", "state": state, "digest": digest('a'), "revision": 3,
        "created_at": "2026-11-20T18:00:00.000Z", "updated_at": "2026-11-20T18:05:00.000Z",
        "expires_at": "2026-11-23T18:00:00.000Z", "note": null,
        "manifest": {
            "title": "Pump firmware 2.0.0", "description": "CHG-4711", "environment": "production",
            "artifacts": [{ "name": "pump-firmware", "version": "2.0.0", "digest": digest('b'), "size_bytes": 76_000 }],
            "selector": { "model": "pump-x2", "sites": ["north", "south"] },
            "population": { "size": 40, "digest": digest('c'), "groups": { "site:north": 30, "site:south": 10 } },
            "strategy": { "plugin": plugin("canary"), "settings": { "max_failure_bp": 500 }, "plan": [
                stage("shadow", json!({ "type": "shadow" }), 0),
                stage("canary 2.5 %", json!({ "type": "percent", "basis_points": 250 }), 600_000),
                stage("wards", json!({ "type": "groups", "names": ["group:wards"] }), 3_600_000),
                stage("all", json!({ "type": "all" }), 0),
            ] },
            "gates": [
                { "plugin": plugin("signature"), "settings": {}, "mode": "enforce" },
                { "plugin": plugin("size-limit"), "settings": { "max_bytes": 33_554_432 }, "mode": "monitor" },
            ],
            "health": [{ "plugin": plugin("thresholds"), "settings": { "window_secs": 300 } }],
            "bundle": digest('d'),
            "rollback": [
                { "version": "1.0.0", "artifact": digest('e'), "targets": 39 },
                { "version": null, "artifact": null, "targets": 1 },
            ],
            "silent_after_ms": 3_600_000, "judge_every_ms": 300_000,
        },
        "gates": [{ "plugin": plugin("signature"), "mode": "enforce", "decision": "dec_1", "at": "2026-11-20T18:00:01.000Z",
            "verdict": { "outcome": "warn", "findings": [{ "code": "release-counter-equal", "severity": "warning",
                "message": "the release counter did not rise", "subject": "" }] } }],
        "approvals": [
            { "name": "Ben", "meaning": "approval", "roles": ["clinical_safety"], "reason": "read it",
                "digest": digest('a'), "at": "2026-11-20T18:02:00.000Z" },
            { "name": "Carla", "meaning": "approval", "roles": ["regulatory"], "reason": "read the first one",
                "digest": digest('f'), "at": "2026-11-20T17:00:00.000Z" },
        ],
        "hold": null, "rollout": null, "rollback": null,
        "progress": { "pending": 38, "verified": 2, "failed": 0 },
    })
}

#[tokio::test]
async fn all_that_is_approved_is_shown_before_asking_and_stdout_holds_the_answer_alone() {
    let server = FakeServer::start().await;
    let approve = ["--output", "json", "change", "approve", "chg_1", "--reason", "read it"];
    server.answers([(200, Body::Json(change("approving"))), (200, Body::Json(change("rolling_out")))]);
    let run = server.run(&approve, "y\n").await;
    assert_eq!(run.code, 0, "{run:?}");
    let printed: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(printed["state"], "rolling_out");
    insta::assert_snapshot!(run.stderr);
    let asked = server.asked();
    assert_eq!(asked[1].0, "POST /v1/tenants/default/changes/chg_1/approve");
    assert_eq!(
        asked[1].1,
        json!({ "digest": digest('a'), "reason": "read it" }),
        "what was shown is approved"
    );
}

#[tokio::test]
async fn who_does_not_say_yes_approves_nothing() {
    let server = FakeServer::start().await;
    server.answers([(200, Body::Json(change("approving")))]);
    let approve = ["change", "approve", "chg_1", "--reason", "read it"];
    for (said, code) in [("n\n", 1), ("\n", 1), ("", 2)] {
        let run = server.run(&approve, said).await;
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{said:?}: {run:?}");
    }
    assert!(server.asked().iter().all(|(what, _)| what.starts_with("GET ")), "{:?}", server.asked());

    let run = server.run(&[&approve[..], &["--yes"]].concat(), "").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.is_empty(), "{run:?}");
}

#[tokio::test]
async fn what_cannot_be_taken_back_asks_first_and_nothing_else_does() {
    let server = FakeServer::start().await;
    server.answers([(200, Body::Json(json!({})))]);
    for command in [["device", "retire", "pump-1"], ["key", "revoke", "key_1"]] {
        for (said, code) in [("n\n", 1), ("", 2)] {
            let run = server.run(&command, said).await;
            assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{command:?} {said:?}: {run:?}");
        }
        assert_eq!(server.asked(), [], "{command:?}");
    }
    let yes = server.run(&["key", "revoke", "key_1", "--yes"], "").await;
    assert_eq!((yes.code, yes.stderr.as_str()), (0, ""), "{yes:?}");
    let typed = server.run(&["device", "retire", "pump-1"], "y\n").await;
    assert_eq!(typed.code, 0, "{typed:?}");
    assert_eq!(server.asked().len(), 2);
    // A reason is word enough, and what can be undone needs none.
    for command in
        [&["change", "rollback", "chg_1", "--reason", "why"][..], &["account", "deactivate", "acc_1"]]
    {
        let run = server.run(command, "").await;
        assert_eq!(run.code, 0, "{command:?}: {run:?}");
    }
}

#[tokio::test]
async fn a_change_is_shown_with_its_plan_and_how_far_it_is() {
    let server = FakeServer::start().await;
    let mut rolling = change("rolling_out");
    rolling["rollout"] = json!({
        "stages": [{ "index": 0, "entered_at": "2026-11-20T19:00:00.000Z", "decision": "dec_2" },
            { "index": 1, "entered_at": "2026-11-20T19:01:00.000Z", "decision": "dec_3" }],
        "health": [{ "check": "thresholds", "outcome": "fail", "findings": [{ "code": "error-rate",
            "severity": "critical", "message": "20 % of requests fail", "subject": "" }] }],
    });
    server.answers([(200, Body::Json(rolling.clone()))]);
    let run = server.run(&["change", "show", "chg_1"], "").await;
    assert_eq!(run.code, 0, "{run:?}");
    insta::assert_snapshot!(run.stdout);
    let run = server.run(&["--output", "json", "change", "show", "chg_1"], "").await;
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap(), rolling);
}

#[tokio::test]
async fn a_watched_change_is_told_line_by_line_where_there_is_no_terminal() {
    let server = FakeServer::start().await;
    let mut ended = change("rolled_back");
    ended["progress"] = json!({ "rolled_back": 2, "released": 38 });
    let watched = ["approving", "approving", "rolling_out"].map(|state| (200, Body::Json(change(state))));
    for (end, code) in [("completed", 0), ("rolled_back", 1)] {
        ended["state"] = json!(end);
        server.answers(watched.iter().cloned().chain([(200, Body::Json(ended.clone()))]));
        let run = server.run(&["--output", "json", "change", "watch", "chg_1"], "").await;
        assert_eq!(run.code, code, "{run:?}");
        let expected = format!(
            "approving: 38 pending, 2 verified\nrolling_out: 38 pending, 2 verified\n{end}: 2 rolled back, 38 released\n"
        );
        assert_eq!(run.stderr, expected);
        assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap(), ended);
    }
}

#[tokio::test]
async fn a_change_is_watched_until_it_is_where_it_is_waited_for() {
    let server = FakeServer::start().await;
    let way =
        |states: &[&str]| states.iter().map(|state| (200, Body::Json(change(state)))).collect::<Vec<_>>();
    for (states, until, code) in [
        (&["gating", "approving"][..], &["approving"][..], 0),
        (&["gating", "rejected"], &["approving", "rejected"], 0),
        // It ended, and never was there.
        (&["gating", "rejected"], &["approving"], 1),
        (&["completed"], &["paused"], 1),
    ] {
        server.answers(way(states));
        let wanted = until.iter().flat_map(|state| ["--until", state]);
        let arguments: Vec<&str> = ["change", "watch", "chg_1"].into_iter().chain(wanted).collect();
        let run = server.run(&arguments, "").await;
        assert_eq!(run.code, code, "{states:?} until {until:?}: {run:?}");
    }
    let run = server.run(&["change", "watch", "chg_1", "--until", "approved"], "").await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("approving"), "the states that there are: {run:?}");
}

#[tokio::test]
async fn a_statement_that_is_signed_without_a_server_names_the_models_that_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fw.swu").to_str().unwrap().to_owned();
    std::fs::write(&file, "content").unwrap();
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../vault/testkeys/test-only-rsa4096-a.pem");
    let about = ["artifact", "sign", &file, "--name", "fw", "--version", "1.0", "--sign-with", key];
    for (models, named) in [
        (&["--model", "x2", "--model", "x3"][..], json!(["x2", "x3"])),
        // For all models.
        (&[], json!([])),
    ] {
        let run = run(&[&about[..], models].concat(), "").await;
        assert_eq!(run.code, 0, "{run:?}");
        let signed: Value = serde_json::from_str(&run.stdout).unwrap();
        let statement: Value = serde_json::from_str(signed["statement"].as_str().unwrap()).unwrap();
        assert_eq!(statement["models"], named);
    }
}
