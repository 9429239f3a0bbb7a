use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_server::testing::{Answer, TENANT, TestApp};
use serde_json::json;

async fn get(app: &TestApp, path: &str) -> Answer {
    app.client(TENANT, None).send(Method::GET, path, &[], Body::empty()).await
}

#[tokio::test]
async fn a_server_with_all_its_parts_is_ready() {
    let app = TestApp::with_plugins().await;
    assert_eq!(get(&app, "//health").await.ok()["status"], "ok");
    let ready = get(&app, "//ready").await.ok();
    assert_eq!(ready["checks"]["database"]["status"], "ok", "{ready}");
    assert_eq!(ready["checks"]["data_folder"]["status"], "ok");
    assert_eq!(ready["checks"]["policies"]["denies_all"], false);
    assert_eq!(ready["checks"]["plugins"]["missing"], json!([]), "{ready}");
    let loaded = ready["checks"]["plugins"]["loaded"].as_array().unwrap();
    assert!(loaded.iter().any(|plugin| plugin["name"] == "canary"));
}

#[tokio::test]
async fn a_refused_plugin_is_named_with_its_reason_and_takes_down_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.wasm"), b"no component").unwrap();
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| config.plugins.dir = dir).await;
    let ready = get(&app, "//ready").await;
    assert_eq!(ready.status, 200);
    let plugins = &ready.ok()["checks"]["plugins"];
    assert_eq!(plugins["refused"][0]["file"], "broken.wasm");
    assert!(!plugins["refused"][0]["reason"].as_str().unwrap().is_empty());
    assert_eq!(plugins["status"], "degraded");
    assert_eq!(plugins["missing"], json!(["signature", "maintenance-window", "thresholds", "canary"]));
}

#[tokio::test]
async fn a_second_plugin_of_one_name_is_refused_and_the_first_stays() {
    let folder = tempfile::tempdir().unwrap();
    let built = interlock_server::testing::built_plugins();
    std::fs::copy(built.join("signature.wasm"), folder.path().join("a-first.wasm")).unwrap();
    // The same name, and other bytes: an empty custom section more.
    let mut other = std::fs::read(built.join("signature.wasm")).unwrap();
    other.extend([0, 2, 1, b'x']);
    std::fs::write(folder.path().join("b-second.wasm"), other).unwrap();
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| config.plugins.dir = dir).await;
    let plugins = get(&app, "//ready").await.ok()["checks"]["plugins"].clone();
    assert_eq!(plugins["loaded"].as_array().unwrap().len(), 1, "{plugins}");
    let first = interlock_domain::Digest::of(std::fs::read(built.join("signature.wasm")).unwrap());
    assert_eq!(plugins["loaded"][0]["digest"], first.to_string());
    assert_eq!(
        plugins["refused"],
        json!([{
            "file": "b-second.wasm",
            "reason": "plugin `signature` is installed from `a-first.wasm` already; keep one of the two files",
        }])
    );
    assert_eq!(plugins["status"], "degraded");
}

#[tokio::test]
async fn a_server_without_its_database_is_alive_and_not_ready() {
    let app = TestApp::start().await;
    app.app.store.close().await;
    assert_eq!(get(&app, "//health").await.status, 200);
    let ready = get(&app, "//ready").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"]["database"]["status"], "failed");
}

#[tokio::test]
async fn a_data_folder_that_is_gone_shows() {
    let app = TestApp::configured(|config| {
        // The database is elsewhere, so that only the folder is missing.
        config.store.url =
            format!("sqlite:{}", config.server.data_dir.with_file_name("elsewhere.db").display());
        // So is what the signer remembers: it makes its folder anew.
        config.ledger.signer_dir = config.server.data_dir.with_file_name("signer");
    })
    .await;
    std::fs::remove_dir_all(app.dir().join("data")).unwrap();
    let ready = get(&app, "//ready").await;
    assert_eq!((ready.status.as_u16(), &ready.json()["checks"]["database"]["status"]), (503, &json!("ok")));
    assert_eq!(ready.json()["checks"]["data_folder"]["status"], "failed");
}

#[tokio::test]
async fn metrics_count_devices_and_requests_under_their_names() {
    let app = TestApp::start().await;
    let operator = app.person("Oda", &[Role::Operator]).await;
    operator.post("/devices", json!({ "id": "p", "environment": "production", "model": "x2" })).await.ok();
    operator.get("/devices/p").await.ok();
    let text = get(&app, "//metrics").await.text();
    assert!(text.contains("devices_registered_total{tenant=\"mercy\"} 1"), "{text}");
    assert!(text.contains("devices_critical_count{tenant=\"mercy\"} 0"), "{text}");
    let route = "route=\"/v1/tenants/{tenant}/devices/{id}\"";
    let counted = |line: &&str| {
        line.starts_with("http_requests_total{") && line.contains(route) && line.contains("\"200\"")
    };
    assert!(text.lines().any(|line| counted(&line)), "{text}");
    assert!(text.contains("http_request_duration_seconds_bucket"), "{text}");
    assert!(!text.contains("/devices/p\""), "a path is no label");
}
