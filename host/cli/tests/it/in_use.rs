//! What an environment uses of plugins: shown, and altered by changes alone.

use serde_json::{Value, json};

use crate::fake::{Body, FakeServer};

fn digest(of: char) -> String {
    format!("sha256:{}", of.to_string().repeat(64))
}

fn roster() -> Value {
    json!({
        "environment": "staging", "configured": false, "revision": 3, "change": "chg_3",
        "at": "2026-11-20T18:00:00.000Z", "faults": [],
        "plugins": { "size-limit": { "version": "1.0.0", "digest": digest('a'), "kind": "compliance-gate",
            "unloaded": null, "declared": ["artifact", "fleet"], "granted": ["artifact"], "missing": ["fleet"],
            "signers": { "0123456789abcdef": "vendor" } } },
        "bindings": { "strict": { "plugin": "size-limit", "role": "gate", "settings": { "max_bytes": 1 },
            "mode": "enforce", "kinds": ["release"], "group": "size" } },
        "groups": { "size": { "expression": "strict || lax", "mode": "enforce" } },
    })
}

fn change(id: &str, environment: &str, steps: Value) -> Value {
    json!({ "id": id, "state": "completed", "manifest": { "environment": environment, "title": "t",
        "plugins": { "steps": steps } } })
}

fn activated(name: &str) -> Value {
    json!([{ "step": "activate", "name": name, "from": null, "to": { "name": name } }])
}

async fn answering(answers: impl IntoIterator<Item = Value>) -> FakeServer {
    let server = FakeServer::start().await;
    server.answers(answers.into_iter().map(|answer| (200, Body::Json(answer))));
    server
}

#[tokio::test]
async fn a_roster_is_shown_with_plugins_bindings_and_groups() {
    let server = answering([roster()]).await;
    let shown = server.run(&["plugin", "roster", "--environment", "staging"], "").await;
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    for part in ["size-limit", "fleet", "strict || lax", "{\"max_bytes\":1}", "enforce", "chg_3"] {
        assert!(shown.stdout.contains(part), "{part} in {}", shown.stdout);
    }
    assert_eq!(server.asked()[0].0, "GET /v1/tenants/default/rosters/staging");
    let listed = server.run(&["plugin", "list", "--environment", "staging", "--output", "json"], "").await;
    assert!(listed.stdout.contains("\"size-limit\""), "{}", listed.stdout);
    for command in ["roster", "list"] {
        let shown = server.run(&["plugin", command, "--environment", "staging"], "").await;
        assert!(shown.stdout.contains("vendor (0123456789ab…)"), "{}", shown.stdout);
    }
}

#[tokio::test]
async fn a_file_is_pushed_and_its_activation_proposed() {
    let server = answering([
        json!({ "name": "size-limit", "version": "1.0.0", "digest": digest('a') }),
        change("chg_4", "staging", activated("size-limit")),
    ])
    .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("size-limit.wasm");
    std::fs::write(&file, b"component").unwrap();
    let run = server.run(&["plugin", "activate", file.to_str().unwrap(), "-e", "staging"], "").await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let asked = server.asked();
    assert_eq!(asked[0].0, "POST /v1/tenants/default/plugins");
    let proposal = &asked[1].1;
    assert_eq!((&proposal["kind"], &proposal["environment"]), (&json!("plugin"), &json!("staging")));
    assert_eq!(proposal["plugins"], json!([{ "activate": { "digest": digest('a') } }]));
    assert_eq!(proposal["title"], "Activate size-limit 1.0.0");
}

#[tokio::test]
async fn a_digest_and_a_reference_are_proposed_as_they_are() {
    let server = answering([change("chg_4", "staging", activated("x"))]).await;
    let reference = format!("registry.example/x@{}", digest('b'));
    for component in [digest('a'), reference.clone()] {
        server.run(&["plugin", "activate", &component, "-e", "staging", "--title", "T"], "").await;
    }
    let asked = server.asked();
    assert_eq!(asked[0].1["plugins"], json!([{ "activate": { "digest": digest('a') } }]));
    assert_eq!(asked[1].1["plugins"], json!([{ "activate": { "reference": reference } }]));
    assert_eq!(asked[1].1["title"], "T");
}

