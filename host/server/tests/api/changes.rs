use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::{Answer, Client, TestApp};
use serde_json::{Value, json};

/// Plugins that were built, one artifact, two pumps, and the people of the story.
struct Stage {
    app: TestApp,
    ana: Client,
    ben: Client,
    cleo: Client,
}

impl Stage {
    async fn set() -> Self {
        let app = TestApp::with_plugins().await;
        let operator = app.person("Oda", &[Role::Operator]).await;
        let pumps =
            ["pump-1", "pump-2"].map(|id| json!({ "id": id, "environment": "production", "model": "x2" }));
        operator.post("/devices:import", json!(pumps)).await.ok();
        let ana = app.person("Ana", &[Role::ReleaseManager]).await;
        ana.push("fw", "2.0", b"content", None).await.ok();
        let ben = app.person("Ben", &[Role::ClinicalSafety]).await;
        let cleo = app.person("Cleo", &[Role::Regulatory]).await;
        Self { app, ana, ben, cleo }
    }

    async fn propose(&self) -> Value {
        let proposed = self.ana.post("/changes", proposal()).await;
        assert_eq!(proposed.status, 201, "{}", proposed.text());
        let change = proposed.ok();
        assert_eq!(proposed.header("location"), format!("/v1/tenants/mercy{}", path(&change, "")));
        assert_eq!(proposed.header("etag"), "\"1\"");
        change
    }

    async fn approve(&self, who: &Client, change: &Value) -> Answer {
        let approval = json!({ "digest": change["digest"], "meaning": "review", "reason": "read it" });
        who.post(&path(change, "/approve"), approval).await
    }
}

fn proposal() -> Value {
    json!({
        "environment": "production", "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
        "selector": { "model": "x2" }, "strategy": { "plugin": "direct" },
    })
}

