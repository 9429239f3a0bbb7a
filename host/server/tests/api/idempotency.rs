use axum::http::Method;
use interlock_domain::{Role, Scope};
use interlock_server::testing::{Client, TestApp};
use serde_json::{Value, json};

async fn admin(app: &TestApp) -> Client {
    app.person("Eva", &[Role::Administrator, Role::Auditor]).await
}

fn group(name: &str) -> Value {
    json!({ "name": name })
}

#[tokio::test]
async fn a_request_that_is_sent_twice_is_done_once_and_answered_alike() {
    let app = TestApp::start().await;
    let admin = admin(&app).await;
    let first = admin.post_as("k", "/groups", group("canaries")).await;
    let again = admin.post_as("k", "/groups", group("canaries")).await;
    assert_eq!(first.status, 201);
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(admin.get("/groups").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_replay_leads_to_the_same_place() {
    let app = TestApp::start().await;
    let admin = admin(&app).await;
    let pump = json!({ "id": "pump-1", "environment": "production", "model": "x2" });
    let first = admin.post_as("k", "/devices", pump.clone()).await;
    let again = admin.post_as("k", "/devices", pump).await;
    assert_eq!(again.header("location"), "/v1/tenants/mercy/devices/pump-1");
    assert_eq!(again.header("etag"), "\"1\"");
    assert!(first.ok()["token"].is_string());
    assert!(again.ok()["token"].is_null(), "a secret is shown once");
}

#[tokio::test]
async fn a_key_is_needed_and_must_fit() {
    let app = TestApp::start().await;
    let admin = admin(&app).await;
    let answer = admin.ask(Method::POST, "/groups", &[], Some(group("a"))).await;
    assert_eq!(answer.problem("idempotency-key-missing")["header"], "Idempotency-Key");
    let long = "k".repeat(256);
    assert_eq!(
        admin.post_as(&long, "/groups", group("a")).await.problem("bad-header")["header"],
        "Idempotency-Key"
    );
    // Quoted as the draft has it, and bare: the same key.
    admin.post_as("\"k\"", "/groups", group("a")).await.ok();
    assert_eq!(admin.post_as("k", "/groups", group("a")).await.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let app = TestApp::start().await;
    let admin = admin(&app).await;
    admin.post_as("k", "/groups", group("a")).await.ok();
    admin.post_as("k", "/groups", group("b")).await.problem("idempotency-key-reused");
    admin.post_as("k", "/bundle/reload", group("a")).await.problem("idempotency-key-reused");
    assert_eq!(admin.get("/groups").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn two_people_may_draw_the_same_key() {
    let app = TestApp::start().await;
    let (eva, max) = (admin(&app).await, app.person("Max", &[Role::Administrator]).await);
    eva.post_as("k", "/groups", group("a")).await.ok();
    max.post_as("k", "/groups", group("b")).await.ok();
}

#[tokio::test]
async fn a_refusal_is_kept_but_what_passes_by_itself_is_not() {
    let app = TestApp::start().await;
    let admin = admin(&app).await;
    admin.post("/groups", group("a")).await.ok();
    admin.post_as("k", "/groups", group("a")).await.problem("exists");
    let again = admin.post_as("k", "/groups", group("a")).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    again.problem("exists");
    app.app.store.close().await;
    // 5xx: nothing is kept, nothing is replayed. The store is closed, so it cannot even look.
    let closed = admin.post_as("l", "/groups", group("b")).await;
    assert_eq!(closed.status, 503, "{}", closed.text());
    assert_eq!(closed.header("retry-after"), "5");
}

#[tokio::test]
async fn a_key_is_free_again_when_what_was_in_the_way_can_pass() {
    let app = TestApp::start().await;
    let reading = app.scoped("Eva", &[Role::Administrator], &[Scope::Read]).await;
    reading.post_as("k", "/groups", group("a")).await.problem("out-of-scope");
    // The same account with a better key: the same principal, the same request, and now it is done.
    let writing = app.scoped("Eva", &[Role::Administrator], &[Scope::Write]).await;
    let done = writing.post_as("k", "/groups", group("a")).await;
    assert_eq!((done.status.as_u16(), done.header("idempotency-replayed")), (201, ""), "{}", done.text());
}

#[tokio::test]
async fn a_request_that_is_still_being_done_is_not_done_again() {
    let app = TestApp::start().await;
    let admin = admin(&app).await;
    // What the first of two concurrent sendings leaves behind until it ends.
    let probe = admin.post_as("probe", "/groups", group("probe")).await;
    assert_eq!(probe.status, 201);
    let sendings: Vec<_> = (0..8).map(|_| admin.post_as("k", "/devices:import", fleet())).collect();
    let answers = futures::future::join_all(sendings).await;
    let done = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed").is_empty() && answer.status == 201);
    assert_eq!(done.count(), 1, "exactly one does it");
    for answer in &answers {
        match answer.status.as_u16() {
            201 => {}
            409 => drop(answer.problem("idempotency-in-progress")),
            other => panic!("{other}: {}", answer.text()),
        }
    }
}

fn fleet() -> Value {
    let pumps: Vec<Value> = (0..200)
        .map(|n| json!({ "id": format!("pump-{n}"), "environment": "production", "model": "x2" }))
        .collect();
    pumps.into()
}

#[tokio::test]
async fn questions_need_no_key() {
    let app = TestApp::start().await;
    let admin = admin(&app).await;
    let verified = admin.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true);
}
