//! Install is a change: from a pushed component into use, judged and approved on the way, and back.

use std::path::PathBuf;

use axum::{body::Body, http::Method};
use interlock_domain::{Digest, Role};
use interlock_server::{
    Clock as _,
    config::Gate,
    testing::{Answer, Client, TENANT, TestApp, built_plugins},
};
use interlock_store::Kept;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What outlives a server: its data, and a folder with `direct`, `signature` and `thresholds`.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(machine.plugins()).unwrap();
        for name in ["direct", "signature", "thresholds"] {
            std::fs::write(machine.file(name), component(name)).unwrap();
        }
        machine
    }

    fn plugins(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.plugins().join(format!("{name}.wasm"))
    }

    async fn start(&self) -> TestApp {
        self.start_with(|_| {}).await
    }

    /// Starts a server without gates and health checks, but for what a test binds.
    async fn start_with(&self, alter: impl FnOnce(&mut interlock_server::Config)) -> TestApp {
        let app = TestApp::configured(|config| {
            config.server.data_dir = self.dir.path().join("data");
            config.plugins.dir = self.plugins();
            config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
            config.rollout.strategy = "direct".to_owned();
            config.gates = Vec::new();
            config.health = Vec::new();
            // Who must vouch for a component is `pulled`'s to test.
            config.plugins.signers_min = 0;
            alter(config);
        })
        .await;
        // Its clock draws ids in order, and a former server on this data has drawn some.
        let starts = std::fs::read_dir(self.dir.path()).unwrap().count();
        std::fs::write(self.dir.path().join(format!("start-{starts}")), "").unwrap();
        for _ in 0..starts * 10_000 {
            app.clock.uuid();
        }
        app
    }
}

fn component(name: &str) -> Vec<u8> {
    std::fs::read(built_plugins().join(format!("{name}.wasm"))).unwrap()
}

/// The same plugin as another component: an empty custom section more.
fn rebuilt(name: &str) -> Vec<u8> {
    let mut wasm = component(name);
    wasm.extend([0, 2, 1, b'x']);
    wasm
}

/// The same plugin, which says that it is of an older version.
fn older(name: &str) -> Vec<u8> {
    let (mut wasm, version) = (component(name), b"0.1.0");
    let places: Vec<usize> =
        wasm.windows(5).enumerate().filter(|(_, five)| five == version).map(|(at, _)| at).collect();
    for at in places {
        wasm[at..at + 5].copy_from_slice(b"0.0.9");
    }
    wasm
}

async fn push(who: &Client, wasm: &[u8]) -> Answer {
    let headers = [("content-type", "application/wasm")];
    who.send(Method::POST, "/plugins", &headers, Body::from(wasm.to_vec())).await
}

/// Ana proposes, Cleo answers for clinical safety, and a pump in staging waits for releases.
struct Ward {
    app: TestApp,
    ana: Client,
    cleo: Client,
}

impl Ward {
    async fn open(app: TestApp) -> Self {
        let operator = app.person("Oda", &[Role::Operator]).await;
        let pump = json!({ "id": "pump-1", "environment": "staging", "model": "x2", "firmware": "1.0" });
        // It is there already after a restart, and so is the artifact.
        operator.post("/devices", pump).await;
        let ana = app.person("Ana", &[Role::ReleaseManager]).await;
        let cleo = app.person("Cleo", &[Role::ClinicalSafety]).await;
        ana.push("fw", "2.0", b"content", None).await;
        Self { app, ana, cleo }
    }

    /// With a key of its own, also after a restart.
    async fn post(&self, who: &Client, path: &str, body: Value) -> Answer {
        who.post_as(&self.app.clock.uuid().to_string(), path, body).await
    }

    async fn propose(&self, plugins: Value) -> Answer {
        let proposal = json!({ "kind": "plugin", "environment": "staging", "title": "Other plugins", "plugins": plugins });
        self.post(&self.ana, "/changes", proposal).await
    }

    /// A plugin change as it is once the reconciler has looked at it.
    async fn changed(&self, plugins: Value) -> Value {
        let change = self.propose(plugins).await.ok();
        self.app.reconcile().await;
        self.shown(&change).await
    }

