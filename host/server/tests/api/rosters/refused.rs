//! What is refused, with its field and nothing kept.

use interlock_domain::Digest;
use interlock_store::Kept;
use serde_json::json;

use super::{Machine, Ward, component, push, rebuilt};

#[tokio::test]
async fn what_does_not_fit_is_refused_by_its_field_and_nothing_is_kept() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    let digest = json!({ "digest": Digest::of(component("size-limit")) });
    let absent = json!({ "digest": Digest::of("nothing") });
    let activated = Digest::of(component("direct"));
    let cases = [
        (json!([]), "/plugins"),
        (json!([{ "activate": {} }]), "/plugins/0/activate"),
        (json!([{ "activate": absent }]), "/plugins/0/activate/digest"),
        (json!([{ "activate": { "digest": activated } }]), "/plugins/0/activate"),
        (json!([{ "deactivate": "absent" }]), "/plugins/0/deactivate"),
        (json!([{ "unbind": "absent" }]), "/plugins/0/unbind"),
        (json!([{ "ungroup": "absent" }]), "/plugins/0/ungroup"),
        (json!([{ "bind": {} }]), "/plugins/0/bind"),
        (json!([{ "bind": { "plugin": "size-limit" } }]), "/plugins/0/bind/plugin"),
        (
            json!([{ "activate": digest }, { "bind": { "plugin": "size-limit", "settings": { "max": 1 } } }]),
            "/plugins/1/bind/settings/max",
        ),
        (
            json!([{ "activate": digest }, { "bind": { "plugin": "size-limit", "settings": { "max_bytes": "x" } } }]),
            "/plugins/1/bind/settings/max_bytes",
        ),
        (json!([{ "activate": digest }, { "bind": { "plugin": "size-limit", "id": "a b" } }]), "/plugins"),
        (
            json!([{ "grant": { "plugin": "signature", "sources": ["fleet", "Not one"] } }]),
            "/plugins/0/grant/sources/1",
        ),
        (json!([{ "grant": { "plugin": "signature", "sources": [] } }]), "/plugins/0/grant"),
        (json!([{ "group": { "name": "g", "expression": "signature &&" } }]), "/plugins"),
    ];
    for (plugins, field) in cases {
        let problem = ward.propose(plugins.clone()).await.problem("invalid");
        let found = problem["field"].as_str().unwrap();
        assert!(found == field || field.starts_with(&format!("{found}/")), "{plugins}: {problem:#}");
    }
    for (member, value, field) in [
        ("kind", json!("policy"), "/kind"),
        ("artifacts", json!([{ "name": "fw", "version": "2.0" }]), "/artifacts"),
        ("selector", json!({ "all": true }), "/selector"),
        ("strategy", json!({ "plugin": "direct" }), "/strategy"),
        ("silent_after_ms", json!(5_000), "/silent_after_ms"),
    ] {
        let mut proposal = json!({ "kind": "plugin", "environment": "staging", "title": "t",
            "plugins": [{ "activate": digest }] });
        proposal[member] = value;
        assert_eq!(ward.ana.post("/changes", proposal).await.problem("invalid")["field"], field);
    }
    let mut release = json!({ "environment": "staging", "title": "2.0", "selector": { "all": true },
        "artifacts": [{ "name": "fw", "version": "2.0" }] });
    release["plugins"] = json!([{ "activate": digest }]);
    assert_eq!(ward.ana.post("/changes", release).await.problem("invalid")["field"], "/plugins");
    assert_eq!(ward.ana.get("/changes").await.ok()["items"], json!([]));
    assert_eq!(ward.roster().await["configured"], true);
}

#[tokio::test]
async fn a_component_that_is_none_or_too_large_is_refused_and_not_kept() {
    let machine = Machine::new();
    let most = component("size-limit").len() as u64;
    let ward =
        Ward::open(machine.start_with(|config| config.plugins.limits.component_bytes_max = most).await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    let large = push(&ward.ana, &rebuilt("size-limit")).await;
    assert_eq!(large.problem("body-too-large")["limit_bytes"], most);
    push(&ward.ana, b"no component").await.problem("plugin-refused");
    assert_eq!(ward.app.app.store.kept(Kept::Plugin, &Digest::of("no component")).await.unwrap(), None);
    push(&ward.cleo, &component("size-limit")).await.problem("denied");
    let as_json = ward.ana.post("/plugins", json!({})).await;
    as_json.problem("unsupported-media-type");
}
