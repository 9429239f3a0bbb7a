//! What a plugin is told, source by source.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod limits;
mod places;
mod prometheus;
mod secret;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use interlock_domain::{AccountKind, Digest, Role, Scope};
use interlock_sandbox::{EvidenceAnswer, EvidenceSource as _, Refusal};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    Config,
    config::{CalendarEntry, Connector, HeaderValue},
    flow::evidence::Evidence,
    testing::{Client, TENANT, TestApp},
};

/// A plugin that its roster grants everything.
fn plugin(app: &TestApp, change: Option<&Value>) -> Evidence {
    let granted = [
        "manifest",
        "document",
        "device",
        "fleet",
        "config",
        "telemetry",
        "prometheus",
        "http.ticket",
        "calendar",
        "advisory",
        "http.nobody",
        "unheard-of",
    ];
    Evidence {
        environment: "staging".parse().unwrap(),
        app: app.app.clone(),
        tenant: TENANT.parse().unwrap(),
        change: change.map(|change| change["id"].as_str().unwrap().parse().unwrap()),
        plugin: Digest::of(b"plugin"),
        granted: granted.map(str::to_owned).into_iter().collect(),
        now: app.app.clock.now(),
        reads: Mutex::default(),
    }
}

async fn found(evidence: &Evidence, source: &str, key: &str) -> Value {
    match evidence.fetch("probe", source, key).await {
        EvidenceAnswer::Found(document) => serde_json::from_slice(&document.content).unwrap(),
        other => panic!("{source} {key}: {other:?}"),
    }
}

/// Why there is nothing: `not found`, or the words.
async fn refused(evidence: &Evidence, source: &str, key: &str) -> String {
    match evidence.fetch("probe", source, key).await {
        EvidenceAnswer::Refused(Refusal::NotFound) => "not found".to_owned(),
        EvidenceAnswer::Refused(Refusal::Denied(why) | Refusal::Unavailable(why)) => why,
        other => panic!("{source} {key}: {other:?}"),
    }
}

/// Three pumps of two kinds, and a change for them.
async fn hospital(alter: impl FnOnce(&mut Config)) -> (TestApp, Client, Value) {
    let app = TestApp::configured(|config| {
        config.plugins.dir = crate::testing::built_plugins();
        config.plugins.cache_dir =
            crate::testing::built_plugins().with_file_name("interlock-plugins-compiled");
        config.gates = Vec::new();
        alter(config);
    })
    .await;
    let operator = app.person("Oda", &[Role::Operator]).await;
    for (id, revision, firmware) in [("a", "r1", "1.0"), ("b", "r1", "1.0"), ("c", "r2", "0.9")] {
        let device = json!({
            "id": id, "environment": "staging", "model": "x2", "hardware_revision": revision, "firmware": firmware,
            "token": format!("token-of-the-pump-{id}"),
        });
        operator.post("/devices", device).await.ok();
    }
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    ana.push("fw", "2.0", b"content", None).await.ok();
    let proposal = json!({
        "environment": "staging", "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "all": true }, "strategy": { "plugin": "direct" },
    });
    let change = ana.post("/changes", proposal).await.ok();
    (app, ana, change)
}

