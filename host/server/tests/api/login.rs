//! Logging in: invitations, passwords, codes, passkeys, sessions, and whoever is not let in.

use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::{Answer, TENANT, TestApp};
use interlock_vault::login::{code_at, step_at};
use serde_json::{Value, json};

use crate::people::{DAY_MS, PASSWORD, account, cheap, enrol, follow, now, server};

const MINUTE_MS: i64 = 60_000;

#[tokio::test]
async fn a_person_sets_by_what_they_log_in_and_logs_in_either_way() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana Sousa", &[Role::Viewer]).await;
    let body = ana.credentials(&ana.code(&app));
    let answer = ana.try_login(body).await;
    let cookie = answer.header("set-cookie").to_owned();
    for part in ["__Host-interlock=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    ana.take(&answer);
    let me = ana.get("//v1/me").await.ok();
    assert_eq!(
        (&me["actor"]["name"], &me["session"]["proof"]),
        (&json!("Ana Sousa"), &json!("password+totp"))
    );
    assert_eq!(me["csrf_token"], ana.csrf.as_str());
    ana.get("/changes").await.ok();
    let other = ana.log_in_by_passkey().await;
    assert_eq!(other["session"]["proof"], "passkey");
    assert_eq!(ana.get("/sessions").await.ok()["items"].as_array().unwrap().len(), 2);
    let audit = app.app.store.audit(TENANT, None, |_| {}).await.unwrap();
    assert!(audit.report.findings.is_empty(), "{:?}", audit.report.findings);
}

#[tokio::test]
async fn what_is_secret_is_in_no_answer_entry_or_row_as_text() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Auditor]).await;
    ana.log_in(&app).await;
    let entries = ana.get("/ledger/entries?limit=200").await.text();
    let rows = std::fs::read(app.dir().join("data/interlock.db")).unwrap();
    let wal = std::fs::read(app.dir().join("data/interlock.db-wal")).unwrap_or_default();
    let token = ana.cookie.split_once('=').unwrap().1;
    let code = ana.recovery[0].replace('-', "");
    for secret in [PASSWORD.as_bytes(), token.as_bytes(), code.as_bytes(), &ana.secret] {
        for place in [entries.as_bytes(), &rows, &wal] {
            assert!(
                !place.windows(secret.len()).any(|found| found == secret),
                "{:?}",
                String::from_utf8_lossy(secret)
            );
        }
    }
}

/// Fault S17: whoever cannot log in learns nothing else.
#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same() {
    let app = server().await;
    let ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    let gone = enrol(&app, "Gone", &[Role::Viewer]).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    admin.post(&format!("/accounts/{}/deactivate", gone.account), json!({})).await.ok();
    app.with_key(
        TENANT,
        interlock_domain::AccountKind::User,
        "Never",
        &[Role::Viewer],
        &[interlock_domain::Scope::Read],
    )
    .await;
    let good = ana.credentials(&ana.code(&app));
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let seen = |answer: &Answer| {
        let mut problem = answer.problem("login-refused");
        problem.as_object_mut().unwrap().remove("trace_id");
        (problem, answer.headers.keys().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>())
    };
    let expected = seen(&ana.try_login(with("password", json!("another lamp entirely"))).await);
    for body in [
        with("name", json!("Nobody")),
        with("name", json!("Never")),
        with("name", json!("Setup\u{0}")),
        with("name", json!("x".repeat(5_000))),
        with("tenant", json!("other")),
        with("tenant", json!("NO TENANT")),
        with("password", json!("")),
        with("password", json!("x".repeat(100_000))),
        with("code", json!("000000")),
        with("code", Value::Null),
        gone.credentials(&code_at(&gone.secret, step_at(now(&app)))),
    ] {
        assert_eq!(seen(&ana.try_login(body.clone()).await), expected, "{body}");
    }
}

