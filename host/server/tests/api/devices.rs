use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::{Client, TestApp};
use serde_json::{Value, json};

async fn operator() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let operator = app.person("Oda", &[Role::Operator]).await;
    (app, operator)
}

fn pump(id: &str) -> Value {
    json!({ "id": id, "environment": "production", "model": "pump-x2", "site": "north" })
}

#[tokio::test]
async fn a_device_is_registered_shown_altered_and_retired() {
    let (_app, operator) = operator().await;
    let registered = operator.post("/devices", pump("pump-1")).await;
    assert_eq!(registered.status, 201);
    assert_eq!(registered.header("location"), "/v1/tenants/mercy/devices/pump-1");
    assert!(registered.ok()["token"].as_str().unwrap().len() >= 16);
    let shown = operator.get("/devices/pump-1").await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.ok()["last_seen"], Value::Null);
    assert!(!shown.text().contains("token"), "neither token nor hash is shown: {}", shown.text());
    let altered = operator.ask(Method::PATCH, "/devices/pump-1", &[], Some(json!({ "site": "south" }))).await;
    assert_eq!((altered.header("etag"), altered.ok()["site"].clone()), ("\"2\"", json!("south")));
    let retired = operator.ask(Method::DELETE, "/devices/pump-1", &[], None).await.ok();
    assert_eq!(retired["state"], "retired");
}

#[tokio::test]
async fn who_acts_on_an_older_revision_is_told() {
    let (_app, operator) = operator().await;
    operator.post("/devices", pump("pump-1")).await.ok();
    let patch = |site: &str| Some(json!({ "site": site }));
    let alter = async |tag: &'static str, site: &str| {
        operator.ask(Method::PATCH, "/devices/pump-1", &[("if-match", tag)], patch(site)).await
    };
    alter("\"1\"", "south").await.ok();
    assert_eq!(alter("\"1\"", "west").await.problem("stale")["current"], 2);
    alter("W/\"2\"", "west").await.problem("stale");
    assert_eq!(alter("2", "west").await.problem("bad-header")["header"], "If-Match");
    alter("*", "west").await.ok();
    assert_eq!(operator.get("/devices/pump-1").await.ok()["site"], "west");
}

#[tokio::test]
async fn the_field_of_a_single_device_is_named_without_a_place_in_a_list() {
    let (_app, operator) = operator().await;
    let mut nameless = pump("pump-1");
    nameless["model"] = json!("");
    assert_eq!(operator.post("/devices", nameless.clone()).await.problem("invalid")["field"], "/model");
    let listed = json!([pump("pump-2"), nameless]);
    assert_eq!(operator.post("/devices:import", listed).await.problem("invalid")["field"], "/1/model");
}

#[tokio::test]
async fn an_import_is_all_or_nothing() {
    let (_app, operator) = operator().await;
    operator.post("/devices", pump("pump-2")).await.ok();
    operator.post("/devices:import", json!([pump("pump-1"), pump("pump-2")])).await.problem("exists");
    operator.get("/devices/pump-1").await.problem("not-found");
    operator.post("/devices:import", json!([])).await.problem("invalid");
    let many: Vec<Value> = (0..1_001).map(|n| pump(&format!("many-{n}"))).collect();
    operator.post("/devices:import", many.into()).await.problem("invalid");
    let imported = operator.post("/devices:import", json!([pump("pump-3"), pump("pump-4")])).await.ok();
    assert_eq!(imported["items"][1]["id"], "pump-4");
    assert!(imported["items"][1]["token"].is_string());
}

#[tokio::test]
async fn a_group_is_made_used_and_removed_when_empty() {
    let (_app, operator) = operator().await;
    operator.post("/groups", json!({ "name": "lab", "description": "ten pumps" })).await.ok();
    operator.post("/groups", json!({ "name": "lab" })).await.problem("exists");
    let mut member = pump("pump-1");
    member["groups"] = json!(["lab"]);
    operator.post("/devices", member.clone()).await.ok();
    member["groups"] = json!(["nowhere"]);
    operator.post("/devices", member).await.problem("invalid");
    operator.ask(Method::DELETE, "/groups/lab", &[], None).await.problem("invalid");
    operator.ask(Method::PATCH, "/devices/pump-1", &[], Some(json!({ "groups": [] }))).await.ok();
    assert_eq!(operator.ask(Method::DELETE, "/groups/lab", &[], None).await.status, 204);
    operator.ask(Method::DELETE, "/groups/lab", &[], None).await.problem("not-found");
}