#[tokio::test]
async fn what_the_host_knows_is_told_of_the_change_and_its_tenant_alone() {
    let (app, _, change) = hospital(|_| {}).await;
    let about = plugin(&app, Some(&change));
    let manifest = found(&about, "manifest", "change").await;
    assert_eq!(manifest, change["manifest"]);
    let fleet = found(&about, "fleet", "population").await;
    let group = |revision: &str, version: &str, targets: u64| json!({ "model": "x2", "hardware_revision": revision, "version": version, "targets": targets });
    assert_eq!(fleet, json!({ "targets": 3, "devices": [group("r1", "1.0", 2), group("r2", "0.9", 1)] }));
    assert_eq!(found(&about, "device", "c").await["hardware_revision"], "r2");
    assert_eq!(found(&about, "device", "c").await.get("token_sha256"), None);
    let telemetry = found(&about, "telemetry", "error_rate?window=60000").await;
    assert_eq!(telemetry["treatment"]["samples"], 0);
    for (source, key) in [
        ("device", "z"),
        ("device", "../a"),
        ("fleet", "everything"),
        ("manifest", "other"),
        ("telemetry", "error_rate"),
        ("telemetry", "error_rate?window=0"),
    ] {
        assert_eq!(refused(&about, source, key).await, "not found", "{source} {key}");
    }
    // Without a change there is no population.
    let nothing = plugin(&app, None);
    assert_eq!(refused(&nothing, "fleet", "population").await, "not found");
    let other = Evidence { tenant: "other".parse().unwrap(), ..plugin(&app, Some(&change)) };
    for (source, key) in [("device", "c"), ("manifest", "change")] {
        assert_eq!(refused(&other, source, key).await, "not found", "{source}");
    }
    assert!(refused(&about, "unheard-of", "x").await.contains("no evidence source"));
}

#[tokio::test]
async fn every_look_up_is_asked_of_the_policies_and_each_source_is_noted_once() {
    let (app, _, change) = hospital(|config| {
        config.evidence.values.insert("k".to_owned(), json!({ "a": 1 }));
    })
    .await;
    let mut about = plugin(&app, Some(&change));
    about.granted = BTreeSet::from(["config".to_owned()]);
    assert_eq!(found(&about, "config", "k").await, json!({ "a": 1 }));
    assert_eq!(refused(&about, "config", "other").await, "not found");
    let why = refused(&about, "fleet", "population").await;
    assert!(why.contains("interlock plugin grant probe config fleet --environment staging"), "{why}");
    refused(&about, "fleet", "population").await;
    let reads = about.reads.lock().unwrap().clone();
    let noted: Vec<_> = reads.iter().map(|read| (read.source.as_str(), read.allowed)).collect();
    assert_eq!(noted, [("config", true), ("fleet", false)]);
    assert_eq!(reads[0].policies, ["evidence.granted"]);
    // Also the host's own plugins see what a policy names, and nothing else.
    let own = Evidence { granted: BTreeSet::new(), ..plugin(&app, Some(&change)) };
    let answer = own.fetch("device-compatibility", "fleet", "population").await;
    assert!(matches!(answer, EvidenceAnswer::Found(_)), "{answer:?}");
    let answer = own.fetch("device-compatibility", "config", "k").await;
    assert!(matches!(answer, EvidenceAnswer::Refused(Refusal::Denied(_))), "{answer:?}");
}

