//! The tamper watch: what is altered behind the server's back is found, holds admission, and goes on when a person has looked.

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_server::testing::{TENANT, TestApp};
use serde_json::{Value, json};

use crate::house::{House, LOOSENED, approve};

/// Somebody who holds the database.
async fn alter(app: &TestApp, sql: &str) {
    let url = format!("sqlite:{}", app.dir().join("data/interlock.db").display());
    assert!(interlock_store::testing::alter(&url, sql).await > 0, "{sql}");
}

async fn open(app: &TestApp, path: &str) -> Vec<u8> {
    app.client(TENANT, None).send(Method::GET, path, &[], Body::empty()).await.body
}

async fn ledger_part(app: &TestApp) -> Value {
    serde_json::from_slice::<Value>(&open(app, "//ready").await).unwrap()["checks"]["ledger"].clone()
}

#[tokio::test]
async fn what_was_altered_holds_admission_until_a_person_has_looked() {
    let house = House::configured(None, &LOOSENED, |_| {}).await;
    let change = house.propose().await;
    house.app.watch().await;
    assert_eq!(ledger_part(&house.app).await["status"], "ok");
    house.ana.get("/ledger/incident").await.problem("not-found");

    // Somebody rewrites what people read, not the ledger.
    alter(&house.app, "UPDATE devices SET body = replace(body, '\"x2\"', '\"x3\"') WHERE id = 'pump-1'")
        .await;
    house.app.watch().await;
    assert_eq!(ledger_part(&house.app).await["status"], "ok", "the rows are compared by schedule");
    house.app.clock.advance(21_600_000);
    house.app.watch().await;
    let part = ledger_part(&house.app).await;
    assert_eq!(part["status"], "degraded", "{part}");
    let metrics = String::from_utf8(open(&house.app, "//metrics").await).unwrap();
    assert!(metrics.contains("ledger_tampered{log=\"mercy\"} 1"), "{metrics}");
    let incident = house.ana.get("/ledger/incident").await.ok();
    assert!(incident["findings"][0].as_str().unwrap().contains("pump-1"), "{incident}");

    let status = house.ana.get("/status").await.ok();
    assert_eq!(status["status"], "degraded");
    assert!(status["ledger_altered"].as_str().unwrap().contains("interlock ledger resolve"), "{status}");
    approve(&house.ben, &change).await.ok();
    approve(&house.rolf, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "approving");
    let explained = house.explain(&change).await;
    assert!(explained["summary"].as_str().unwrap().contains("the ledger was altered"), "{explained}");

    // No program, nobody without the right, nobody without words, nobody who looked at something else.
    let resolve = |findings: &str| json!({ "incident": incident["id"], "findings": findings });
    let robot = json!({
        "name": "Robot", "kind": "service", "owner": house.account("Ana").await["person"], "roles": [{ "role": "auditor" }],
        "scopes": ["read", "write"], "expires_in_ms": 86_400_000,
    });
    let robot = house.admin.post("/keys", robot).await.ok();
    let robot = house.app.client(TENANT, robot["key"].as_str());
    let refused = robot.post("/ledger/incident/resolve", resolve("all well")).await.problem("invalid");
    assert!(refused["detail"].as_str().unwrap().contains("a program cannot have looked"), "{refused}");
    house.ben.post("/ledger/incident/resolve", resolve("all well")).await.problem("denied");
    house.ana.post("/ledger/incident/resolve", resolve(" ")).await.problem("invalid");
    let other = json!({ "incident": "sha256:00", "findings": "all well" });
    house.ana.post("/ledger/incident/resolve", other).await.problem("invalid");
    assert_eq!(house.looked_at(&change).await["state"], "approving");

    // What is altered stays altered, and still it is known by then.
    let resolved =
        house.ana.post("/ledger/incident/resolve", resolve("the model was put right by hand")).await.ok();
    assert_eq!(resolved["resolved"]["name"], "Ana");
    house.app.clock.advance(21_600_000);
    house.app.watch().await;
    assert_eq!(ledger_part(&house.app).await["status"], "ok");
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
    house.ana.post("/ledger/incident/resolve", resolve("again")).await.problem("invalid");

    // Something else is a new incident, and opens once.
    alter(&house.app, "UPDATE devices SET body = replace(body, '\"x2\"', '\"x4\"') WHERE id = 'pump-2'")
        .await;
    house.app.clock.advance(21_600_000);
    house.app.watch().await;
    house.app.watch().await;
    let newest = house.ana.get("/ledger/incident").await.ok();
    assert!(newest["id"] != incident["id"] && newest["resolved"].is_null(), "{newest}");
    let entries = house.ana.get("/ledger/entries?limit=200").await.ok();
    let detected = |entry: &&Value| entry["entry"]["type"] == "ledger.tamper_detected";
    assert_eq!(entries["items"].as_array().unwrap().iter().filter(detected).count(), 2);
}

#[tokio::test]
async fn what_is_new_is_verified_at_once_and_a_log_that_is_in_order_again_goes_on() {
    let app = TestApp::start().await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    app.watch().await;
    kim.post("/groups", json!({ "name": "lab" })).await.ok();
    let newest = "idx = (SELECT MAX(idx) FROM ledger_entries WHERE log = 'mercy') AND log = 'mercy'";
    let unlocked = "DROP TRIGGER ledger_entries_fixed; UPDATE ledger_entries SET object_id = 'ward' WHERE";
    alter(&app, &format!("{unlocked} {newest}")).await;
    app.watch().await;
    let incident = kim.get("/ledger/incident").await.ok();
    assert!(incident["findings"][0].as_str().unwrap().contains("projection `object_id`"), "{incident}");
    assert_eq!(ledger_part(&app).await["status"], "degraded");
    alter(&app, "UPDATE ledger_entries SET object_id = 'lab' WHERE log = 'mercy' AND object_id = 'ward'")
        .await;
    app.watch().await;
    assert_eq!(ledger_part(&app).await["status"], "ok");
    assert!(
        kim.get("/ledger/incident").await.ok()["resolved"].is_null(),
        "a person has to look all the same"
    );
}
