use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_server::testing::TestApp;
use serde_json::json;

#[tokio::test]
async fn each_way_in_which_a_body_can_be_wrong_is_told_apart() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let json = Some("application/json");
    for (n, (media, body, slug, field)) in [
        (json, "{", "malformed-json", None),
        (json, r#"{"name":"a","name":"b"}"#, "duplicate-key", Some("/name")),
        (json, r#"{"nam":"a"}"#, "invalid", Some("/nam")),
        (json, r#"{}"#, "invalid", Some("/name")),
        (json, r#"{"name":7}"#, "invalid", Some("/name")),
        (json, r#"{"name":"not a name!"}"#, "invalid", Some("/name")),
        (json, r#"{"name":"a","description":1.5}"#, "invalid", Some("/description")),
        (Some("text/plain"), "{}", "unsupported-media-type", None),
        (None, "{}", "unsupported-media-type", None),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("key-{n}");
        let mut headers = vec![("idempotency-key", key.as_str())];
        headers.extend(media.map(|media| ("content-type", media)));
        let answer = admin.send(Method::POST, "/groups", &headers, Body::from(body)).await;
        let problem = answer.problem(slug);
        assert_eq!(problem.get("field").and_then(|field| field.as_str()), field, "{body}");
    }
    let nothing = admin.get("/groups").await.ok();
    assert_eq!(nothing["items"], json!([]), "nothing is half-written");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let app = TestApp::configured(|config| config.server.body_bytes_max = 1_000).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let large = json!({ "name": "a", "description": "x".repeat(1_000) });
    let problem = admin.post("/groups", large.clone()).await.problem("body-too-large");
    assert_eq!(problem["limit_bytes"], 1_000);
    // Without idempotency in between, and without an announced length.
    let patched = admin.ask(Method::PATCH, "/devices/p1", &[], Some(large)).await;
    patched.problem("body-too-large");
    let announced = [("content-length", "5000"), ("content-type", "application/json")];
    admin.send(Method::PATCH, "/devices/p1", &announced, Body::empty()).await.problem("body-too-large");
}

#[tokio::test]
async fn a_body_just_within_the_limit_is_taken() {
    let app = TestApp::configured(|config| config.server.body_bytes_max = 1_000).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let frame = json!({ "name": "a", "description": "" }).to_string().len();
    admin.post("/groups", json!({ "name": "a", "description": "x".repeat(1_000 - frame) })).await.ok();
}
