//! Gates that other engines ask. The requests are written from what the engines send; the engines themselves are in no
//! registry, so that none runs here, and no published schema has `AdmissionReview`, so that its fields are held against what
//! Kubernetes documents.

mod admission;
mod kayenta;

use axum::http::Method;
use interlock_domain::Role;
use interlock_server::{
    config::{Gate, Health},
    testing::{Answer, Client, TENANT, TestApp, built_plugins},
};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// A pump in staging, a firmware, and people: staging needs no approval, production two.
struct Ward {
    app: TestApp,
    ana: Client,
    admin: Client,
    /// Sends no key.
    nobody: Client,
}

async fn ward() -> Ward {
    ward_of(|_| {}).await
}

async fn ward_of(alter: impl FnOnce(&mut interlock_server::Config)) -> Ward {
    let app = TestApp::configured(|config| {
        config.plugins.dir = built_plugins();
        config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
        config.gates = Vec::<Gate>::new();
        config.health = vec![Health::named("thresholds")];
        alter(config);
    })
    .await;
    let oda = app.person("Oda", &[Role::Operator]).await;
    for (id, environment) in [("p", "staging"), ("q", "production")] {
        let pump = json!({ "id": id, "environment": environment, "model": "x2", "token": format!("token-of-the-pump-{id}"),
            "firmware": "1.0" });
        oda.post("/devices", pump).await.ok();
    }
    let ana = app.person("Ana", &[Role::ReleaseManager]).await;
    ana.push("fw", "2.0", b"content", None).await.ok();
    let admin = app.person("Adi", &[Role::Administrator]).await;
    let nobody = app.client(TENANT, None);
    Ward { app, ana, admin, nobody }
}

impl Ward {
    async fn change(&self, environment: &str) -> Value {
        let proposal = json!({
            "environment": environment, "title": "2.0", "artifacts": [{ "name": "fw", "version": "2.0" }],
            "selector": { "all": true }, "strategy": { "plugin": "direct" },
        });
        self.ana.post("/changes", proposal).await.ok()
    }

    /// A gate, and the path below which its engine asks.
    async fn gate(&self, name: &str, engine: &str, question: Value) -> String {
        let request =
            json!({ "name": name, "engine": engine, "question": question, "expires_in_ms": DAY_MS });
        let made = self.admin.post("/gates", request).await.ok();
        format!("//gate/{}", made["token"].as_str().unwrap())
    }

    async fn about_change(&self, engine: &str) -> String {
        self.gate(&format!("{engine}-gate"), engine, json!({ "about": "change" })).await
    }

    async fn asks(&self, path: &str, body: &Value) -> Answer {
        self.nobody.ask(Method::POST, path, &[], Some(body.clone())).await
    }

    async fn auditor(&self) -> Client {
        self.app.person("Alan", &[Role::Auditor]).await
    }
}

/// What Flagger sends, naming this change.
fn webhook(change: &Value) -> Value {
    json!({
        "name": "shop", "namespace": "prod", "phase": "Progressing", "checksum": "85d557f47b",
        "metadata": { "interlock/change": change["id"], "interlock/digest": change["digest"] },
    })
}

const GO: [&str; 5] =
    ["confirm-rollout", "pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion"];

impl Ward {
    /// The codes that Flagger is given: of what it asks before it goes on, all alike, and of `rollback`.
    async fn flagger(&self, gate: &str, change: &Value) -> (u16, u16) {
        let mut codes = Vec::new();
        for hook in GO {
            codes.push(self.asks(&format!("{gate}/flagger/{hook}"), &webhook(change)).await.status.as_u16());
        }
        codes.dedup();
        let [code] = codes[..] else { panic!("{codes:?}") };
        (code, self.asks(&format!("{gate}/flagger/rollback"), &webhook(change)).await.status.as_u16())
    }
}