    /// Cleo agrees to a change, and the reconciler looks at it.
    async fn agreed(&self, change: &Value) -> Value {
        let path = format!("/changes/{}/approve", change["id"].as_str().unwrap());
        let answer = json!({ "digest": change["digest"], "reason": "it is being tuned" });
        self.post(&self.cleo, &path, answer).await.ok();
        self.app.reconcile().await;
        self.shown(change).await
    }

    async fn shown(&self, change: &Value) -> Value {
        self.ana.get(&format!("/changes/{}", change["id"].as_str().unwrap())).await.ok()
    }

    async fn release(&self) -> Value {
        let proposal = json!({ "environment": "staging", "title": "2.0", "selector": { "all": true },
            "artifacts": [{ "name": "fw", "version": "2.0" }] });
        let change = self.post(&self.ana, "/changes", proposal).await.ok();
        self.app.reconcile().await;
        self.shown(&change).await
    }

    async fn roster(&self) -> Value {
        self.ana.get("/rosters/staging").await.ok()
    }

    async fn back(&self, who: &Client, change: &Value) -> Answer {
        let path = format!("/changes/{}/rollback", change["id"].as_str().unwrap());
        self.post(who, &path, json!({ "reason": "too strict" })).await
    }

    async fn ready(&self) -> Value {
        self.app.client(TENANT, None).send(Method::GET, "//ready", &[], Body::empty()).await.ok()["checks"]["plugins"]
            .clone()
    }
}

/// Activates `size-limit` by digest and binds it so that no artifact passes.
fn strict_gate() -> Value {
    json!([{ "activate": { "digest": Digest::of(component("size-limit")) } }, bound("enforce")])
}

fn bound(mode: &str) -> Value {
    json!({ "bind": { "plugin": "size-limit", "settings": { "max_bytes": 1 }, "mode": mode } })
}

#[tokio::test]
async fn a_pushed_gate_comes_into_use_by_a_change_denies_a_release_and_goes_back_by_one_command() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    assert_eq!(ward.release().await["state"], "rolling_out", "nothing judges it yet");
    let pushed = push(&ward.ana, &component("size-limit")).await;
    assert_eq!((pushed.status.as_u16(), &pushed.json()["name"]), (201, &json!("size-limit")));
    push(&ward.ana, &component("size-limit")).await.ok();
    assert_eq!(ward.roster().await["plugins"].get("size-limit"), None, "a candidate is not in use");

    let change = ward.changed(strict_gate()).await;
    assert_eq!(change["state"], "completed", "{change:#}");
    assert_eq!(change["manifest"]["artifacts"][0]["name"], "size-limit");
    assert_eq!(change["manifest"]["artifacts"][0]["size_bytes"], component("size-limit").len());
    let steps = change["manifest"]["plugins"]["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["step"], &steps[0]["from"]), (&json!("activate"), &Value::Null));
    let roster = ward.roster().await;
    assert_eq!(
        (&roster["configured"], &roster["revision"], &roster["change"]),
        (&json!(false), &json!(1), &change["id"])
    );
    assert_eq!(roster["bindings"]["size-limit"]["mode"], "enforce");
    assert_eq!(roster["plugins"]["size-limit"]["signers"], json!({}), "that nobody signed it is said");
    assert_eq!(change["manifest"]["plugins"].get("signers"), None);

    let release = ward.release().await;
    assert_eq!(release["state"], "rejected", "{release:#}");
    assert_eq!(release["note"], "refused by size-limit");
    assert_eq!(release["gates"][0]["verdict"]["findings"][0]["code"], "artifact-too-large");

    // To go back would loosen, so that it is not Ana's to do.
    let denied = ward.back(&ward.ana, &change).await.problem("denied");
    assert!(denied["detail"].as_str().unwrap().contains("guardrails.back-weakens"), "{denied}");
    assert_eq!(ward.back(&ward.cleo, &change).await.ok()["state"], "rolled_back");
    assert_eq!(ward.roster().await["bindings"].get("size-limit"), None);
    assert_eq!(ward.release().await["state"], "rolling_out");
    // What is on record is what is in the rows.
    let auditor = ward.app.person("Kim", &[Role::Auditor]).await;
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["outcome"], "sound", "{verified:#}");
}

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

