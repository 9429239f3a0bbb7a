//! Roles that are lent, through the API.

use interlock_domain::Role;
use serde_json::{Value, json};

use crate::house::{HOUR_MS, House, approve, approve_with, levels};

async fn wish(house: &House, to: &str, hours: i64) -> Value {
    let until =
        interlock_domain::Timestamp::from_millis(interlock_server::testing::START_MS + hours * HOUR_MS);
    json!({
        "to": house.account(to).await["id"], "roles": ["regulatory"], "environment": "production", "until": until,
        "reason": "on leave"
    })
}

fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[tokio::test]
async fn a_delegate_approves_with_the_lent_roles_and_it_says_for_whom() {
    let house = House::with(None).await;
    let made = house.rolf.post("/delegations", wish(&house, "Otto", 24).await).await.ok();
    assert_eq!((&made["from_name"], &made["to_name"]), (&json!("Rolf"), &json!("Otto")));
    let change = house.propose().await;
    assert_eq!(levels(&change["profile"])[1], "regulatory open [] (Otto, Rolf)");
    approve(&house.otto, &change).await.problem("denied");
    approve_with(&house.otto, &change, json!({ "delegation": made["id"] })).await.ok();
    let shown = house.show(&change).await;
    let given = &shown["approvals"][0];
    assert_eq!((&given["name"], &given["roles"]), (&json!("Otto"), &json!(["regulatory"])));
    assert_eq!((&given["delegation"]["id"], &given["delegation"]["name"]), (&made["id"], &json!("Rolf")));
    assert_eq!(levels(&shown["profile"])[1], "regulatory complete [Otto] ()");
    approve(&house.ben, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
    house.is_sound().await;
}

#[tokio::test]
async fn whoever_delegated_and_the_delegate_never_count_as_two() {
    let house = House::with(None).await;
    let both = house.app.person("Rita", &[Role::Regulatory, Role::ClinicalSafety]).await;
    let made = both.post("/delegations", wish(&house, "Otto", 24).await).await.ok();
    let change = house.propose().await;
    approve(&both, &change).await.ok();
    approve_with(&house.otto, &change, json!({ "delegation": made["id"] })).await.ok();
    let waiting = house.looked_at(&change).await;
    assert_eq!(waiting["state"], "approving");
    let complete =
        waiting["profile"]["levels"].as_array().unwrap().iter().filter(|level| level["complete"] == true);
    assert_eq!(complete.count(), 1, "{waiting:#}");
}

#[tokio::test]
async fn nobody_delegates_to_themselves_or_what_they_do_not_hold_or_for_too_long() {
    let house = House::with(None).await;
    let fine = wish(&house, "Otto", 24).await;
    let longest = wish(&house, "Otto", 30 * 24).await;
    let past = json!({ "from": "2026-01-01T00:00:00.000Z" });
    for (wrong, field) in [
        (with(fine.clone(), json!({ "to": house.account("Rolf").await["id"] })), "/to"),
        (with(fine.clone(), json!({ "to": format!("acc_{}", "0".repeat(32)) })), "/to"),
        (with(fine.clone(), json!({ "roles": ["clinical_safety"] })), "/roles"),
        (with(fine.clone(), json!({ "roles": [] })), "/roles"),
        (with(fine.clone(), json!({ "reason": " " })), "/reason"),
        (with(fine.clone(), json!({ "until": "2026-01-01T00:00:00.000Z" })), "/until"),
        (with(fine.clone(), past), "/from"),
        (with(longest.clone(), json!({ "until": "2026-12-20T18:00:00.001Z" })), "/until"),
    ] {
        assert_eq!(house.rolf.post("/delegations", wrong).await.problem("invalid")["field"], field);
    }
    house.rolf.post("/delegations", longest).await.ok();
    house.otto.post("/delegations", fine).await.problem("denied");
}

#[tokio::test]
async fn a_second_account_of_the_same_person_is_still_oneself() {
    let house = House::with(None).await;
    let person = house.account("Rolf").await["person"].clone();
    let second = json!({ "name": "Rolf (night)", "kind": "user", "person": person, "roles": [], "scopes": ["write"],
        "expires_in_ms": HOUR_MS });
    house.admin.post("/keys", second).await.ok();
    let refused = house.rolf.post("/delegations", wish(&house, "Rolf (night)", 24).await).await;
    assert_eq!(refused.problem("invalid")["field"], "/to");
}

#[tokio::test]
async fn what_was_lent_is_not_lent_on() {
    let house = House::with(None).await;
    house.rolf.post("/delegations", wish(&house, "Cleo", 24).await).await.ok();
    let on = wish(&house, "Otto", 24).await;
    assert_eq!(house.cleo.post("/delegations", on).await.problem("invalid")["field"], "/roles");
}

#[tokio::test]
async fn neither_the_author_approves_as_a_delegate_nor_anybody_for_the_author() {
    let house = House::with(None).await;
    let to_author = house.rolf.post("/delegations", wish(&house, "Ana", 24).await).await.ok();
    let change = house.propose().await;
    let refused = approve_with(&house.ana, &change, json!({ "delegation": to_author["id"] })).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.problem("denied")["policies"][0]["id"], "approvals.not-the-author");

    let abe = house.app.person("Abe", &[Role::ReleaseManager, Role::Regulatory]).await;
    let by_author = abe.post("/delegations", wish(&house, "Otto", 24).await).await.ok();
    let change = abe.post("/changes", crate::house::proposal("2.0")).await.ok();
    let refused = approve_with(&house.otto, &change, json!({ "delegation": by_author["id"] })).await;
    assert_eq!(refused.status, 403);
    refused.problem("own-change");
}

