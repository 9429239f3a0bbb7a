//! A hospital with policies of its own: Ana proposes, Ben and Cleo hold clinical safety, Rolf regulatory, Otto is on duty.

use std::fs;

use interlock_domain::Role;
use interlock_server::Config;
use interlock_server::testing::{Answer, Client, TestApp, built_plugins};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Two levels in order, of which the second escalates.
pub(crate) const ORDERED: &str = r#"
[[profile]]
name = "ordered"
environments = ["production"]
mode = "ordered"
expires_pending = "PT20H"
expires_approved = "PT12H"
[[profile.level]]
name = "clinic"
roles = ["clinical_safety"]
[[profile.level]]
name = "regulator"
roles = ["regulatory"]
escalate_after = "PT4H"
escalate_to = ["clinical_safety"]
"#;

/// What is not asked for in a [`House`]: signatures of artifacts and ways back.
pub(crate) const LOOSENED: [&str; 2] = ["guardrails.guarded-signature", "guardrails.guarded-way-back"];

pub(crate) struct House {
    pub(crate) app: TestApp,
    pub(crate) admin: Client,
    pub(crate) ana: Client,
    pub(crate) ben: Client,
    pub(crate) cleo: Client,
    pub(crate) rolf: Client,
    pub(crate) otto: Client,
    _policies: TempDir,
}

impl House {
    /// With the default policies, but these profiles, and neither signatures of artifacts nor ways back asked for.
    pub(crate) async fn with(profiles: Option<&str>) -> Self {
        Self::loosened(profiles, &LOOSENED).await
    }

    /// With the default policies but for these, and these profiles.
    pub(crate) async fn loosened(profiles: Option<&str>, without: &[&str]) -> Self {
        Self::configured(profiles, without, |_| {}).await
    }

    /// Likewise, with another configuration.
    pub(crate) async fn configured(
        profiles: Option<&str>,
        without: &[&str],
        alter: impl FnOnce(&mut Config),
    ) -> Self {
        let policies = TempDir::new().unwrap();
        for (path, content) in interlock_policy::default_files() {
            if path.contains('/') {
                continue;
            }
            let text = String::from_utf8(content).unwrap();
            let kept = text
                .split_inclusive(";\n")
                .filter(|policy| !without.iter().any(|id| policy.contains(&format!("@id(\"{id}\")"))));
            let text: String = if path.ends_with(".cedar") { kept.collect() } else { text };
            fs::write(policies.path().join(path), text).unwrap();
        }
        if let Some(profiles) = profiles {
            fs::write(policies.path().join("approvals.toml"), profiles).unwrap();
        }
        let app = TestApp::configured(|config| {
            config.policies.dir = policies.path().to_owned();
            config.plugins.dir = built_plugins();
            config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
            config.gates.clear();
            config.health.clear();
            alter(config);
        })
        .await;
        let admin = app.person("Setup", &[Role::Administrator]).await;
        let pump = |id: &str| json!({ "id": id, "environment": "production", "model": "x2" });
        admin.post("/devices:import", json!([pump("pump-1"), pump("pump-2")])).await.ok();
        let ana = app.person("Ana", &[Role::ReleaseManager, Role::Auditor]).await;
        ana.push("fw", "2.0", b"content", None).await.ok();
        Self {
            admin,
            ana,
            ben: app.person("Ben", &[Role::ClinicalSafety]).await,
            cleo: app.person("Cleo", &[Role::ClinicalSafety]).await,
            rolf: app.person("Rolf", &[Role::Regulatory]).await,
            otto: app.person("Otto", &[Role::Operator]).await,
            app,
            _policies: policies,
        }
    }

    /// A release that its gates, of which there are none, let through.
    pub(crate) async fn propose(&self) -> Value {
        let change = self.ana.post("/changes", proposal("2.0")).await.ok();
        self.app.reconcile().await;
        self.show(&change).await
    }

    pub(crate) async fn show(&self, change: &Value) -> Value {
        self.ana.get(&path(change, "")).await.ok()
    }

    pub(crate) async fn explain(&self, change: &Value) -> Value {
        self.ana.get(&path(change, "/explain")).await.ok()
    }

    /// The change, after the reconciler looked at it.
    pub(crate) async fn looked_at(&self, change: &Value) -> Value {
        self.app.reconcile().await;
        self.show(change).await
    }

    pub(crate) async fn account(&self, name: &str) -> Value {
        let accounts = self.admin.get("/accounts?limit=200").await.ok();
        let found = accounts["items"].as_array().unwrap().iter().find(|account| account["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {name}: {accounts}")).clone()
    }

    /// Makes sure that everything so far is as the ledger says.
    pub(crate) async fn is_sound(&self) {
        let found = self.ana.post("/ledger/verify", json!({})).await.ok();
        assert_eq!(found["outcome"], "sound", "{found:#}");
    }
}

pub(crate) fn proposal(title: &str) -> Value {
    json!({
        "environment": "production", "title": title, "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "model": "x2" }, "strategy": { "plugin": "direct" },
    })
}

pub(crate) fn path(change: &Value, verb: &str) -> String {
    format!("/changes/{}{verb}", change["id"].as_str().unwrap())
}

pub(crate) async fn approve(who: &Client, change: &Value) -> Answer {
    approve_with(who, change, json!({})).await
}

pub(crate) async fn approve_with(who: &Client, change: &Value, more: Value) -> Answer {
    let mut approval = json!({ "digest": change["digest"], "reason": "read it" });
    approval.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    who.post(&path(change, "/approve"), approval).await
}

/// The levels of a change or explanation: name, complete, who counts, who could.
pub(crate) fn levels(profile: &Value) -> Vec<String> {
    let names = |list: &Value| -> String {
        let names: Vec<&str> =
            list.as_array().unwrap().iter().map(|person| person["name"].as_str().unwrap()).collect();
        names.join(", ")
    };
    let levels = profile["levels"].as_array().unwrap_or_else(|| panic!("{profile:#}"));
    levels
        .iter()
        .map(|level| {
            let state = match (level["complete"].as_bool().unwrap(), level["open"].as_bool().unwrap()) {
                (true, _) => "complete",
                (false, true) => "open",
                (false, false) => "waits",
            };
            format!(
                "{} {state} [{}] ({})",
                level["name"].as_str().unwrap(),
                names(&level["counted"]),
                names(&level["could"])
            )
        })
        .collect()
}
