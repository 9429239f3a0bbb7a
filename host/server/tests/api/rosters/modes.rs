//! What counts, what is only recorded, and what it takes to go from one to the other.

use interlock_domain::Digest;
use serde_json::{Value, json};

use super::{Machine, Ward, bound, component, older, push, rebuilt, strict_gate};

#[tokio::test]
async fn a_gate_in_monitor_mode_is_recorded_and_never_blocks() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    let activate = json!({ "activate": { "digest": Digest::of(component("size-limit")) } });
    ward.changed(json!([activate, bound("monitor")])).await;
    let release = ward.release().await;
    assert_eq!(release["state"], "rolling_out");
    assert_eq!(release["gates"][0]["verdict"]["outcome"], "fail", "it is on record");
}

#[tokio::test]
async fn from_enforce_to_monitor_takes_an_approval_also_where_nothing_is_guarded() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    ward.changed(strict_gate()).await;
    let change = ward.changed(json!([{ "bind": { "id": "size-limit", "mode": "monitor" } }])).await;
    assert_eq!(change["state"], "approving");
    assert!(
        change["hold"]["reasons"][0].as_str().unwrap().contains("approvals.weakening"),
        "{}",
        change["hold"]
    );
    let step = &change["manifest"]["plugins"]["steps"][0];
    assert_eq!(step["to"]["settings"], step["from"]["settings"], "what is left out stays as it is");
    assert_eq!(ward.agreed(&change).await["state"], "completed");
    assert_eq!(ward.roster().await["bindings"]["size-limit"]["mode"], "monitor");
    assert_eq!(ward.release().await["state"], "rolling_out");
}

#[tokio::test]
async fn other_settings_and_another_component_of_a_gate_that_counts_take_an_approval_and_so_does_going_back()
{
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    for wasm in [component("size-limit"), rebuilt("size-limit")] {
        push(&ward.ana, &wasm).await.ok();
    }
    ward.changed(strict_gate()).await;
    let lax = json!([{ "bind": { "id": "size-limit", "settings": { "max_bytes": 100_000 } } }]);
    let lax = ward.changed(lax).await;
    assert_eq!(lax["state"], "approving");
    assert_eq!(ward.agreed(&lax).await["state"], "completed");
    assert_eq!(ward.release().await["state"], "rolling_out");
    // Whether other settings are stricter, nobody can tell for them.
    let strict = ward.changed(json!([bound("enforce")])).await;
    assert_eq!(ward.agreed(&strict).await["state"], "completed");
    assert_eq!(ward.release().await["state"], "rejected");
    ward.back(&ward.ana, &strict).await.problem("denied");
    assert_eq!(ward.release().await["state"], "rejected", "its author alone does not loosen it");

    let newer = json!([{ "activate": { "digest": Digest::of(rebuilt("size-limit")) } }]);
    let newer = ward.changed(newer).await;
    assert_eq!(newer["state"], "approving");
    assert_eq!(ward.agreed(&newer).await["state"], "completed");
    ward.back(&ward.ana, &newer).await.problem("denied");
    assert_eq!(ward.back(&ward.cleo, &newer).await.ok()["state"], "rolled_back");
    // What judges nothing is the author's to alter.
    let beside = json!([{ "bind": { "id": "trial", "plugin": "size-limit", "mode": "monitor" } }]);
    assert_eq!(ward.changed(beside).await["state"], "completed");
    let tuned = json!([{ "bind": { "id": "trial", "settings": { "max_bytes": 9 } } }]);
    assert_eq!(ward.changed(tuned).await["state"], "completed");
}

#[tokio::test]
async fn an_older_version_is_refused_unless_it_is_meant() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    assert_eq!(push(&ward.ana, &older("size-limit")).await.ok()["version"], "0.0.9");
    let activate = |wasm: &[u8]| json!({ "digest": Digest::of(wasm) });
    ward.changed(json!([{ "activate": activate(&component("size-limit")) }])).await;
    let mut wish = activate(&older("size-limit"));
    let refused = ward.propose(json!([{ "activate": wish }])).await.problem("invalid");
    assert_eq!(refused["field"], "/plugins/0/activate");
    assert!(refused["detail"].as_str().unwrap().contains("0.0.9 is older than 0.1.0"), "{refused}");
    wish["older"] = json!(true);
    assert_eq!(ward.changed(json!([{ "activate": wish }])).await["state"], "completed");
}

/// How a release ends whose only target falls silent, with a health check that notices in this mode.
async fn ends_with_health_in(mode: &str) -> Value {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    let watch = json!([{ "bind": { "plugin": "thresholds", "mode": mode } }]);
    assert_eq!(ward.changed(watch).await["state"], "completed");
    let proposal = json!({ "environment": "staging", "title": "2.0", "selector": { "all": true },
        "artifacts": [{ "name": "fw", "version": "2.0" }], "silent_after_ms": 1000, "judge_every_ms": 1000,
        "strategy": { "plugin": "direct", "settings": { "max_failure_bp": 10000 } } });
    let change = ward.post(&ward.ana, "/changes", proposal).await.ok();
    for _ in 0..6 {
        ward.app.reconcile().await;
        ward.app.clock.advance(2_000);
    }
    ward.shown(&change).await
}

#[tokio::test]
async fn a_health_check_in_monitor_mode_is_recorded_and_leads_to_nothing() {
    let monitored = ends_with_health_in("monitor").await;
    let verdict = &monitored["rollout"]["health"][0];
    assert_eq!(
        (&verdict["check"], &verdict["mode"], &verdict["outcome"]),
        (&json!("thresholds"), &json!("monitor"), &json!("fail"))
    );
    assert_eq!(monitored["state"], "completed", "{monitored:#}");
    let enforced = ends_with_health_in("enforce").await;
    assert_eq!(enforced["rollout"]["health"][0]["outcome"], "fail");
    assert_eq!(enforced["rollback"]["type"], "strategy", "{enforced:#}");
}
