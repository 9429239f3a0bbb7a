//! Install is a change: from a pushed component into use, judged and approved on the way, and back.

mod groups;
mod modes;
mod refused;
mod restarts;

use std::path::PathBuf;

use axum::{body::Body, http::Method};
use interlock_domain::{Digest, Role};
use interlock_server::{
    Clock as _,
    config::Gate,
    testing::{Answer, Client, TENANT, TestApp, built_plugins},
};
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