/// Faults S17 and A9.
#[tokio::test]
async fn five_failures_lock_for_a_while_and_a_code_counts_once() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Auditor]).await;
    let code = ana.code(&app);
    let good = ana.credentials(&code);
    let answer = ana.try_login(good.clone()).await;
    ana.take(&answer);
    ana.try_login(good.clone()).await.problem("login-refused");
    let wrong = json!({ "tenant": TENANT, "name": "Ana", "password": "another lamp entirely", "code": code });
    for _ in 0..4 {
        ana.try_login(wrong.clone()).await.problem("login-refused");
    }
    let fresh = ana.credentials(&ana.code(&app));
    ana.try_login(fresh).await.problem("login-refused");
    let entries = ana.get("/ledger/entries?limit=200").await.text();
    assert_eq!(entries.matches("\"login.locked\"").count(), 1, "{entries}");
    // The lock began half a minute ago, with the fifth failure.
    app.clock.advance(14 * MINUTE_MS);
    let early = code_at(&ana.secret, step_at(now(&app)));
    ana.try_login(ana.credentials(&early)).await.problem("login-refused");
    app.clock.advance(30_000 - 1);
    ana.try_login(ana.credentials(&code_at(&ana.secret, step_at(now(&app))))).await.problem("login-refused");
    app.clock.advance(1);
    ana.try_login(ana.credentials(&code_at(&ana.secret, step_at(now(&app))))).await.ok();
}

#[tokio::test]
async fn a_recovery_code_stands_in_for_the_app_once() {
    let app = server().await;
    let ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    let body = json!({ "tenant": TENANT, "name": "Ana", "password": PASSWORD, "recovery_code": ana.recovery[3].to_uppercase() });
    assert_eq!(ana.try_login(body.clone()).await.ok()["session"]["proof"], "password+recovery");
    ana.try_login(body).await.problem("login-refused");
    // Beside a code that is wrong it says what it was; beside one that is right it is not used up.
    let beside = |code: &str| {
        let mut body = ana.credentials(code);
        body["recovery_code"] = json!(ana.recovery[4]);
        body
    };
    let right = beside(&ana.code(&app));
    assert_eq!(ana.try_login(right).await.ok()["session"]["proof"], "password+totp");
    assert_eq!(ana.try_login(beside("000000")).await.ok()["session"]["proof"], "password+recovery");
}

/// Faults A9 and S17, by passkey.
#[tokio::test]
async fn a_passkeys_answer_counts_once_and_only_from_its_own_page_and_with_the_person_verified() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    let asked = ana.nobody.ask(Method::POST, "//v1/login/challenge", &[], Some(json!({}))).await.ok();
    let challenge = asked["challenge"].as_str().unwrap();
    let assertion = ana.passkey.answer(challenge);
    let body = json!({ "tenant": TENANT, "name": "Ana", "challenge": challenge, "assertion": assertion });
    ana.nobody.ask(Method::POST, "//v1/login/passkey", &[], Some(body.clone())).await.ok();
    ana.nobody.ask(Method::POST, "//v1/login/passkey", &[], Some(body)).await.problem("login-refused");
    ana.passkey.verifies = false;
    ana.try_passkey().await.problem("login-refused");
    ana.passkey.verifies = true;
    ana.passkey.origin = "http://localhost:8081".to_owned();
    ana.try_passkey().await.problem("login-refused");
    ana.passkey.origin = "http://localhost:8080".to_owned();
    ana.try_passkey().await.ok();
    // A challenge ends at its instant.
    let asked = ana.nobody.ask(Method::POST, "//v1/login/challenge", &[], Some(json!({}))).await.ok();
    let challenge = asked["challenge"].as_str().unwrap();
    let assertion = ana.passkey.answer(challenge);
    let body = json!({ "tenant": TENANT, "name": "Ana", "challenge": challenge, "assertion": assertion });
    app.clock.advance(300_000);
    ana.nobody.ask(Method::POST, "//v1/login/passkey", &[], Some(body)).await.problem("login-refused");
}

#[tokio::test]
async fn a_session_ends_when_idle_when_it_is_old_and_when_one_logs_out() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    ana.log_in_by_passkey().await;
    app.clock.advance(15 * MINUTE_MS - 1);
    ana.get("/changes").await.ok();
    app.clock.advance(15 * MINUTE_MS);
    ana.get("/changes").await.problem("unauthenticated");
    ana.log_in_by_passkey().await;
    for _ in 0..71 {
        app.clock.advance(10 * MINUTE_MS);
        ana.get("/changes").await.ok();
    }
    app.clock.advance(10 * MINUTE_MS - 1);
    ana.get("/changes").await.ok();
    app.clock.advance(1);
    ana.get("/changes").await.problem("unauthenticated");
    ana.log_in_by_passkey().await;
    let out = ana.post("//v1/logout", json!({})).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    ana.get("//v1/me").await.problem("unauthenticated");
}

