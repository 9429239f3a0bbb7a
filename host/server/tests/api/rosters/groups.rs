//! Gates that judge as one.

use interlock_domain::Digest;
use interlock_server::config::Gate;
use serde_json::json;

use super::{Machine, Ward, component, push};

#[tokio::test]
async fn members_of_a_gate_group_judge_as_one_and_the_cause_is_named() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    let bind = |id: &str, max_bytes: u64| json!({ "bind": { "id": id, "plugin": "size-limit", "settings": { "max_bytes": max_bytes }, "group": "size" } });
    let group = |expression: &str| json!({ "group": { "name": "size", "expression": expression } });
    let activate = json!({ "activate": { "digest": Digest::of(component("size-limit")) } });
    let change =
        ward.changed(json!([activate, bind("strict", 1), bind("lax", 1_000), group("strict || lax")])).await;
    assert_eq!(change["state"], "completed", "{change:#}");
    let release = ward.release().await;
    assert_eq!(release["state"], "rolling_out", "a member does not block by itself: {release:#}");
    assert_eq!(release["groups"][0]["outcome"], "pass");
    let members = json!([
        { "id": "lax", "outcome": "pass", "decides": true }, { "id": "strict", "outcome": "fail", "decides": false },
    ]);
    assert_eq!(release["groups"][0]["members"], members);

    // Another expression of an enforced group may be laxer, so that somebody looks at it.
    let change = ward.changed(json!([group("strict and not lax")])).await;
    assert_eq!(change["state"], "approving");
    let answer = json!({ "digest": change["digest"], "reason": "stricter" });
    ward.cleo.post(&format!("/changes/{}/approve", change["id"].as_str().unwrap()), answer).await.ok();
    ward.app.reconcile().await;
    let release = ward.release().await;
    assert_eq!((&release["state"], &release["note"]), (&json!("rejected"), &json!("refused by size")));
    let explained = ward.ana.get(&format!("/changes/{}/explain", release["id"].as_str().unwrap())).await.ok();
    assert_eq!(explained["groups"][0]["expression"], "strict and not lax");
    assert_eq!(
        explained["groups"][0]["members"][1],
        json!({ "id": "strict", "outcome": "fail", "decides": true })
    );
}

#[tokio::test]
async fn a_configured_group_judges_until_the_first_plugin_change() {
    let machine = Machine::new();
    std::fs::write(machine.file("size-limit"), component("size-limit")).unwrap();
    let app = machine
        .start_with(|config| {
            let gate = |id: &str, max_bytes: u64| Gate {
                id: id.to_owned(),
                settings: json!({ "max_bytes": max_bytes }),
                group: Some("size".to_owned()),
                ..Gate::named("size-limit")
            };
            config.gates = vec![gate("strict", 1), gate("lax", 1_000)];
            let group = json!({ "name": "size", "expression": "strict || lax" });
            config.groups = vec![serde_json::from_value(group).unwrap()];
        })
        .await;
    let ward = Ward::open(app).await;
    let release = ward.release().await;
    assert_eq!(
        (&release["state"], &release["groups"][0]["outcome"]),
        (&json!("rolling_out"), &json!("pass"))
    );
    assert_eq!(ward.roster().await["groups"]["size"]["expression"], "strict || lax");
}