#[tokio::test]
async fn what_cannot_be_an_id_is_not_found() {
    let (_app, operator) = operator().await;
    operator.get("/changes/nonsense").await.problem("not-found");
    operator.get("/devices/%22quoted%22").await.problem("not-found");
    operator.get("/devices/%FF").await.problem("not-found");
}

#[tokio::test]
async fn a_device_leaves_production_only_by_an_administrators_hand() {
    let app = TestApp::start().await;
    let olga = app.person("Olga", &[Role::Operator, Role::ReleaseManager]).await;
    olga.post("/devices", pump("pump-1")).await.ok();
    let to = |environment: &str| Some(json!({ "environment": environment }));
    let refused = olga.ask(Method::PATCH, "/devices/pump-1", &[], to("staging")).await.problem("denied");
    assert_eq!(refused["policies"][0]["id"], "guardrails.guarded-move", "{refused}");
    assert_eq!(olga.get("/devices/pump-1").await.ok()["environment"], "production");
    olga.ask(Method::PATCH, "/devices/pump-1", &[], to("production")).await.ok();
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let moved = eva.ask(Method::PATCH, "/devices/pump-1", &[], to("staging")).await.ok();
    assert_eq!(moved["environment"], "staging");
    // Back in is commissioning, and an operator's work.
    olga.ask(Method::PATCH, "/devices/pump-1", &[], to("production")).await.ok();
}

#[tokio::test]
async fn an_operator_of_one_environment_keeps_to_it() {
    let app = TestApp::start().await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let request = json!({
        "name": "Otto", "kind": "user", "roles": [{ "role": "operator", "environment": "staging" }],
        "scopes": ["read", "write"], "expires_in_ms": 60_000,
    });
    let key = eva.post("/keys", request).await.ok();
    let otto = app.client("mercy", key["key"].as_str());
    otto.post("/devices", pump("pump-1")).await.problem("denied");
    let mut both = vec![pump("pump-1"), pump("pump-2")];
    both[1]["environment"] = json!("staging");
    otto.post("/devices:import", json!(both)).await.problem("denied");
    otto.post("/devices", both[1].clone()).await.ok();
    let move_in = Some(json!({ "environment": "production" }));
    otto.ask(Method::PATCH, "/devices/pump-2", &[], move_in).await.problem("denied");
    eva.post("/devices", pump("pump-1")).await.ok();
    otto.ask(Method::PATCH, "/devices/pump-1", &[], Some(json!({ "site": "west" }))).await.problem("denied");
    otto.ask(Method::DELETE, "/devices/pump-1", &[], None).await.problem("denied");
    otto.get("/devices/pump-1").await.problem("denied");
    otto.ask(Method::DELETE, "/devices/pump-2", &[], None).await.ok();
}

#[tokio::test]
async fn what_a_device_could_never_show_or_is_too_long_is_refused_with_its_field() {
    let (_app, operator) = operator().await;
    let long = "x".repeat(129);
    for (field, value) in [
        ("token", "a token with spaces in it"),
        ("token", "pässwört-pässwört-pässwört"),
        ("token", "tab\tinside-the-token"),
        ("token", "too-short"),
        ("token", long.as_str()),
        ("firmware", long.as_str()),
        ("firmware", ""),
        ("firmware", "1.0\n"),
    ] {
        let mut device = pump("pump-1");
        device[field] = json!(value);
        let problem = operator.post("/devices", device).await.problem("invalid");
        assert_eq!(problem["field"], format!("/{field}"), "{value}");
    }
    let mut device = pump("pump-1");
    device["token"] = json!("!token~with=every_kind+of/sign");
    device["firmware"] = json!("1.0.0");
    let registered = operator.post("/devices", device).await.ok();
    assert_eq!(registered["firmware"], "1.0.0");
}