#[tokio::test]
async fn a_gate_does_not_stop_its_own_removal_once_somebody_answers_for_that() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    push(&ward.ana, &rebuilt("direct")).await.ok();
    let activate = json!({ "activate": { "digest": Digest::of(component("size-limit")) } });
    let jam =
        json!({ "bind": { "plugin": "size-limit", "settings": { "max_bytes": 1 }, "kinds": ["plugin"] } });
    assert_eq!(ward.changed(json!([activate, jam])).await["state"], "completed");
    // From now on it refuses every plugin change that brings a component.
    let newer = json!({ "activate": { "digest": Digest::of(rebuilt("direct")) } });
    assert_eq!(ward.changed(json!([newer])).await["state"], "rejected");
    let both = ward.changed(json!([newer, { "unbind": "size-limit" }])).await;
    assert_eq!(both["state"], "approving", "it is asked, and does not stop it: {both:#}");
    assert_eq!(both["gates"][0]["verdict"]["outcome"], "fail");
    assert!(both["hold"]["reasons"][0].as_str().unwrap().contains("approvals.weakening"), "{}", both["hold"]);
    assert_eq!(ward.agreed(&both).await["state"], "completed");
}

#[tokio::test]
async fn whoever_manages_the_releases_of_one_environment_sees_and_binds_its_plugins_and_no_others() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    let admin = ward.app.person("Adi", &[Role::Administrator]).await;
    let key = json!({ "name": "Sue", "kind": "user", "scopes": ["read", "write"], "expires_in_ms": 3_600_000,
        "roles": [{ "role": "release_manager", "environment": "staging" }] });
    let key = ward.post(&admin, "/keys", key).await.ok();
    let sue = ward.app.client(TENANT, key["key"].as_str());
    sue.get("/rosters/staging").await.ok();
    sue.get("/rosters/production").await.problem("denied");
    let proposal =
        json!({ "kind": "plugin", "environment": "staging", "title": "A gate", "plugins": strict_gate() });
    ward.post(&sue, "/changes", proposal).await.ok();
}

#[tokio::test]
async fn of_two_plugin_changes_about_one_thing_the_later_is_overtaken_and_others_are_not() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    ward.changed(strict_gate()).await;
    let bind =
        |max_bytes: u64| json!([{ "bind": { "id": "size-limit", "settings": { "max_bytes": max_bytes } } }]);
    let first = ward.changed(bind(10)).await;
    let second = ward.changed(bind(20)).await;
    let other = json!([{ "bind": { "id": "also", "plugin": "size-limit", "settings": { "max_bytes": 9 } } }]);
    let beside = ward.propose(other).await.ok();
    let (first, second) = (ward.agreed(&first).await, ward.agreed(&second).await);
    let (won, lost) = if first["state"] == "completed" { (first, second) } else { (second, first) };
    assert_eq!((&won["state"], &lost["state"]), (&json!("completed"), &json!("rejected")));
    let note = lost["note"].as_str().unwrap();
    assert!(note.contains("binding `size-limit`") && note.contains("propose it again"), "{note}");
    assert_eq!(ward.shown(&beside).await["state"], "completed", "it is about something else");
    let late = ward.back(&ward.cleo, &ward.ana.get("/changes").await.ok()["items"][3]).await;
    assert!(late.problem("roster-moved-on")["detail"].as_str().unwrap().contains("size-limit"));
}

#[tokio::test]
async fn the_gates_in_force_judge_what_would_replace_them() {
    let machine = Machine::new();
    std::fs::write(machine.file("size-limit"), component("size-limit")).unwrap();
    let app = machine
        .start_with(|config| {
            config.gates = vec![Gate {
                kinds: vec![interlock_domain::ChangeKind::Plugin],
                settings: json!({ "max_bytes": 1000 }),
                id: "no-large-plugins".to_owned(),
                ..Gate::named("size-limit")
            }];
        })
        .await;
    let ward = Ward::open(app).await;
    assert_eq!(ward.release().await["state"], "rolling_out", "it does not judge releases");
    push(&ward.ana, &rebuilt("direct")).await.ok();
    let change = ward.changed(json!([{ "activate": { "digest": Digest::of(rebuilt("direct")) } }])).await;
    assert_eq!(
        (&change["state"], &change["note"]),
        (&json!("rejected"), &json!("refused by no-large-plugins"))
    );
    assert_eq!(ward.roster().await["configured"], true, "nothing came into force");
}

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

