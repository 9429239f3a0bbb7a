//! Other policies are in force once a change is admitted: judged by those that are in force until then, on every replica.

use std::collections::BTreeMap;

use interlock_domain::Role;
use interlock_server::{
    Config,
    config::Home,
    testing::{Answer, Client, TENANT, TestApp},
};
use interlock_store::testing::TestDatabase;
use serde_json::{Value, json};
use tempfile::TempDir;

const FORBID: &str = r#"@id("test.closed") @reason("closed")
    forbid (principal, action == Interlock::Action::"ReadArtifact", resource);"#;
const PERMIT: &str = r#"@id("test.open") @reason("open")
    permit (principal is Interlock::User, action == Interlock::Action::"ReadDevice", resource)
    when { principal.on_hold };"#;

/// The files of the default bundle with this revision, and one file more.
fn files(revision: u64, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let text = |content: Vec<u8>| String::from_utf8(content).unwrap();
    let mut files: BTreeMap<String, String> =
        interlock_policy::default_files().into_iter().map(|(path, content)| (path, text(content))).collect();
    let header = files["bundle.toml"].lines().map(|line| match line.starts_with("revision") {
        true => format!("revision = {revision}\n"),
        false => format!("{line}\n"),
    });
    let header = header.collect();
    files.insert("bundle.toml".to_owned(), header);
    files.extend(more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    files
}

fn at_home(environment: &str) -> impl Fn(&mut Config) {
    let home = Home { tenant: TENANT.parse().unwrap(), environment: environment.parse().unwrap() };
    move |config| {
        config.gates = Vec::new();
        config.policies.home = Some(home.clone());
    }
}

/// Ana proposes, Cleo answers for clinical safety and Rolf for regulatory.
struct House {
    app: TestApp,
    ana: Client,
    cleo: Client,
    rolf: Client,
}

impl House {
    async fn open(environment: &str) -> Self {
        Self::of(TestApp::configured(at_home(environment)).await).await
    }

    async fn of(app: TestApp) -> Self {
        let ana = app.person("Ana", &[Role::ReleaseManager, Role::Auditor]).await;
        let cleo = app.person("Cleo", &[Role::ClinicalSafety]).await;
        let rolf = app.person("Rolf", &[Role::Regulatory]).await;
        Self { app, ana, cleo, rolf }
    }

    async fn propose(&self, environment: &str, files: &BTreeMap<String, String>) -> Answer {
        let body = json!({ "kind": "policy", "environment": environment, "title": "Other policies",
            "policies": { "files": files } });
        self.ana.post("/changes", body).await
    }

    async fn looked_at(&self, change: &Value) -> Value {
        self.app.reconcile().await;
        self.ana.get(&format!("/changes/{}", change["id"].as_str().unwrap())).await.ok()
    }

    async fn approve(&self, who: &Client, change: &Value) {
        let path = format!("/changes/{}/approve", change["id"].as_str().unwrap());
        who.post(&path, json!({ "digest": change["digest"], "reason": "read and tried" })).await.ok();
    }

    async fn in_force(&self) -> u64 {
        self.ana.get("/bundle").await.ok()["revision"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn stricter_policies_are_in_force_when_they_are_admitted_and_stay_after_a_restart() {
    let data = TempDir::new().unwrap();
    let here = |config: &mut Config| {
        at_home("staging")(config);
        config.server.data_dir = data.path().to_owned();
    };
    let house = House::of(TestApp::configured(here).await).await;
    let before = house.in_force().await;
    house.ana.get("/artifacts").await.ok();
    let proposed = house.propose("staging", &files(before + 1, &[("closed.cedar", FORBID)])).await.ok();
    assert_eq!(house.in_force().await, before, "nothing is in force by being proposed");
    let plan = &proposed["manifest"]["policies"];
    assert_eq!((&plan["added"], &plan["weakens"]), (&json!(["test.closed"]), &json!([])));
    let done = house.looked_at(&proposed).await;
    assert_eq!((&done["state"], house.in_force().await), (&json!("completed"), before + 1), "{done}");
    house.ana.get("/artifacts").await.problem("denied");

    let digest = plan["to"]["digest"].as_str().unwrap();
    let kept = house.ana.get(&format!("/bundles/{digest}")).await.ok();
    assert_eq!(kept["files"]["closed.cedar"], FORBID);
    for unknown in ["sha256:12", &interlock_domain::Digest::of("another").to_string()] {
        let problem = house.ana.get(&format!("/bundles/{unknown}")).await.problem("not-found");
        assert_eq!(problem["detail"], format!("there is no policy bundle `{unknown}`"));
    }
    let verified = house.ana.post("/ledger/verify", json!({})).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    drop(house);
    // The folder has what was in force at first.
    let again = TestApp::configured(here).await;
    assert_eq!(again.app.policies.bundle().digest.to_string(), digest);
}

#[tokio::test]
async fn what_may_let_more_through_waits_for_clinical_safety_or_regulatory_everywhere() {
    let house = House::open("staging").await;
    let before = house.in_force().await;
    let proposed = house.propose("staging", &files(before + 1, &[("open.cedar", PERMIT)])).await.ok();
    let held = house.looked_at(&proposed).await;
    assert_eq!((&held["state"], house.in_force().await), (&json!("approving"), before));
    assert!(held["hold"].to_string().contains("approvals.weakening"), "{held}");
    house.approve(&house.cleo, &held).await;
    assert_eq!(house.looked_at(&proposed).await["state"], "completed");
    assert_eq!(house.in_force().await, before + 1);
    let refused = format!("/changes/{}/rollback", held["id"].as_str().unwrap());
    let refused = house.cleo.post(&refused, json!({ "reason": "the old ones" })).await;
    let refused = refused.problem("wrong-state").to_string();
    assert!(refused.contains("under a higher `revision`"), "{refused}");
}

#[tokio::test]
async fn in_a_guarded_environment_both_have_to_say_yes() {
    let house = House::open("production").await;
    let before = house.in_force().await;
    let proposed = house.propose("production", &files(before + 1, &[("closed.cedar", FORBID)])).await.ok();
    let held = house.looked_at(&proposed).await;
    house.approve(&house.cleo, &held).await;
    assert_eq!(house.looked_at(&proposed).await["state"], "approving");
    house.approve(&house.rolf, &held).await;
    assert_eq!(
        (&house.looked_at(&proposed).await["state"], house.in_force().await),
        (&json!("completed"), before + 1)
    );
}

#[tokio::test]
async fn of_two_made_for_the_same_policies_one_comes_into_force() {
    let house = House::open("staging").await;
    let before = house.in_force().await;
    let first = house.propose("staging", &files(before + 1, &[("closed.cedar", FORBID)])).await.ok();
    let second = house.propose("staging", &files(before + 2, &[("open.cedar", PERMIT)])).await.ok();
    let held = house.looked_at(&second).await;
    assert_eq!(house.looked_at(&first).await["state"], "completed");
    house.approve(&house.cleo, &held).await;
    let overtaken = house.looked_at(&second).await;
    assert_eq!((&overtaken["state"], house.in_force().await), (&json!("rejected"), before + 1));
    assert!(overtaken["note"].as_str().unwrap().ends_with("propose it again"), "{overtaken}");
}

#[tokio::test]
async fn another_replica_follows() {
    let database = TestDatabase::postgres().await;
    let keys = TempDir::new().unwrap();
    let on = |config: &mut Config| {
        at_home("staging")(config);
        config.store.url.clone_from(&database.url);
        config.store.pool_max = 4;
        config.ledger.key_file = keys.path().join("ledger-key.pk8");
        config.artifacts.wrapping_key_file = keys.path().join("wrapping-key");
    };
    let house = House::of(TestApp::replica(0, on).await).await;
    let other = TestApp::replica(1, on).await;
    let before = house.in_force().await;
    let proposed = house.propose("staging", &files(before + 1, &[("closed.cedar", FORBID)])).await.ok();
    assert_eq!(house.looked_at(&proposed).await["state"], "completed");
    assert_eq!(other.app.policies.bundle().revision, before);
    other.reconcile().await;
    assert_eq!(other.app.policies.bundle().revision, before + 1);
}

#[tokio::test]
async fn what_cannot_come_into_force_is_refused_before_anybody_has_to_approve_it() {
    let house = House::open("staging").await;
    let before = house.in_force().await;
    let refused = async |environment: &str, files: &BTreeMap<String, String>, kind: &str, said: &str| {
        let problem = house.propose(environment, files).await.problem(kind).to_string();
        assert!(problem.contains(said), "{problem}");
    };
    let good = files(before + 1, &[]);
    refused("production", &good, "invalid", "policies are decided in environment `staging`").await;
    refused("staging", &files(before, &[("closed.cedar", FORBID)]), "invalid", "/policies/files/bundle.toml")
        .await;
    refused("staging", &files(before, &[]), "invalid", "is in force already").await;
    refused("staging", &files(before + 1, &[("x.cedar", "permit (")]), "bundle-refused", "x.cedar").await;
    let closed = FORBID.replace("ReadArtifact", "ReadDevice");
    refused("staging", &files(before + 1, &[("closed.cedar", &closed)]), "bundle-refused", "fails").await;
    let mut empty = good.clone();
    empty.retain(|path, _| path == "bundle.toml");
    refused("staging", &empty, "bundle-refused", "schema.cedarschema").await;

    let body = json!({ "kind": "policy", "environment": "staging", "title": "t" });
    assert_eq!(house.ana.post("/changes", body.clone()).await.problem("invalid")["field"], "/policies");
    let mut with = body;
    with["policies"] = json!({ "files": good });
    with["selector"] = json!({ "all": true });
    assert_eq!(house.ana.post("/changes", with.clone()).await.problem("invalid")["field"], "/selector");
    with["kind"] = json!("release");
    assert_eq!(house.ana.post("/changes", with).await.problem("invalid")["field"], "/policies");
    assert_eq!(house.ana.get("/changes").await.ok()["items"], json!([]), "nothing was half-written");
}

#[tokio::test]
async fn there_is_one_way_to_decide_on_policies() {
    let house = House::open("staging").await;
    let admin = house.app.person("Adi", &[Role::Administrator]).await;
    let refused = admin.post("/bundle/reload", json!({})).await.problem("bundle-refused").to_string();
    assert!(refused.contains("interlock policy propose"), "{refused}");

    let folder = House::of(TestApp::configured(|config| config.gates = Vec::new()).await).await;
    let refused = folder.propose("staging", &files(99, &[])).await.problem("invalid");
    assert!(refused["detail"].as_str().unwrap().contains("`policies.home`"), "{refused}");

    let elsewhere = |config: &mut Config| {
        at_home("staging")(config);
        config.policies.home.as_mut().unwrap().tenant = "operations".parse().unwrap();
    };
    let tenant = House::of(TestApp::configured(elsewhere).await).await;
    let refused = tenant.propose("staging", &files(99, &[])).await.problem("invalid");
    assert!(refused["detail"].as_str().unwrap().contains("not decided in this tenant"), "{refused}");
}