/// Fault S17: a session that was there before the login is not the session after it.
#[tokio::test]
async fn each_login_makes_a_new_session_whatever_cookie_came_with_it() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    let planted = "__Host-interlock=planted-by-somebody-else-before-she-logged-in";
    let body = ana.credentials(&ana.code(&app));
    let answer = ana.nobody.ask(Method::POST, "//v1/login", &[("cookie", planted)], Some(body)).await;
    ana.take(&answer);
    assert!(!ana.cookie.contains("planted"));
    ana.nobody.ask(Method::GET, "/changes", &[("cookie", planted)], None).await.problem("unauthenticated");
    let first = ana.cookie.clone();
    ana.log_in_by_passkey().await;
    assert_ne!(first, ana.cookie);
    let both = format!("{first}; {}", ana.cookie);
    ana.nobody.ask(Method::GET, "/changes", &[("cookie", &both)], None).await.problem("unauthenticated");
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Operator]).await;
    ana.log_in(&app).await;
    let device = json!({ "id": "pump-1", "environment": "staging", "model": "x2" });
    let base = [("cookie", ana.cookie.as_str()), ("idempotency-key", "k")];
    let own = ("x-csrf-token", ana.csrf.as_str());
    for more in [
        vec![],
        vec![("x-csrf-token", "")],
        vec![("x-csrf-token", "another")],
        vec![own, ("sec-fetch-site", "cross-site")],
        vec![own, ("sec-fetch-site", "same-site")],
        vec![own, ("origin", "https://evil.test")],
        vec![own, ("origin", "null")],
    ] {
        let headers = [&base[..], &more].concat();
        ana.nobody.ask(Method::POST, "/devices", &headers, Some(device.clone())).await.problem("cross-site");
    }
    ana.nobody.ask(Method::POST, "//v1/logout", &base, Some(json!({}))).await.problem("cross-site");
    let headers =
        [&base[..], &[own, ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")]].concat();
    ana.nobody.ask(Method::POST, "/devices", &headers, Some(device)).await.ok();
    // Two ways to say who asks are none.
    let two = [("cookie", ana.cookie.as_str()), ("authorization", "Bearer ilk_x")];
    ana.nobody.ask(Method::GET, "/changes", &two, None).await.problem("unauthenticated");
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_nobody_elses() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    let mut ben = enrol(&app, "Ben", &[Role::Viewer]).await;
    let of_ana = ana.log_in_by_passkey().await["session"]["id"].as_str().unwrap().to_owned();
    ben.log_in_by_passkey().await;
    ben.send(Method::DELETE, &format!("/sessions/{of_ana}"), json!({})).await.problem("not-found");
    ana.get("/changes").await.ok();
    ana.send(Method::DELETE, &format!("/sessions/{of_ana}"), json!({})).await.ok();
    ana.get("/changes").await.problem("unauthenticated");
}

#[tokio::test]
async fn other_roles_a_reset_and_an_end_of_the_account_end_its_sessions() {
    let app = server().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    ana.log_in_by_passkey().await;
    let roles = json!({ "roles": [{ "role": "operator" }] });
    admin.ask(Method::PUT, &format!("/accounts/{}/roles", ana.account), &[], Some(roles)).await.ok();
    ana.get("/changes").await.problem("unauthenticated");
    ana.log_in_by_passkey().await;
    let invitation = admin.post(&format!("/accounts/{}/enrolment", ana.account), json!({})).await.ok();
    ana.get("/changes").await.problem("unauthenticated");
    ana.try_passkey().await.problem("login-refused");
    let mut ana = follow(&app, "Ana", &ana.account, invitation["code"].as_str().unwrap()).await;
    ana.log_in_by_passkey().await;
    admin.post(&format!("/accounts/{}/deactivate", ana.account), json!({})).await.ok();
    ana.get("/changes").await.problem("unauthenticated");
    admin.post(&format!("/accounts/{}/activate", ana.account), json!({})).await.ok();
    ana.try_passkey().await.problem("login-refused");
}

#[tokio::test]
async fn an_invitation_counts_once_and_ends_at_its_instant() {
    let app = server().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    app.person("Ana", &[Role::Viewer]).await;
    let id = account(&admin, "Ana").await["id"].as_str().unwrap().to_owned();
    let invite = async || {
        let answer = admin.post(&format!("/accounts/{id}/enrolment"), json!({})).await.ok();
        answer["code"].as_str().unwrap().to_owned()
    };
    let nobody = app.client(TENANT, None);
    let begin = async |code: &str| {
        let body = json!({ "tenant": TENANT, "code": code });
        nobody.ask(Method::POST, "//v1/enrolments", &[], Some(body)).await
    };
    let (first, second) = (invite().await, invite().await);
    begin(&first).await.problem("invitation-refused");
    for wrong in ["", "ile_x", "ile_x_y", &second.replace("ile_", "ilk_"), &format!("{second}x")] {
        begin(wrong).await.problem("invitation-refused");
    }
    let offer = begin(&second).await.ok();
    let bad = |more: Value| {
        let mut body = json!({ "tenant": TENANT, "code": second, "challenge": offer["challenge"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, field) in [
        (json!({}), "/password"),
        (json!({ "password": "short" }), "/password"),
        (json!({ "password": "passwordpassword" }), "/password"),
        (json!({ "password": PASSWORD }), "/totp_code"),
        (json!({ "password": PASSWORD, "totp_code": "000000" }), "/totp_code"),
        (json!({ "challenge": "x" }), "/challenge"),
        (json!({ "passkey": { "client_data": "x", "attestation_object": "x" } }), "/passkey"),
    ] {
        let answer = nobody.ask(Method::POST, "//v1/enrolments/complete", &[], Some(bad(more))).await;
        assert_eq!(answer.problem("invalid")["field"], field);
    }
    follow(&app, "Ana", &id, &second).await;
    begin(&second).await.problem("invitation-refused");
    let third = invite().await;
    app.clock.advance(DAY_MS - 1);
    begin(&third).await.ok();
    app.clock.advance(1);
    begin(&third).await.problem("invitation-refused");
}

#[tokio::test]
async fn programs_are_not_invited_and_only_administrators_invite() {
    let app = server().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let owner = account(&admin, "Eva").await["person"].clone();
    let program = json!({ "name": "ci", "kind": "service", "owner": owner, "scopes": ["read"], "expires_in_ms": 1_000 });
    admin.post("/keys", program).await.ok();
    let ci = account(&admin, "ci").await["id"].as_str().unwrap().to_owned();
    admin.post(&format!("/accounts/{ci}/enrolment"), json!({})).await.problem("invalid");
    let ben = app.person("Ben", &[Role::Operator]).await;
    ben.post(&format!("/accounts/{ci}/enrolment"), json!({})).await.problem("denied");
}

/// Fault A9 on another replica: whichever is first, the code counts once.
#[tokio::test]
async fn a_code_counts_once_on_two_replicas_and_a_session_ends_on_both() {
    let one = server().await;
    let url = one.app.config.store.url.clone();
    let (wrapping, ledger) =
        (one.app.config.artifacts.wrapping_key_file.clone(), one.app.config.ledger.key_file.clone());
    let two = TestApp::replica(2, |config| {
        cheap(config);
        config.store.url = url;
        config.artifacts.wrapping_key_file = wrapping;
        config.ledger.key_file = ledger;
    })
    .await;
    let mut ana = enrol(&one, "Ana", &[Role::Viewer]).await;
    let body = ana.credentials(&ana.code(&one));
    two.clock.advance(now(&one) - now(&two));
    let there = two.client(TENANT, None);
    let (here, other) =
        tokio::join!(ana.try_login(body.clone()), there.ask(Method::POST, "//v1/login", &[], Some(body)));
    let (passed, refused) = if here.status.is_success() { (here, other) } else { (other, here) };
    refused.problem("login-refused");
    ana.take(&passed);
    let cookie = ana.cookie.clone();
    let ask = async |app: &TestApp| {
        app.client(TENANT, None).ask(Method::GET, "/changes", &[("cookie", &cookie)], None).await
    };
    ask(&one).await.ok();
    ask(&two).await.ok();
    ana.post("//v1/logout", json!({})).await.ok();
    ask(&one).await.problem("unauthenticated");
    ask(&two).await.problem("unauthenticated");
}

#[tokio::test]
async fn without_tls_on_a_loopback_address_the_cookie_still_works() {
    let app = TestApp::configured(|config| {
        cheap(config);
        config.login.plain_http = true;
    })
    .await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    ana.log_in(&app).await;
    assert!(ana.cookie.starts_with("interlock="), "{}", ana.cookie);
    ana.get("/changes").await.ok();
    let mut open = interlock_server::Config::default();
    open.login.plain_http = true;
    open.server.listen = "0.0.0.0:8080".parse().unwrap();
    assert!(open.checked().unwrap_err().to_string().contains("login.plain_http"));
}

#[tokio::test]
async fn a_hash_is_made_anew_when_it_should_cost_more() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let one = TestApp::configured(|config| {
        cheap(config);
        config.server.data_dir = data.clone();
    })
    .await;
    let ana = enrol(&one, "Ana", &[Role::Viewer]).await;
    let dearer = TestApp::replica(2, |config| {
        cheap(config);
        config.login.password_memory_kib = 128;
        config.server.data_dir = data;
    })
    .await;
    let id = ana.account.parse().unwrap();
    let hash = async || {
        let login = dearer.app.store.login(&TENANT.parse().unwrap(), &id).await.unwrap().unwrap();
        login.password.unwrap()
    };
    assert!(hash().await.contains("m=64,"));
    let body = ana.credentials(&ana.code(&dearer));
    let nobody = dearer.client(TENANT, None);
    nobody.ask(Method::POST, "//v1/login", &[], Some(body)).await.ok();
    assert!(hash().await.contains("m=128,"));
    let body = ana.credentials(&ana.code(&dearer));
    nobody.ask(Method::POST, "//v1/login", &[], Some(body)).await.ok();
}

#[tokio::test]
async fn a_person_sets_another_password_in_a_session_and_every_other_one_ends() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    ana.log_in(&app).await;
    let elsewhere = ana.cookie.clone();
    ana.log_in(&app).await;
    let set = |password: &str, code: &str, new: &str| json!({ "password": password, "code": code, "new_password": new });
    let new = "a door behind the garden";
    for (wrong, field) in [
        (set(PASSWORD, "000000", "short"), "/new_password"),
        (set(PASSWORD, "000000", PASSWORD), "/new_password"),
    ] {
        assert_eq!(ana.post("//v1/me/password", wrong).await.problem("invalid")["field"], field);
    }
    let code = ana.code(&app);
    ana.post("//v1/me/password", set("not this one at all", &code, new)).await.problem("login-refused");
    let before = ana.get("//v1/me").await.ok()["means_changed_at"].clone();
    // Without the session's own token a page elsewhere could try.
    let headers = [("cookie", ana.cookie.as_str())];
    let body = Some(set(PASSWORD, &code, new));
    ana.nobody.ask(Method::POST, "//v1/me/password", &headers, body).await.problem("cross-site");
    let used = ana.code(&app);
    let answer = ana.post("//v1/me/password", set(PASSWORD, &used, new)).await;
    let old = ana.cookie.clone();
    ana.take(&answer);
    assert_ne!(ana.cookie, old);
    for over in [&old, &elsewhere] {
        ana.nobody.ask(Method::GET, "//v1/me", &[("cookie", over)], None).await.problem("unauthenticated");
    }
    assert_ne!(ana.get("//v1/me").await.ok()["means_changed_at"], before);
    ana.post("//v1/me/password", set(new, &used, "a third one of them")).await.problem("login-refused");
    let body = ana.credentials(&ana.code(&app));
    ana.try_login(body).await.problem("login-refused");
    let mut body = ana.credentials(&ana.code(&app));
    body["password"] = json!(new);
    ana.try_login(body).await.ok();
    let entries = app.person("Ada", &[Role::Auditor]).await.get("/ledger/entries?limit=50").await.text();
    assert!(entries.contains("login.changed") && !entries.contains(new), "{entries}");
    // A key has no password.
    app.person("Kim", &[Role::Viewer])
        .await
        .post("//v1/me/password", set(PASSWORD, "1", new))
        .await
        .problem("only-in-person");
    let audit = app.app.store.audit(TENANT, None, |_| {}).await.unwrap();
    assert!(audit.report.findings.is_empty(), "{:?}", audit.report.findings);
}

#[tokio::test]
async fn whoever_guesses_the_password_in_a_session_locks_the_login() {
    let app = server().await;
    let mut ana = enrol(&app, "Ana", &[Role::Viewer]).await;
    ana.log_in(&app).await;
    for _ in 0..5 {
        let body = json!({ "password": "a guess of twelve", "code": "000000", "new_password": "a door behind the garden" });
        ana.post("//v1/me/password", body).await.problem("login-refused");
    }
    let body =
        json!({ "password": PASSWORD, "code": ana.code(&app), "new_password": "a door behind the garden" });
    ana.post("//v1/me/password", body).await.problem("login-refused");
    ana.get("//v1/me").await.ok();
}
