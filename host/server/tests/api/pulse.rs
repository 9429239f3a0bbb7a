//! That a log lives shows while it is quiet, and nothing is taken that could not be signed in time.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use interlock_domain::Role;
use interlock_server::testing::{Client, TestApp};
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;

async fn heartbeats(who: &Client) -> Vec<Value> {
    let entries = who.get("/ledger/entries?limit=200").await.ok();
    let entries = entries["items"].as_array().unwrap().clone();
    entries.into_iter().filter(|entry| entry["entry"]["type"] == "ledger.heartbeat").collect()
}

async fn metric(app: &TestApp, name: &str) -> f64 {
    let nobody = app.client("mercy", None);
    let text = nobody.send(Method::GET, "//metrics", &[], Body::empty()).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name}:\n{text}")).parse().unwrap()
}

#[tokio::test]
async fn a_quiet_log_shows_that_it_lives_and_a_busy_one_needs_not() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    app.clock.advance(MINUTE_MS - 1);
    app.beat().await;
    assert_eq!(heartbeats(&kim).await, [] as [Value; 0], "it was not quiet for long enough");
    app.clock.advance(1);
    app.beat().await;
    app.beat().await;
    let beats = heartbeats(&kim).await;
    assert_eq!(beats.len(), 1, "{beats:?}");
    // Something else was written meanwhile.
    app.clock.advance(MINUTE_MS - 1);
    kim.post("/groups", json!({ "name": "lab" })).await.ok();
    app.clock.advance(1);
    app.beat().await;
    assert_eq!(heartbeats(&kim).await.len(), 1);
    app.clock.advance(MINUTE_MS);
    assert!(metric(&app, "ledger_silence_seconds").await >= 60.0);
    app.beat().await;
    assert_eq!(heartbeats(&kim).await.len(), 2);
    let verified = kim.post("/ledger/verify", json!({})).await.ok();
    assert_eq!(verified["outcome"], "sound", "{verified}");
}

#[tokio::test]
async fn no_heart_beats_where_none_is_asked_for() {
    let app = TestApp::configured(|config| config.ledger.heartbeat_ms = 0).await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    app.clock.advance(1_000 * MINUTE_MS);
    app.beat().await;
    assert_eq!(heartbeats(&kim).await, [] as [Value; 0]);
}

#[tokio::test]
async fn writes_are_answered_with_503_while_signing_is_behind_and_nothing_is_dropped() {
    let app = TestApp::configured(|config| config.ledger.unsigned_max = 4).await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    app.app.store.signed("mercy").await.unwrap();
    let hung = app.app.store.hold_signing().await;
    let mut taken = Vec::new();
    let refused = loop {
        let name = format!("lab-{}", taken.len());
        let answer = kim.post_as(&name, "/groups", json!({ "name": name })).await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            break answer;
        }
        answer.ok();
        taken.push(name);
    };
    refused.problem("busy");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(!taken.is_empty() && taken.len() <= 4, "{taken:?}");
    assert!(metric(&app, "ledger_unsigned_entries").await >= 4.0);
    let nobody = app.client("mercy", None);
    let ready = nobody.send(Method::GET, "//ready", &[], Body::empty()).await.json();
    assert_eq!(ready["checks"]["ledger"]["status"], "degraded", "{ready}");
    assert!(ready["checks"]["ledger"]["detail"].as_str().unwrap().contains("ledger.unsigned_max"), "{ready}");
    drop(hung);
    // The same request, with the same key, as the answer says.
    let name = format!("lab-{}", taken.len());
    kim.post_as(&name, "/groups", json!({ "name": name })).await.ok();
    let groups = kim.get("/groups").await.ok().to_string();
    assert!(taken.iter().chain([&name]).all(|name| groups.contains(name.as_str())), "{groups}");
    let verified = kim.post("/ledger/verify", json!({})).await.ok();
    assert_eq!(verified["outcome"], "sound", "{verified}");
}
