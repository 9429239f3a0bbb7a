//! Reviews of the ledger: signed in person, without gaps, on record, and overdue in time.

use interlock_domain::{ReviewRecord, Role};
use interlock_ledger::VerifyingKey;
use interlock_server::{
    flow::esign::review::REVIEW_PAYLOAD_TYPE,
    testing::{Answer, TestApp},
};
use interlock_vault::esig;
use serde_json::{Value, json};

use crate::{
    export::Export,
    people::{PASSWORD, Person, cheap, enrol},
};

const HOUR_MS: u64 = 3_600_000;

/// A server on which entries must be reviewed within an hour, and an auditor who is logged in.
async fn quality() -> (TestApp, Person) {
    let app = TestApp::configured(|config| {
        cheap(config);
        config.ledger.review_within_ms = HOUR_MS;
    })
    .await;
    let mut kim = enrol(&app, "Kim Duarte", &[Role::Auditor]).await;
    kim.log_in(&app).await;
    (app, kim)
}

async fn sign(by: &Person, offer: &Value, proof: Value) -> Answer {
    let mut body = json!({ "sig_id": offer["intent"]["sig_id"] });
    body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
    by.post("/ledger/reviews", body).await
}

fn both(by: &Person, app: &TestApp) -> Value {
    // A code counts once.
    app.clock.advance(30_000);
    json!({ "password": PASSWORD, "code": by.code(app) })
}

#[tokio::test]
async fn a_review_is_signed_begins_where_the_one_before_ended_and_is_an_entry_itself() {
    let (app, kim) = quality().await;
    let found = json!({ "findings": "nothing unusual", "until": 2, "zone": "Europe/Lisbon" });
    let offer = kim.post("/ledger/reviews/intent", found).await.ok();
    assert_eq!(
        (&offer["intent"]["record"]["from"], &offer["intent"]["record"]["until"]),
        (&json!(0), &json!(2))
    );
    for shown in ["Entries: 0 to 1", "Kim Duarte (auditor), mercy", "Findings: nothing unusual"] {
        assert!(offer["view"].as_str().unwrap().contains(shown), "{}", offer["view"]);
    }
    assert_eq!(offer["two_components"], true);
    sign(&kim, &offer, json!({ "password": PASSWORD })).await.problem("full-signature-required");
    let proof = both(&kim, &app);
    let first = sign(&kim, &offer, proof).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let first = first.ok();
    assert_eq!((&first["name"], &first["until"]), (&json!("Kim Duarte"), &json!(2)));
    sign(&kim, &offer, json!({ "password": PASSWORD })).await.problem("signature-refused");

    // The rest, with one component by now.
    let rest = json!({ "findings": "all of the rest" });
    let stale = kim.post("/ledger/reviews/intent", rest.clone()).await.ok();
    let offer = kim.post("/ledger/reviews/intent", rest).await.ok();
    assert_eq!(offer["intent"]["record"]["from"], 2);
    sign(&kim, &offer, json!({ "password": PASSWORD })).await.ok();
    let overtaken = sign(&kim, &stale, json!({ "password": PASSWORD })).await.problem("conflict");
    assert!(overtaken["detail"].as_str().unwrap().contains("begin anew"), "{overtaken}");
    let backwards = json!({ "findings": "x", "until": 1 });
    assert_eq!(kim.post("/ledger/reviews/intent", backwards).await.problem("invalid")["field"], "/until");
    let silent = json!({ "findings": " " });
    assert_eq!(kim.post("/ledger/reviews/intent", silent).await.problem("invalid")["field"], "/findings");

    let auditor = app.person("Ada", &[Role::Auditor]).await;
    let reviews = auditor.get("/ledger/reviews").await.ok();
    let items = reviews["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(
        (&items[0]["findings"], &items[1]["findings"]),
        (&json!("all of the rest"), &json!("nothing unusual"))
    );
    let entry = auditor.get("/ledger/entries?limit=200").await.ok()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["index"] == items[1]["entry"])
        .unwrap()
        .clone();
    assert_eq!(entry["entry"]["type"], "ledger.reviewed");

    // Whoever has the export has the reviews, and can check them.
    let export = Export::of(&auditor.get("/ledger/export").await);
    assert_eq!(export.manifest()["reviews"], "2");
    let key: VerifyingKey = export.text("keys/server.vkey").trim().parse().unwrap();
    for envelope in export.below("reviews/") {
        let said = esig::said(envelope, REVIEW_PAYLOAD_TYPE, &key).unwrap();
        let record: ReviewRecord = serde_json::from_slice(&said).unwrap();
        assert_eq!(record.intent.signer.name, "Kim Duarte");
    }
    let page = export.text("report.html");
    assert!(page.contains("Reviews of the ledger") && page.contains("entries 0 to 1"), "{page}");
    let verified = auditor.ask(axum::http::Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
}

#[tokio::test]
async fn a_review_is_signed_by_a_person_who_may_and_who_is_logged_in() {
    let (app, _) = quality().await;
    let auditor = app.person("Ada", &[Role::Auditor]).await;
    auditor.post("/ledger/reviews/intent", json!({ "findings": "x" })).await.problem("only-in-person");
    let mut oda = enrol(&app, "Oda", &[Role::Operator]).await;
    oda.log_in(&app).await;
    oda.post("/ledger/reviews/intent", json!({ "findings": "x" })).await.problem("denied");
    oda.get("/ledger/reviews").await.problem("denied");
}

#[tokio::test]
async fn what_nobody_reviewed_in_time_shows_in_the_status_exactly_at_its_instant() {
    let (app, mut kim) = quality().await;
    let vera = app.person("Vera", &[Role::Viewer]).await;
    let status = async || vera.get("/status").await.ok();
    let first = status().await;
    let due: interlock_domain::Timestamp =
        first["ledger_review"]["due_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(first["ledger_review"]["overdue"], false);
    app.clock.advance(due.millis_since(app.app.clock.now()) - 1);
    assert_eq!(status().await["ledger_review"]["overdue"], false);
    app.clock.advance(1);
    let late = status().await;
    assert_eq!((&late["ledger_review"]["overdue"], &late["status"]), (&json!(true), &json!("degraded")));
    kim.log_in(&app).await;
    let offer = kim.post("/ledger/reviews/intent", json!({ "findings": "late, and in order" })).await.ok();
    let proof = both(&kim, &app);
    sign(&kim, &offer, proof).await.ok();
    let after = status().await;
    assert_eq!(after["ledger_review"]["overdue"], false, "{after}");
    assert!(after["ledger_review"]["reviewed"].as_u64().unwrap() > 0);
}
