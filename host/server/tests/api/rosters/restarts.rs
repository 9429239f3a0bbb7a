//! What is in use stays so over a restart, whatever becomes of the files.

use axum::body::Body;
use axum::http::Method;
use interlock_domain::Digest;
use interlock_server::testing::TENANT;
use serde_json::{Value, json};

use super::{Machine, Ward, component, push, rebuilt, strict_gate};

#[tokio::test]
async fn a_restart_keeps_the_roster_and_a_swapped_file_waits_for_a_change() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    ward.changed(strict_gate()).await;
    ward.app.app.store.close().await;
    drop(ward);

    std::fs::write(machine.file("signature"), rebuilt("signature")).unwrap();
    let ward = Ward::open(machine.start().await).await;
    assert_eq!(ward.roster().await["bindings"]["size-limit"]["mode"], "enforce");
    assert_eq!(ward.release().await["state"], "rejected", "the gate still judges");
    let (old, new) = (Digest::of(component("signature")), Digest::of(rebuilt("signature")));
    let ready = ward.ready().await;
    assert_eq!(ready["status"], "degraded", "{ready:#}");
    assert_eq!((&ready["waiting"][0]["digest"], &ready["waiting"][0]["in_use"]), (&json!(new), &json!(old)));
    assert!(
        ready["waiting"][0]["next"].as_str().unwrap().contains(&format!("interlock plugin activate {new}"))
    );
    let installed = ward.ana.get("/plugins").await.ok();
    let signature = installed["items"].as_array().unwrap().iter().find(|item| item["name"] == "signature");
    assert_eq!(signature.unwrap()["digest"], json!(old), "a restart brings nothing into use");
    // The file is a candidate: a change brings it into use, here alone.
    assert_eq!(ward.changed(json!([{ "activate": { "digest": new } }])).await["state"], "completed");
    assert_eq!(ward.roster().await["plugins"]["signature"]["digest"], json!(new));
    assert_eq!(ward.ready().await["waiting"], json!([]));
    let elsewhere = ward.ana.get("/rosters/lab").await.ok();
    assert_eq!(
        (&elsewhere["configured"], &elsewhere["plugins"]["signature"]["digest"]),
        (&json!(true), &json!(old))
    );
}

/// The same plugin as a component of more than a mebibyte: a custom section of that size.
fn padded(name: &str) -> Vec<u8> {
    let mut wasm = component(name);
    // Its id, its size in LEB128, a name of one letter, and zeros.
    wasm.extend([0, 0x82, 0x80, 0x40, 1, b'x']);
    wasm.resize(wasm.len() + (1 << 20), 0);
    wasm
}

#[tokio::test]
async fn a_component_that_does_not_load_takes_down_its_own_gates_with_its_reason_and_nothing_else() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    let gate = padded("size-limit");
    push(&ward.ana, &gate).await.ok();
    let lax = json!({ "bind": { "plugin": "size-limit", "settings": { "max_bytes": 1_000 } } });
    let change = ward.changed(json!([{ "activate": { "digest": Digest::of(&gate) } }, lax])).await;
    assert_eq!(change["state"], "completed", "{change:#}");
    assert_eq!(ward.release().await["state"], "rolling_out");
    ward.app.app.store.close().await;
    drop(ward);

    // A server that takes only smaller components does not load it any more.
    let most = gate.len() as u64 - 1;
    let app = machine.start_with(|config| config.plugins.limits.component_bytes_max = most).await;
    let ward = Ward::open(app).await;
    let ready = ward.ready().await;
    assert_eq!((&ready["status"], &ready["unloaded"]), (&json!("degraded"), &json!(1)), "{ready:#}");
    let status = ward.ana.get("/status").await.ok();
    let unloaded = status["plugins_unloaded"].as_array().unwrap();
    assert_eq!((unloaded.len(), &unloaded[0]["plugin"]), (1, &json!("size-limit")), "{status:#}");
    assert_eq!((&status["status"], &unloaded[0]["environment"]), (&json!("degraded"), &json!("staging")));
    let nobody = ward.app.client(TENANT, None);
    let metrics = nobody.send(Method::GET, "//metrics", &[], Body::empty()).await.text();
    assert!(metrics.lines().any(|line| line == "plugins_unloaded 1"), "{metrics}");
    let roster = ward.roster().await;
    let reason = roster["plugins"]["size-limit"]["unloaded"].as_str().unwrap();
    assert!(reason.contains("component_bytes_max"), "{reason}");
    assert_eq!(roster["plugins"]["direct"]["unloaded"], Value::Null);

    let release = ward.release().await;
    assert_eq!(release["state"], "rejected", "what cannot be judged is denied: {release:#}");
    let finding = &release["gates"][0]["verdict"]["findings"][0];
    assert_eq!(finding["code"], "not-loaded");
    assert!(finding["message"].as_str().unwrap().contains("component_bytes_max"), "{finding}");
    assert_eq!(release["gates"][0]["unanswered"], true);
}
