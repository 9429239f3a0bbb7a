//! How old the policies are is part of every decision, and past an age they may permit nothing more.

use axum::http::Method;
use interlock_server::{
    Config,
    testing::{Answer, TENANT},
};
use serde_json::{Value, json};

use super::{House, MINUTE};

/// The maximum age here: shorter than the day for which the keys of tests work.
const AGE: i64 = 12 * 60 * MINUTE;

fn aging(deny: bool) -> impl FnOnce(&mut Config) {
    move |config| {
        config.policies.git.max_age_ms = AGE.unsigned_abs();
        config.policies.git.deny_after_max_age = deny;
    }
}

/// Takes git away, for as long as it is held.
struct Away<'a> {
    house: &'a House,
}

impl<'a> Away<'a> {
    fn go(house: &'a House) -> Self {
        let folder = house.repository.folder();
        std::fs::rename(&folder, folder.with_file_name("away")).unwrap();
        Self { house }
    }

    fn come_back(self) {
        let folder = self.house.repository.folder();
        std::fs::rename(folder.with_file_name("away"), &folder).unwrap();
    }
}

/// A server whose policies came from git, were admitted and are the newest.
async fn taken(deny: bool) -> House {
    let house = House::with("staging", aging(deny)).await;
    house.write(house.revision + 1, None);
    house.commit();
    house.look().await;
    house.app.reconcile().await;
    house.look().await;
    assert_eq!(house.in_force().await, house.revision + 1);
    house
}

#[tokio::test]
async fn policies_grow_old_while_git_is_away_and_are_young_again_when_it_is_back() {
    let house = taken(false).await;
    let away = Away::go(&house);
    house.app.clock.advance(AGE);
    house.look().await;
    let ready = house.ready().await;
    assert_eq!(
        (&ready["age_ms"], &ready["denies_for_age"]),
        (&json!(AGE + MINUTE), &json!(false)),
        "{ready}"
    );
    assert_eq!(ready["git"]["status"], "degraded");
    assert_eq!(house.entries("policy.head_refused").await, 0, "nothing is wrong with what is in git");
    let metrics = house.app.client(TENANT, None).get("//metrics").await.text();
    assert!(metrics.contains("policy_bundle_age_seconds 43260"), "{metrics}");
    assert!(metrics.contains("policy_sync_failures_total"));
    // Nobody asked for more: the last good policies stay in force.
    assert_eq!(house.in_force().await, house.revision + 1);
    away.come_back();
    house.look().await;
    assert_eq!(house.ready().await["age_ms"], 0);
}

#[tokio::test]
async fn past_the_maximum_age_everything_is_denied_until_git_is_seen_again() {
    let house = taken(true).await;
    let away = Away::go(&house);
    house.app.clock.advance(AGE - 1);
    house.vera.get("/bundle").await.ok();
    house.app.clock.advance(1);
    let denied = house.vera.get("/bundle").await.problem("denied");
    let told = denied.to_string();
    assert!(told.contains("last known to be the newest") && told.contains("/ready"), "{told}");
    house.look().await;
    house.vera.get("/bundle").await.problem("denied");
    let ready = house.ready().await;
    assert_eq!((&ready["denies_for_age"], &ready["status"]), (&json!(true), &json!("degraded")), "{ready}");

    // What came meanwhile is proposed as soon as git is seen, although a moment before nothing could be.
    away.come_back();
    house.write(house.revision + 2, None);
    house.commit();
    house.look().await;
    house.app.reconcile().await;
    assert_eq!(house.in_force().await, house.revision + 2);
}

#[tokio::test]
async fn a_denial_for_age_is_on_record_and_comes_out_the_same_when_it_is_made_again() {
    let house = taken(true).await;
    let away = Away::go(&house);
    house.app.clock.advance(AGE);
    house.vera.get("/bundle").await.problem("denied");
    away.come_back();
    house.look().await;
    let denials = house.vera.get("/decisions?outcome=deny&action=ReadBundle").await.ok()["items"].clone();
    let denial = &denials[0];
    let id = denial["id"].as_str().unwrap();
    let question = house.vera.get(&format!("/decisions/{id}")).await.ok()["subject"]["question"].clone();
    assert_eq!(question["freshness"]["deny_after_ms"], AGE, "{question}");
    let replayed = house.vera.ask(Method::POST, &format!("/decisions/{id}/replay"), &[], None).await.ok();
    assert_eq!(replayed["identical"], true, "{replayed}");
    let why = house.vera.get(&format!("/decisions/{id}/explain")).await.ok();
    assert!(why["errors"].to_string().contains("last known to be the newest"), "{why}");
}

#[tokio::test]
async fn every_decision_says_how_fresh_the_policies_were() {
    let house = taken(false).await;
    let said = |answer: &Answer| answer.ok()["items"][0]["subject"]["question"]["freshness"].clone();
    let admitted = house.vera.get("/decisions?action=AdmitChange").await;
    let freshness: Value = said(&admitted);
    assert!(freshness["known_at"].is_string() && freshness.get("deny_after_ms").is_none(), "{freshness}");
    let change = house.changes().await[0]["id"].as_str().unwrap().to_owned();
    let explained = house.vera.get(&format!("/changes/{change}/explain")).await.ok();
    assert_eq!(explained["policies"]["age_ms"], 0, "{explained}");
}

#[tokio::test]
async fn a_place_that_never_held_a_good_head_grows_old_from_the_first_look() {
    let house = House::with("staging", aging(true)).await;
    house.write(house.revision + 1, None);
    house.repository.commit(None).unwrap();
    house.look().await;
    house.vera.get("/bundle").await.ok();
    house.app.clock.advance(AGE);
    house.look().await;
    house.vera.get("/bundle").await.problem("denied");
    // A signed commit on top would not do: the whole history is held to the rule. Begun anew it does.
    house.repository.git(&["checkout", "--quiet", "--orphan", "anew"]).unwrap();
    house.commit();
    house.repository.git(&["branch", "--force", "main", "anew"]).unwrap();
    house.look().await;
    house.vera.get("/bundle").await.ok();
}

#[tokio::test]
async fn policies_that_come_from_a_folder_are_as_old_as_they_are_in_force() {
    let app = interlock_server::testing::TestApp::start().await;
    app.clock.advance(MINUTE);
    let ready = app.client(TENANT, None).get("//ready").await.json()["checks"]["policies"].clone();
    assert_eq!((&ready["age_ms"], &ready["git"]), (&json!(MINUTE), &Value::Null), "{ready}");
}

#[test]
fn a_maximum_age_that_every_poll_exceeds_is_refused() {
    let mut config = Config::default();
    config.policies.home = Some(interlock_server::config::Home {
        tenant: TENANT.parse().unwrap(),
        environment: "production".parse().unwrap(),
    });
    let git = &mut config.policies.git;
    git.url = "https://git.example.org/policies.git".to_owned();
    git.account = Some("acc_019ac0de000070008000000000000001".parse().unwrap());
    git.allowed_signers_file = "signers".into();
    git.deny_after_max_age = true;
    (git.poll_ms, git.max_age_ms) = (1_000, 1_001);
    assert!(config.clone().checked().is_ok());
    config.policies.git.max_age_ms = 1_000;
    assert!(config.checked().unwrap_err().to_string().contains("max_age_ms"));
}