fn path(change: &Value, verb: &str) -> String {
    format!("/changes/{}{verb}", change["id"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_change_is_proposed_shown_and_listed() {
    let stage = Stage::set().await;
    let change = stage.propose().await;
    assert_eq!(change["state"], "gating");
    assert_eq!(change["manifest"]["population"]["size"], 2);
    let shown = stage.ben.get(&path(&change, "")).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(shown.ok()["progress"]["pending"], 2);
    assert_eq!(
        stage.ben.get("/changes?state=gating&environment=production").await.ok()["items"][0]["id"],
        change["id"]
    );
    assert_eq!(stage.ben.get("/changes?state=completed").await.ok()["items"], json!([]));
    let targets = stage.ben.get(&path(&change, "/assignments?state=pending&limit=1")).await.ok();
    assert_eq!(targets["items"][0]["device"], "pump-1");
    assert!(targets["next_cursor"].is_string());
    let explained = stage.ben.get(&path(&change, "/explain")).await.ok();
    assert_eq!(explained["summary"], "its gates are being run");
}

#[tokio::test]
async fn a_proposal_that_does_not_hold_together_names_the_field() {
    let stage = Stage::set().await;
    for (pointer, value, field) in [
        ("/selector", json!({ "model": "x9" }), "/selector"),
        ("/selector", json!({}), "/selector"),
        ("/selector", json!({ "modell": "x2" }), "/selector/modell"),
        ("/artifacts/0/version", json!("9"), "/artifacts/0"),
        ("/artifacts", json!([]), "/artifacts"),
        ("/strategy/plugin", json!("nonsense"), "/strategy/plugin"),
        ("/strategy/plugin", json!("signature"), "/strategy/plugin"),
        ("/title", json!(""), "/title"),
    ] {
        let mut proposal = proposal();
        *proposal.pointer_mut(pointer).unwrap() = value;
        let problem = stage.ana.post("/changes", proposal).await.problem("invalid");
        assert_eq!(problem["field"], field, "{problem}");
    }
    let mut wrong = proposal();
    wrong["strategy"]["settings"] = json!({ "no-such-setting": 1 });
    let problem = stage.ana.post("/changes", wrong).await.problem("invalid");
    assert!(problem["field"].as_str().unwrap().starts_with("/strategy/settings"), "{problem}");
    let mut float = proposal();
    float["strategy"]["settings"] = json!({ "hold": 0.5 });
    assert_eq!(
        stage.ana.post("/changes", float).await.problem("invalid")["field"],
        "/strategy/settings/hold"
    );
    assert_eq!(stage.ana.get("/changes").await.ok()["items"], json!([]), "nothing is half-written");
}

#[tokio::test]
async fn without_its_plugins_nothing_can_be_proposed() {
    let app = TestApp::start().await;
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    ana.push("fw", "2.0", b"content", None).await.ok();
    let oda = app.person("Oda", &[Role::Operator]).await;
    oda.post("/devices", json!({ "id": "p", "environment": "production", "model": "x2" })).await.ok();
    assert_eq!(ana.post("/changes", proposal()).await.problem("invalid")["field"], "/strategy/plugin");
}

#[tokio::test]
async fn approvals_follow_the_rules_and_each_breach_has_its_own_problem() {
    let stage = Stage::set().await;
    let change = stage.propose().await;
    let both = stage.app.person("Ana", &[Role::ReleaseManager, Role::ClinicalSafety]).await;
    stage.approve(&both, &change).await.problem("self-approval");
    stage.approve(&stage.ben, &change).await.ok();
    stage.approve(&stage.ben, &change).await.problem("already-approved");
    let old = json!({ "digest": format!("sha256:{}", "0".repeat(64)), "reason": "read it" });
    let problem = stage.cleo.post(&path(&change, "/approve"), old).await.problem("other-digest");
    assert_eq!(problem["current"], change["digest"]);
    let reasonless = json!({ "digest": change["digest"], "reason": " " });
    stage.cleo.post(&path(&change, "/approve"), reasonless).await.problem("no-reason");
    let refusing = json!({ "digest": change["digest"], "meaning": "rejection", "reason": "no" });
    assert_eq!(
        stage.cleo.post(&path(&change, "/approve"), refusing).await.problem("invalid")["field"],
        "/meaning"
    );
    let pause = stage.ben.post(&path(&change, "/pause"), json!({ "reason": "alarms" })).await;
    pause.problem("wrong-state");
}

#[tokio::test]
async fn a_revision_voids_what_was_approved_and_honours_if_match() {
    let stage = Stage::set().await;
    let change = stage.propose().await;
    stage.approve(&stage.ben, &change).await.ok();
    let mut other = proposal();
    other["title"] = json!("2.0, corrected");
    let revise = async |tag: &'static str| {
        stage.ana.ask(Method::PUT, &path(&change, ""), &[("if-match", tag)], Some(other.clone())).await
    };
    assert_eq!(revise("\"1\"").await.problem("stale")["current"], 2);
    let revised = revise("\"2\"").await.ok();
    assert_ne!(revised["digest"], change["digest"]);
    stage.approve(&stage.cleo, &change).await.problem("other-digest");
    let rejected = json!({ "digest": revised["digest"], "reason": "annex B is missing" });
    assert_eq!(stage.cleo.post(&path(&change, "/reject"), rejected).await.ok()["state"], "rejected");
}

#[tokio::test]
async fn an_unsigned_artifact_is_stopped_by_its_gate_and_the_explanation_says_so() {
    let stage = Stage::set().await;
    let change = stage.propose().await;
    stage.app.reconcile().await;
    let explained = stage.ana.get(&path(&change, "/explain")).await.ok();
    assert_eq!(explained["state"], "rejected");
    assert_eq!(explained["findings"][0]["gate"], "signature");
    let decisions = stage
        .ana
        .get(&format!("/decisions?change={}&outcome=answered", change["id"].as_str().unwrap()))
        .await
        .ok();
    let auditor = stage.app.person("Kim", &[Role::Auditor]).await;
    for decision in decisions["items"].as_array().unwrap() {
        let id = decision["id"].as_str().unwrap();
        let replayed = auditor.ask(Method::POST, &format!("/decisions/{id}/replay"), &[], None).await.ok();
        assert_eq!(replayed["identical"], true, "{replayed}");
    }
    assert!(decisions["items"].as_array().unwrap().len() >= 2, "{decisions}");
}

#[tokio::test]
async fn an_author_withdraws_a_change_once() {
    let stage = Stage::set().await;
    let change = stage.propose().await;
    let reason = json!({ "reason": "wrong week" });
    assert_eq!(stage.ana.post(&path(&change, "/cancel"), reason.clone()).await.ok()["state"], "cancelled");
    stage.ana.post(&path(&change, "/cancel"), reason.clone()).await.problem("wrong-state");
    for verb in ["/pause", "/resume", "/promote", "/rollback"] {
        stage.ana.post(&path(&change, verb), reason.clone()).await.problem("wrong-state");
    }
}

#[tokio::test]
async fn installed_plugins_say_what_they_are() {
    let stage = Stage::set().await;
    let plugins = stage.ana.get("/plugins").await.ok();
    let canary =
        plugins["items"].as_array().unwrap().iter().find(|plugin| plugin["name"] == "canary").unwrap();
    assert_eq!(canary["kind"], "rollout-strategy");
    assert!(canary["settings_schema"].is_object(), "{canary}");
    assert!(canary["digest"].as_str().unwrap().starts_with("sha256:"));
}
