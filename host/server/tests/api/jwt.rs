//! Signed tokens of an identity provider, against keys that a server on this machine publishes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use axum::{Json, Router, http::Method, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_domain::Role;
use interlock_server::{
    config::JwtIssuer,
    testing::{Answer, Client, START_MS, TENANT, TestApp},
};
use serde_json::{Value, json};

const ISSUER: &str = "https://idp.mercy.example";

/// An identity provider's key.
pub(crate) struct Signer {
    id: &'static str,
    key: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

pub(crate) fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and these claims, signed by this.
pub(crate) fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
    let signature = text(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

pub(crate) fn with_secret(secret: &[u8], header: &Value, claims: &Value) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    token(header, claims, |text| hmac::sign(&key, text).as_ref().to_vec())
}

impl Signer {
    pub(crate) fn rsa(id: &'static str) -> Self {
        Self { id, key: Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())) }
    }

    pub(crate) fn ed25519(id: &'static str) -> Self {
        Self { id, key: Pair::Ed25519(Ed25519KeyPair::generate().unwrap()) }
    }

    fn algorithm(&self) -> &'static str {
        match self.key {
            Pair::Rsa(_) => "RS256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    pub(crate) fn published(&self) -> Value {
        match &self.key {
            Pair::Rsa(pair) => {
                // RSAPublicKey (RFC 8017) with 2048 bits: two integers at these places.
                let der = pair.public_key().as_ref();
                let (n, e) = (&der[9..265], &der[267..270]);
                json!({ "kty": "RSA", "kid": self.id, "use": "sig", "alg": "RS256", "n": text(n), "e": text(e) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": text(pair.public_key()) })
            }
        }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with(|_| {}, claims)
    }

    pub(crate) fn sign_with(&self, alter: impl FnOnce(&mut Value), claims: &Value) -> String {
        let mut header = json!({ "alg": self.algorithm(), "typ": "at+jwt", "kid": self.id });
        alter(&mut header);
        token(&header, claims, |text| match &self.key {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
                signature
            }
            Pair::Ed25519(pair) => pair.sign(text).as_ref().to_vec(),
        })
    }
}

/// What an identity provider publishes, and how often it was fetched.
#[derive(Clone)]
struct Published {
    keys: Arc<Mutex<Vec<Value>>>,
    fetched: Arc<AtomicUsize>,
    url: String,
}

