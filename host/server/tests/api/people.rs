//! Persons who log in: with an authenticator app, a passkey, and a browser's cookie.

use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::{Answer, Client, TENANT, TestApp};
use interlock_vault::login::{
    STEP_MS, code_at, step_at,
    testing::{Authenticator, secret_in},
};
use serde_json::{Value, json};

pub(crate) const DAY_MS: i64 = 24 * 3_600_000;
pub(crate) const PASSWORD: &str = "a lamp beside the window";

/// A server on which a password costs little.
pub(crate) async fn server() -> TestApp {
    TestApp::configured(cheap).await
}

pub(crate) fn cheap(config: &mut interlock_server::Config) {
    config.login.password_memory_kib = 64;
    config.login.password_passes = 1;
}

/// Somebody with an app and a passkey.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) secret: Vec<u8>,
    pub(crate) recovery: Vec<String>,
    pub(crate) passkey: Authenticator,
    pub(crate) nobody: Client,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

pub(crate) async fn account(by: &Client, name: &str) -> Value {
    let accounts = by.get("/accounts?limit=200").await.ok();
    let found = accounts["items"].as_array().unwrap().iter().find(|account| account["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {name}: {accounts}")).clone()
}

/// Makes an account for somebody, lets two administrators hand it out, and follows the invitation.
pub(crate) async fn enrol(app: &TestApp, name: &str, roles: &[Role]) -> Person {
    app.person(name, roles).await;
    let one = app.person("Setup", &[Role::Administrator]).await;
    let other = app.person("Setup too", &[Role::Administrator]).await;
    let id = account(&one, name).await["id"].as_str().unwrap().to_owned();
    let invitation = one.post(&format!("/accounts/{id}/enrolment"), json!({})).await.ok();
    let person = follow(app, name, &id, invitation["code"].as_str().unwrap()).await;
    confirm(&other, &id).await.ok();
    person
}

/// Confirms what there is to read of an account now.
pub(crate) async fn confirm(by: &Client, id: &str) -> Answer {
    let accounts = by.get("/accounts?limit=200").await.ok();
    let found = accounts["items"].as_array().unwrap().iter().find(|account| account["id"] == id);
    // Of what is held by nothing there is nothing to read.
    let digest = found
        .and_then(|account| account["hold"]["digest"].as_str())
        .map_or_else(|| format!("sha256:{}", "0".repeat(64)), str::to_owned);
    by.post(&format!("/accounts/{id}/confirm"), json!({ "digest": digest })).await
}

/// Follows an invitation with everything.
pub(crate) async fn follow(app: &TestApp, name: &str, id: &str, code: &str) -> Person {
    let nobody = app.client(TENANT, None);
    let open = json!({ "tenant": TENANT, "code": code });
    let offer = nobody.ask(Method::POST, "//v1/enrolments", &[], Some(open.clone())).await.ok();
    let secret = secret_in(offer["otpauth"].as_str().unwrap());
    let passkey = Authenticator::new("localhost", "http://localhost:8080");
    let challenge = offer["challenge"].as_str().unwrap();
    let set = json!({
        "tenant": TENANT, "code": code, "challenge": challenge, "password": PASSWORD,
        "totp_code": code_at(&secret, step_at(now(app)) - 1), "passkey": passkey.register(challenge),
    });
    let done = nobody.ask(Method::POST, "//v1/enrolments/complete", &[], Some(set)).await.ok();
    let recovery = serde_json::from_value(done["recovery_codes"].clone()).unwrap();
    let (name, account) = (name.to_owned(), id.to_owned());
    Person { name, account, secret, recovery, passkey, nobody, cookie: String::new(), csrf: String::new() }
}

pub(crate) fn now(app: &TestApp) -> i64 {
    use interlock_server::Clock as _;
    app.clock.now().as_millis()
}

impl Person {
    /// The code that the app shows; each counts once, so that time goes on first.
    pub(crate) fn code(&self, app: &TestApp) -> String {
        app.clock.advance(STEP_MS);
        code_at(&self.secret, step_at(now(app)))
    }

    pub(crate) fn credentials(&self, code: &str) -> Value {
        json!({ "tenant": TENANT, "name": self.name, "password": PASSWORD, "code": code })
    }

    pub(crate) async fn try_login(&self, body: Value) -> Answer {
        self.nobody.ask(Method::POST, "//v1/login", &[], Some(body)).await
    }

    pub(crate) async fn log_in(&mut self, app: &TestApp) -> Value {
        let body = self.credentials(&self.code(app));
        let answer = self.try_login(body).await;
        self.take(&answer)
    }

    pub(crate) async fn log_in_by_passkey(&mut self) -> Value {
        let answer = self.try_passkey().await;
        self.take(&answer)
    }

    pub(crate) async fn try_passkey(&mut self) -> Answer {
        let asked = self.nobody.ask(Method::POST, "//v1/login/challenge", &[], Some(json!({}))).await.ok();
        let challenge = asked["challenge"].as_str().unwrap();
        let assertion = self.passkey.answer(challenge);
        let body =
            json!({ "tenant": TENANT, "name": self.name, "challenge": challenge, "assertion": assertion });
        self.nobody.ask(Method::POST, "//v1/login/passkey", &[], Some(body)).await
    }

    /// As a browser does it.
    #[track_caller]
    pub(crate) fn take(&mut self, answer: &Answer) -> Value {
        let body = answer.ok();
        self.cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        self.csrf = body["csrf_token"].as_str().unwrap().to_owned();
        body
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.nobody.ask(Method::GET, path, &[("cookie", &self.cookie)], None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        let key = format!("{path}-{}", uuid());
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("x-csrf-token", self.csrf.as_str()),
            ("idempotency-key", &key),
        ];
        self.nobody.ask(method, path, &headers, Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body).await
    }
}

fn uuid() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    DRAWN.fetch_add(1, Ordering::Relaxed)
}
