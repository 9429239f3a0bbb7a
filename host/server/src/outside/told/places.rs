//! The same from PostgreSQL, and from a fleet that is read in more than one part.

use interlock_store::testing::TestDatabase;

use super::*;

#[tokio::test]
async fn postgresql_tells_the_same() {
    let database = TestDatabase::postgres().await;
    let url = database.url.clone();
    let (app, ana, change) = hospital(|config| config.store.url = url).await;
    let about = plugin(&app, Some(&change));
    assert_eq!(found(&about, "manifest", "change").await, change["manifest"]);
    let fleet = found(&about, "fleet", "population").await;
    let group = |revision: &str, version: &str, targets: u64| json!({ "model": "x2", "hardware_revision": revision, "version": version, "targets": targets });
    assert_eq!(fleet, json!({ "targets": 3, "devices": [group("r1", "1.0", 2), group("r2", "0.9", 1)] }));
    assert_eq!(found(&about, "device", "c").await["version"], "0.9");
    assert_eq!(found(&about, "telemetry", "error_rate?window=60000").await["treatment"]["samples"], 0);
    let key = format!("{}/sbom", Digest::of(b"content"));
    assert_eq!(refused(&about, "document", &key).await, "not found");
    for content in [r#"{"v":1}"#, r#"{"v":2}"#] {
        let headers = [("content-type", "application/json")];
        let path = "/artifacts/fw/2.0/documents/sbom";
        ana.send(Method::PUT, path, &headers, Body::from(content)).await.ok();
    }
    assert_eq!(found(&plugin(&app, None), "document", &key).await, json!({ "v": 2 }));
    let olga = app.person("Olga", &[Role::Operator]).await;
    let advisory = json!({ "id": "A-1", "modified": "2026-11-02T08:30:00Z", "affected": [
        { "package": { "ecosystem": "npm", "name": "a" } }] });
    let import = json!({ "records": [advisory], "as_of": "2026-11-20T06:00:00Z" });
    olga.post("/advisories:import", import).await.ok();
    let told = found(&about, "advisory", "pkg:npm/a\npkg:npm/b").await;
    assert_eq!(told["advisories"]["pkg:npm/a"][0]["id"], "A-1");
    let other = Evidence { tenant: "other".parse().unwrap(), ..plugin(&app, Some(&change)) };
    for (source, key) in [("device", "c"), ("manifest", "change"), ("document", &key)] {
        assert_eq!(refused(&other, source, key).await, "not found", "{source}");
    }
}

#[tokio::test]
async fn a_fleet_of_more_than_one_part_is_counted_whole() {
    let (app, ana, _) = hospital(|_| {}).await;
    let olga = app.person("Olga", &[Role::Operator]).await;
    for part in 0..6 {
        let size = if part == 5 { 1 } else { 1_000 };
        let pump = |number: u32| {
            json!({ "id": format!("many-{part}-{number}"), "environment": "staging", "model": "x3",
                "hardware_revision": "r1", "firmware": if number.is_multiple_of(2) { "1.0" } else { "1.1" } })
        };
        olga.post("/devices:import", (0..size).map(pump).collect::<Value>()).await.ok();
    }
    let proposal = json!({
        "environment": "staging", "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "all": true }, "strategy": { "plugin": "direct" },
    });
    let change = ana.post("/changes", proposal).await.ok();
    let fleet = found(&plugin(&app, Some(&change)), "fleet", "population").await;
    let group = |model: &str, revision: &str, version: &str, targets: u64| json!({ "model": model, "hardware_revision": revision, "version": version, "targets": targets });
    let groups = [
        group("x2", "r1", "1.0", 2),
        group("x2", "r2", "0.9", 1),
        group("x3", "r1", "1.0", 2_501),
        group("x3", "r1", "1.1", 2_500),
    ];
    assert_eq!(fleet, json!({ "targets": 5_004, "devices": groups }));
}