#[tokio::test]
async fn a_delegation_is_used_by_whom_it_is_for_within_its_time() {
    let house = House::with(None).await;
    let made = house.rolf.post("/delegations", wish(&house, "Otto", 20).await).await.ok();
    let change = house.propose().await;
    let under = json!({ "delegation": made["id"] });
    approve_with(&house.ben, &change, under.clone()).await.problem("delegation-not-usable");
    let unknown = json!({ "delegation": format!("del_{}", "0".repeat(32)) });
    approve_with(&house.otto, &change, unknown).await.problem("not-found");
    house.app.clock.advance(20 * HOUR_MS - 1);
    let another = house.propose().await;
    approve_with(&house.otto, &another, under.clone()).await.ok();
    house.app.clock.advance(1);
    let over = approve_with(&house.otto, &change, under).await;
    assert!(over.problem("delegation-not-usable")["detail"].as_str().unwrap().contains("is over"));
}

#[tokio::test]
async fn what_was_approved_under_a_revoked_delegation_counts_no_more() {
    let house = House::with(None).await;
    let made = house.rolf.post("/delegations", wish(&house, "Otto", 24).await).await.ok();
    let change = house.propose().await;
    approve_with(&house.otto, &change, json!({ "delegation": made["id"] })).await.ok();
    let revoke = format!("/delegations/{}/revoke", made["id"].as_str().unwrap());
    house.otto.post(&revoke, json!({})).await.problem("denied");
    let revoked = house.rolf.post(&revoke, json!({})).await.ok();
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(house.admin.post(&revoke, json!({})).await.ok(), revoked, "again alters nothing");
    approve(&house.ben, &change).await.ok();
    let waiting = house.looked_at(&change).await;
    assert_eq!(levels(&waiting["profile"])[1], "regulatory open [] (Rolf)");
    let listed = house.ana.get("/delegations").await.ok();
    assert_eq!(listed["items"][0], revoked);
    let refused = approve_with(&house.otto, &change, json!({ "delegation": made["id"] })).await;
    assert!(refused.problem("delegation-not-usable")["detail"].as_str().unwrap().contains("revoked"));
    house.is_sound().await;
}

#[tokio::test]
async fn an_administrator_neither_lends_nor_approves_with_what_is_lent() {
    let house = House::with(None).await;
    let adi = house.app.person("Adi", &[Role::Administrator, Role::Regulatory]).await;
    let refused = adi.post("/delegations", wish(&house, "Otto", 24).await).await.problem("denied");
    assert_eq!(refused["policies"][0]["id"], "guardrails.administrators-apart");
    let made = house.rolf.post("/delegations", wish(&house, "Setup", 24).await).await.ok();
    let change = house.propose().await;
    assert_eq!(levels(&change["profile"])[1], "regulatory open [] (Rolf)", "who could does not name them");
    let refused = approve_with(&house.admin, &change, json!({ "delegation": made["id"] })).await;
    assert_eq!(refused.problem("denied")["policies"][0]["id"], "guardrails.administrators-apart");
}

#[tokio::test]
async fn whoever_became_an_administrator_counts_no_more_as_a_delegate() {
    let house = House::with(None).await;
    let made = house.rolf.post("/delegations", wish(&house, "Otto", 24).await).await.ok();
    let change = house.propose().await;
    approve_with(&house.otto, &change, json!({ "delegation": made["id"] })).await.ok();
    let otto = house.account("Otto").await;
    let roles = format!("/accounts/{}/roles", otto["id"].as_str().unwrap());
    let now = json!({ "roles": [{ "role": "administrator" }] });
    house.admin.ask(axum::http::Method::PUT, &roles, &[], Some(now)).await.ok();
    assert_eq!(levels(&house.looked_at(&change).await["profile"])[1], "regulatory open [] (Rolf)");
}
