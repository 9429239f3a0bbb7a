//! Gates are asked again before a change goes on, and the operator's watch over it cannot be switched off.

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_server::{
    config::{Gate, Health},
    testing::{Client, TestApp, built_plugins},
};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

/// Ana, a pump in staging, and maintenance on Saturdays from six to eight; the clock shows Friday, 18:00.
async fn with_windows() -> (TestApp, Client) {
    let app = TestApp::configured(|config| {
        config.plugins.dir = built_plugins();
        config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
        config.gates = vec![Gate {
            settings: json!({ "windows": [{ "days": ["sat"], "from": "06:00", "to": "08:00" }] }),
            ..Gate::named("maintenance-window")
        }];
        config.health = vec![Health::named("thresholds")];
    })
    .await;
    let operator = app.person("Oda", &[Role::Operator]).await;
    operator
        .post(
            "/devices",
            json!({ "id": "p", "environment": "staging", "model": "x2",
        "token": "token-of-the-pump-p", "firmware": "1.0" }),
        )
        .await
        .ok();
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    ana.push("fw", "2.0", b"content", None).await.ok();
    (app, ana)
}

fn proposal() -> Value {
    json!({
        "environment": "staging", "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "all": true }, "strategy": { "plugin": "direct" },
    })
}

async fn explained(ana: &Client, change: &Value) -> (String, String) {
    let explained = ana.get(&format!("/changes/{}/explain", change["id"].as_str().unwrap())).await.ok();
    (explained["state"].as_str().unwrap().to_owned(), explained["summary"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_change_that_is_proposed_outside_a_window_waits_for_it() {
    let (app, ana) = with_windows().await;
    let change = ana.post("/changes", proposal()).await.ok();
    app.reconcile().await;
    let (state, summary) = explained(&ana, &change).await;
    assert_eq!(state, "approving");
    assert!(summary.contains("it waits until Sat 2026-11-21 06:00"), "{summary}");
    app.clock.advance(11 * HOUR_MS);
    app.reconcile().await;
    assert_eq!(explained(&ana, &change).await.0, "approving", "five o'clock");
    app.clock.advance(2 * HOUR_MS);
    app.reconcile().await;
    assert_eq!(explained(&ana, &change).await.0, "rolling_out", "seven o'clock");
}

/// The pump says this over its own protocol.
async fn pump_says(app: &TestApp, method: Method, path: &str, body: Value) {
    let headers =
        [("authorization", "TargetToken token-of-the-pump-p"), ("content-type", "application/json")];
    let path = format!("//mercy/controller/v1/p/{path}");
    let nobody = app.client("mercy", None);
    nobody.send(method, &path, &headers, Body::from(body.to_string())).await.ok();
}

#[tokio::test]
async fn a_window_that_closes_keeps_the_next_stage_waiting() {
    let (app, ana) = with_windows().await;
    app.clock.advance(13 * HOUR_MS);
    let stage = |percent_bp| json!({ "percent_bp": percent_bp, "hold_secs": 5_400 });
    let mut canary = proposal();
    canary["strategy"] =
        json!({ "plugin": "canary", "settings": { "stages": [stage(5_000), stage(10_000)] } });
    let change = ana.post("/changes", canary).await.ok();
    app.reconcile().await;
    let success = json!({ "status": { "execution": "closed", "result": { "finished": "success" } } });
    pump_says(&app, Method::POST, "deploymentBase/2/feedback", success).await;
    pump_says(&app, Method::PUT, "configData", json!({ "data": { "firmware_version": "2.0" } })).await;
    app.reconcile().await;
    // The hold ends at half past eight, when the window is closed.
    app.clock.advance(2 * HOUR_MS);
    app.reconcile().await;
    let shown = ana.get(&format!("/changes/{}", change["id"].as_str().unwrap())).await.ok();
    assert_eq!(shown["rollout"]["stages"].as_array().unwrap().len(), 1, "{}", shown["hold"]);
    assert!(shown["hold"]["reasons"].to_string().contains("not now"), "{}", shown["hold"]);
    assert!(explained(&ana, &change).await.1.contains("2026-11-28 06:00"));
}

#[tokio::test]
async fn an_author_adds_to_the_watch_and_never_takes_away() {
    let (_app, ana) = with_windows().await;
    let mut none = proposal();
    none["health"] = json!([]);
    let change = ana.post("/changes", none).await.ok();
    assert_eq!(change["manifest"]["health"][0]["plugin"]["name"], "thresholds");
    for (pointer, value, field) in [
        ("health", json!([{ "plugin": "thresholds", "settings": {} }]), "/health/0"),
        ("judge_every_ms", json!(1), "/judge_every_ms"),
        ("judge_every_ms", json!(9_007_199_254_740_991_u64), "/judge_every_ms"),
        ("silent_after_ms", json!(0), "/silent_after_ms"),
        ("silent_after_ms", json!(9_007_199_254_740_991_u64), "/silent_after_ms"),
    ] {
        let mut proposal = proposal();
        proposal[pointer] = value;
        assert_eq!(ana.post("/changes", proposal).await.problem("invalid")["field"], field);
    }
}
