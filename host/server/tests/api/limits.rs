use axum::http::{Method, StatusCode};
use interlock_domain::{Role, Scope};
use interlock_server::{
    config::Quota,
    testing::{Client, TENANT, TestApp},
};
use serde_json::{Value, json};

async fn limited() -> TestApp {
    TestApp::configured(|config| config.http.limits.enabled = true).await
}

/// How many of so many requests get through.
async fn admitted(client: &Client, path: &str, of: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..of {
        admitted += usize::from(client.get(path).await.status != StatusCode::TOO_MANY_REQUESTS);
    }
    admitted
}

#[tokio::test]
async fn who_proves_nothing_is_answered_twenty_times_at_once_and_ten_times_a_second() {
    let app = limited().await;
    let nobody = app.client(TENANT, None);
    assert_eq!(admitted(&nobody, "/changes", 30).await, 20);
    let refused = nobody.get("/changes").await;
    assert_eq!(refused.problem("rate-limited")["limit"], "unauthenticated");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(
        admitted(&nobody.at("192.0.2.7"), "/changes", 1).await,
        1,
        "another address is another client"
    );
    app.clock.advance(1_000);
    assert_eq!(admitted(&nobody, "/changes", 30).await, 10);
}

#[tokio::test]
async fn who_guesses_beside_them_shuts_nobody_out() {
    let app = limited().await;
    let ana = app.person("Ana", &[Role::Viewer]).await;
    ana.get("/changes").await.ok();
    let guessing = app.client(TENANT, Some("ilk_00000000000000000000000000000001_guess"));
    assert_eq!(admitted(&guessing, "/changes", 30).await, 20);
    // Longer than anything is cached: the key is looked up again, because it worked before.
    app.clock.advance(6_000);
    assert_eq!(admitted(&guessing, "/changes", 30).await, 20);
    ana.get("/changes").await.ok();
}

#[tokio::test]
async fn who_tries_to_log_in_has_five_tries_at_once_from_an_address_whatever_the_name() {
    let app = limited().await;
    let nobody = app.client(TENANT, None);
    let attempt = async |client: &Client, number: u32| {
        let body =
            json!({ "tenant": TENANT, "name": format!("Somebody {number}"), "password": "not the one" });
        client.ask(Method::POST, "//v1/login", &[], Some(body)).await
    };
    for number in 0..5 {
        assert_ne!(attempt(&nobody, number).await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(attempt(&nobody, 5).await.problem("rate-limited")["limit"], "logins");
    assert_ne!(attempt(&nobody.at("192.0.2.7"), 6).await.status, StatusCode::TOO_MANY_REQUESTS);
    // Ten a minute.
    app.clock.advance(6_000);
    assert_ne!(attempt(&nobody, 7).await.status, StatusCode::TOO_MANY_REQUESTS);
}

/// All of a hospital may log in from one address; only what comes to nothing counts.
#[tokio::test]
async fn who_gets_in_uses_up_nothing_of_what_others_at_their_address_may_try() {
    let app = TestApp::configured(|config| {
        crate::people::cheap(config);
        config.http.limits.enabled = true;
    })
    .await;
    let mut all = Vec::new();
    for name in ["Ana", "Ben", "Cleo"] {
        all.push(crate::people::enrol(&app, name, &[Role::Viewer]).await);
    }
    for _ in 0..5 {
        for person in &mut all {
            person.log_in_by_passkey().await;
        }
    }
    // One account has a limit of its own: more of it counts by address.
    let mut ana = all.remove(0);
    ana.log_in_by_passkey().await;
    ana.log_in_by_passkey().await;
    let ask = async || ana.nobody.ask(Method::POST, "//v1/login/challenge", &[], Some(json!({}))).await;
    ask().await.ok();
    assert_eq!(ask().await.problem("rate-limited")["limit"], "logins");
    app.clock.advance(60_000);
    let code = ana.code(&app);
    let wrong = json!({ "tenant": TENANT, "name": "Nobody", "password": "not the one", "code": code });
    for _ in 0..5 {
        ana.try_login(wrong.clone()).await.problem("login-refused");
    }
    assert_eq!(ana.try_login(wrong).await.problem("rate-limited")["limit"], "logins");
}

#[tokio::test]
async fn asking_who_one_is_counts_as_reading() {
    let app = TestApp::configured(|config| {
        config.http.limits.enabled = true;
        config.http.limits.reads = Quota { per_minute: 60, burst: 3 };
    })
    .await;
    let ana = app.person("Ana", &[Role::Viewer]).await;
    assert_eq!(admitted(&ana, "//v1/me", 5).await, 3);
    assert_eq!(ana.get("//v1/me").await.problem("rate-limited")["limit"], "reads");
}

#[tokio::test]
async fn an_account_has_so_many_of_each_kind_whatever_key_or_address_it_uses() {
    let app = TestApp::configured(|config| {
        config.http.limits.enabled = true;
        config.http.limits.reads = Quota { per_minute: 60, burst: 3 };
        config.http.limits.writes = Quota { per_minute: 6, burst: 2 };
    })
    .await;
    let eva = app.person("Eva", &[Role::Administrator]).await;
    let again = app.scoped("Eva", &[Role::Administrator], &[Scope::Read, Scope::Write]).await;
    let first = eva.get("/groups").await;
    assert_eq!(first.header("ratelimit-policy"), "\"reads\";q=3;w=3");
    assert_eq!(first.header("ratelimit"), "\"reads\";r=2;t=1");
    assert_eq!(admitted(&again.at("192.0.2.7"), "/groups", 5).await, 2);
    let refused = eva.get("/groups").await;
    assert_eq!(refused.problem("rate-limited")["limit"], "reads");
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("1", "\"reads\";r=0;t=3"));
    eva.post("/groups", json!({ "name": "a" })).await.ok();
    eva.post_as("k", "/groups", json!({ "name": "b" })).await.ok();
    let refused = eva.post_as("late", "/groups", json!({ "name": "c" })).await;
    assert_eq!(refused.problem("rate-limited")["limit"], "writes");
    assert_eq!(refused.header("retry-after"), "10");
    app.clock.advance(10_000);
    eva.post_as("late", "/groups", json!({ "name": "c" })).await.ok();
    let other = app.person("Ben", &[Role::Viewer]).await;
    other.get("/groups").await.ok();
}

#[tokio::test]
async fn by_default_an_account_proposes_ten_changes_a_minute_makes_a_hundred_things_and_reads_a_thousand() {
    let app = limited().await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let mut proposed = 0;
    while ana.post("/changes", json!({})).await.status != StatusCode::TOO_MANY_REQUESTS {
        proposed += 1;
    }
    let mut made = 0;
    while ana.post("/groups", json!({})).await.status != StatusCode::TOO_MANY_REQUESTS {
        made += 1;
    }
    assert_eq!((proposed, made, admitted(&ana, "/groups", 1_001).await), (10, 100, 1_000));
}

#[tokio::test]
async fn a_device_has_a_limit_of_its_own_which_nobody_elsewhere_uses_up() {
    let app = TestApp::configured(|config| {
        config.http.limits.enabled = true;
        config.http.limits.devices = Quota { per_minute: 2, burst: 2 };
    })
    .await;
    let pump = app.client(TENANT, None);
    let poll = async |at: &str| {
        let path = "//mercy/controller/v1/pump-1";
        pump.at(at).send(Method::GET, path, &[], axum::body::Body::empty()).await
    };
    for _ in 0..5 {
        poll("203.0.113.9").await;
    }
    assert_eq!(poll("192.0.2.7").await.status, StatusCode::UNAUTHORIZED);
    poll("192.0.2.7").await;
    let refused = poll("192.0.2.7").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "30"));
    assert_eq!(refused.json()["errorCode"], "hawkbit.server.error.client.tooManyRequests");
}

