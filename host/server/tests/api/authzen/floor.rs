//! No application comes into force that is older than one that was, at no start and on no replica.

use std::path::Path;

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_server::testing::{TENANT, TestApp};
use interlock_store::testing::TestDatabase;
use serde_json::{Value, json};

use super::{EVALUATION, ask, folder, program, rick};

async fn started(number: u64, folder: &Path, data: &Path) -> TestApp {
    TestApp::replica(number, |config| {
        config.server.data_dir = data.to_owned();
        config.policies.applications_dir = folder.to_owned();
    })
    .await
}

/// Somebody whom only a policy for everybody lets in.
fn eve() -> Value {
    let mut question = rick();
    question["subject"]["id"] = json!("eve");
    question
}

const EVERYBODY: &str = r#"@id("all") @reason("Everybody") 
    permit (principal, action == Todo::Action::"can_read_todos", resource);"#;

fn revise(folder: &Path, revision: u64) {
    let header = folder.join(TENANT).join("application.toml");
    let text = std::fs::read_to_string(&header).unwrap();
    let lines = text.lines().map(|line| match line.starts_with("revision = ") {
        true => format!("revision = {revision}"),
        false => line.to_owned(),
    });
    std::fs::write(
        &header,
        lines.collect::<Vec<_>>().join(
            "
",
        ),
    )
    .unwrap();
}

#[tokio::test]
async fn no_restart_brings_back_a_lower_revision_or_another_content_and_the_last_good_one_stays() {
    let (folder, data) = (folder("todo"), tempfile::tempdir().unwrap());
    let own = folder.path().join(TENANT);
    let schema = std::fs::read(own.join("schema.cedarschema")).unwrap();
    let steps: [(&str, &dyn Fn(), bool); 5] = [
        ("", &|| {}, false),
        (
            "raise `revision` in application.toml",
            &|| std::fs::write(own.join("more.cedar"), EVERYBODY).unwrap(),
            false,
        ),
        ("never goes back to a lower one", &|| revise(folder.path(), 0), false),
        ("schema.cedarschema", &|| std::fs::remove_file(own.join("schema.cedarschema")).unwrap(), false),
        (
            "",
            &|| {
                std::fs::write(own.join("schema.cedarschema"), &schema).unwrap();
                revise(folder.path(), 2);
            },
            true,
        ),
    ];
    for (number, (refused, edit, everybody)) in (0..).zip(steps) {
        edit();
        let app = started(number, folder.path(), data.path()).await;
        let shop = program(&app, TENANT, &format!("Olga {number}")).await;
        assert_eq!(ask(&shop, EVALUATION, &rick()).await.ok(), json!({ "decision": true }), "{number}");
        assert_eq!(ask(&shop, EVALUATION, &eve()).await.ok(), json!({ "decision": everybody }), "{number}");
        let auditor = app.person(&format!("Alan {number}"), &[Role::Auditor]).await;
        let status = auditor.get("/status").await.ok();
        let said = status["application_refused"].as_str().unwrap_or_default();
        assert!(said.contains(refused) && said.is_empty() == refused.is_empty(), "{number}: {status}");
        let ready = shop.send(Method::GET, "//ready", &[], Body::empty()).await.ok();
        assert_eq!(ready["checks"]["applications"]["loaded"], 1, "{ready}");
        let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
        assert_eq!(verified["sound"], true, "{verified}");
        app.app.store.close().await;
    }
}

#[tokio::test]
async fn a_tenant_whose_folder_is_gone_has_no_application_and_none_below_the_last_one_comes_back() {
    let (folder, data) = (folder("todo"), tempfile::tempdir().unwrap());
    let (own, aside) = (folder.path().join(TENANT), data.path().join("aside"));
    revise(folder.path(), 7);
    started(0, folder.path(), data.path()).await.app.store.close().await;
    std::fs::rename(&own, &aside).unwrap();
    let app = started(1, folder.path(), data.path()).await;
    let shop = program(&app, TENANT, "Olga").await;
    app.reconcile().await;
    assert_eq!(ask(&shop, EVALUATION, &rick()).await.status, 404);
    let admin = app.person("Adi", &[Role::Administrator]).await;
    std::fs::rename(&aside, &own).unwrap();
    revise(folder.path(), 6);
    admin.post("/application/reload", json!({})).await.problem("bundle-refused");
    assert_eq!(ask(&shop, EVALUATION, &rick()).await.status, 404);
    revise(folder.path(), 7);
    admin.post("/application/reload", json!({})).await.ok();
    assert_eq!(ask(&shop, EVALUATION, &rick()).await.ok(), json!({ "decision": true }));
}

#[tokio::test]
async fn what_one_replica_reloads_the_others_answer_by_from_the_next_tick_on() {
    let database = TestDatabase::postgres().await;
    let (here, there, keys) = (folder("todo"), folder("todo"), tempfile::tempdir().unwrap());
    let on = async |number: u64, folder: &Path| {
        TestApp::replica(number, |config| {
            config.store.url.clone_from(&database.url);
            config.store.pool_max = 4;
            config.ledger.key_file = keys.path().join("ledger-key.pk8");
            config.artifacts.wrapping_key_file = keys.path().join("wrapping-key");
            config.policies.applications_dir = folder.to_owned();
        })
        .await
    };
    let (one, other) = (on(0, here.path()).await, on(1, there.path()).await);
    let admin = one.person("Adi", &[Role::Administrator]).await;
    let shop = program(&other, TENANT, "Olga").await;
    assert_eq!(ask(&shop, EVALUATION, &eve()).await.ok(), json!({ "decision": false }));
    std::fs::write(here.path().join(TENANT).join("more.cedar"), EVERYBODY).unwrap();
    revise(here.path(), 2);
    let loaded = admin.post("/application/reload", json!({})).await.ok();
    other.reconcile().await;
    assert_eq!(ask(&shop, EVALUATION, &eve()).await.ok(), json!({ "decision": true }));
    assert_eq!(shop.get("/application").await.ok(), loaded);
    // The other one's own folder is older by now.
    let adi = other.person("Ada", &[Role::Administrator]).await;
    let problem = adi.post("/application/reload", json!({})).await.problem("bundle-refused");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("revision 2") && detail.contains("never goes back"), "{detail}");
}
