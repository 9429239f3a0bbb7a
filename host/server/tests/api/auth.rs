use axum::http::Method;
use interlock_domain::{Role, Scope};
use interlock_server::testing::{Client, START_MS, TENANT, TestApp};
use serde_json::json;

async fn refused_as(client: &Client, authorization: Option<&str>) -> String {
    let headers: Vec<(&str, &str)> = authorization.map(|text| ("authorization", text)).into_iter().collect();
    let answer = client.ask(Method::GET, "/changes", &headers, None).await;
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    answer.problem("unauthenticated")["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn who_shows_no_good_key_is_nobody() {
    let app = TestApp::start().await;
    let nobody = app.client(TENANT, None);
    assert!(refused_as(&nobody, None).await.contains("there is no `Authorization`"));
    assert!(refused_as(&nobody, Some("Basic YW5hOmh1bnRlcjI=")).await.contains("not of the form"));
    let unknown = refused_as(&nobody, Some("Bearer ilk_00000000000000000000000000000001_secret")).await;
    let malformed = refused_as(&nobody, Some("Bearer nonsense")).await;
    assert_eq!(unknown, malformed, "nobody learns which keys exist");
    refused_as(&nobody, Some(&format!("Bearer ilk_{}", "x".repeat(10_000)))).await;
}

#[tokio::test]
async fn another_secret_with_a_known_id_is_nobody() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let made = admin.post("/keys", key("Ben")).await.ok();
    let text = made["key"].as_str().unwrap();
    let (id, _) = text.rsplit_once('_').unwrap();
    let forged = app.client(TENANT, Some(&format!("{id}_guessed")));
    forged.get("/changes").await.problem("unauthenticated");
    app.client(TENANT, Some(text)).get("/changes").await.ok();
}

fn key(name: &str) -> serde_json::Value {
    json!({ "name": name, "kind": "user", "roles": [{ "role": "viewer" }], "scopes": ["read"], "expires_in_ms": 60_000 })
}

#[tokio::test]
async fn a_key_that_is_over_says_so_to_its_holder() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let made = admin.post("/keys", key("Ben")).await.ok();
    let ben = app.client(TENANT, made["key"].as_str());
    ben.get("/changes").await.ok();
    app.clock.advance(60_000);
    let problem = ben.get("/changes").await.problem("unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("expired"), "{problem}");
}

#[tokio::test]
async fn a_revoked_key_stops_working_at_once() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let made = admin.post("/keys", key("Ben")).await.ok();
    let ben = app.client(TENANT, made["key"].as_str());
    ben.get("/changes").await.ok();
    let revoked =
        admin.ask(Method::DELETE, &format!("/keys/{}", made["id"].as_str().unwrap()), &[], None).await.ok();
    assert!(!revoked["revoked_at"].is_null());
    let problem = ben.get("/changes").await.problem("unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("revoked"), "{problem}");
}

#[tokio::test]
async fn a_key_is_for_its_scopes_whatever_its_account_may_do() {
    let app = TestApp::start().await;
    let reading = app.scoped("Eva", &[Role::Administrator], &[Scope::Read]).await;
    reading.get("/devices").await.ok();
    let problem = reading.post("/groups", json!({ "name": "canaries" })).await.problem("out-of-scope");
    assert_eq!(problem["missing"], "write");
    let problem = reading.post("/bundle/reload", json!({})).await.problem("out-of-scope");
    assert_eq!(problem["missing"], "admin");
    let writing = app.scoped("Eva", &[Role::Administrator], &[Scope::Write]).await;
    assert_eq!(writing.get("/devices").await.problem("out-of-scope")["missing"], "read");
}

#[tokio::test]
async fn the_policies_say_no_with_their_reasons_and_a_decision_to_read() {
    let app = TestApp::start().await;
    let viewer = app.person("Vic", &[Role::Viewer]).await;
    let problem = viewer.post("/groups", json!({ "name": "canaries" })).await.problem("denied");
    assert_eq!(problem["reasons"], json!(["no policy permits it"]));
    let decision = problem["decision"].as_str().unwrap();
    let shown = viewer.get(&format!("/decisions/{decision}")).await.ok();
    assert_eq!(shown["outcome"], "deny");
    assert_eq!(shown["subject"]["question"]["action"], "ManageGroup");
}

#[tokio::test]
async fn every_answer_has_a_trace_id_and_keeps_the_one_it_was_given() {
    let app = TestApp::start().await;
    let nobody = app.client(TENANT, None);
    let answer = nobody.get("/changes").await;
    let own = answer.header("x-trace-id").to_owned();
    assert_eq!(own.len(), 32);
    assert_eq!(answer.problem("unauthenticated")["trace_id"], own);
    let given = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{given}-00f067aa0ba902b7-01");
    let answer = nobody.ask(Method::GET, "/changes", &[("traceparent", &parent)], None).await;
    assert_eq!(answer.header("x-trace-id"), given);
    assert!(answer.header("traceparent").starts_with(&format!("00-{given}-")));
    assert!(!answer.header("traceparent").contains("00f067aa0ba902b7"), "the span is the server's own");
}

#[tokio::test]
async fn the_trace_id_reaches_the_ledger() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator, Role::Auditor]).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("traceparent", parent), ("idempotency-key", "one")];
    admin.ask(Method::POST, "/groups", &headers, Some(json!({ "name": "canaries" }))).await.ok();
    let entries = admin.get("/ledger/entries?limit=1").await.ok();
    let text = entries["items"][0]["entry"].to_string();
    assert!(text.contains("4bf92f3577b34da6a3ce929d0e0e4736"), "{text}");
    assert_eq!(app.app.clock.now().as_millis(), START_MS);
}