#[tokio::test]
async fn a_binding_says_only_what_is_to_be_altered() {
    let server = answering([roster(), json!({}), roster(), json!({})]).await;
    server.run(&["plugin", "bind", "strict", "-e", "staging", "--mode", "monitor", "--group", ""], "").await;
    let new = [
        "plugin",
        "bind",
        "size-limit",
        "-e",
        "staging",
        "--settings",
        "{\"max_bytes\":7}",
        "--kind",
        "plugin",
    ];
    server.run(&new, "").await;
    let asked = server.asked();
    assert_eq!(
        asked[1].1["plugins"],
        json!([{ "bind": { "id": "strict", "mode": "monitor", "group": "" } }])
    );
    let wish = json!({ "id": "size-limit", "plugin": "size-limit", "settings": { "max_bytes": 7 }, "kinds": ["plugin"] });
    assert_eq!(asked[3].1["plugins"], json!([{ "bind": wish }]));
    let unreadable = ["plugin", "bind", "strict", "-e", "staging", "--settings", "{"];
    assert_eq!(answering([roster()]).await.run(&unreadable, "").await.code, 2);
}

#[tokio::test]
async fn a_grant_names_all_that_a_plugin_may_read() {
    let server = answering([json!({})]).await;
    server.run(&["plugin", "grant", "size-limit", "artifact", "fleet", "-e", "staging"], "").await;
    let wish = json!([{ "grant": { "plugin": "size-limit", "sources": ["artifact", "fleet"] } }]);
    assert_eq!(server.asked()[0].1["plugins"], wish);
}

#[tokio::test]
async fn one_command_goes_back_to_the_version_before() {
    let bound = json!([{ "step": "bind", "id": "strict", "from": null, "to": { "plugin": "size-limit" } }]);
    let items = json!([
        change("chg_9", "production", activated("size-limit")),
        change("chg_8", "staging", activated("other")),
        change("chg_7", "staging", bound),
        change("chg_6", "staging", activated("size-limit")),
    ]);
    let page = json!({ "items": items, "next_cursor": null });
    let server = answering([page.clone(), json!({ "id": "chg_6" })]).await;
    let back = ["plugin", "back", "size-limit", "-e", "staging", "--reason", "too strict", "--yes"];
    let run = server.run(&back, "").await;
    assert_eq!(run.code, 0, "{}", run.stderr);
    let asked = server.asked();
    assert_eq!(
        asked[1],
        ("POST /v1/tenants/default/changes/chg_6/rollback".to_owned(), json!({ "reason": "too strict" }))
    );
    let none = answering([json!({ "items": [], "next_cursor": null })]).await.run(&back, "").await;
    assert_eq!(none.code, 1);
    // Everything else that the change did is taken back as well, so it is shown, and asked for.
    let (asking, _) = back.split_last_chunk::<1>().unwrap();
    let server = answering([page]).await;
    let refused = server.run(asking, "n\n").await;
    assert_eq!((refused.code, server.asked().len()), (1, 1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("chg_6") && refused.stderr.contains("take this change back?"),
        "{}",
        refused.stderr
    );
    assert!(none.stderr.contains("nothing to go back from"), "{}", none.stderr);
}

#[tokio::test]
async fn what_a_plugin_lacks_is_shown_with_the_command_that_proposes_it() {
    let server =
        answering([roster(), json!({ "type": "/problems/not-found", "title": "t", "detail": "d" })]).await;
    let run = server.run(&["plugin", "inspect", "size-limit", "-e", "staging"], "").await;
    assert!(
        run.stdout.contains("interlock plugin grant size-limit artifact fleet --environment staging"),
        "{run:?}"
    );
    let absent = answering([roster()]).await.run(&["plugin", "inspect", "absent", "-e", "staging"], "").await;
    assert_eq!(absent.code, 1);
}
