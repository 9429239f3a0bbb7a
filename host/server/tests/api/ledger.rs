use axum::http::Method;
use interlock_domain::Role;
use interlock_server::testing::TestApp;
use serde_json::json;

#[tokio::test]
async fn the_ledger_is_read_and_verified() {
    let app = TestApp::start().await;
    let auditor = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    auditor.post("/groups", json!({ "name": "lab" })).await.ok();
    let checkpoint = auditor.get("/ledger/checkpoint").await;
    assert!(checkpoint.header("content-type").starts_with("text/plain"));
    assert!(checkpoint.text().starts_with("interlock.local/ledger/mercy\n"), "{}", checkpoint.text());
    let newest = auditor.get("/ledger/entries?limit=1").await.ok();
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert_eq!(verified["sound"], true, "{verified}");
    assert_eq!(verified["entries"].as_u64(), newest["items"][0]["index"].as_u64().map(|index| index + 1));
}

#[tokio::test]
async fn who_is_no_auditor_does_not_read_the_ledger() {
    let app = TestApp::start().await;
    let operator = app.person("Oda", &[Role::Operator]).await;
    operator.get("/ledger/entries").await.problem("denied");
}

#[tokio::test]
async fn the_bundle_is_shown_and_loaded_again() {
    let app = TestApp::start().await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let shown = admin.get("/bundle").await.ok();
    assert_eq!(shown["denies_all"], false);
    assert_eq!(admin.post("/bundle/reload", json!({})).await.ok(), shown);
}

#[tokio::test]
async fn a_bundle_that_does_not_validate_is_refused_and_the_last_good_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in interlock_policy::default_files() {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| config.policies.dir = dir).await;
    let admin = app.person("Eva", &[Role::Administrator]).await;
    let before = admin.get("/bundle").await.ok();
    std::fs::write(
        folder.path().join("rbac.cedar"),
        "permit (principal, action, resource) when { principal.nope };",
    )
    .unwrap();
    let problem = admin.post("/bundle/reload", json!({})).await.problem("bundle-refused");
    assert_eq!(problem["faults"][0]["file"], "rbac.cedar", "{problem}");
    assert_eq!(admin.get("/bundle").await.ok(), before);
}
