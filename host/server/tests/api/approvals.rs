//! Approval profiles, through the API.

use axum::http::Method;
use interlock_domain::Role;
use interlock_server::{Config, testing::TestApp};
use interlock_store::testing::TestDatabase;
use serde_json::json;

use crate::house::{HOUR_MS, House, LOOSENED, ORDERED, approve, approve_with, levels, path, proposal};

#[tokio::test]
async fn levels_are_shown_with_who_counted_and_who_could() {
    let house = House::with(None).await;
    let change = house.propose().await;
    assert_eq!(
        levels(&change["profile"]),
        ["clinical-safety open [] (Ben, Cleo)", "regulatory open [] (Rolf)"]
    );
    assert_eq!(change["profile"]["expires_at"], change["expires_at"]);
    approve(&house.ben, &change).await.ok();
    let explained = house.explain(&change).await;
    assert_eq!(
        levels(&explained["approvals"]),
        ["clinical-safety complete [Ben] ()", "regulatory open [] (Rolf)"]
    );
    assert_eq!(explained["missing"]["needed"][0]["persons"][0]["name"], "Rolf");
    approve(&house.rolf, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
    house.is_sound().await;
}

#[tokio::test]
async fn an_approval_out_of_turn_is_refused_with_the_level_that_comes_before() {
    let house = House::with(Some(ORDERED)).await;
    let change = house.propose().await;
    assert_eq!(levels(&change["profile"]), ["clinic open [] (Ben, Cleo)", "regulator waits [] (Rolf)"]);
    let refused = approve(&house.rolf, &change).await;
    assert_eq!(refused.status, 409);
    let problem = refused.problem("out-of-turn");
    assert_eq!((&problem["level"], &problem["before"]), (&json!("regulator"), &json!("clinic")));
    approve(&house.ben, &change).await.ok();
    house.app.clock.advance(1_000);
    approve(&house.rolf, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
}

#[tokio::test]
async fn an_approval_at_the_instant_of_expiry_is_too_late_by_the_clock_of_the_server() {
    let house = House::with(Some(ORDERED)).await;
    let change = house.propose().await;
    house.app.clock.advance(20 * HOUR_MS - 1);
    approve(&house.ben, &change).await.ok();
    house.app.clock.advance(1);
    let refused = approve(&house.rolf, &change).await;
    assert_eq!(refused.status, 409);
    refused.problem("approval-expired");
    assert_eq!(house.looked_at(&change).await["state"], "expired");
    let refused = approve(&house.rolf, &change).await;
    assert_eq!(refused.status, 409, "the same once the reconciler saw it");
    refused.problem("approval-expired");
}

#[tokio::test]
async fn an_approval_that_was_not_used_in_time_counts_no_more_and_can_be_given_anew() {
    let house = House::with(Some(ORDERED)).await;
    let change = house.propose().await;
    approve(&house.ben, &change).await.ok();
    approve(&house.ben, &change).await.problem("already-approved");
    house.app.clock.advance(12 * HOUR_MS - 1);
    assert!(levels(&house.show(&change).await["profile"])[0].starts_with("clinic complete [Ben]"));
    house.app.clock.advance(1);
    assert_eq!(levels(&house.show(&change).await["profile"])[0], "clinic open [] (Ben, Cleo)");
    approve(&house.rolf, &change).await.problem("out-of-turn");
    approve(&house.ben, &change).await.ok();
    assert!(levels(&house.show(&change).await["profile"])[0].starts_with("clinic complete [Ben]"));
    house.is_sound().await;
}

#[tokio::test]
async fn one_rejection_ends_it_also_beside_an_approval() {
    let house = House::with(None).await;
    let change = house.propose().await;
    let no = json!({ "digest": change["digest"], "reason": "annex B is missing" });
    let reject = path(&change, "/reject");
    approve(&house.ben, &change).await.ok();
    let (yes, no) = tokio::join!(approve(&house.rolf, &change), house.cleo.post(&reject, no));
    no.ok();
    let _either = yes;
    let ended = house.looked_at(&change).await;
    assert_eq!(ended["state"], "rejected");
    approve(&house.rolf, &change).await.problem("wrong-state");
}

#[tokio::test]
async fn where_a_profile_says_so_a_rejection_only_takes_a_yes_back() {
    let lenient = ORDERED.replace("mode = \"ordered\"", "veto = false");
    let house = House::with(Some(&lenient)).await;
    let change = house.propose().await;
    approve(&house.ben, &change).await.ok();
    approve(&house.rolf, &change).await.ok();
    let no = json!({ "digest": change["digest"], "reason": "I misread annex B" });
    house.ben.post(&path(&change, "/reject"), no).await.ok();
    let objected = house.looked_at(&change).await;
    assert_eq!(objected["state"], "approving");
    assert_eq!(levels(&objected["profile"])[0], "clinic open [] (Ben, Cleo)");
    approve(&house.cleo, &change).await.ok();
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
    house.is_sound().await;
}

#[tokio::test]
async fn two_approvals_racing_for_the_last_place_are_one_transition() {
    race_for_the_last_place(House::with(None).await).await;
}

#[tokio::test]
async fn two_approvals_racing_for_the_last_place_on_postgresql_are_one_transition() {
    let database = TestDatabase::postgres().await;
    let on = |config: &mut Config| {
        config.store.url.clone_from(&database.url);
        config.store.pool_max = 4;
    };
    race_for_the_last_place(House::configured(None, &LOOSENED, on).await).await;
}

async fn race_for_the_last_place(house: House) {
    let change = house.propose().await;
    approve(&house.rolf, &change).await.ok();
    let (ben, cleo, again) = tokio::join!(
        approve(&house.ben, &change),
        approve(&house.cleo, &change),
        approve(&house.ben, &change)
    );
    cleo.ok();
    assert!(
        [&ben, &again].iter().filter(|answer| answer.status.is_success()).count() == 1,
        "one person counts once"
    );
    let change = house.looked_at(&change).await;
    assert_eq!(change["state"], "rolling_out");
    let entries = house.ana.get("/ledger/entries?limit=200").await.ok();
    let admitted = entries["items"].as_array().unwrap().iter();
    assert_eq!(
        admitted.filter(|entry| entry["entry"]["type"] == "change.admitted").count(),
        1,
        "{entries:#}"
    );
}

#[tokio::test]
async fn two_approvals_racing_for_the_last_place_on_two_replicas_of_postgresql_are_one_transition() {
    let (database, keys) = (TestDatabase::postgres().await, tempfile::tempdir().unwrap());
    let on_one_database = |config: &mut Config| {
        config.store.url.clone_from(&database.url);
        config.store.pool_max = 4;
        config.ledger.key_file = keys.path().join("ledger-key.pk8");
        config.artifacts.wrapping_key_file = keys.path().join("wrapping-key");
    };
    let house = House::configured(None, &LOOSENED, on_one_database).await;
    let other = TestApp::replica(2, |config| {
        let here = &house.app.app.config;
        config.policies.dir.clone_from(&here.policies.dir);
        config.plugins.dir.clone_from(&here.plugins.dir);
        config.plugins.cache_dir.clone_from(&here.plugins.cache_dir);
        config.gates.clear();
        config.health.clear();
        on_one_database(config);
    })
    .await;
    let rena = other.person("Rena", &[Role::Regulatory]).await;
    let change = house.propose().await;
    approve(&house.ben, &change).await.ok();
    let (rolf, rena) = tokio::join!(approve(&house.rolf, &change), approve(&rena, &change));
    // Whoever came second is heard too, or told that it is over.
    let heard = [&rolf, &rena].into_iter().filter(|answer| answer.status.is_success()).count();
    assert!(heard >= 1, "{} {}", rolf.text(), rena.text());
    for answer in [&rolf, &rena] {
        assert!([200, 409].contains(&answer.status.as_u16()), "{}", answer.text());
    }
    other.reconcile().await;
    assert_eq!(house.looked_at(&change).await["state"], "rolling_out");
    let entries = house.ana.get("/ledger/entries?limit=200").await.ok();
    let count = |kind: &str| {
        let entries = entries["items"].as_array().unwrap().iter();
        entries.filter(|entry| entry["entry"]["type"] == kind).count()
    };
    assert_eq!((count("change.admitted"), count("change.approved")), (1, 1 + heard), "{entries:#}");
    house.is_sound().await;
}

#[tokio::test]
async fn an_approval_of_the_version_before_is_refused() {
    let house = House::with(None).await;
    let change = house.propose().await;
    house.ana.ask(Method::PUT, &path(&change, ""), &[], Some(proposal("2.0, second"))).await.ok();
    let refused = approve(&house.ben, &change).await;
    assert_eq!(refused.status, 409);
    refused.problem("other-digest");
    let revised = house.looked_at(&change).await;
    assert_eq!(levels(&revised["profile"])[0], "clinical-safety open [] (Ben, Cleo)");
}

#[tokio::test]
async fn an_approver_who_lost_the_role_counts_no_more() {
    let house = House::with(None).await;
    let change = house.propose().await;
    approve(&house.ben, &change).await.ok();
    let ben = house.account("Ben").await;
    let roles = format!("/accounts/{}/roles", ben["id"].as_str().unwrap());
    house.admin.ask(Method::PUT, &roles, &[], Some(json!({ "roles": [{ "role": "viewer" }] }))).await.ok();
    approve(&house.rolf, &change).await.ok();
    let change = house.looked_at(&change).await;
    assert_eq!(change["state"], "approving");
    assert_eq!(levels(&change["profile"])[0], "clinical-safety open [] (Cleo)");
}

#[tokio::test]
async fn a_level_that_waits_too_long_is_escalated_once_and_filled_by_more_roles() {
    let house = House::with(Some(ORDERED)).await;
    let change = house.propose().await;
    approve(&house.ben, &change).await.ok();
    house.app.clock.advance(4 * HOUR_MS - 1);
    let before = house.looked_at(&change).await;
    assert_eq!(before["escalations"], serde_json::Value::Null);
    assert!(before["profile"]["levels"][1]["escalates_at"].is_string());
    house.app.clock.advance(1);
    let after = house.looked_at(&change).await;
    assert_eq!(after["escalations"][0]["level"], "regulator");
    assert_eq!(after["escalations"][0]["to"], json!(["clinical_safety"]));
    assert_eq!(after["profile"]["levels"][1]["escalated_since"], after["escalations"][0]["since"]);
    assert_eq!(levels(&after["profile"])[1], "regulator open [] (Cleo, Rolf)");
    house.app.clock.advance(HOUR_MS);
    assert_eq!(house.looked_at(&change).await["escalations"].as_array().unwrap().len(), 1, "once");
    approve(&house.cleo, &change).await.ok();
    let filled = house.show(&change).await;
    assert_eq!(filled["profile"]["complete"], true, "{filled:#}");
    house.is_sound().await;
}

#[tokio::test]
async fn a_level_that_asks_for_a_signature_is_not_filled_without_one() {
    let signed = ORDERED.replace("name = \"clinic\"", "name = \"clinic\"\nsignature = true");
    let house = House::with(Some(&signed)).await;
    let change = house.propose().await;
    assert_eq!(change["profile"]["levels"][0]["signature"], true);
    let problem = approve(&house.ben, &change).await.problem("signature-needed");
    assert_eq!(problem["level"], "clinic");
    assert_eq!(house.explain(&change).await["missing"]["needed"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn each_stage_waits_for_its_own_approvals_where_the_profile_says_so() {
    let each = ORDERED.replace("mode = \"ordered\"", "stage = \"each\"");
    let house = House::with(Some(&each)).await;
    let mut wish = proposal("2.0");
    wish["strategy"] = json!({ "plugin": "canary", "settings": {
        "stages": [{ "percent_bp": 5000, "hold_secs": 60 }, { "percent_bp": 10000, "hold_secs": 60 }]
    } });
    let proposed = house.ana.post("/changes", wish).await;
    let change = proposed.ok();
    house.app.reconcile().await;
    let refused = approve_with(&house.ben, &change, json!({ "stage": 9 })).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    approve_with(&house.ben, &change, json!({ "stage": 1 })).await.ok();
    let waiting = house.looked_at(&change).await;
    assert_eq!(waiting["state"], "approving", "what is for one stage admits nothing");
    approve(&house.ben, &change).await.ok();
    approve(&house.rolf, &change).await.ok();
    let rolling = house.looked_at(&change).await;
    assert_eq!(rolling["state"], "rolling_out");
    assert_eq!(rolling["profile"]["stage"], 1, "{rolling:#}");
    assert_eq!(levels(&rolling["profile"]), ["clinic complete [Ben] ()", "regulator open [] (Rolf)"]);
    approve_with(&house.rolf, &change, json!({ "stage": 1 })).await.ok();
    assert_eq!(house.show(&change).await["profile"]["complete"], true);
    approve_with(&house.cleo, &change, json!({ "stage": 0 })).await.problem("stage-over");
    house.is_sound().await;
}

#[tokio::test]
async fn a_level_of_a_revised_change_waits_as_long_as_one_of_a_new_one() {
    let waits = ORDERED.replace(
        "roles = [\"clinical_safety\"]",
        "roles = [\"clinical_safety\"]\nescalate_after = \"PT4H\"\nescalate_to = [\"regulatory\"]",
    );
    let house = House::with(Some(&waits)).await;
    let change = house.propose().await;
    house.app.clock.advance(4 * HOUR_MS - 1);
    let second =
        house.ana.ask(Method::PUT, &path(&change, ""), &[], Some(proposal("2.0, second"))).await.ok();
    house.app.clock.advance(1);
    let revised = house.looked_at(&second).await;
    assert_eq!(revised["escalations"], serde_json::Value::Null, "nobody has had four hours to read it");
    assert_eq!(levels(&revised["profile"])[0], "clinic open [] (Ben, Cleo)");
    assert!(revised["revised_at"].is_string());
    house.app.clock.advance(4 * HOUR_MS - 1);
    assert_eq!(house.looked_at(&revised).await["escalations"][0]["level"], "clinic");
    house.is_sound().await;
}