async fn publish(keys: &[&Signer]) -> Published {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let published = Published {
        keys: Arc::new(Mutex::new(keys.iter().map(|key| key.published()).collect())),
        fetched: Arc::default(),
        url: format!("http://{}/keys", listener.local_addr().unwrap()),
    };
    let shown = published.clone();
    let answer = get(move || async move {
        shown.fetched.fetch_add(1, Ordering::SeqCst);
        let keys = shown.keys.lock().unwrap().clone();
        Json(json!({ "keys": keys }))
    });
    let router = Router::new().route("/keys", answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    published
}

pub(crate) fn issuer(tenant: &str, more: Value) -> JwtIssuer {
    let mut issuer = json!({ "tenant": tenant, "issuer": ISSUER, "audience": ["interlock"], "algorithms": ["RS256", "EdDSA"] });
    issuer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(issuer).unwrap()
}

async fn world(published: &Published, more: Value) -> TestApp {
    let mut source = json!({ "jwks_url": published.url });
    source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    TestApp::configured(|config| {
        config.identity.jwt = vec![issuer(TENANT, source.clone())];
    })
    .await
}

fn claims() -> Value {
    let now = START_MS / 1_000;
    json!({ "iss": ISSUER, "aud": "interlock", "sub": "ana", "iat": now, "exp": now + 3_600 })
}

fn with(claim: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[claim] = value;
    claims
}

/// An account of Ana's, which the issuer's `ana` means.
async fn linked(app: &TestApp, roles: &[Role]) -> Value {
    let admin = app.person("Eva", &[Role::Administrator]).await;
    app.person("Ana", roles).await;
    let accounts = admin.get("/accounts").await.ok();
    let all = accounts["items"].as_array().unwrap();
    let ana = all.iter().find(|account| account["name"] == "Ana").unwrap().clone();
    let path = format!("/accounts/{}/subjects", ana["id"].as_str().unwrap());
    admin.post(&path, json!({ "issuer": ISSUER, "subject": "ana" })).await.ok();
    ana
}

async fn ask(app: &TestApp, token: &str) -> Answer {
    app.client(TENANT, Some(token)).get("/changes").await
}

#[tokio::test]
async fn a_token_of_a_known_issuer_acts_for_the_account_that_was_linked() {
    let signer = Signer::rsa("one");
    let app = world(&publish(&[&signer]).await, json!({})).await;
    let token = signer.sign(&claims());
    let unlinked = ask(&app, &token).await.problem("unauthenticated");
    assert!(unlinked["detail"].as_str().unwrap().contains("interlock account link"), "{unlinked}");
    let ana = linked(&app, &[Role::Viewer]).await;
    ask(&app, &token).await.ok();
    let refused =
        app.client(TENANT, Some(&token)).post("/groups", json!({ "name": "a" })).await.problem("denied");
    let eva = app.person("Uma", &[Role::Auditor]).await;
    let decision = eva.get(&format!("/decisions/{}", refused["decision"].as_str().unwrap())).await.ok();
    assert!(
        decision["subject"]["question"].to_string().contains(ana["id"].as_str().unwrap()),
        "{decision:#}"
    );
    let entries = eva.get("/ledger/entries?limit=3").await.ok().to_string();
    assert!(entries.contains(&format!("jwt:{ISSUER}")), "{entries}");
}

#[tokio::test]
async fn what_attackers_send_is_nobody() {
    let (signer, other) = (Signer::rsa("one"), Signer::rsa("one"));
    let published = publish(&[&signer]).await;
    let app = world(&published, json!({})).await;
    linked(&app, &[Role::Viewer]).await;
    ask(&app, &signer.sign(&claims())).await.ok();
    let part = |value: Value| text(value.to_string());
    let body = part(claims());
    let public = signer.published().to_string();
    let with_public_key = |secret: &[u8]| {
        with_secret(secret, &json!({ "alg": "HS256", "typ": "at+jwt", "kid": "one" }), &claims())
    };
    let hers = publish(&[&other]).await;
    let now = START_MS / 1_000;
    let cases = [
        ("alg none", format!("{}.{body}.", part(json!({ "alg": "none", "typ": "at+jwt" })))),
        ("alg None", format!("{}.{body}.", part(json!({ "alg": "None", "typ": "at+jwt" })))),
        ("HS256 with the public key", with_public_key(public.as_bytes())),
        ("HS256 with its modulus", with_public_key(signer.published()["n"].as_str().unwrap().as_bytes())),
        ("another key under the same id", other.sign(&claims())),
        ("kid is a path", signer.sign_with(|h| h["kid"] = json!("../../../dev/null"), &claims())),
        ("kid is an address", other.sign_with(|h| h["kid"] = json!(hers.url), &claims())),
        ("jku", other.sign_with(|h| h["jku"] = json!(hers.url), &claims())),
        ("x5u", other.sign_with(|h| h["x5u"] = json!(hers.url), &claims())),
        ("jwk", other.sign_with(|h| h["jwk"] = other.published(), &claims())),
        ("crit", signer.sign_with(|h| h["crit"] = json!(["b64"]), &claims())),
        ("no aud", signer.sign(&with("aud", Value::Null))),
        ("another aud", signer.sign(&with("aud", json!("billing")))),
        ("no iss", signer.sign(&with("iss", Value::Null))),
        ("another iss", signer.sign(&with("iss", json!("https://idp.grace.example")))),
        ("no exp", signer.sign(&with("exp", Value::Null))),
        ("no iat", signer.sign(&with("iat", Value::Null))),
        ("expired", signer.sign(&with("exp", json!(now - 30)))),
        ("nbf in future", signer.sign(&with("nbf", json!(now + 31)))),
        ("iat in future", signer.sign(&with("iat", json!(now + 31)))),
        ("lives too long", signer.sign(&with("exp", json!(now + 86_401)))),
        ("an ID token", signer.sign(&with("nonce", json!("n")))),
        ("typ JWT", signer.sign_with(|h| h["typ"] = json!("JWT"), &claims())),
        ("no typ", signer.sign_with(|h| h["typ"] = Value::Null, &claims())),
        ("somebody else", signer.sign(&with("sub", json!("ben")))),
        ("cut", signer.sign(&claims())[..200].to_owned()),
        ("too long", signer.sign(&with("filler", json!("x".repeat(9_000))))),
    ];
    for (what, token) in &cases {
        let answer = ask(&app, token).await;
        assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text());
    }
    assert_eq!(hers.fetched.load(Ordering::SeqCst), 0, "a token said where its keys are, and was believed");
}

#[tokio::test]
async fn the_issuer_of_one_tenant_is_nobody_in_another() {
    let signer = Signer::ed25519("one");
    let published = publish(&[&signer]).await;
    let app = world(&published, json!({})).await;
    linked(&app, &[Role::Viewer]).await;
    let token = signer.sign(&claims());
    ask(&app, &token).await.ok();
    app.client("grace", Some(&token)).get("/changes").await.problem("unauthenticated");
    app.client("nowhere", Some(&token)).get("/changes").await.problem("unauthenticated");
}