#[tokio::test]
async fn a_change_is_judged_with_the_documents_that_it_was_proposed_with() {
    let (app, ana, early) = hospital(|_| {}).await;
    let attach = async |kind: &str, content: &str| {
        let path = format!("/artifacts/fw/2.0/documents/{kind}");
        let headers = [("content-type", "application/json")];
        ana.send(Method::PUT, &path, &headers, Body::from(content.to_owned())).await.ok()
    };
    let key = |kind: &str| format!("{}/{kind}", Digest::of(b"content"));
    let first = attach("sbom", r#"{"v":1}"#).await;
    let why = refused(&plugin(&app, Some(&early)), "document", &key("sbom")).await;
    assert!(why.contains("attached after this change was proposed") && why.contains("revise"), "{why}");

    let change = ana.post("/changes", again(&early)).await.ok();
    assert_eq!(change["manifest"]["documents"][0]["digest"], first["digest"]);
    let about = plugin(&app, Some(&change));
    attach("sbom", r#"{"v":2}"#).await;
    assert_eq!(found(&about, "document", &key("sbom")).await, json!({ "v": 1 }), "that is what was approved");
    attach("test-report", "{}").await;
    let why = refused(&about, "document", &key("test-report")).await;
    assert!(why.contains("`test-report` was attached after"), "{why}");
    // Revised, it has what is there by then, and another digest.
    let path = format!("/changes/{}", change["id"].as_str().unwrap());
    let revised =
        ana.ask(Method::PUT, &path, &[("idempotency-key", "again")], Some(again(&early))).await.ok();
    assert_ne!(revised["digest"], change["digest"]);
    assert_eq!(found(&about, "document", &key("sbom")).await, json!({ "v": 2 }));
    assert_eq!(found(&about, "document", &key("test-report")).await, json!({}));
}

/// A proposal of the same as a change.
fn again(change: &Value) -> Value {
    let manifest = &change["manifest"];
    json!({ "environment": manifest["environment"], "title": manifest["title"], "selector": manifest["selector"],
        "artifacts": [{ "name": "fw", "version": "2.0" }],
        "strategy": { "plugin": manifest["strategy"]["plugin"]["name"] } })
}

#[tokio::test]
async fn a_document_is_what_was_attached_last() {
    let (app, ana, _) = hospital(|config| config.evidence.document_bytes_max = 20).await;
    let about = plugin(&app, None);
    let digest = Digest::of(b"content");
    let key = format!("{digest}/sbom");
    assert_eq!(refused(&about, "document", &key).await, "not found");
    let attach = async |kind: &str, content: &str| {
        let path = format!("/artifacts/fw/2.0/documents/{kind}");
        let headers = [("content-type", "application/json")];
        ana.send(Method::PUT, &path, &headers, Body::from(content.to_owned())).await
    };
    attach("sbom", r#"{"v":1}"#).await.ok();
    let attached = attach("sbom", r#"{"v":2}"#).await.ok();
    assert_eq!(found(&about, "document", &key).await, json!({ "v": 2 }));
    let shown = ana.get("/artifacts/fw/2.0/documents/sbom").await;
    assert_eq!((shown.text().as_str(), shown.header("content-disposition")), (r#"{"v":2}"#, "attachment"));
    assert_eq!(shown.header("etag"), format!("\"{}\"", attached["digest"].as_str().unwrap()));
    attach("test-report", r#"{"ok":true}"#).await.ok();
    let listed = ana.get("/artifacts/fw/2.0/documents").await.ok();
    assert_eq!(listed["items"][0], attached, "the newest of its kind alone: {listed:#}");
    assert_eq!(listed["items"][1]["kind"], "test-report");
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    ana.get("/artifacts/fw/9/documents").await.problem("not-found");
    for bad in ["document", "sbom/x", "md5:1/sbom", &format!("{digest}/secrets")] {
        assert_eq!(refused(&about, "document", bad).await, "not found", "{bad}");
    }
    assert_eq!(attach("secrets", "{}").await.problem("invalid")["field"], "/kind");
    attach("sbom", "").await.problem("invalid");
    attach("sbom", &"x".repeat(20)).await.ok();
    attach("sbom", &"x".repeat(21)).await.problem("body-too-large");
    let missing =
        ana.send(Method::PUT, "/artifacts/fw/9/documents/sbom", &[("content-type", "a/b")], Body::from("x"));
    missing.await.problem("not-found");
    let verified =
        app.app.store.kept(interlock_store::Kept::Document, &Digest::of(br#"{"v":1}"#)).await.unwrap();
    assert!(verified.is_some(), "what was attached before stays");
}

#[tokio::test]
async fn calendars_are_told_in_order() {
    let entry = |from: &str, kind: &str| CalendarEntry {
        kind: kind.to_owned(),
        from: from.to_owned(),
        to: "2026-12-31T00:00:00.000Z".to_owned(),
        title: String::new(),
    };
    let (app, _, change) = hospital(|config| {
        let entries =
            vec![entry("2026-12-20T00:00:00.000Z", "freeze"), entry("2026-11-01T00:00:00.000Z", "window")];
        config.evidence.calendars.insert("hospital".to_owned(), entries);
    })
    .await;
    let about = plugin(&app, Some(&change));
    let calendar = found(&about, "calendar", "hospital").await;
    assert_eq!(calendar["entries"][0]["kind"], "window");
    assert_eq!(calendar["entries"][1]["kind"], "freeze");
    assert_eq!(refused(&about, "calendar", "other").await, "not found");
}

/// A ticket system, to answer as it is told; what it was asked is what it says.
struct FalseTickets {
    url: String,
    asked: Arc<AtomicU32>,
    /// How often it was asked with any secret.
    authorized: Arc<AtomicU32>,
}

impl FalseTickets {
    async fn start() -> Self {
        async fn answer(
            State((asked, authorized)): State<(Arc<AtomicU32>, Arc<AtomicU32>)>,
            uri: Uri,
            query: RawQuery,
            headers: HeaderMap,
        ) -> Response {
            asked.fetch_add(1, Ordering::Relaxed);
            authorized.fetch_add(u32::from(headers.contains_key("authorization")), Ordering::Relaxed);
            match uri.path() {
                "/api/missing" => StatusCode::NOT_FOUND.into_response(),
                "/api/broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                "/api/moved" => (StatusCode::FOUND, [("location", "/api/CHG1")]).into_response(),
                "/api/text" => "hello".into_response(),
                "/api/large" => format!("\"{}\"", "x".repeat(5_000)).into_response(),
                "/api/slow" => std::future::pending().await,
                "/api/echo" => axum::Json(json!({ "headers": format!("{headers:?}") })).into_response(),
                path if path.starts_with("/api/bytes-") => {
                    let bytes: usize = path["/api/bytes-".len()..].parse().unwrap();
                    format!("\"{}\"", "x".repeat(bytes - 2)).into_response()
                }
                path => {
                    let token = headers.get("authorization").map(|token| token.to_str().unwrap().to_owned());
                    axum::Json(json!({ "path": path, "query": query.0, "authorized": token.as_deref() == Some("Bearer geheim") }))
                        .into_response()
                }
            }
        }
        let (asked, authorized) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let router = Router::new().fallback(answer).with_state((asked.clone(), authorized.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/{{key}}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked, authorized }
    }
}

async fn with_tickets(tickets: &FalseTickets) -> (TestApp, Value, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "Bearer geheim\n").unwrap();
    let url = tickets.url.clone();
    let (app, _, change) = hospital(|config| {
        let headers = BTreeMap::from([("Authorization".to_owned(), HeaderValue::File(secret))]);
        config.evidence.http.insert(
            "ticket".to_owned(),
            Connector { url, headers, cache_ms: Some(10_000), ..Connector::default() },
        );
        config.evidence.timeout_ms = 500;
        config.evidence.bytes_max = 4_000;
    })
    .await;
    (app, change, folder)
}

#[tokio::test]
async fn a_connector_asks_a_fixed_address_and_a_key_stays_in_its_place() {
    let tickets = FalseTickets::start().await;
    let (app, change, _folder) = with_tickets(&tickets).await;
    let about = plugin(&app, Some(&change));
    let ticket = found(&about, "http.ticket", "CHG1").await;
    assert_eq!(ticket, json!({ "path": "/api/CHG1", "query": null, "authorized": true }));
    for (key, path) in [
        ("../admin", "/api/..%2Fadmin"),
        ("a?b=c", "/api/a%3Fb%3Dc"),
        ("a#b", "/api/a%23b"),
        ("a\nHost: evil", "/api/a%0AHost%3A%20evil"),
        ("a/../../b", "/api/a%2F..%2F..%2Fb"),
    ] {
        assert_eq!(found(&about, "http.ticket", key).await["path"], path, "{key}");
    }
    for key in ["", ".", "..", "...", &"x".repeat(513)] {
        assert_eq!(refused(&about, "http.ticket", key).await, "not found", "{key}");
    }
    assert!(refused(&about, "http.nobody", "x").await.contains("configured no connector"));
}

#[tokio::test]
async fn a_connector_that_fails_says_so_and_gives_no_secret_away() {
    let tickets = FalseTickets::start().await;
    let (app, change, _folder) = with_tickets(&tickets).await;
    let ana = app.person("Alan", &[Role::Auditor]).await;
    let about = plugin(&app, Some(&change));
    assert_eq!(refused(&about, "http.ticket", "missing").await, "not found");
    for (key, said) in [
        ("broken", "500"),
        ("moved", "not followed"),
        ("text", "not answer with JSON"),
        ("large", "evidence.bytes_max"),
        ("slow", "http.ticket"),
    ] {
        let why = refused(&about, "http.ticket", key).await;
        assert!(why.contains(said) && !why.contains("geheim"), "{key}: {why}");
        let failing = ana.get("/status").await.ok()["evidence_failing"].clone();
        assert!(failing["http.ticket"].as_str().unwrap().contains(said), "{failing:?}");
    }
    let ready = async || app.client(TENANT, None).send(Method::GET, "//ready", &[], Body::empty()).await.ok();
    let degraded = json!({ "status": "degraded", "failing": 1 });
    assert_eq!(ready().await["checks"]["evidence"], degraded, "which source, and why, is the tenant's own");
    let gus = app.with_key("grace", AccountKind::User, "Gus", &[Role::Operator], &[Scope::Read]).await;
    assert_eq!(gus.get("/status").await.ok()["evidence_failing"], json!({}), "it failed another tenant");
    found(&about, "http.ticket", "CHG1").await;
    assert_eq!(ready().await["checks"]["evidence"], json!({ "status": "ok", "failing": 0 }));
    assert_eq!(ana.get("/status").await.ok()["status"], "ok");
    assert!(!format!("{:?}", app.app.evidence).contains("geheim"));
}

#[tokio::test]
async fn a_source_that_nobody_asks_again_is_not_known_to_fail_for_ever() {
    let tickets = FalseTickets::start().await;
    let (app, change, _folder) = with_tickets(&tickets).await;
    refused(&plugin(&app, Some(&change)), "http.ticket", "broken").await;
    let (tenant, failed_at) = (TENANT.parse().unwrap(), app.app.clock.now());
    for (later_ms, failing) in [(0, 1), (299_999, 1), (300_000, 0)] {
        let now = failed_at.plus_millis(later_ms);
        assert_eq!(app.app.evidence.failing(now), failing, "{later_ms}");
        assert_eq!(app.app.evidence.failures(&tenant, now).len(), failing, "{later_ms}");
    }
}

#[tokio::test]
async fn an_answer_from_outside_is_kept_for_its_time_and_says_when_it_was_fetched() {
    let tickets = FalseTickets::start().await;
    let (app, change, _folder) = with_tickets(&tickets).await;
    let fetched_at =
        async |key: &str| match plugin(&app, Some(&change)).fetch("probe", "http.ticket", key).await {
            EvidenceAnswer::Found(document) => document.fetched_at,
            other => panic!("{other:?}"),
        };
    let first = fetched_at("CHG1").await;
    app.clock.advance(9_999);
    assert_eq!(fetched_at("CHG1").await, first);
    assert_eq!(tickets.asked.load(Ordering::Relaxed), 1);
    app.clock.advance(1);
    assert_eq!(fetched_at("CHG1").await, first + 10_000);
    assert_eq!(tickets.asked.load(Ordering::Relaxed), 2);
    // Kept or not, the policies are asked each time.
    let stranger = Evidence { granted: BTreeSet::new(), ..plugin(&app, Some(&change)) };
    assert!(refused(&stranger, "http.ticket", "CHG1").await.contains("may not read"));
}
