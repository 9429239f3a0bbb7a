use interlock_domain::Role;
use interlock_server::testing::TestApp;
use serde_json::{Value, json};

fn request(days: u64) -> Value {
    json!({
        "name": "Ben", "kind": "user", "roles": [{ "role": "regulatory", "environment": "production" }],
        "scopes": ["read", "write"], "expires_in_ms": days * 86_400_000, "label": "laptop",
    })
}

#[tokio::test]
async fn a_key_is_shown_once_and_its_secret_never_again() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let made = admin.post_as("k", "/keys", request(90)).await;
    let text = made.ok()["key"].as_str().unwrap().to_owned();
    assert!(text.starts_with("ilk_"), "{text}");
    let secret = text.rsplit_once('_').unwrap().1;
    let again = admin.post_as("k", "/keys", request(90)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok()["key"], Value::Null);
    assert_eq!(again.ok()["id"], made.ok()["id"]);
    let listed = admin.get("/keys").await;
    assert!(!listed.text().contains(secret));
    assert!(!listed.text().contains("sha256"), "{}", listed.text());
    let database = std::fs::read_dir(app.dir().join("data")).unwrap().filter_map(Result::ok);
    for file in database.filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the secret stands in {}", file.path().display());
    }
}

#[tokio::test]
async fn a_key_expires_after_ninety_days_at_most() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let problem = admin.post("/keys", request(91)).await.problem("invalid");
    assert_eq!(problem["field"], "/expires_in_ms");
}

#[tokio::test]
async fn who_is_no_administrator_makes_no_keys() {
    let app = TestApp::start().await;
    let manager = app.person("Ana", &[Role::ReleaseManager]).await;
    manager.post("/keys", request(1)).await.problem("denied");
}
