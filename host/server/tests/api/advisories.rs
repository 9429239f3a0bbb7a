//! Advisories over the API: who may, what is taken in, what is refused whole.

use interlock_domain::{AccountKind, Role, Scope};
use interlock_server::testing::{Client, TENANT, TestApp};
use serde_json::{Value, json};

const AS_OF: &str = "2026-11-20T06:00:00.000Z";

/// A record as the OSV format has it.
fn record(id: &str, purl: &str) -> Value {
    json!({
        "schema_version": "1.6.0", "id": id, "modified": "2026-11-02T08:30:00.123456Z", "published": "2026-11-01T00:00:00Z",
        "aliases": ["CVE-2026-0001"], "summary": "Prototype pollution", "details": "A long text",
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }],
        "affected": [{
            "package": { "ecosystem": "npm", "name": "x", "purl": purl },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "1.3.1" }] }],
        }],
        "references": [{ "type": "WEB", "url": "https://example.org" }],
        "database_specific": { "severity": "CRITICAL", "weight": 0.5 },
    })
}

async fn import(who: &Client, records: Value, as_of: Option<&str>) -> interlock_server::testing::Answer {
    who.post("/advisories:import", json!({ "records": records, "as_of": as_of })).await
}

/// What a tenant has before its first import.
fn nothing() -> Value {
    json!({ "as_of": null, "ecosystems": {}, "records": 0 })
}

async fn operator() -> (TestApp, Client) {
    let app = TestApp::start().await;
    let oda = app.person("Oda", &[Role::Operator]).await;
    (app, oda)
}

#[tokio::test]
async fn an_import_says_what_it_came_to_and_is_on_record() {
    let (app, oda) = operator().await;
    let empty = nothing();
    assert_eq!(oda.get("/advisories").await.ok(), empty);
    let records = json!([record("GHSA-1", "pkg:npm/a"), record("GHSA-2", "pkg:npm/b")]);
    let first = import(&oda, records.clone(), Some(AS_OF)).await.ok();
    let now = json!({ "as_of": AS_OF, "ecosystems": { "npm": AS_OF }, "records": 2 });
    assert_eq!(first, json!({ "written": 2, "older": 0, "withdrawn": 0, "partly": 0, "now": now }));
    assert_eq!(import(&oda, records, Some(AS_OF)).await.ok(), first, "again");
    let mut gone = record("GHSA-2", "pkg:npm/b");
    gone["withdrawn"] = json!("2026-11-03T00:00:00Z");
    assert_eq!(import(&oda, json!([gone]), None).await.ok()["withdrawn"], 1);
    assert_eq!(import(&oda, json!([record("GHSA-2", "pkg:npm/b")]), None).await.ok()["older"], 1);
    let auditor = app.person("Alan", &[Role::Auditor]).await;
    let log = auditor.get("/ledger/entries?limit=200").await.text();
    assert_eq!(log.matches("advisories.imported").count(), 4, "{log}");
}

#[tokio::test]
async fn whoever_proposes_releases_does_not_import() {
    let (app, _) = operator().await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    import(&ana, json!([record("GHSA-1", "pkg:npm/a")]), Some(AS_OF)).await.problem("denied");
    assert_eq!(ana.get("/advisories").await.ok()["records"], 0);
}

#[tokio::test]
async fn a_tenant_has_only_its_own() {
    let (app, oda) = operator().await;
    import(&oda, json!([record("GHSA-1", "pkg:npm/a")]), Some(AS_OF)).await.ok();
    let scopes = [Scope::Read, Scope::Write];
    let other = app.with_key("grace", AccountKind::User, "Gus", &[Role::Operator], &scopes).await;
    assert_eq!(other.get("/advisories").await.ok(), nothing());
    app.client(TENANT, None).get("/advisories").await.problem("unauthenticated");
}

#[tokio::test]
async fn one_record_that_does_not_fit_refuses_the_part_and_is_named() {
    let (_app, oda) = operator().await;
    let mut bad = record("GHSA-2", "pkg:npm/b");
    bad["modified"] = json!("yesterday");
    let problem =
        import(&oda, json!([record("GHSA-1", "pkg:npm/a"), bad]), Some(AS_OF)).await.problem("invalid");
    assert_eq!(problem["field"], "/records/1/modified");
    assert!(problem["detail"].as_str().unwrap().contains("GHSA-2"), "{problem}");
    assert_eq!(oda.get("/advisories").await.ok(), nothing());
    let later = import(&oda, json!([record("GHSA-1", "pkg:npm/a")]), Some("2030-01-01T00:00:00Z"))
        .await
        .problem("invalid");
    assert_eq!(later["field"], "/as_of");
    for as_of in [None, Some(AS_OF)] {
        assert_eq!(import(&oda, json!([]), as_of).await.problem("invalid")["field"], "/records");
    }
    oda.post("/advisories:import", json!({ "record": [] })).await.problem("invalid");
}