#[tokio::test]
async fn flagger_goes_on_with_an_admitted_change_and_goes_back_with_one_that_is_over() {
    let ward = ward().await;
    let gate = ward.about_change("flagger").await;
    let change = ward.change("staging").await;
    assert_eq!(ward.flagger(&gate, &change).await, (403, 403), "its gates are being run");
    ward.app.reconcile().await;
    assert_eq!(ward.flagger(&gate, &change).await, (200, 403), "it rolls out");
    let id = change["id"].as_str().unwrap();
    ward.ana.post(&format!("/changes/{id}/pause"), json!({ "reason": "wait" })).await.ok();
    assert_eq!(ward.flagger(&gate, &change).await, (403, 403), "it stands still");
    ward.ana.post(&format!("/changes/{id}/rollback"), json!({ "reason": "bad" })).await.ok();
    assert_eq!(ward.flagger(&gate, &change).await, (403, 200), "it goes back");

    let waiting = ward.change("production").await;
    ward.app.reconcile().await;
    let said = ward.asks(&format!("{gate}/flagger/confirm-rollout"), &webhook(&waiting)).await;
    assert_eq!(said.status, 403);
    assert!(said.text().starts_with("pending: ") && said.text().contains("dec_"), "{}", said.text());
    let path = format!("/changes/{}/cancel", waiting["id"].as_str().unwrap());
    ward.ana.post(&path, json!({ "reason": "not now" })).await.ok();
    assert_eq!(ward.flagger(&gate, &waiting).await, (403, 200), "it was withdrawn");
}

#[tokio::test]
async fn whatever_is_missing_or_wrong_neither_goes_on_nor_goes_back() {
    let ward = ward().await;
    let gate = ward.about_change("flagger").await;
    let change = ward.change("staging").await;
    ward.app.reconcile().await;
    assert_eq!(ward.flagger(&gate, &change).await, (200, 403));
    let id = change["id"].as_str().unwrap();
    ward.ana.post(&format!("/changes/{id}/rollback"), json!({ "reason": "bad" })).await.ok();
    for (id, digest) in [
        (json!("chg_000000000000000000000000000000ff"), json!(null)),
        (json!("nonsense"), json!(null)),
        (json!(7), json!(null)),
        (json!(null), json!(null)),
        (change["id"].clone(), json!("sha256:00")),
    ] {
        let wrong = json!({ "id": id, "digest": digest });
        assert_eq!(ward.flagger(&gate, &wrong).await, (403, 403), "{wrong}");
    }
    for body in ["", "[]", "{", r#"{"name": 1, "name": 2}"#] {
        for hook in ["confirm-promotion", "rollback"] {
            let path = format!("{gate}/flagger/{hook}");
            let answer = ward.nobody.send(Method::POST, &path, &[], body.to_owned().into()).await;
            assert_eq!(answer.status, 403, "{body}");
        }
    }
    let none = ward.asks(&format!("{gate}/flagger/gate"), &webhook(&change)).await;
    assert_eq!((none.status.as_u16(), none.text().contains("confirm-promotion")), (404, true));
    let large = json!({ "metadata": { "x": "y".repeat(5 << 20) } });
    let answer = ward.asks(&format!("{gate}/flagger/rollback"), &large).await;
    assert!(answer.status == 403 && answer.text().contains("more than 4194304 bytes"), "{}", answer.text());
}

