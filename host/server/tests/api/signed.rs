//! Requests that are signed (RFC 9421) with a registered key.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::Role;
use interlock_server::{
    message::{self, Message},
    testing::{Answer, START_MS, TENANT, TestApp},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PLACE: &str = "https://interlock.mercy.example";
const PATH: &str = "/v1/tenants/mercy/groups";

async fn app() -> TestApp {
    TestApp::configured(|config| config.server.public_url = PLACE.to_owned()).await
}

fn pem(spki: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki))
}

/// A key that signs, and its id.
struct Signer {
    id: String,
    key: Ed25519KeyPair,
}

impl Signer {
    fn new() -> (Self, String) {
        let key = Ed25519KeyPair::generate().unwrap();
        // The head of an Ed25519 SubjectPublicKeyInfo (RFC 8410).
        let mut spki = hex::decode("302a300506032b6570032100").unwrap();
        spki.extend_from_slice(key.public_key().as_ref());
        (Self { id: String::new(), key }, pem(&spki))
    }
}

async fn registered(app: &TestApp, more: Value) -> Signer {
    let (mut signer, pem) = Signer::new();
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let mut request = json!({ "name": "Olga", "kind": "user", "roles": [{ "role": "administrator" }],
        "scopes": ["read", "write"], "expires_in_ms": 86_400_000, "public_key": pem });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = admin.post("/keys", request).await.ok();
    assert_eq!((&made["key"], &made["algorithm"]), (&Value::Null, &json!("ed25519")));
    signer.id = made["id"].as_str().unwrap().to_owned();
    signer
}

/// What is sent. Each test alters one thing.
#[derive(Clone)]
struct Sent {
    place: &'static str,
    covered: Vec<&'static str>,
    created: i64,
    expires: i64,
    nonce: String,
    tail: &'static str,
    key_id: String,
    body: String,
    digest: Option<String>,
    sent_body: Option<String>,
    sent_to: &'static str,
    also: Vec<(&'static str, String)>,
}

impl Sent {
    fn of(signer: &Signer, name: &str) -> Self {
        let now = START_MS / 1_000;
        Self {
            place: PLACE,
            covered: vec!["@method", "@target-uri", "content-digest", "content-type", "idempotency-key"],
            created: now,
            expires: now + 300,
            nonce: hex::encode(&Sha256::digest(name)[..16]),
            tail: ";tag=\"interlock-v1\"",
            key_id: signer.id.clone(),
            body: json!({ "name": name }).to_string(),
            digest: None,
            sent_body: None,
            sent_to: "/groups",
            also: Vec::new(),
        }
    }

    /// A request that only reads, as it is signed.
    fn reading(signer: &Signer, path: &str, name: &str) -> Vec<(String, String)> {
        let now = START_MS / 1_000;
        let covered = ["@method".to_owned(), "@target-uri".to_owned()];
        let nonce = hex::encode(&Sha256::digest(name)[..16]);
        let parameters = format!(
            "(\"@method\" \"@target-uri\");created={now};expires={};nonce=\"{nonce}\";keyid=\"{}\";tag=\"interlock-v1\"",
            now + 300,
            signer.id
        );
        let (scheme, authority) = PLACE.split_once("://").unwrap();
        let headers = HeaderMap::new();
        let message = Message { method: "GET", scheme, authority, path, query: None, headers: &headers };
        let base = message::base(&covered, &parameters, &message).unwrap();
        let signature = STANDARD.encode(signer.key.sign(base.as_bytes()).as_ref());
        vec![
            ("signature-input".to_owned(), format!("sig={parameters}")),
            ("signature".to_owned(), format!("sig=:{signature}:")),
        ]
    }

