//! Emergencies, through the API.

use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::{Answer, Client};
use serde_json::{Value, json};

use crate::house::{HOUR_MS, House, path};

async fn break_glass(who: &Client, change: &Value) -> Answer {
    let body = json!({ "digest": change["digest"], "reason": "ward 3 has no working pump" });
    who.post(&path(change, "/break-glass"), body).await
}

async fn ready(house: &House) -> Value {
    house.ana.get("//ready").await.json()["checks"]["incidents"].clone()
}

#[tokio::test]
async fn two_people_let_a_change_proceed_and_an_incident_is_opened() {
    let house = House::with(None).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "approving", "one alone does nothing");
    assert_eq!(house.ana.get("/incidents").await.ok()["items"], json!([]));
    break_glass(&house.ben, &change).await.ok();
    let incident = house.ana.get("/incidents").await.ok()["items"][0].clone();
    assert_eq!(incident["change"], change["id"]);
    assert_eq!(incident["broken_by"][1]["name"], "Ben");
    let change = house.looked_at(&change).await;
    assert_eq!(change["state"], "rolling_out");
    assert_eq!(change["glass"].as_array().unwrap().len(), 2);
    house.is_sound().await;
}

#[tokio::test]
async fn it_takes_two_different_people_and_never_the_author() {
    let house = House::with(None).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.otto, &change).await.problem("second-to-break");
    let refused = break_glass(&house.ana, &change).await;
    assert_eq!(refused.status, 403);
    house.is_on_record(&refused.problem("self-approval"), "deny").await;
    let vera = house.app.person("Vera", &[Role::Viewer]).await;
    break_glass(&vera, &change).await.problem("denied");
    let silent = json!({ "digest": change["digest"], "reason": "  " });
    house.ben.post(&path(&change, "/break-glass"), silent).await.problem("no-reason");
    let other = json!({ "digest": format!("sha256:{}", "0".repeat(64)), "reason": "alarm" });
    house.ben.post(&path(&change, "/break-glass"), other).await.problem("other-digest");
    assert_eq!(house.looked_at(&change).await["state"], "approving");
}

#[tokio::test]
async fn one_administrator_with_two_operators_of_their_own_making_lets_nothing_through() {
    let house = House::with(None).await;
    let change = house.propose().await;
    let mut puppets = Vec::new();
    for name in ["Pia", "Paul"] {
        let request = json!({ "name": name, "kind": "user", "roles": [{ "role": "operator" }],
            "scopes": ["read", "write"], "expires_in_ms": HOUR_MS });
        let made = house.admin.post("/keys", request).await.ok();
        puppets.push(house.app.client(interlock_server::testing::TENANT, made["key"].as_str()));
    }
    break_glass(&puppets[0], &change).await.ok();
    let refused = break_glass(&puppets[1], &change).await;
    assert_eq!(refused.status, 409);
    let problem = refused.problem("safety-to-break");
    assert!(problem["detail"].as_str().unwrap().contains("clinical safety or regulatory"), "{problem}");
    // Nor with a role that nobody confirmed.
    let request = json!({ "name": "Petra", "kind": "user", "roles": [{ "role": "regulatory" }],
        "scopes": ["read", "write"], "expires_in_ms": HOUR_MS });
    let made = house.admin.post("/keys", request).await.ok();
    let petra = house.app.client(interlock_server::testing::TENANT, made["key"].as_str());
    let refused = break_glass(&petra, &change).await.problem("denied");
    assert_eq!(refused["policies"][0]["id"], "guardrails.second-administrator");
    let still = house.looked_at(&change).await;
    assert_eq!((&still["state"], still["glass"].as_array().unwrap().len()), (&json!("approving"), 1));
    assert_eq!(house.ana.get("/incidents").await.ok()["items"], json!([]));
    // The first one still waits for somebody who answers for safety.
    break_glass(&house.rolf, &change).await.ok();
    let change = house.looked_at(&change).await;
    assert_eq!(change["state"], "rolling_out");
    assert_eq!(change["glass"][1]["roles"], json!(["regulatory"]));
    house.is_sound().await;
}