#[tokio::test]
async fn every_answer_is_on_record_with_its_reasons_and_what_flagger_tells_is_too() {
    let ward = ward().await;
    let gate = ward.about_change("flagger").await;
    let change = ward.change("staging").await;
    ward.app.reconcile().await;
    ward.asks(&format!("{gate}/flagger/confirm-promotion"), &webhook(&change)).await;
    let mut event = webhook(&change);
    event["metadata"]["eventMessage"] = json!("Copying shop.prod template spec to shop-primary.prod");
    event["metadata"]["timestamp"] = json!("1578607635167");
    for hook in ["event", "post-rollout"] {
        let answer = ward.asks(&format!("{gate}/flagger/{hook}"), &event).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "recorded".to_owned()));
    }
    let auditor = ward.auditor().await;
    let decisions = auditor.get(&format!("/decisions?change={}", change["id"].as_str().unwrap())).await.ok();
    let all = decisions["items"].as_array().unwrap();
    let decision = all.iter().find(|each| each["subject"]["type"] == "gate").unwrap();
    let subject = &decision["subject"];
    assert_eq!((&decision["outcome"], &subject["verdict"]), (&json!("allow"), &json!("allow")));
    assert_eq!((&subject["name"], &subject["ask"]), (&json!("flagger-gate"), &json!("go")));
    assert_eq!(subject["facts"]["state"], "rolling_out");
    assert_eq!(subject["asked"]["checksum"], "85d557f47b");
    assert!(!subject["reasons"].as_array().unwrap().is_empty());
    for decision in all.iter().filter(|each| each["subject"]["type"] != "plugin") {
        let path = format!("/decisions/{}/replay", decision["id"].as_str().unwrap());
        assert_eq!(auditor.post(&path, json!({})).await.ok()["identical"], true, "{decision}");
    }
    let entries = auditor.get("/ledger/entries?limit=200").await.ok();
    let told =
        entries["items"].as_array().unwrap().iter().filter(|entry| entry.to_string().contains("gate.told"));
    assert_eq!(told.count(), 2);
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
}

#[tokio::test]
async fn argo_is_always_answered_with_200_and_three_words() {
    let ward = ward().await;
    let gate = ward.about_change("argo").await;
    let change = ward.change("staging").await;
    let asked = |change: &Value| json!({ "change": change["id"], "name": "shop", "namespace": "prod" });
    let said = async |body: &Value| {
        let answer = ward.asks(&format!("{gate}/argo"), body).await;
        assert_eq!(answer.status, 200);
        let answer = answer.ok();
        (answer["decision"].as_str().unwrap().to_owned(), answer["score"].as_u64().unwrap(), answer)
    };
    let (word, score, _) = said(&asked(&change)).await;
    assert_eq!((word.as_str(), score), ("pending", 50));
    ward.app.reconcile().await;
    let (word, score, answer) = said(&asked(&change)).await;
    assert_eq!((word.as_str(), score), ("allow", 100));
    assert!(answer["decisionId"].as_str().unwrap().starts_with("dec_") && answer["reason"].is_string());
    let path = format!("{gate}/argo?change={}", change["id"].as_str().unwrap());
    assert_eq!(ward.nobody.get(&path).await.ok()["decision"], "allow");
    let put = ward.nobody.ask(Method::PUT, &format!("{gate}/argo"), &[], Some(asked(&change))).await;
    assert_eq!(put.ok()["decision"], "allow");
    assert_eq!(said(&json!({})).await.0, "deny");
    let broken = ward.nobody.send(Method::POST, &format!("{gate}/argo"), &[], "{".into()).await;
    assert_eq!((broken.status.as_u16(), &broken.ok()["decision"]), (200, &json!("deny")));
}