#[tokio::test]
async fn keys_rotate_and_an_unknown_one_is_asked_for_once_in_a_while() {
    let (one, two) = (Signer::rsa("one"), Signer::ed25519("two"));
    let published = publish(&[&one]).await;
    let app = world(&published, json!({})).await;
    linked(&app, &[Role::Viewer]).await;
    let fetched = || published.fetched.load(Ordering::SeqCst);
    for _ in 0..3 {
        ask(&app, &one.sign(&claims())).await.ok();
    }
    assert_eq!(fetched(), 1);
    published.keys.lock().unwrap().push(two.published());
    for _ in 0..5 {
        ask(&app, &two.sign(&claims())).await.problem("unauthenticated");
    }
    assert_eq!(fetched(), 1, "tokens made the server fetch");
    app.clock.advance(60_000);
    ask(&app, &two.sign(&claims())).await.ok();
    ask(&app, &one.sign(&claims())).await.ok();
    assert_eq!(fetched(), 2);
    published.keys.lock().unwrap().remove(0);
    app.clock.advance(600_000);
    ask(&app, &one.sign(&claims())).await.problem("unauthenticated");
    ask(&app, &two.sign(&claims())).await.ok();
    assert_eq!(fetched(), 3, "what the issuer withdrew counts no longer than `refresh_ms`");
}

#[tokio::test]
async fn while_the_issuer_is_away_its_last_keys_count_for_a_while_and_then_the_answer_says_so() {
    let signer = Signer::ed25519("one");
    let published = publish(&[&signer]).await;
    let app = world(&published, json!({})).await;
    linked(&app, &[Role::Viewer]).await;
    ask(&app, &signer.sign(&claims())).await.ok();
    *published.keys.lock().unwrap() = vec![Value::Null];
    // It answers, with nothing that is a key.
    app.clock.advance(600_000);
    ask(&app, &signer.sign(&claims())).await.problem("unauthenticated");
    let nowhere = Published { url: "http://127.0.0.1:9/keys".to_owned(), ..published };
    let app = world(&nowhere, json!({})).await;
    ask(&app, &signer.sign(&claims())).await.problem("issuer-unreachable");
}

#[tokio::test]
async fn a_secret_of_hs256_signs_for_whoever_has_it() {
    let secret = "0123456789abcdef0123456789abcdef";
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("secret");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    let source = json!({ "algorithms": ["HS256"], "secret_file": path, "types": ["jwt"] });
    let app = TestApp::configured(|config| config.identity.jwt = vec![issuer(TENANT, source.clone())]).await;
    linked(&app, &[Role::Viewer]).await;
    let sign =
        |secret: &str| with_secret(secret.as_bytes(), &json!({ "alg": "HS256", "typ": "JWT" }), &claims());
    ask(&app, &sign(secret)).await.ok();
    ask(&app, &sign("another secret of as many bytes!")).await.problem("unauthenticated");
}

#[tokio::test]
async fn groups_give_roles_but_not_those_that_take_two_administrators() {
    let signer = Signer::ed25519("one");
    let published = publish(&[&signer]).await;
    let roles = json!({ "roles": { "release": ["release_manager"], "safety": ["clinical_safety", "administrator"] },
        "scopes": ["read", "write", "admin"] });
    let app = world(&published, roles).await;
    linked(&app, &[Role::ClinicalSafety]).await;
    let seen = async |groups: Value| {
        let groups_key = format!("for-{}", groups.as_array().unwrap().len());
        let client = app.client(TENANT, Some(&signer.sign(&with("groups", groups))));
        let refused = client.post_as(&groups_key, "/bundle/reload", json!({})).await.problem("denied");
        let reader = app.person("Uma", &[Role::Auditor]).await;
        let decision =
            reader.get(&format!("/decisions/{}", refused["decision"].as_str().unwrap())).await.ok();
        decision["subject"]["question"].to_string()
    };
    let both = seen(json!(["release", "safety", "unknown"])).await;
    assert!(both.contains("release_manager") && both.contains("clinical_safety"), "{both}");
    assert!(!both.contains("administrator"), "a provider made an administrator: {both}");
    let none = seen(json!([])).await;
    assert!(!none.contains("clinical_safety"), "{none}");
}

