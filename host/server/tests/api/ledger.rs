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
    assert_eq!((&verified["outcome"], &verified["advice"]), (&json!("sound"), &json!(null)));
    assert_eq!(verified["entries"].as_u64(), newest["items"][0]["index"].as_u64().map(|index| index + 1));
    assert_eq!(verified["checkpoint"], checkpoint.text(), "reading and verifying are not recorded");
}

#[tokio::test]
async fn verifying_proves_that_the_ledger_continues_a_remembered_checkpoint() {
    let app = TestApp::start().await;
    let auditor = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    let remembered = auditor.get("/ledger/checkpoint").await.text();
    auditor.post("/groups", json!({ "name": "lab" })).await.ok();
    let verify = async |remembered: &str| {
        let body = Some(json!({ "remembered": remembered }));
        auditor.ask(Method::POST, "/ledger/verify", &[], body).await
    };
    let continued = verify(&remembered).await.ok();
    assert_eq!(continued["outcome"], "sound", "{continued}");
    let problem = verify("buy milk").await.problem("invalid");
    assert_eq!(problem["field"], "/remembered");
    let unknown = Some(json!({ "remember": "x" }));
    auditor.ask(Method::POST, "/ledger/verify", &[], unknown).await.problem("invalid");

    // The checkpoint of a ledger with another key and other entries, but of the same name.
    let other = TestApp::start().await.person("Kim", &[Role::Auditor]).await.get("/ledger/checkpoint").await;
    let forked = verify(&other.text()).await.ok();
    assert_eq!((&forked["outcome"], &forked["sound"]), (&json!("tampered"), &json!(false)), "{forked}");
    let findings =
        forked["findings"].as_array().unwrap().iter().map(|finding| finding["what"].as_str().unwrap());
    let expected = ["remembered checkpoint is refused", "log does not continue the remembered checkpoint"];
    assert_eq!(findings.collect::<Vec<_>>(), expected);
    assert!(forked["advice"].as_str().unwrap().starts_with("stop trusting this database"), "{forked}");
}

#[tokio::test]
async fn verifying_may_take_longer_than_other_requests() {
    let app = TestApp::configured(|config| config.server.request_timeout_ms = 1).await;
    let auditor = app.person("Kim", &[Role::Auditor]).await;
    for n in 0..30 {
        app.person(&format!("Person {n}"), &[Role::Viewer]).await;
    }
    // Dozens of signatures, two dozen queries: never within a millisecond.
    let verified = auditor.ask(Method::POST, "/ledger/verify", &[], None).await.ok();
    assert!(verified["sound"] == true && verified["entries"].as_u64() >= Some(62), "{verified}");
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