#[tokio::test]
async fn a_part_has_a_thousand_records_and_not_one_more() {
    let (_app, oda) = operator().await;
    let many = |count: usize| -> Value {
        let small = |n| json!({ "id": format!("A-{n}"), "modified": "2026-11-02T08:30:00Z" });
        (0..count).map(small).collect()
    };
    assert_eq!(import(&oda, many(1_000), None).await.ok()["now"]["records"], 1_000);
    assert_eq!(import(&oda, many(1_001), None).await.problem("invalid")["field"], "/records");
}

#[tokio::test]
async fn a_record_from_the_future_silences_nothing() {
    let (_app, oda) = operator().await;
    let mut genuine = record("CVE-1", "pkg:npm/a");
    let mut silencer = genuine.clone();
    silencer["modified"] = json!("2199-12-31T00:00:00Z");
    silencer["withdrawn"] = json!("2026-01-02T00:00:00Z");
    let refused = import(&oda, json!([silencer]), None).await.problem("invalid");
    assert_eq!(refused["field"], "/records/0/modified");
    assert!(refused["detail"].as_str().unwrap().contains("`CVE-1`"), "{refused}");
    assert_eq!(import(&oda, json!([genuine]), None).await.ok()["written"], 1);
    genuine["published"] = json!("2026-11-20T18:10:00Z");
    assert_eq!(
        import(&oda, json!([genuine]), None).await.problem("invalid")["field"],
        "/records/0/published"
    );
}

#[tokio::test]
async fn nothing_is_complete_without_a_record_and_one_ecosystem_does_not_vouch_for_another() {
    let (_app, oda) = operator().await;
    let homeless = json!({ "id": "A-1", "modified": "2026-11-02T08:30:00Z" });
    assert_eq!(import(&oda, json!([homeless]), Some(AS_OF)).await.problem("invalid")["field"], "/as_of");
    let older = "2026-11-19T06:00:00.000Z";
    import(&oda, json!([record("D-1", "pkg:deb/debian/xz-utils")]), Some(older)).await.ok();
    let now = import(&oda, json!([record("N-1", "pkg:npm/a")]), Some(AS_OF)).await.ok()["now"].clone();
    assert_eq!(
        now,
        json!({ "as_of": older, "ecosystems": { "deb/debian": older, "npm": AS_OF }, "records": 2 })
    );
    let many = |count: usize| -> Value {
        (0..count).map(|n| record(&format!("X-{n}"), &format!("pkg:type{n}/a"))).collect()
    };
    assert_eq!(import(&oda, many(101), Some(AS_OF)).await.problem("invalid")["field"], "/as_of");
    import(&oda, many(100), Some(AS_OF)).await.ok();
}

#[tokio::test]
async fn a_part_makes_so_many_bytes_and_not_one_more() {
    // The kept record and, for each of its packages, id, purl and entry.
    let given = json!({ "id": "A-1", "modified": "2026-11-02T08:30:00Z", "affected": [
        { "package": { "purl": "pkg:npm/a" } }, { "package": { "purl": "pkg:npm/b" } }] });
    let body = json!({ "id": "A-1", "modified": "2026-11-02T08:30:00Z" }).to_string();
    let entry = "A-1pkg:npm/a".len() + json!([given["affected"][0]]).to_string().len();
    let bytes = ("A-1".len() + body.len() + 2 * entry) as u64;
    for (bytes_max, fits) in [(bytes, true), (bytes - 1, false)] {
        let app = TestApp::configured(|config| config.advisories.bytes_max = bytes_max).await;
        let oda = app.person("Oda", &[Role::Operator]).await;
        let answer = import(&oda, json!([given]), None).await;
        if fits {
            answer.ok();
        } else {
            let problem = answer.problem("invalid");
            assert_eq!(problem["field"], "/records/0");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("`A-1`") && detail.contains(&bytes.to_string()), "{detail}");
            assert_eq!(oda.get("/advisories").await.ok(), nothing());
        }
    }
}

#[tokio::test]
async fn what_an_import_withdraws_is_named_in_its_entry_beside_its_decision() {
    let (app, oda) = operator().await;
    import(&oda, json!([record("GHSA-1", "pkg:npm/a")]), None).await.ok();
    let mut gone = record("GHSA-1", "pkg:npm/a");
    gone["withdrawn"] = json!("2026-11-03T00:00:00Z");
    import(&oda, json!([gone]), None).await.ok();
    let rows = app.app.store.rows(TENANT, 0, 1_000).await.unwrap();
    let [.., decision, import] = &rows[..] else { panic!("{} rows", rows.len()) };
    assert!(String::from_utf8_lossy(&decision.body).contains("decision.policy"));
    let payload: Value = serde_json::from_slice(import.payload.as_ref().unwrap()).unwrap();
    assert_eq!(payload["withdrawn"], json!({ "count": 1, "ids": ["GHSA-1"] }));
    let audit = app.app.store.audit(TENANT, None, |_| {}).await.unwrap();
    assert_eq!(audit.report.findings, []);
}

#[tokio::test]
async fn their_age_is_a_metric() {
    let (app, oda) = operator().await;
    import(&oda, json!([record("GHSA-1", "pkg:npm/a")]), Some(AS_OF)).await.ok();
    let metrics = app.client(TENANT, None).get("//metrics").await;
    assert!(metrics.text().contains("advisories_age_seconds{tenant=\"mercy\"} 43200"), "{}", metrics.text());
}