#[tokio::test]
async fn a_token_opens_one_gate_of_one_engine_until_it_ends_or_is_revoked() {
    let ward = ward().await;
    let gate = ward.about_change("flagger").await;
    let change = ward.change("staging").await;
    ward.app.reconcile().await;
    let hook = |gate: &str| format!("{gate}/flagger/confirm-promotion");
    let code = async |path: &str| ward.asks(path, &webhook(&change)).await.status.as_u16();
    assert_eq!(code(&hook(&gate)).await, 200);
    assert_eq!(code(&format!("{gate}/argo")).await, 404, "another engine");
    let mut wrong = gate.clone();
    wrong.pop();
    for token in [wrong.as_str(), "//gate/ilg_x", "//gate/x", "//gate/ilg_00000000000000000000000000000001_x"]
    {
        let refused = ward.asks(&hook(token), &webhook(&change)).await;
        assert_eq!(refused.status, 401, "{token}");
        let problem = refused.problem("unauthenticated");
        assert_eq!(problem["instance"], "/gate/***/flagger/confirm-promotion");
        assert!(!refused.text().contains(token.trim_start_matches("//gate/")), "{}", refused.text());
    }
    let lost = ward.asks(&format!("{gate}/nothing"), &json!({})).await;
    assert!(lost.text().contains("/gate/***/nothing") && !lost.text().contains("ilg_"), "{}", lost.text());

    // By name, for who has a key; its account must be able to read.
    let by_name = "/gates/flagger-gate/flagger/confirm-promotion";
    let auditor = ward.auditor().await;
    let through = auditor.ask(Method::POST, by_name, &[], Some(webhook(&change))).await;
    assert_eq!(through.status, 200, "{}", through.text());
    ward.nobody.ask(Method::POST, by_name, &[], Some(webhook(&change))).await.problem("unauthenticated");
    let stranger = ward
        .app
        .with_key(
            "grace",
            interlock_domain::AccountKind::User,
            "Gus",
            &[Role::Auditor],
            &[interlock_domain::Scope::Read],
        )
        .await;
    assert_eq!(stranger.ask(Method::POST, by_name, &[], Some(webhook(&change))).await.status, 404);

    // Its account is ended: so is the gate.
    let other = ward.gate("other", "flagger", json!({ "about": "change" })).await;
    assert_eq!(code(&hook(&other)).await, 200);
    let gates = ward.admin.get("/gates").await.ok();
    let account =
        gates["items"].as_array().unwrap().iter().find(|each| each["name"] == "other").unwrap()["account"]
            .clone();
    let path = format!("/accounts/{}/deactivate", account.as_str().unwrap());
    ward.admin.post(&path, json!({})).await.ok();
    let ended = ward.asks(&hook(&other), &webhook(&change)).await;
    assert!(ended.status == 401 && ended.text().contains("not active"), "{}", ended.text());

    ward.app.clock.advance(24 * HOUR_MS);
    let expired = ward.asks(&hook(&gate), &webhook(&change)).await;
    assert!(expired.status == 401 && expired.text().contains("expired"), "{}", expired.text());
}

#[tokio::test]
async fn who_may_not_ask_gets_through_no_gate_by_name_and_no_judge_works_for_them() {
    let ward = ward().await;
    ward.about_change("flagger").await;
    ward.about_change("kayenta").await;
    let change = ward.change("staging").await;
    ward.app.reconcile().await;
    // A person who reads, and neither a program nor somebody who tries what is answered.
    let vera = ward.app.person("Vera", &[Role::Viewer]).await;
    let below = |gate: &str, path: &str| format!("/gates/{gate}-gate/{gate}{path}");
    for path in [
        below("flagger", "/event"),
        below("flagger", "/confirm-promotion"),
        below("kayenta", "/judge"),
        below("kayenta", "/canary/kayenta-gate"),
    ] {
        let refused = vera.ask(Method::POST, &path, &[], Some(webhook(&change))).await;
        assert_eq!(refused.status, 403, "{path}");
        let problem = refused.problem("denied");
        assert!(problem["detail"].as_str().unwrap().contains("EvaluateAccess"), "{problem}");
    }
    let entries = ward.auditor().await.get("/ledger/entries?limit=200").await.ok().to_string();
    assert!(!entries.contains("gate.told"));
}