#[tokio::test]
async fn a_plugin_without_a_grant_says_what_to_grant_and_a_grant_helps() {
    let (machine, folder) = (Machine::new(), tempfile::tempdir().unwrap());
    // Policies that give nothing to anybody by name.
    crate::bundle::write_bundle(folder.path(), 9, |files| {
        let text = String::from_utf8(files["evidence.cedar"].clone()).unwrap();
        let from = text.find("@id(\"evidence.granted\")").unwrap();
        let one = text[from..].split_inclusive(");").collect::<String>();
        let end = one.find("};\n").map_or(one.len(), |end| end + 3);
        files.insert("evidence.cedar".to_owned(), one.as_bytes()[..end].to_vec());
        files.remove("cases/evidence.json");
    });
    let dir = folder.path().to_owned();
    let app = machine
        .start_with(|config| {
            config.policies.dir = dir;
            config.gates = vec![Gate::named("signature")];
        })
        .await;
    let ward = Ward::open(app).await;
    assert_eq!(ward.roster().await["plugins"]["signature"]["missing"], json!(["artifact"]));
    let release = ward.release().await;
    let finding = &release["gates"][0]["verdict"]["findings"][0];
    assert_eq!(finding["code"], "fault-evidence", "{release:#}");
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains("interlock plugin grant signature artifact"), "{message}");

    let grant = json!([{ "grant": { "plugin": "signature", "sources": ["artifact"] } }]);
    assert_eq!(ward.changed(grant).await["state"], "completed");
    let signature = ward.roster().await["plugins"]["signature"].clone();
    assert_eq!((&signature["granted"], &signature["missing"]), (&json!(["artifact"]), &json!([])));
    let finding = ward.release().await["gates"][0]["verdict"]["findings"][0].clone();
    assert_eq!(finding["code"], "signature-missing", "it reads the facts now, and there is no signature");
}

#[tokio::test]
async fn another_tenant_and_another_environment_keep_what_they_have() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    push(&ward.ana, &component("size-limit")).await.ok();
    ward.changed(strict_gate()).await;
    let lab = ward.ana.get("/rosters/lab").await.ok();
    assert_eq!((&lab["configured"], lab["bindings"].get("size-limit")), (&json!(true), None));
    use interlock_domain::{AccountKind, Scope};
    let scopes = [Scope::Read, Scope::Write];
    let other = ward.app.with_key("grace", AccountKind::User, "Gil", &[Role::ReleaseManager], &scopes).await;
    let theirs = other.get("/rosters/staging").await.ok();
    assert_eq!((&theirs["configured"], theirs["plugins"].get("size-limit")), (&json!(true), None));
    assert_eq!(other.get("/plugins").await.ok(), ward.ana.get("/plugins").await.ok());
    let shelf = ward.app.app.sandbox.shelf();
    assert!(shelf.bound("mercy/staging/size-limit").is_some());
    assert!(shelf.bound("grace/staging/size-limit").is_none());
}

#[tokio::test]
async fn a_running_change_keeps_the_components_that_it_began_with() {
    let machine = Machine::new();
    let ward = Ward::open(machine.start().await).await;
    let release = ward.release().await;
    assert_eq!(release["state"], "rolling_out");
    push(&ward.ana, &rebuilt("direct")).await.ok();
    let change = ward.changed(json!([{ "activate": { "digest": Digest::of(rebuilt("direct")) } }])).await;
    // It is the strategy that is bound.
    assert_eq!(ward.agreed(&change).await["state"], "completed", "{change:#}");
    ward.app.app.store.close().await;
    drop(ward);
    // After a restart the old component is not on the shelf of this environment any more, and is there all the same.
    std::fs::remove_file(machine.file("direct")).unwrap();
    let ward = Ward::open(machine.start().await).await;
    for _ in 0..3 {
        ward.app.reconcile().await;
    }
    let running = ward.shown(&release).await;
    assert_eq!(running["state"], "rolling_out", "{running:#}");
    assert_eq!(running["manifest"]["strategy"]["plugin"]["digest"], json!(Digest::of(component("direct"))));
    let next = ward.release().await;
    assert_eq!(next["manifest"]["strategy"]["plugin"]["digest"], json!(Digest::of(rebuilt("direct"))));
}
