//! Decisions can be read and made again, also when what made them is gone or never was there.

use axum::http::Method;
use interlock_domain::{
    AccountKind, DecisionSubject, Digest, Execution, Feedback, Finished, Role, RoleGrant, Scope, TenantId,
};
use interlock_server::{
    Clock as _,
    flow::key::{self, KeyRequest},
    testing::{Client, TENANT, TestApp, built_plugins},
};
use interlock_store::{By, Commit, Kept, Sample, Write};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bundle::write_bundle;

/// What outlives a server: its data, and a folder of plugins.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn with_plugins(names: &[&str]) -> Self {
        let machine = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(machine.plugins()).unwrap();
        for name in names {
            let file = format!("{name}.wasm");
            std::fs::copy(built_plugins().join(&file), machine.plugins().join(file)).unwrap();
        }
        machine
    }

    fn plugins(&self) -> std::path::PathBuf {
        self.dir.path().join("plugins")
    }

    fn remove(&self, plugin: &str) {
        std::fs::remove_file(self.plugins().join(format!("{plugin}.wasm"))).unwrap();
    }

    /// Starts a server with these gates and health checks over what is there.
    async fn start(&self, gates: &[&str], health: &[&str]) -> TestApp {
        let bound = |names: &[&str]| names.iter().map(|name| json!({ "plugin": name })).collect::<Vec<_>>();
        let app = TestApp::configured(|config| {
            config.server.data_dir = self.dir.path().join("data");
            config.plugins.dir = self.plugins();
            config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
            config.gates = serde_json::from_value(json!(bound(gates))).unwrap();
            config.health = serde_json::from_value(json!(bound(health))).unwrap();
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

/// The people and things of a release to two pumps in staging, where nobody needs to approve.
async fn set_up(app: &TestApp) -> Client {
    let operator = app.person("Oda", &[Role::Operator]).await;
    let pumps = ["pump-1", "pump-2"].map(|id| json!({ "id": id, "environment": "staging", "model": "x2" }));
    operator.post("/devices:import", json!(pumps)).await.ok();
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    ana.push("fw", "2.0", b"content", None).await.ok();
    ana
}

async fn propose(ana: &Client, strategy: Value) -> interlock_server::testing::Answer {
    let proposal = json!({
        "environment": "staging", "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "model": "x2" }, "strategy": strategy,
    });
    ana.post("/changes", proposal).await
}

async fn calls(auditor: &Client, outcome: &str) -> Vec<Value> {
    let found = auditor.get(&format!("/decisions?outcome={outcome}")).await.ok();
    found["items"].as_array().unwrap().clone()
}

async fn replay(auditor: &Client, decision: &Value) -> Value {
    let id = decision["id"].as_str().unwrap();
    auditor.ask(Method::POST, &format!("/decisions/{id}/replay"), &[], None).await.ok()
}

#[tokio::test]
async fn a_decision_of_an_earlier_bundle_is_made_again_with_that_bundle() {
    let folder = tempfile::tempdir().unwrap();
    write_bundle(folder.path(), 5, |_| {});
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| config.policies.dir = dir).await;
    let (admin, auditor) =
        (app.person("Adi", &[Role::Administrator]).await, app.person("Kim", &[Role::Auditor]).await);
    // Denied by no policy of the first bundle, and by one of the second.
    auditor
        .post("/devices", json!({ "id": "p", "environment": "staging", "model": "x2" }))
        .await
        .problem("denied");
    let [denial] = calls(&auditor, "deny").await.try_into().unwrap();
    write_bundle(folder.path(), 6, |files| {
        let policy = b"@id(\"test.closed\") @reason(\"closed\")
            forbid (principal, action == Interlock::Action::\"RegisterDevice\", resource);";
        files.insert("closed.cedar".to_owned(), policy.to_vec());
        // Its cases expect that devices can be registered.
        files.remove("cases/rbac.json");
    });
    admin.post("/bundle/reload", json!({})).await.ok();
    let replayed = replay(&auditor, &denial).await;
    assert_eq!((&replayed["identical"], &replayed["differences"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn a_kept_bundle_that_was_altered_makes_no_decision_again() {
    let app = TestApp::start().await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    auditor
        .post("/devices", json!({ "id": "p", "environment": "staging", "model": "x2" }))
        .await
        .problem("denied");
    let [denial] = calls(&auditor, "deny").await.try_into().unwrap();
    let (tenant, store) = (TENANT.parse().unwrap(), &app.app.store);
    let id = denial["id"].as_str().unwrap().parse().unwrap();
    let mut decision = store.decision(&tenant, &id).await.unwrap().unwrap();
    // The same question under a bundle of which something else is kept.
    let earlier = Digest::of("an earlier bundle");
    decision.id = interlock_domain::DecisionId::new(app.clock.uuid());
    let DecisionSubject::Policy { answer, .. } = &mut decision.subject else { panic!("a policy decided") };
    answer.bundle = earlier;
    let again = json!({ "id": decision.id });
    let by = By { person: None, account: "test".to_owned(), auth: None };
    let writes = vec![Write::Decision(Box::new(decision))];
    store.commit(Commit::new(tenant, by, app.clock.now(), writes, || app.clock.uuid())).await.unwrap();
    let now = app.app.policies.bundle().digest;
    let packed = store.kept(Kept::Bundle, &now).await.unwrap().unwrap();
    store.keep(Kept::Bundle, &earlier, &packed).await.unwrap();
    let replayed = replay(&auditor, &again).await;
    let expected = format!("the kept bundle `{earlier}` was altered: it is `{now}` now");
    assert_eq!((&replayed["identical"], &replayed["differences"]), (&json!(false), &json!([expected])));
}

#[tokio::test]
async fn a_call_of_a_plugin_that_is_gone_is_made_again_and_the_plugin_stays_gone() {
    let machine = Machine::with_plugins(&["direct"]);
    let app = machine.start(&[], &[]).await;
    propose(&set_up(&app).await, json!({ "plugin": "direct" })).await.ok();
    app.app.store.close().await;
    machine.remove("direct");
    let app = machine.start(&[], &[]).await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let [planned] = calls(&auditor, "answered").await.try_into().unwrap();
    let replayed = replay(&auditor, &planned).await;
    assert_eq!((&replayed["identical"], &replayed["differences"]), (&json!(true), &json!([])));
    assert_eq!(replayed["fuel"][0], replayed["fuel"][1]);
    assert_eq!(auditor.get("/plugins").await.ok()["items"], json!([]));
    assert!(app.app.sandbox.shelf().is_empty());
}

/// The decision that something refers to, which must be on record: a failed call that did not take place.
async fn never_called(auditor: &Client, id: &Value, function: &str) {
    let decision = auditor.get(&format!("/decisions/{}", id.as_str().unwrap())).await.ok();
    assert_eq!(decision["outcome"], "failed");
    assert_eq!(decision["subject"]["function"], function);
    assert_eq!(decision["subject"]["transcript"]["error"]["code"], "not-installed");
    let replayed = replay(auditor, &decision).await;
    assert_eq!(replayed["differences"], json!(["there was no call: the plugin was not installed"]));
}

#[tokio::test]
async fn a_gate_that_is_not_installed_any_more_is_a_recorded_failure() {
    let machine = Machine::with_plugins(&["direct", "signature"]);
    let app = machine.start(&["signature"], &[]).await;
    let change = propose(&set_up(&app).await, json!({ "plugin": "direct" })).await.ok();
    app.app.store.close().await;
    machine.remove("signature");
    let app = machine.start(&["signature"], &[]).await;
    app.reconcile().await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let shown = auditor.get(&format!("/changes/{}", change["id"].as_str().unwrap())).await.ok();
    assert_eq!(shown["state"], "rejected");
    let report = &shown["gates"][0];
    assert_eq!(report["verdict"]["findings"][0]["code"], "not-installed");
    never_called(&auditor, &report["decision"], "evaluate").await;
}

/// A rollout in its one stage, led by `direct` and watched by `thresholds`, on a machine that then loses a plugin.
async fn rolling_out_without(plugin: &str) -> (Machine, TestApp, Client, Value) {
    let machine = Machine::with_plugins(&["direct", "thresholds"]);
    let app = machine.start(&[], &["thresholds"]).await;
    let change = propose(&set_up(&app).await, json!({ "plugin": "direct" })).await.ok();
    for _ in 0..4 {
        app.reconcile().await;
    }
    app.app.store.close().await;
    machine.remove(plugin);
    let app = machine.start(&[], &["thresholds"]).await;
    app.clock.advance(24 * 3_600_000);
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let path = format!("/changes/{}", change["id"].as_str().unwrap());
    let shown = auditor.get(&path).await.ok();
    assert_eq!(
        (&shown["state"], &shown["rollout"]["stages"][0]["index"]),
        (&json!("rolling_out"), &json!(0))
    );
    for _ in 0..4 {
        app.reconcile().await;
    }
    let shown = auditor.get(&path).await.ok();
    (machine, app, auditor, shown)
}

#[tokio::test]
async fn a_health_check_that_is_not_installed_any_more_is_a_recorded_failure() {
    let (_machine, _app, auditor, change) = rolling_out_without("thresholds").await;
    let verdict = &change["rollout"]["health"][0];
    assert_eq!((&verdict["outcome"], &verdict["check"]), (&json!("fail"), &json!("thresholds")));
    never_called(&auditor, &verdict["decision"], "needs").await;
}

#[tokio::test]
async fn a_strategy_that_is_not_installed_any_more_pauses_its_rollout_and_is_a_recorded_failure() {
    let (_machine, _app, auditor, change) = rolling_out_without("direct").await;
    assert_eq!(change["state"], "paused", "{change:#}");
    let [failed] = calls(&auditor, "failed").await.try_into().unwrap();
    assert_eq!(failed["change"], change["id"]);
    never_called(&auditor, &failed["id"], "advance").await;
}

#[tokio::test]
async fn a_plan_that_failed_is_on_record_although_there_is_no_change() {
    let app = TestApp::configured(|config| {
        config.plugins.dir = built_plugins();
        // A hundred stages do not fit; what the plugin says of itself does.
        config.plugins.limits.output_bytes_max = 5_000;
    })
    .await;
    let stages: Vec<Value> = (1..=100).map(|n| json!({ "percent_bp": n * 100 })).collect();
    let strategy = json!({ "plugin": "canary", "settings": { "stages": stages } });
    let ana = set_up(&app).await;
    propose(&ana, strategy).await.problem("plugin-unusable");
    assert_eq!(ana.get("/changes").await.ok()["items"], json!([]));
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let [failed] = calls(&auditor, "failed").await.try_into().unwrap();
    assert_eq!(failed["subject"]["function"], "plan");
    assert_eq!(failed["subject"]["transcript"]["error"]["code"], "output-too-large");
    assert_eq!(replay(&auditor, &failed).await["identical"], true);
}

#[tokio::test]
async fn health_is_judged_over_every_sample_of_what_has_installed_since_it_has() {
    let machine = Machine::with_plugins(&["direct", "thresholds"]);
    let app = machine.start(&[], &["thresholds"]).await;
    let change = propose(&set_up(&app).await, json!({ "plugin": "direct" })).await.ok();
    for _ in 0..4 {
        app.reconcile().await;
    }
    let (tenant, store): (TenantId, _) = (TENANT.parse().unwrap(), &app.app.store);
    let measure = async |device: &str, samples: usize, value: f64| {
        let at = |n| app.clock.now().plus_millis(n as i64);
        let sample = |n| Sample {
            tenant: tenant.clone(),
            device: device.parse().unwrap(),
            metric: "error_rate".to_owned(),
            at: at(n),
            value,
        };
        let samples: Vec<Sample> = (0..samples).map(sample).collect();
        store.put_samples(&samples).await.unwrap();
        app.clock.advance(100_000);
    };
    // The old version does well, on the pump that installs and on the one that never does.
    measure("pump-1", 500, 0.0).await;
    measure("pump-2", 500, 0.0).await;
    let id = change["id"].as_str().unwrap().parse().unwrap();
    let pump = store.assignment(&tenant, &id, &"pump-1".parse().unwrap()).await.unwrap().unwrap();
    let done = Feedback {
        execution: Execution::Closed,
        finished: Finished::Success,
        details: vec!["done".to_owned()],
    };
    let installed = pump.feedback(pump.action, &done, app.clock.now()).unwrap().unwrap();
    let by = By { person: None, account: "test".to_owned(), auth: None };
    let writes = vec![Write::Assignment(installed)];
    let commit = Commit::new(tenant.clone(), by, app.clock.now(), writes, || app.clock.uuid());
    store.commit(commit).await.unwrap();
    // The new one does not: a little in the beginning, and then much, more often than anybody keeps samples.
    measure("pump-1", 5_500, 0.5).await;
    measure("pump-1", 5_500, 0.25).await;
    app.reconcile().await;

    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let judged = calls(&auditor, "answered").await;
    let judged = judged.iter().find(|call| call["subject"]["function"] == "judge").unwrap();
    let observations = judged["subject"]["transcript"]["input"]["observations"].as_array().unwrap();
    let of = |metric: &str| observations.iter().find(|seen| seen["query"]["metric"] == metric).unwrap();
    let treatment = json!({ "targets": 1, "samples": 11_000, "value": "0.375", "raw": [] });
    assert_eq!(of("error_rate")["treatment"], treatment);
    // No stage is left to reach anybody, so nobody is in control; and both pumps were told to install.
    assert_eq!(of("error_rate")["control"], json!({ "targets": 0, "samples": 0, "value": null, "raw": [] }));
    let exposed = json!({ "targets": 2, "samples": 1, "value": "2", "raw": [] });
    assert_eq!(of("interlock.exposed")["treatment"], exposed);
    let path = format!("/changes/{}", change["id"].as_str().unwrap());
    assert_eq!(auditor.get(&path).await.ok()["rollout"]["health"][0]["outcome"], "fail");
}

#[tokio::test]
async fn a_component_is_given_to_whoever_may_read_plugins_also_when_it_is_not_installed_any_more() {
    let machine = Machine::with_plugins(&["direct", "signature"]);
    let app = machine.start(&["signature"], &[]).await;
    propose(&set_up(&app).await, json!({ "plugin": "direct" })).await.ok();
    app.reconcile().await;
    app.app.store.close().await;
    machine.remove("signature");
    let app = machine.start(&[], &[]).await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let listed = auditor.get("/decisions?plugin=signature").await.ok();
    let [decision] = &listed["items"].as_array().unwrap()[..] else { panic!("{listed:#}") };
    let digest = decision["subject"]["digest"].as_str().unwrap();
    let path = format!("/plugins/{digest}");
    let answer = auditor.get(&path).await;
    assert_eq!(answer.body, std::fs::read(built_plugins().join("signature.wasm")).unwrap());
    let tag = format!("\"{digest}\"");
    assert_eq!((answer.header("content-type"), answer.header("etag")), ("application/wasm", tag.as_str()));
    let again = auditor.ask(Method::GET, &path, &[("if-none-match", &tag)], None).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));

    // Somebody whose roles end at one environment reads no plugins.
    let only = RoleGrant { role: Role::Viewer, environment: Some("staging".parse().unwrap()) };
    let request = KeyRequest {
        name: "Wim".to_owned(),
        kind: AccountKind::User,
        roles: vec![only],
        scopes: vec![Scope::Read],
        expires_in_ms: 3_600_000,
        label: String::new(),
        person: None,
        owner: None,
        reset: false,
        networks: Vec::new(),
        public_key: None,
    };
    let key = key::create_locally(&app.app, &TENANT.parse().unwrap(), request).await.unwrap();
    app.client(TENANT, key.text.as_deref()).get(&path).await.problem("denied");
    // Another tenant never asked it anything: neither the decision nor the component is there for them.
    let all = [Scope::Read, Scope::Write, Scope::Admin];
    let stranger = app.with_key("grace", AccountKind::User, "Sam", &Role::ALL, &all).await;
    stranger.get(&path).await.problem("not-found");
    stranger.get(&format!("/decisions/{}", decision["id"].as_str().unwrap())).await.problem("not-found");
    for unknown in [Digest::of("unknown").to_string(), "signature".to_owned(), "sha256:1".to_owned()] {
        auditor.get(&format!("/plugins/{unknown}")).await.problem("not-found");
    }
}

#[tokio::test]
async fn decisions_are_listed_by_plugin_and_time() {
    let machine = Machine::with_plugins(&["direct", "signature"]);
    let app = machine.start(&["signature"], &[]).await;
    let ana = set_up(&app).await;
    propose(&ana, json!({ "plugin": "direct" })).await.ok();
    app.clock.advance(3_600_000);
    app.reconcile().await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    let count = async |query: &str| {
        auditor.get(&format!("/decisions?{query}")).await.ok()["items"].as_array().unwrap().len()
    };
    assert_eq!((count("plugin=direct").await, count("plugin=signature").await), (1, 1));
    assert_eq!(count("plugin=nobody").await, 0);
    let later = app.clock.now();
    assert_eq!(count(&format!("plugin=direct&since={later}")).await, 0, "it planned an hour before");
    assert_eq!(count(&format!("plugin=signature&since={later}")).await, 1);
    let problem = auditor.get("/decisions?since=yesterday").await.problem("invalid");
    assert_eq!(problem["parameter"], "since");
}
