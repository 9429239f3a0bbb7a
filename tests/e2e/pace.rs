//! Devices that stand in for each other are never on their way together: forward, and on the way back.

use std::collections::BTreeMap;

use interlock_emulator::{Behaviour, Effect, Fleet};
use interlock_tests::{Hospital, text};
use serde_json::{Value, json};

use crate::program;

/// Two of each of three sites, and only one of a site may be down.
const PUMPS: usize = 6;
const DOWN: [&str; 7] =
    ["offered", "downloading", "installing", "installed", "cancelling", "confirming", "restoring"];

async fn hospital(behaviours: Vec<Behaviour>) -> (Hospital, Fleet) {
    let hospital = Hospital::open(program::quick(), PUMPS).await.unwrap();
    let fleet = hospital.switch_on(behaviours).unwrap();
    hospital.everybody_on(&fleet, "1.0.0").await.unwrap();
    hospital.push("2.0.0", 2).await.unwrap();
    (hospital, fleet)
}

async fn admitted(hospital: &Hospital) -> String {
    let mut proposal = Hospital::proposal("2.0.0", "one of each site at a time", 0);
    proposal["strategy"] = json!({ "plugin": "direct", "settings": {} });
    proposal["at_once"] = json!([{ "of": "site:", "targets": 1 }]);
    let id = hospital.propose(&proposal).await.unwrap();
    hospital.approve(&hospital.ben, &id).await.unwrap();
    hospital.approve(&hospital.carla, &id).await.unwrap();
    id
}

/// Watches until the change is in one of these states, and that never more than one pump of a site is on its way.
async fn one_of_each_site(hospital: &Hospital, id: &str, states: &[&str]) -> Value {
    let site_of: BTreeMap<&str, &str> =
        hospital.pumps.iter().map(|pump| (pump.id.as_str(), pump.site.as_str())).collect();
    loop {
        let page = hospital.ana.get(&format!("/changes/{id}/assignments?limit=200")).await.unwrap();
        let mut down: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for assignment in page["items"].as_array().unwrap() {
            if DOWN.contains(&text(assignment, "/state").as_str()) {
                down.entry(site_of[text(assignment, "/device").as_str()]).or_default().push(assignment);
            }
        }
        for (site, pumps) in down {
            assert!(pumps.len() <= 1, "together at {site}: {pumps:?}");
        }
        let change = hospital.change(id).await.unwrap();
        if states.contains(&text(&change, "/state").as_str()) {
            return change;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_each_site_at_a_time_there_and_back() {
    let (hospital, fleet) = hospital(Vec::new()).await;
    let id = admitted(&hospital).await;
    let done = one_of_each_site(&hospital, &id, &["completed", "paused", "rolled_back"]).await;
    assert_eq!(text(&done, "/state"), "completed", "{done}");
    assert_eq!(done["progress"]["verified"], PUMPS);
    let reason = json!({ "reason": "the nurses ask for the old alarm" });
    hospital.ben.post(&format!("/changes/{id}/rollback"), &reason).await.unwrap();
    let back = one_of_each_site(&hospital, &id, &["rolled_back"]).await;
    assert_eq!(back["progress"]["rolled_back"], PUMPS);
    hospital.everybody_on(&fleet, "1.0.0").await.unwrap();
    hospital.verify_ledger().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pump_that_failed_keeps_the_other_of_its_site_and_explain_says_so() {
    let fails = Behaviour {
        version: Some("2.0.0".to_owned()),
        site: Some("north".to_owned()),
        share_bp: 10_000,
        effect: Effect::FailInstall,
    };
    let (hospital, _fleet) = hospital(vec![fails]).await;
    let mut proposal = Hospital::proposal("2.0.0", "why", 0);
    proposal["at_once"] = json!([{ "of": "site:", "targets": 1 }]);
    // The operator's health check would call everybody back.
    proposal["judge_every_ms"] = json!(3_600_000);
    let lenient = json!([{ "percent_bp": 10_000, "hold_secs": 0 }]);
    proposal["strategy"] =
        json!({ "plugin": "canary", "settings": { "stages": lenient, "max_failure_bp": 10_000 } });
    let id = hospital.propose(&proposal).await.unwrap();
    hospital.approve(&hospital.ben, &id).await.unwrap();
    hospital.approve(&hospital.carla, &id).await.unwrap();
    let held = hospital
        .until(&id, |change| {
            change["progress"]["verified"] == PUMPS - 2
                && change["progress"]["failed"] == 1
                && change["progress"]["waiting"] == 1
        })
        .await
        .unwrap();
    assert_eq!(text(&held, "/state"), "rolling_out");
    let why = hospital.ana.get(&format!("/changes/{id}/explain")).await.unwrap();
    assert_eq!((&why["full"][0]["name"], &why["full"][0]["targets"]), (&json!("site:north"), &json!(1)));
    let failed = text(&why, "/full/0/devices/0");
    let summary = text(&why, "/summary");
    assert!(summary.contains(&failed) && summary.contains("at most 1 of `site:north` at once"), "{summary}");
    // Whoever has taken the broken pump off the ward says so, and the other one is next.
    hospital.ines.delete(&format!("/devices/{failed}")).await.unwrap();
    hospital.until(&id, |change| change["progress"]["waiting"] == 0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_means_nothing_is_refused_with_the_field_named() {
    let (hospital, _fleet) = hospital(Vec::new()).await;
    let table = [
        (json!([{ "of": "ward:", "targets": 1 }]), "/at_once/0"),
        (json!([{ "of": "site:", "targets": 1 }, { "of": "group:a", "targets": 0 }]), "/at_once/1"),
        (json!([{ "of": "site:", "targets": -1 }]), "/at_once/0/targets"),
        (json!([{ "of": "site:", "targets": 1, "each": true }]), "/at_once/0"),
    ];
    for (rules, field) in table {
        let mut proposal = Hospital::proposal("2.0.0", "why", 0);
        proposal["at_once"] = rules;
        let refused = hospital.ana.try_post("/changes", &proposal).await.unwrap().unwrap_err();
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.field.clone().unwrap_or_default().starts_with(field), "{refused:?}");
    }
}
