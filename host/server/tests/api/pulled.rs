//! A plugin change that names a component in a registry: who must vouch for it, and what is never asked.

use std::collections::BTreeSet;

use axum::{body::Body, http::Method};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_domain::{AccountKind, Digest, Role, Scope};
use interlock_ledger::Entry;
use interlock_registry::{Options, Publication, Reference, Registry, testing::DockerRegistry};
use interlock_server::testing::{Answer, Client, TENANT, TestApp, built_plugins};
use interlock_store::Kept;
use interlock_vault::envelope::{AuthorKey, Envelope, PluginStatement};
use serde_json::{Value, json};

fn component() -> Vec<u8> {
    std::fs::read(built_plugins().join("silence.wasm")).unwrap()
}

/// What the plugin says of itself, signed by these, under another version when a test says so.
async fn publish(server: &DockerRegistry, keys: &[&AuthorKey], version: &str) -> String {
    let wasm = component();
    let mut envelope = Envelope::new(&PluginStatement {
        v: 1,
        name: "silence".to_owned(),
        version: version.to_owned(),
        kind: "health-check".to_owned(),
        digest: Digest::of(&wasm),
    })
    .unwrap();
    keys.iter().for_each(|key| envelope.sign(key).unwrap());
    let options = Options { plain_http: BTreeSet::from([server.host.clone()]), ..Options::default() };
    // A repository for each, because signatures of the same artifact add up.
    let place = format!("{}/plugins/silence-{}-{}:1", server.host, keys.len(), version.replace('.', "-"));
    let publication = Publication {
        wasm,
        name: "silence".to_owned(),
        version: version.to_owned(),
        envelope: Some(envelope),
        ..Publication::default()
    };
    let place: Reference = place.parse().unwrap();
    Registry::new(options).unwrap().push(&place, &publication).await.unwrap().pinned.to_string()
}

async fn start(host: &str, signers_min: u32) -> TestApp {
    TestApp::configured(|config| {
        config.plugins.signers_min = signers_min;
        config.plugins.registry.hosts.insert(host.to_owned());
        config.plugins.registry.plain_http.insert(host.to_owned());
    })
    .await
}

fn trust(app: &TestApp, name: &str, key: &AuthorKey) {
    let dir = &app.app.config.plugins.trusted_signers_dir;
    std::fs::write(dir.join(format!("{name}.pem")), key.public_pem()).unwrap();
}

/// Pushes a component over the API, with an envelope when there is one.
async fn push(ana: &Client, wasm: &[u8], envelope: Option<&Envelope>) -> Answer {
    let envelope = envelope.map(|envelope| URL_SAFE_NO_PAD.encode(envelope.to_json().unwrap()));
    let mut headers = vec![("content-type", "application/wasm")];
    headers.extend(envelope.as_deref().map(|envelope| ("interlock-envelope", envelope)));
    ana.send(Method::POST, "/plugins", &headers, Body::from(wasm.to_vec())).await
}

#[tokio::test]
async fn a_component_that_is_pushed_takes_the_same_signers_as_one_that_is_pulled() {
    let app = TestApp::start().await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let wasm = component();
    let (vendor, stranger) = (AuthorKey::generate().unwrap(), AuthorKey::generate().unwrap());
    trust(&app, "vendor", &vendor);
    let signed = |key: &AuthorKey, content: &[u8], version: &str| {
        let mut envelope = Envelope::new(&PluginStatement {
            v: 1,
            name: "silence".to_owned(),
            version: version.to_owned(),
            kind: "health-check".to_owned(),
            digest: Digest::of(content),
        })
        .unwrap();
        envelope.sign(key).unwrap();
        envelope
    };
    let refused = [
        (None, "plugins.signers_min"),
        (Some(signed(&stranger, &wasm, "0.1.0")), "missing: vendor"),
        (Some(signed(&vendor, b"other", "0.1.0")), "missing: vendor"),
        (Some(signed(&vendor, &wasm, "9.9.9")), "9.9.9"),
    ];
    for (envelope, said) in &refused {
        let problem = push(&ana, &wasm, envelope.as_ref()).await.problem("invalid");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{said}: {problem}");
        let kept = app.app.store.kept(Kept::Plugin, &Digest::of(&wasm)).await.unwrap();
        assert!(kept.is_none(), "what was refused is not kept");
    }
    let activate = json!([{ "activate": { "digest": Digest::of(&wasm) } }]);
    let proposal =
        json!({ "kind": "plugin", "environment": "staging", "title": "Silence", "plugins": activate });
    ana.post("/changes", proposal.clone()).await.problem("invalid");
    let garbage = [("content-type", "application/wasm"), ("interlock-envelope", "e30")];
    let answer = ana.send(Method::POST, "/plugins", &garbage, Body::from(wasm.clone())).await;
    assert_eq!(answer.problem("bad-header")["header"], "Interlock-Envelope");

    push(&ana, &wasm, Some(&signed(&vendor, &wasm, "0.1.0"))).await.ok();
    ana.post("/changes", proposal).await.ok();
}