    fn headers(&self, sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<(String, String)> {
        let digest = STANDARD.encode(Sha256::digest(&self.body));
        let digest = self.digest.clone().unwrap_or_else(|| format!("sha-256=:{digest}:"));
        let mut all = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-digest".to_owned(), digest),
            ("idempotency-key".to_owned(), self.nonce.clone()),
        ];
        let pair = |(name, value): &(String, String)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = all.iter().map(pair).collect();
        let covered: Vec<String> = self.covered.iter().map(|name| (*name).to_owned()).collect();
        let names: Vec<String> = covered.iter().map(|name| format!("\"{name}\"")).collect();
        let parameters = format!(
            "({});created={};expires={};nonce=\"{}\";keyid=\"{}\"{}",
            names.join(" "),
            self.created,
            self.expires,
            self.nonce,
            self.key_id,
            self.tail
        );
        let (scheme, authority) = self.place.split_once("://").unwrap();
        let message =
            Message { method: "POST", scheme, authority, path: PATH, query: None, headers: &headers };
        let base = message::base(&covered, &parameters, &message).unwrap();
        all.push(("signature-input".to_owned(), format!("sig={parameters}")));
        all.push(("signature".to_owned(), format!("sig=:{}:", STANDARD.encode(sign(base.as_bytes())))));
        all.extend(self.also.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        all
    }

    async fn send(&self, app: &TestApp, signer: &Signer) -> Answer {
        self.send_with(app, |text| signer.key.sign(text).as_ref().to_vec()).await
    }

    async fn send_with(&self, app: &TestApp, sign: impl Fn(&[u8]) -> Vec<u8>) -> Answer {
        let headers = self.headers(sign);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = self.sent_body.clone().unwrap_or_else(|| self.body.clone());
        app.client(TENANT, None).send(Method::POST, self.sent_to, &headers, body.into()).await
    }
}

#[tokio::test]
async fn a_signed_request_acts_for_the_account_of_its_key_and_the_record_says_so() {
    let app = app().await;
    let signer = registered(&app, json!({})).await;
    Sent::of(&signer, "canaries").send(&app, &signer).await.ok();
    let auditor = app.person("Uma", &[Role::Auditor]).await;
    let entries = auditor.get("/ledger/entries?limit=3").await.ok().to_string();
    assert!(entries.contains(&format!("signed:{}", signer.id)), "{entries}");
}

#[tokio::test]
async fn a_signed_request_counts_once_on_whichever_replica() {
    let first = app().await;
    let url = first.app.config.store.url.clone();
    let second = TestApp::replica(1, |config| {
        config.server.public_url = PLACE.to_owned();
        config.store.url = url;
    })
    .await;
    let signer = registered(&first, json!({})).await;
    let sent = Sent::of(&signer, "canaries");
    sent.send(&first, &signer).await.ok();
    for replica in [&first, &second] {
        sent.send(replica, &signer).await.problem("nonce-replayed");
    }
    Sent::of(&signer, "others").send(&second, &signer).await.ok();
}

#[tokio::test]
async fn what_was_altered_on_the_way_or_signed_for_something_else_is_nobody() {
    let app = app().await;
    let signer = registered(&app, json!({})).await;
    let (other, _) = Signer::new();
    let now = START_MS / 1_000;
    let sent = |alter: &dyn Fn(&mut Sent)| {
        let mut sent = Sent::of(&signer, "canaries");
        alter(&mut sent);
        sent
    };
    let cases: Vec<(&str, Sent)> = vec![
        ("another body", sent(&|s| s.sent_body = Some("{\"name\":\"all\"}".to_owned()))),
        ("a digest of another kind", sent(&|s| s.digest = Some("sha-512=:AAAA:".to_owned()))),
        ("for another server", sent(&|s| s.place = "https://interlock.grace.example")),
        ("over plain http", sent(&|s| s.place = "http://interlock.mercy.example")),
        ("made ten minutes ago", sent(&|s| (s.created, s.expires) = (now - 600, now - 300))),
        ("made in the future", sent(&|s| (s.created, s.expires) = (now + 600, now + 900))),
        ("good for too long", sent(&|s| s.expires = now + 301)),
        ("a short nonce", sent(&|s| s.nonce = "0123456789".to_owned())),
        ("another tag", sent(&|s| s.tag_other())),
        ("another algorithm", sent(&|s| s.tail = ";alg=\"rsa-pss-sha512\";tag=\"interlock-v1\"")),
        ("an unknown key", sent(&|s| s.key_id = "key_00000000000000000000000000000001".to_owned())),
        ("a key id that is a path", sent(&|s| s.key_id = "../../keys".to_owned())),
        ("a query that was added", sent(&|s| s.sent_to = "/groups?x=1")),
        ("a key beside it", sent(&|s| s.also = vec![("authorization", "Bearer ilk_x".to_owned())])),
        ("the body is not covered", sent(&|s| s.covered.retain(|name| *name != "content-digest"))),
        ("the method is not covered", sent(&|s| s.covered.retain(|name| *name != "@method"))),
    ];
    for (what, sent) in &cases {
        let answer = sent.send(&app, &signer).await;
        assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text());
    }
    Sent::of(&signer, "canaries").send(&app, &other).await.problem("unauthenticated");
    Sent::of(&signer, "canaries").send(&app, &signer).await.ok();
}

impl Sent {
    fn tag_other(&mut self) {
        self.tail = ";tag=\"other\"";
    }
}

#[tokio::test]
async fn nothing_of_a_body_is_read_before_its_signature_is_found_good() {
    let app = app().await;
    let signer = registered(&app, json!({})).await;
    let (other, _) = Signer::new();
    let read = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let sent = Sent::of(&signer, "canaries");
    let send = async |by: &Signer, path: &str| {
        let headers = sent.headers(|text| by.key.sign(text).as_ref().to_vec());
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (seen, content) = (read.clone(), sent.body.clone());
        let part = futures::stream::once(async move {
            seen.store(true, std::sync::atomic::Ordering::SeqCst);
            Ok::<_, std::io::Error>(content)
        });
        app.client(TENANT, None).send(Method::POST, path, &headers, axum::body::Body::from_stream(part)).await
    };
    for path in ["/groups", "/plugins"] {
        send(&other, path).await.problem("unauthenticated");
        assert!(!read.load(std::sync::atomic::Ordering::SeqCst), "{path}: a stranger's body was read");
    }
    send(&signer, "/groups").await.ok();
    assert!(read.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn a_body_that_is_another_uses_up_no_number() {
    let app = app().await;
    let signer = registered(&app, json!({})).await;
    let mut sent = Sent::of(&signer, "canaries");
    sent.sent_body = Some("{\"name\":\"all\"}".to_owned());
    sent.send(&app, &signer).await.problem("unauthenticated");
    sent.sent_body = None;
    sent.send(&app, &signer).await.ok();
}

#[tokio::test]
async fn a_key_that_signs_ends_like_any_other() {
    let app = app().await;
    let signer = registered(&app, json!({ "networks": ["127.0.0.0/8"] })).await;
    let sent = Sent::of(&signer, "canaries");
    let headers = sent.headers(|text| signer.key.sign(text).as_ref().to_vec());
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let elsewhere = app.client(TENANT, None).at("192.0.2.7");
    elsewhere
        .send(Method::POST, "/groups", &headers, sent.body.clone().into())
        .await
        .problem("address-refused");
    sent.send(&app, &signer).await.ok();
    let admin = app.person("Eli", &[Role::Administrator]).await;
    admin.ask(Method::DELETE, &format!("/keys/{}", signer.id), &[], None).await.ok();
    let problem = Sent::of(&signer, "others").send(&app, &signer).await.problem("unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("revoked"), "{problem}");
}

#[tokio::test]
async fn what_must_be_signed_is_not_done_with_a_key_that_is_sent() {
    let app = TestApp::configured(|config| {
        config.server.public_url = PLACE.to_owned();
        config.identity.signed_operations = vec!["POST /groups".to_owned()];
    })
    .await;
    let signer = registered(&app, json!({})).await;
    let admin = app.person("Eli", &[Role::Administrator]).await;
    admin.post("/groups", json!({ "name": "canaries" })).await.problem("signature-required");
    Sent::of(&signer, "canaries").send(&app, &signer).await.ok();
    admin.get("/groups").await.ok();
}

#[tokio::test]
async fn what_must_be_signed_to_be_read_is_not_answered_to_a_head_either() {
    let app = TestApp::configured(|config| {
        config.server.public_url = PLACE.to_owned();
        config.identity.signed_operations = vec!["GET /groups".to_owned()];
    })
    .await;
    let admin = app.person("Eli", &[Role::Administrator]).await;
    admin.get("/groups").await.problem("signature-required");
    let head = admin.ask(Method::HEAD, "/groups", &[], None).await;
    assert_eq!(head.status, 403, "as for the GET that answers it");
    assert_eq!(admin.ask(Method::HEAD, "/devices", &[], None).await.status, 200);
}

#[tokio::test]
async fn whoever_signs_learns_who_they_are_and_a_body_that_nobody_read_does_nothing() {
    let app = app().await;
    let signer = registered(&app, json!({})).await;
    let send = async |method: Method, path: &str, headers: Vec<(String, String)>| {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        app.client(TENANT, None).send(method, path, &headers, axum::body::Body::empty()).await
    };
    let me = send(Method::GET, "//v1/me", Sent::reading(&signer, "/v1/me", "one")).await.ok();
    assert_eq!(me["actor"]["auth"], format!("signed:{}", signer.id));
    let twice = send(Method::GET, "//v1/me", Sent::reading(&signer, "/v1/me", "one")).await;
    twice.problem("nonce-replayed");
    let elsewhere = send(Method::GET, "//v1/me", Sent::reading(&signer, "/v1/you", "two")).await;
    elsewhere.problem("unauthenticated");
    let post = send(Method::POST, "//v1/logout", Sent::reading(&signer, "/v1/logout", "three")).await;
    post.problem("unauthenticated");
}

#[tokio::test]
async fn a_key_on_p256_signs_too_and_what_is_no_public_key_is_refused() {
    let app = app().await;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let mut spki = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    spki.extend_from_slice(key.public_key().as_ref());
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let request = |pem: String| {
        json!({ "name": "Olga", "kind": "user", "roles": [{ "role": "administrator" }], "scopes": ["write"],
            "expires_in_ms": 86_400_000, "public_key": pem })
    };
    for wrong in [
        "hello".to_owned(),
        pem(b"hello"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(),
    ] {
        assert_eq!(admin.post("/keys", request(wrong)).await.problem("invalid")["field"], "/public_key");
    }
    let made = admin.post("/keys", request(pem(&spki))).await.ok();
    assert_eq!(made["algorithm"], "ecdsa-p256-sha256");
    let (mut unused, _) = Signer::new();
    unused.id = made["id"].as_str().unwrap().to_owned();
    let sign = |text: &[u8]| key.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec();
    Sent::of(&unused, "canaries").send_with(&app, sign).await.ok();
}

#[tokio::test]
async fn without_an_address_of_its_own_a_server_takes_no_signed_requests() {
    let app = TestApp::start().await;
    let signer = registered(&app, json!({})).await;
    let problem = Sent::of(&signer, "canaries").send(&app, &signer).await.problem("unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("server.public_url"), "{problem}");
}