#[tokio::test]
async fn a_token_of_a_program_that_may_not_ask_neither_tells_nor_has_a_judge_work() {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in
        interlock_policy::default_files().into_iter().filter(|(path, _)| !path.contains('/'))
    {
        let text = String::from_utf8(content).unwrap();
        let kept = text.split_inclusive(";\n").filter(|policy| !policy.contains("rbac.program-evaluates"));
        let text = if path.ends_with(".cedar") { kept.collect() } else { text };
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    let dir = folder.path().to_owned();
    let ward = ward_of(|config| config.policies.dir = dir).await;
    let (flagger, kayenta) = (ward.about_change("flagger").await, ward.about_change("kayenta").await);
    let told = ward.asks(&format!("{flagger}/flagger/event"), &webhook(&json!({}))).await;
    assert!(told.status == 403 && told.text().contains("EvaluateAccess"), "{}", told.text());
    let judged = ward.asks(&format!("{kayenta}/kayenta/judge"), &kayenta::good()).await;
    judged.problem("denied");
}

#[tokio::test]
async fn a_gate_is_made_once_listed_without_its_token_and_revoked_with_its_account() {
    let ward = ward().await;
    let gate = ward.about_change("flagger").await;
    let change = ward.change("staging").await;
    ward.app.reconcile().await;
    let request = |name: &str| json!({ "name": name, "engine": "flagger", "question": { "about": "change" }, "expires_in_ms": 1 });
    ward.admin.post("/gates", request("flagger-gate")).await.problem("exists");
    ward.ana.post("/gates", request("other")).await.problem("denied");
    for (pointer, value, field) in [
        ("/name", json!("Not A Name"), "/name"),
        ("/engine", json!("spinnaker"), "/engine"),
        ("/question", json!({ "about": "weather" }), "/question"),
        ("/expires_in_ms", json!(0), "/expires_in_ms"),
        ("/expires_in_ms", json!(90 * DAY_MS + 1), "/expires_in_ms"),
        ("/owner", json!("per_000000000000000000000000000000ff"), "/owner"),
    ] {
        let mut bad = request("other");
        bad[&pointer[1..]] = value;
        let problem = ward.admin.post("/gates", bad).await.problem("invalid");
        assert!(problem["field"].as_str().unwrap().starts_with(field), "{problem}");
    }
    let body = request("twice");
    let first = ward.admin.post_as("k", "/gates", body.clone()).await.ok();
    let again = ward.admin.post_as("k", "/gates", body).await.ok();
    assert!(first["token"].is_string() && first["url"].as_str().unwrap().ends_with("/flagger"));
    assert_eq!((&again["token"], &again["url"], &again["id"]), (&json!(null), &json!(null), &first["id"]));
    let listed = ward.admin.get("/gates").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains("ilg_") && !listed.to_string().contains("secret"), "{listed}");

    let revoked = ward.admin.ask(Method::DELETE, "/gates/flagger-gate", &[], None).await.ok();
    assert!(revoked["revoked_at"].is_string());
    let refused = ward.asks(&format!("{gate}/flagger/confirm-promotion"), &webhook(&change)).await;
    assert!(refused.status == 401 && refused.text().contains("revoked"), "{}", refused.text());
    ward.admin.ask(Method::DELETE, "/gates/flagger-gate", &[], None).await.problem("not-found");
    let accounts = ward.admin.get("/accounts?limit=200").await.ok();
    let own =
        accounts["items"].as_array().unwrap().iter().find(|each| each["id"] == revoked["account"]).unwrap();
    assert_eq!((&own["active"], &own["name"]), (&json!(false), &json!("gate flagger-gate")));
    // The name is free again.
    ward.about_change("flagger").await;
    let entries = ward.auditor().await.get("/ledger/entries?limit=200").await.ok().to_string();
    assert!(
        entries.contains("gate.created") && entries.contains("gate.revoked") && !entries.contains("ilg_")
    );
}