async fn propose(app: &TestApp, number: u32, reference: &str) -> Answer {
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let plugins = json!([{ "activate": { "reference": reference } }]);
    let proposal =
        json!({ "kind": "plugin", "environment": "staging", "title": "Silence", "plugins": plugins });
    ana.post_as(&format!("proposal-{number}"), "/changes", proposal).await
}

fn refused(answer: &Answer) -> String {
    let problem = answer.problem("invalid");
    assert_eq!(problem["field"], "/plugins/0/activate/reference", "{problem}");
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_plugin_is_pulled_when_enough_distinct_trusted_keys_signed_it() {
    let server = DockerRegistry::start().unwrap();
    let (a, b) = (AuthorKey::generate().unwrap(), AuthorKey::generate().unwrap());
    let (one, two) = (publish(&server, &[&a], "0.1.0").await, publish(&server, &[&a, &b], "0.1.0").await);
    let app = start(&server.host, 2).await;
    // Nobody is trusted yet, then one key under two names.
    assert!(refused(&propose(&app, 0, &two).await).contains("signed by 0 of the trusted signers"));
    trust(&app, "ana", &a);
    trust(&app, "zoe", &a);
    let why = refused(&propose(&app, 1, &two).await);
    assert!(why.contains("signed by 1 of the trusted signers but `plugins.signers_min` is 2"), "{why}");
    trust(&app, "ben", &b);
    let why = refused(&propose(&app, 2, &one).await);
    assert!(why.contains("missing: ben"), "{why}");
    let change = propose(&app, 3, &two).await.ok();
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let shown = ana.get(&format!("/changes/{}", change["id"].as_str().unwrap())).await.ok();
    assert!(shown.to_string().contains(&Digest::of(component()).to_string()), "{shown:#}");
    // A key that is revoked while the server runs no longer counts.
    std::fs::write(app.app.config.plugins.trusted_signers_dir.join("revoked"), b.key_id()).unwrap();
    let why = refused(&propose(&app, 4, &two).await);
    assert!(why.contains("is revoked"), "{why}");
}

#[tokio::test]
async fn what_calls_itself_otherwise_than_what_was_signed_is_refused() {
    let server = DockerRegistry::start().unwrap();
    let key = AuthorKey::generate().unwrap();
    let app = start(&server.host, 1).await;
    trust(&app, "ana", &key);
    let why = refused(&propose(&app, 0, &publish(&server, &[&key], "9.9.9").await).await);
    assert!(why.contains("`silence` 9.9.9 (health-check) was signed but"), "{why}");
}

#[tokio::test]
async fn a_registry_that_is_not_listed_is_not_asked_and_one_that_is_away_is_said() {
    let mut server = DockerRegistry::start().unwrap();
    let key = AuthorKey::generate().unwrap();
    let reference = publish(&server, &[&key], "0.1.0").await;
    let app = start(&server.host, 1).await;
    trust(&app, "ana", &key);
    let why = refused(&propose(&app, 0, "registry.example/silence:1").await);
    assert!(why.contains("add it to `plugins.registry.hosts`"), "{why}");
    let why = refused(&propose(&app, 1, "dir:/etc/passwd").await);
    assert!(why.contains("add it to `plugins.registry.folders`"), "{why}");
    server.stop().unwrap();
    let away = propose(&app, 2, &reference).await.problem("plugin-unusable");
    assert!(away["detail"].as_str().unwrap().contains("cannot be reached"), "{away}");
}

#[tokio::test]
async fn that_nobody_has_to_sign_is_shown_by_ready() {
    async fn signers(app: &TestApp) -> Value {
        let client = app.client(interlock_server::testing::TENANT, None);
        let ready = client.send(axum::http::Method::GET, "//ready", &[], axum::body::Body::empty()).await;
        ready.ok()["checks"]["trusted_signers"].clone()
    }
    assert_eq!(signers(&start("localhost:1", 1).await).await["status"], "ok");
    let shown = signers(&start("localhost:1", 0).await).await;
    assert_eq!(shown["status"], "degraded");
    assert!(shown["detail"].as_str().unwrap().contains("`plugins.signers_min` is 0"), "{shown}");
}

/// What was signed about a component by this key.
fn envelope(key: &AuthorKey, wasm: &[u8]) -> Envelope {
    let mut envelope = Envelope::new(&PluginStatement {
        v: 1,
        name: "silence".to_owned(),
        version: "0.1.0".to_owned(),
        kind: "health-check".to_owned(),
        digest: Digest::of(wasm),
    })
    .unwrap();
    envelope.sign(key).unwrap();
    envelope
}

fn distrust(app: &TestApp, name: &str) {
    std::fs::remove_file(app.app.config.plugins.trusted_signers_dir.join(format!("{name}.pem"))).unwrap();
}

fn by_digest(wasm: &[u8]) -> Value {
    json!({ "kind": "plugin", "environment": "staging", "title": "Silence",
        "plugins": [{ "activate": { "digest": Digest::of(wasm) } }] })
}

#[tokio::test]
async fn who_vouches_is_asked_again_when_a_kept_component_is_activated_and_when_that_is_admitted() {
    let app = TestApp::start().await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    let wasm = component();
    let vendor = AuthorKey::generate().unwrap();
    trust(&app, "vendor", &vendor);
    push(&ana, &wasm, Some(&envelope(&vendor, &wasm))).await.ok();
    let proposed = ana.post("/changes", by_digest(&wasm)).await.ok();
    let signers = &proposed["manifest"]["plugins"]["signers"][Digest::of(&wasm).to_string()];
    assert_eq!(signers.as_object().unwrap().values().collect::<Vec<_>>(), ["vendor"], "{proposed:#}");
    distrust(&app, "vendor");
    app.reconcile().await;
    let rejected = ana.get(&format!("/changes/{}", proposed["id"].as_str().unwrap())).await.ok();
    assert_eq!(rejected["state"], "rejected");
    assert!(rejected["note"].as_str().unwrap().contains("plugins.signers_min"), "{rejected:#}");
    let refused = ana.post("/changes", by_digest(&wasm)).await.problem("invalid");
    assert_eq!(refused["field"], "/plugins/0/activate/digest", "{refused}");
    // Trusted again, it is as good as before.
    trust(&app, "vendor", &vendor);
    ana.post("/changes", by_digest(&wasm)).await.ok();
    // The roster says whose signatures count today.
    app.reconcile().await;
    let mut by_vendor = json!({});
    by_vendor[vendor.key_id()] = "vendor".into();
    let roster = ana.get("/rosters/staging").await.ok();
    assert_eq!(roster["plugins"]["silence"]["signers"], by_vendor, "{roster:#}");
    distrust(&app, "vendor");
    let roster = ana.get("/rosters/staging").await.ok();
    assert_eq!(roster["plugins"]["silence"]["signers"], json!({}), "{roster:#}");
}

#[tokio::test]
async fn what_is_pulled_is_on_record_is_the_tenants_from_then_on_and_nobody_elses() {
    let server = DockerRegistry::start().unwrap();
    let vendor = AuthorKey::generate().unwrap();
    let reference = publish(&server, &[&vendor], "0.1.0").await;
    let app = start(&server.host, 1).await;
    let cached = app.app.config.plugins.registry.cache_dir.join("components");
    refused(&propose(&app, 0, &reference).await);
    let left = std::fs::read_dir(&cached).map_or(0, |files| files.count());
    assert_eq!(left, 0, "what nobody vouches for is not kept");

    trust(&app, "vendor", &vendor);
    propose(&app, 1, &reference).await.ok();
    let rows = app.app.store.rows(TENANT, 0, 1_000).await.unwrap();
    let pulled = rows.iter().filter(|row| Entry::parse(&row.body).unwrap().kind == "plugin.pulled");
    let notes: Vec<Value> =
        pulled.map(|row| serde_json::from_slice(row.payload.as_ref().unwrap()).unwrap()).collect();
    assert_eq!((notes.len(), &notes[0]["reference"]), (1, &json!(reference)));
    assert_eq!(notes[0]["signers"].as_object().unwrap().values().collect::<Vec<_>>(), ["vendor"]);
    // By digest alone from now on, for this tenant.
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    ana.post("/changes", by_digest(&component())).await.ok();
    let zed = app
        .with_key("other", AccountKind::User, "Zed", &[Role::ReleaseManager], &[Scope::Read, Scope::Write])
        .await;
    zed.post("/changes", by_digest(&component())).await.problem("invalid");
    let mut by_reference = by_digest(&component());
    by_reference["plugins"] = json!([{ "activate": { "reference": Digest::of(component()).to_string() } }]);
    zed.post("/changes", by_reference).await.problem("invalid");
    zed.get(&format!("/plugins/{}", Digest::of(component()))).await.problem("not-found");
}