#[tokio::test]
async fn when_the_one_who_answers_for_safety_does_so_no_more_the_glass_is_whole_again() {
    let house = House::loosened(None, &["guardrails.guarded-way-back"]).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    let ben = house.account("Ben").await;
    let path = format!("/accounts/{}/roles", ben["id"].as_str().unwrap());
    // He may still break a glass, but not as somebody who answers for safety.
    let roles = json!({ "roles": [{ "role": "operator" }] });
    house.admin.ask(Method::PUT, &path, &[], Some(roles)).await.ok();
    assert_eq!(house.looked_at(&change).await["profile"]["broken_glass_until"], Value::Null);
}

#[tokio::test]
async fn the_second_person_comes_within_the_hour() {
    let house = House::with(None).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    house.app.clock.advance(HOUR_MS);
    break_glass(&house.ben, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "approving", "exactly an hour later is too late");
    house.app.clock.advance(HOUR_MS - 1);
    break_glass(&house.otto, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
}

#[tokio::test]
async fn after_the_hour_the_missing_approvals_are_missing_again() {
    let house = House::loosened(None, &["guardrails.guarded-way-back"]).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    let held = house.looked_at(&change).await;
    assert_eq!(held["state"], "approving", "never past a signature that is missing");
    let reasons = held["hold"]["reasons"].to_string();
    assert!(reasons.contains("guardrails.guarded-signature") && !reasons.contains("approvals."), "{reasons}");
    assert!(held["profile"]["broken_glass_until"].is_string());
    house.app.clock.advance(HOUR_MS);
    let over = house.looked_at(&change).await;
    assert!(over["hold"]["reasons"].to_string().contains("approvals.profile"), "{over:#}");
    assert_eq!(over["profile"]["broken_glass_until"], Value::Null);
}

#[tokio::test]
async fn whoever_lost_the_role_holds_no_glass_open() {
    let house = House::loosened(None, &["guardrails.guarded-way-back"]).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    let ben = house.account("Ben").await;
    let path = format!("/accounts/{}/deactivate", ben["id"].as_str().unwrap());
    house.admin.post(&path, json!({})).await.ok();
    assert_eq!(house.looked_at(&change).await["profile"]["broken_glass_until"], Value::Null);
}

#[tokio::test]
async fn an_incident_is_reviewed_by_a_third_person_and_is_overdue_after_a_day() {
    let house = House::with(None).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    let incident = house.ana.get("/incidents").await.ok()["items"][0].clone();
    let at = format!("/incidents/{}", incident["id"].as_str().unwrap());
    assert_eq!(ready(&house).await, json!({ "status": "ok", "to_review": 1, "overdue": 0 }));
    house.app.clock.advance(24 * HOUR_MS - 1);
    assert_eq!(ready(&house).await["overdue"], 0);
    house.app.clock.advance(1);
    assert_eq!(ready(&house).await, json!({ "status": "degraded", "to_review": 1, "overdue": 1 }));
    let fresh = house.app.person("Nina", &[Role::Regulatory]).await;
    let findings = json!({ "findings": "the alarm was real" });
    let review = format!("{at}/review");
    fresh.post(&review, json!({ "findings": "" })).await.problem("no-reason");
    let reviewed = fresh.post(&review, findings.clone()).await.ok();
    assert_eq!(reviewed["review"]["name"], "Nina");
    assert_eq!(fresh.get(&at).await.ok(), reviewed);
    fresh.post(&review, findings).await.problem("already-reviewed");
    assert_eq!(ready(&house).await, json!({ "status": "ok", "to_review": 0, "overdue": 0 }));
}

#[tokio::test]
async fn whoever_broke_the_glass_does_not_review_it() {
    let house = House::with(None).await;
    let change = house.propose().await;
    break_glass(&house.cleo, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    let incident = house.ana.get("/incidents").await.ok()["items"][0].clone();
    let review = format!("/incidents/{}/review", incident["id"].as_str().unwrap());
    let refused = house.ben.post(&review, json!({ "findings": "fine" })).await;
    assert_eq!(refused.status, 403);
    refused.problem("own-incident");
    house.otto.post(&review, json!({ "findings": "fine" })).await.problem("denied");
    house.rolf.post(&review, json!({ "findings": "fine" })).await.ok();
    house.is_sound().await;
}

#[tokio::test]
async fn whoever_is_left_of_a_pair_makes_no_other_with_somebody_else() {
    let house = House::loosened(None, &["guardrails.guarded-way-back"]).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    break_glass(&house.cleo, &change).await.ok();
    let otto = house.account("Otto").await;
    let path = format!("/accounts/{}/deactivate", otto["id"].as_str().unwrap());
    house.admin.post(&path, json!({})).await.ok();
    let shut = house.looked_at(&change).await;
    assert_eq!(
        shut["profile"]["broken_glass_until"],
        Value::Null,
        "Ben and Cleo opened no incident together"
    );
    assert_eq!(house.ana.get("/incidents").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_author_does_not_review_what_was_let_through_for_them() {
    let house = House::with(None).await;
    let abe = house.app.person("Abe", &[Role::ReleaseManager, Role::Regulatory]).await;
    let change = abe.post("/changes", crate::house::proposal("2.0")).await.ok();
    house.app.reconcile().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    let incident = house.ana.get("/incidents").await.ok()["items"][0].clone();
    let review = format!("/incidents/{}/review", incident["id"].as_str().unwrap());
    let refused = abe.post(&review, json!({ "findings": "all was well" })).await.problem("denied");
    assert_eq!(refused["policies"][0]["id"], "approvals.incident-not-the-author");
    house.rolf.post(&review, json!({ "findings": "it had to be" })).await.ok();
}

#[tokio::test]
async fn an_incident_is_reported_with_its_devices_its_approvals_and_its_receipts_in_every_form() {
    let house = House::with(None).await;
    let change = house.propose().await;
    break_glass(&house.otto, &change).await.ok();
    break_glass(&house.ben, &change).await.ok();
    house.looked_at(&change).await;
    let back = json!({ "reason": "pumps alarm <b>again</b>" });
    house.otto.post(&path(&change, "/rollback"), back).await.ok();
    for _ in 0..3 {
        house.looked_at(&change).await;
    }
    let incident = house.ana.get("/incidents").await.ok()["items"][0].clone();
    let of = format!("/incidents/{}", incident["id"].as_str().unwrap());
    let report = house.ana.get(&format!("{of}/report")).await.ok();
    assert_eq!(report["change"]["id"], change["id"]);
    assert_eq!(report["incidents"], json!([incident]));
    let happened = report["happened"].to_string();
    for said in ["Ana proposed", "Otto and Ben let it proceed", "Otto called it back: pumps alarm"] {
        assert!(happened.contains(said), "{said} in {happened}");
    }
    assert_eq!(report["rollback"]["cause"]["name"], "Otto");
    let timeline = report["timeline"].as_array().unwrap();
    let what: Vec<&str> = timeline.iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    for kind in [
        "change.proposed",
        "change.glass_broken",
        "incident.opened",
        "change.admitted",
        "rollout.rollback_begun",
    ] {
        assert!(what.contains(&kind), "{kind} in {what:?}");
    }

    // Each receipt proves its entry to whoever has the log's key.
    let key =
        &report["ledger"]["keys"].as_array().unwrap().iter().find(|key| key["for"] == "log").unwrap()["vkey"];
    let key: interlock_ledger::VerifyingKey = key.as_str().unwrap().parse().unwrap();
    let (origin, keys) = (key.name().to_owned(), interlock_ledger::Keyring::from_iter([key]));
    let receipts = report["ledger"]["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), timeline.len());
    for receipt in receipts {
        let receipt =
            interlock_ledger::Receipt::parse(receipt["receipt"].as_str().unwrap().as_bytes()).unwrap();
        receipt.verify(receipt.extra.as_ref().unwrap(), &origin, &keys).unwrap();
    }
    assert_eq!(report["ledger"]["unproved"], json!([]));

    // The same from the change, on a page and on paper.
    let page = house.ana.get(&path(&change, "/report?format=html")).await;
    assert!(page.header("content-type").starts_with("text/html"));
    let page = page.text();
    for said in [
        "Otto and Ben let it proceed",
        "pumps alarm &lt;b&gt;again",
        "pump-1",
        "What was brought back",
        "rollout.rollback_begun",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
    let paper = house.ana.get(&format!("{of}/report?format=pdf")).await;
    assert!(paper.header("content-type") == "application/pdf" && paper.body.starts_with(b"%PDF-1.7"));
    assert_eq!(
        house.ana.get(&format!("{of}/report?format=doc")).await.problem("invalid")["parameter"],
        "format"
    );
    house.otto.get(&format!("{of}/report")).await.problem("denied");
}
