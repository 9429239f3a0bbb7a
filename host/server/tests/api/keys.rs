use axum::http::Method;
use interlock_domain::{AccountKind, Role, Scope};
use interlock_server::testing::{TENANT, TestApp};
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

#[tokio::test]
async fn an_account_has_two_keys_that_work_and_the_third_is_refused_until_one_ends() {
    let app = TestApp::configured(|config| config.identity.keys_live_max = 2).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let request = |days: u64| {
        json!({ "name": "Vic", "kind": "user", "roles": [{ "role": "viewer" }], "scopes": ["read"],
            "expires_in_ms": days * 86_400_000 })
    };
    let first = admin.post("/keys", request(1)).await.ok();
    let second = admin.post("/keys", request(2)).await.ok();
    let problem = admin.post("/keys", request(1)).await.problem("invalid");
    let detail = problem["detail"].as_str().unwrap();
    for said in [first["id"].as_str().unwrap(), second["id"].as_str().unwrap(), "interlock key revoke"] {
        assert!(detail.contains(said), "{detail}");
    }
    app.clock.advance(86_400_000);
    // The first one's own key is over too.
    let admin = app.person("Eli", &[Role::Administrator]).await;
    admin.post("/keys", request(1)).await.ok();
    admin.post("/keys", request(1)).await.problem("invalid");
    admin.ask(Method::DELETE, &format!("/keys/{}", second["id"].as_str().unwrap()), &[], None).await.ok();
    admin.post("/keys", request(1)).await.ok();
}

#[tokio::test]
async fn two_administrators_at_once_make_no_third_key() {
    let app = TestApp::configured(|config| config.identity.keys_live_max = 2).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let request = json!({ "name": "Vic", "kind": "user", "roles": [{ "role": "viewer" }], "scopes": ["read"],
        "expires_in_ms": 60_000 });
    admin.post("/keys", request.clone()).await.ok();
    let made = futures::future::join_all((0..4).map(|_| admin.post("/keys", request.clone()))).await;
    assert_eq!(made.iter().filter(|answer| answer.status.is_success()).count(), 1);
}

#[tokio::test]
async fn a_key_is_replaced_by_one_like_it_and_both_work_until_the_old_one_is_revoked() {
    let app = TestApp::configured(|config| config.identity.keys_live_max = 2).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let request = json!({ "name": "Vic", "kind": "user", "roles": [{ "role": "viewer" }], "scopes": ["read"],
        "expires_in_ms": 86_400_000, "label": "ward", "networks": ["127.0.0.0/8"] });
    let old = admin.post("/keys", request).await.ok();
    app.clock.advance(3_600_000);
    let path = format!("/keys/{}/rotate", old["id"].as_str().unwrap());
    let new = admin.post(&path, json!({})).await.ok();
    for alike in ["account", "label", "scopes", "networks"] {
        assert_eq!(new[alike], old[alike], "{alike}");
    }
    assert_ne!(new["expires_at"], old["expires_at"]);
    for key in [&old, &new] {
        app.client(TENANT, key["key"].as_str()).get("/changes").await.ok();
    }
    admin.post(&path, json!({})).await.problem("invalid");
    admin.ask(Method::DELETE, &format!("/keys/{}", old["id"].as_str().unwrap()), &[], None).await.ok();
    assert!(
        admin.post(&path, json!({})).await.problem("invalid")["detail"]
            .as_str()
            .unwrap()
            .contains("was revoked")
    );
    let other =
        app.with_key("grace", AccountKind::User, "Gil", &[Role::Administrator], &[Scope::Admin]).await;
    other.post(&path, json!({})).await.problem("not-found");
}

#[tokio::test]
async fn when_a_key_was_last_used_is_known_to_the_minute() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let request = json!({ "name": "Vic", "kind": "user", "roles": [{ "role": "viewer" }], "scopes": ["read"],
        "expires_in_ms": 86_400_000 });
    let made = admin.post("/keys", request).await.ok();
    let vic = app.client(TENANT, made["key"].as_str());
    let last_used = async || {
        let listed = admin.get("/keys").await.ok();
        let keys = listed["items"].as_array().unwrap().clone();
        keys.into_iter().find(|key| key["id"] == made["id"]).unwrap()["last_used_at"].clone()
    };
    assert_eq!(last_used().await, Value::Null);
    vic.get("/changes").await.ok();
    let first = last_used().await;
    assert!(first.is_string(), "{first}");
    app.clock.advance(59_999);
    vic.get("/changes").await.ok();
    assert_eq!(last_used().await, first);
    app.clock.advance(1);
    vic.get("/changes").await.ok();
    assert_ne!(last_used().await, first);
}