fn key(networks: &[&str]) -> Value {
    json!({ "name": "Ben", "kind": "user", "roles": [{ "role": "viewer" }], "scopes": ["read"], "expires_in_ms": 60_000,
        "networks": networks })
}

#[tokio::test]
async fn a_key_works_from_its_networks_alone_and_says_so_only_to_its_holder() {
    let app = TestApp::configured(|config| {
        config.http.trusted_proxies = vec!["10.0.0.1".parse().unwrap()];
    })
    .await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let made = admin.post("/keys", key(&["192.0.2.0/24", "2001:db8::/32"])).await.ok();
    let text = made["key"].as_str().unwrap();
    let ben = app.client(TENANT, Some(text));
    for inside in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7"] {
        ben.at(inside).get("/changes").await.ok();
    }
    for outside in ["192.0.3.7", "127.0.0.1", "::ffff:192.0.3.7", "2001:db9::7"] {
        let problem = ben.at(outside).get("/changes").await.problem("address-refused");
        assert!(problem["detail"].as_str().unwrap().contains("this key"), "{problem}");
    }
    let behind = |header: &'static str| {
        let proxied = ben.at("10.0.0.1");
        async move { proxied.ask(Method::GET, "/changes", &[("x-forwarded-for", header)], None).await }
    };
    behind("192.0.2.7").await.ok();
    behind("203.0.113.1, 192.0.2.7").await.ok();
    behind("192.0.2.7, 203.0.113.1").await.problem("address-refused");
    let direct = ben.at("203.0.113.1");
    direct
        .ask(Method::GET, "/changes", &[("x-forwarded-for", "192.0.2.7")], None)
        .await
        .problem("address-refused");
    let (id, _) = text.rsplit_once('_').unwrap();
    app.client(TENANT, Some(&format!("{id}_guessed")))
        .at("203.0.113.1")
        .get("/changes")
        .await
        .problem("unauthenticated");
    for wrong in ["10.0.0.1/8", "pump"] {
        assert_eq!(admin.post("/keys", key(&[wrong])).await.problem("invalid")["field"], "/networks/0");
    }
}

#[tokio::test]
async fn a_tenant_with_networks_is_used_from_there_alone() {
    let app = TestApp::configured(|config| {
        config.http.allow = [("mercy".parse().unwrap(), vec!["10.1.0.0/16".parse().unwrap()])].into();
    })
    .await;
    let ana = app.person("Ana", &[Role::Viewer]).await;
    ana.at("10.1.2.3").get("/changes").await.ok();
    let problem = ana.at("10.2.0.1").get("/changes").await.problem("address-refused");
    assert!(problem["detail"].as_str().unwrap().contains("`10.2.0.1`"), "{problem}");
    let elsewhere = app.client("grace", None);
    elsewhere.get("/changes").await.problem("unauthenticated");
}