#[tokio::test]
async fn a_name_is_linked_by_an_administrator_and_taken_away_again() {
    let signer = Signer::ed25519("one");
    let app = world(&publish(&[&signer]).await, json!({})).await;
    let ana = linked(&app, &[Role::Viewer]).await;
    let token = signer.sign(&claims());
    ask(&app, &token).await.ok();
    let admin = app.person("Eli", &[Role::Administrator]).await;
    let path = format!("/accounts/{}/subjects", ana["id"].as_str().unwrap());
    let twice = admin.post(&path, json!({ "issuer": ISSUER, "subject": "ana" })).await;
    twice.problem("exists");
    let listed = admin.get(&path).await.ok();
    let name = listed["items"][0].clone();
    assert_eq!((&name["issuer"], &name["subject"]), (&json!(ISSUER), &json!("ana")));
    let viewer = app.person("Vic", &[Role::Viewer]).await;
    viewer.post(&path, json!({ "issuer": ISSUER, "subject": "vic" })).await.problem("denied");
    assert_eq!(
        admin.post(&path, json!({ "issuer": "", "subject": "x" })).await.problem("invalid")["field"],
        "/issuer"
    );
    let one = format!("/subjects/{}", name["id"].as_str().unwrap());
    admin.ask(Method::DELETE, &one, &[], None).await.ok();
    ask(&app, &token).await.problem("unauthenticated");
    admin.ask(Method::DELETE, &one, &[], None).await.problem("not-found");
    let auditor = app.person("Uma", &[Role::Auditor]).await;
    let report = auditor.post("/ledger/verify", json!({})).await.ok();
    assert_eq!(report["outcome"], "sound", "{report:#}");
}

#[tokio::test]
async fn linking_a_name_to_an_approver_takes_two_administrators_like_a_key() {
    let signer = Signer::ed25519("one");
    let app = world(&publish(&[&signer]).await, json!({})).await;
    linked(&app, &[Role::ClinicalSafety]).await;
    let admin: Client = app.person("Eli", &[Role::Administrator]).await;
    let accounts = admin.get("/accounts").await.ok();
    let ana = accounts["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|account| account["name"] == "Ana")
        .unwrap()
        .clone();
    assert!(!ana["hold"].is_null(), "{ana:#}");
}

#[tokio::test]
async fn a_name_that_was_taken_away_is_nobody_on_another_replica_within_five_seconds() {
    let signer = Signer::ed25519("one");
    let published = publish(&[&signer]).await;
    let first = world(&published, json!({})).await;
    let url = first.app.config.store.url.clone();
    let source = json!({ "jwks_url": published.url });
    let second = TestApp::replica(1, |config| {
        config.store.url = url;
        config.identity.jwt = vec![issuer(TENANT, source.clone())];
    })
    .await;
    let ana = linked(&first, &[Role::Viewer]).await;
    let token = signer.sign(&claims());
    ask(&second, &token).await.ok();
    let admin = first.person("Eli", &[Role::Administrator]).await;
    let path = format!("/accounts/{}/subjects", ana["id"].as_str().unwrap());
    let name = admin.get(&path).await.ok()["items"][0]["id"].as_str().unwrap().to_owned();
    admin.ask(Method::DELETE, &format!("/subjects/{name}"), &[], None).await.ok();
    ask(&first, &token).await.problem("unauthenticated");
    second.clock.advance(5_000);
    ask(&second, &token).await.problem("unauthenticated");
}

#[tokio::test]
async fn whoever_comes_with_a_token_learns_who_they_are() {
    let signer = Signer::ed25519("one");
    let app = world(&publish(&[&signer]).await, json!({})).await;
    let ana = linked(&app, &[Role::Viewer]).await;
    let me = app.client(TENANT, Some(&signer.sign(&claims()))).get("//v1/me").await.ok();
    assert_eq!(
        (&me["actor"]["account"], &me["actor"]["auth"]),
        (&ana["id"], &json!(format!("jwt:{ISSUER}")))
    );
    for (claim, value) in [("iss", json!("https://idp.grace.example")), ("sub", json!("otto"))] {
        let token = signer.sign(&with(claim, value));
        app.client(TENANT, Some(&token)).get("//v1/me").await.problem("unauthenticated");
    }
}

#[tokio::test]
async fn a_name_of_a_provider_that_is_not_configured_is_refused_with_those_that_are() {
    let signer = Signer::ed25519("one");
    let app = world(&publish(&[&signer]).await, json!({})).await;
    let ana = linked(&app, &[Role::Viewer]).await;
    let admin = app.person("Eli", &[Role::Administrator]).await;
    let path = format!("/accounts/{}/subjects", ana["id"].as_str().unwrap());
    for issuer in ["https://idp.mercy.example/", "https://idp.evil.test", "http://idp.mercy.example"] {
        let refused =
            admin.post(&path, json!({ "issuer": issuer, "subject": "other" })).await.problem("invalid");
        assert_eq!(refused["field"], "/issuer");
        assert!(refused["detail"].as_str().unwrap().contains(&format!("({ISSUER})")), "{refused}");
    }
    assert_eq!(admin.get(&path).await.ok()["items"].as_array().unwrap().len(), 1);
}