/// An application that lets Flagger promote outside freezes and wants canaries of a bad phase back.
const HEADER: &str = "name = \"rollouts\"\nrevision = 1\n[actions]\n\"confirm-promotion\" = \"Action::\\\"confirm-promotion\\\"\"\n";
const SCHEMA: &str = r#"
entity engine;
entity canary { namespace?: String, name?: String };
action "confirm-promotion", rollback, promote appliesTo {
  principal: engine, resource: canary, context: { phase?: String, metadata?: { freeze?: String } }
};
"#;
const POLICIES: &str = r#"
@id("rollouts.promote") @reason("Promotion outside a freeze")
permit (principal, action == Action::"confirm-promotion", resource)
unless { context has metadata && context.metadata has freeze };

@id("rollouts.back") @reason("The shop goes back when it waits")
permit (principal, action == Action::"rollback", resource)
when { resource has name && resource.name == "shop" && context has phase && context.phase == "Waiting" };
"#;

#[tokio::test]
async fn a_gate_may_ask_the_application_of_the_tenant_instead() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(TENANT);
    std::fs::create_dir(&own).unwrap();
    for (name, text) in [("application.toml", HEADER), ("schema.cedarschema", SCHEMA), ("p.cedar", POLICIES)]
    {
        std::fs::write(own.join(name), text).unwrap();
    }
    let dir = folder.path().to_owned();
    let ward = ward_of(|config| config.policies.applications_dir = dir).await;
    let gate = ward.gate("shop", "flagger", json!({ "about": "access" })).await;
    let code = async |hook: &str, body: &Value| {
        ward.asks(&format!("{gate}/flagger/{hook}"), body).await.status.as_u16()
    };
    let mut body = webhook(&json!({}));
    assert_eq!(code("confirm-promotion", &body).await, 200);
    assert_eq!(code("confirm-traffic-increase", &body).await, 403, "no policy speaks of it");
    assert_eq!(code("rollback", &body).await, 403, "nobody said that it must go back");
    body["phase"] = json!("Waiting");
    assert_eq!(code("rollback", &body).await, 200);
    body["metadata"]["freeze"] = json!("yes");
    let denied = ward.asks(&format!("{gate}/flagger/confirm-promotion"), &body).await;
    assert!(denied.status == 403 && denied.text().contains("no policy permits it"), "{}", denied.text());
}

#[tokio::test]
async fn what_an_application_masks_stands_in_no_record_of_a_gate_either() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(TENANT);
    std::fs::create_dir(&own).unwrap();
    let header = HEADER.replace(
        "revision = 1\n",
        "revision = 1\nmask = [\"/resource/id\", \"/resource/properties\", \"/context/phase\"]\n",
    );
    for (name, text) in
        [("application.toml", header.as_str()), ("schema.cedarschema", SCHEMA), ("p.cedar", POLICIES)]
    {
        std::fs::write(own.join(name), text).unwrap();
    }
    let dir = folder.path().to_owned();
    let ward = ward_of(|config| config.policies.applications_dir = dir).await;
    let gate = ward.gate("shop", "flagger", json!({ "about": "access" })).await;
    let mut body = webhook(&json!({}));
    body["name"] = json!("bed-of-mrs-7");
    body["phase"] = json!("phase-of-mrs-7");
    ward.asks(&format!("{gate}/flagger/confirm-promotion"), &body).await;
    // Also where it goes wrong, which is told with the value.
    body["metadata"]["freeze"] = json!({ "type": "canary", "id": "mrs-7" });
    ward.asks(&format!("{gate}/flagger/confirm-promotion"), &body).await;
    let auditor = ward.auditor().await;
    let list = auditor.get("/decisions?limit=50").await.ok();
    let answers = list["items"].as_array().unwrap().iter();
    let answers: Vec<&Value> = answers.filter(|each| each["subject"]["type"] == "gate").collect();
    assert_eq!(answers.len(), 2);
    for answer in answers {
        let asked = &answer["subject"]["asked"];
        assert_eq!((&asked["hook"], &asked["name"]), (&json!("confirm-promotion"), &json!("(masked)")));
        assert!(!answer.to_string().contains("mrs-7"), "{answer:#}");
    }
}
