//! Which bundle may be put in force: never one below what was in force before, and none that fails its own cases.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use interlock_domain::{Role, Timestamp};
use interlock_ledger::Entry;
use interlock_server::{
    App, Config, ManualClock,
    testing::{Client, START_MS, TENANT, TestApp},
};
use interlock_store::SYSTEM;
use serde_json::{Value, json};

type Files = BTreeMap<String, Vec<u8>>;

/// Writes the default bundle into a folder, with this revision and what else a test alters.
pub(crate) fn write_bundle(folder: &Path, revision: u64, alter: impl FnOnce(&mut Files)) {
    let mut files = interlock_policy::default_files();
    let header = String::from_utf8(files["bundle.toml"].clone()).unwrap();
    let header: Vec<String> =
        header
            .lines()
            .map(|line| {
                if line.starts_with("revision") { format!("revision = {revision}") } else { line.to_owned() }
            })
            .collect();
    files.insert("bundle.toml".to_owned(), header.join("\n").into_bytes());
    alter(&mut files);
    let _ = std::fs::remove_dir_all(folder);
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// Adds a policy that forbids reading the bundle.
fn forbid_reading(files: &mut Files) {
    let policy = b"@id(\"test.closed\") @reason(\"closed\")
        forbid (principal, action == Interlock::Action::\"ReadBundle\", resource);";
    files.insert("closed.cedar".to_owned(), policy.to_vec());
}

/// A server whose bundle lies in a folder of its own, in revision 5, and somebody who may load it again.
async fn started(folder: &Path) -> (TestApp, Client) {
    write_bundle(folder, 5, |_| {});
    let dir = folder.to_owned();
    let app = TestApp::configured(|config| config.policies.dir = dir).await;
    let admin = app.person("Adi", &[Role::Administrator]).await;
    (app, admin)
}

async fn reload(admin: &Client) -> interlock_server::testing::Answer {
    admin.post("/bundle/reload", json!({})).await
}

/// The bundles that a log says were loaded: how often, and with which revision the last time.
async fn loaded(app: &App, log: &str) -> Vec<u64> {
    let rows = app.store.rows(log, 0, 1_000).await.unwrap();
    let notes = rows.iter().filter(|row| Entry::parse(&row.body).unwrap().kind == "bundle.loaded");
    let payloads = notes.map(|row| serde_json::from_slice::<Value>(row.payload.as_ref().unwrap()).unwrap());
    payloads.map(|payload| payload["revision"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_reload_goes_up_and_never_down_and_says_so_in_both_logs() {
    let folder = tempfile::tempdir().unwrap();
    let (app, admin) = started(folder.path()).await;
    let five = admin.get("/bundle").await.ok();
    assert_eq!(five["revision"], 5);

    write_bundle(folder.path(), 7, |_| {});
    let seven = reload(&admin).await.ok();
    assert_eq!(seven["revision"], 7);

    write_bundle(folder.path(), 6, |_| {});
    let problem = reload(&admin).await.problem("bundle-refused");
    let detail = problem["detail"].as_str().unwrap();
    for named in ["revision 6", "revision 7", seven["digest"].as_str().unwrap()] {
        assert!(detail.contains(named), "{detail}");
    }

    write_bundle(folder.path(), 7, forbid_reading);
    let problem = reload(&admin).await.problem("bundle-refused");
    assert!(problem["detail"].as_str().unwrap().contains("raise `revision`"), "{problem}");
    assert_eq!(admin.get("/bundle").await.ok(), seven, "the last good one stays");

    // The same bundle again is no step down.
    write_bundle(folder.path(), 7, |_| {});
    reload(&admin).await.ok();
    assert_eq!(loaded(&app.app, SYSTEM).await, [5, 7]);
    assert_eq!(loaded(&app.app, TENANT).await, [7, 7]);
}

#[tokio::test]
async fn a_reload_that_is_repeated_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let (app, admin) = started(folder.path()).await;
    write_bundle(folder.path(), 6, |_| {});
    let first = admin.post_as("key", "/bundle/reload", json!({})).await.ok();
    assert_eq!(admin.post_as("key", "/bundle/reload", json!({})).await.ok(), first);
    assert_eq!(loaded(&app.app, TENANT).await, [6]);
}

#[tokio::test]
async fn a_bundle_that_fails_one_of_its_cases_is_refused_and_the_case_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_app, admin) = started(folder.path()).await;
    write_bundle(folder.path(), 6, |files| {
        let case = json!([{
            "name": "viewers read the bundle", "person": "vera", "roles": ["viewer"], "action": "ReadBundle",
            "resource": { "type": "tenant" }, "expect": { "decision": "allow" },
        }]);
        forbid_reading(files);
        files.insert("cases/reading.json".to_owned(), case.to_string().into_bytes());
    });
    let problem = reload(&admin).await.problem("bundle-refused");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("case `viewers read the bundle` in `cases/reading.json` fails"), "{detail}");
    assert_eq!(admin.get("/bundle").await.ok()["revision"], 5);
}

#[tokio::test]
async fn no_restart_goes_back_to_a_lower_revision_not_even_to_the_built_in_bundle() {
    let data = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = async |dir: &Path| {
        let mut config = Config::default();
        config.server.data_dir = data.path().join("data");
        config.plugins.dir = data.path().join("plugins");
        config.plugins.compile_in_process = true;
        config.policies.dir = dir.to_owned();
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
        App::open(config.checked().unwrap(), clock).await
    };
    write_bundle(folder.path(), 900, |_| {});
    let app = start(folder.path()).await.unwrap();
    let digest = app.policies.bundle().digest.to_string();
    app.store.close().await;

    let refused = start(Path::new("")).await.unwrap_err().to_string();
    assert!(refused.starts_with("the policy bundle is refused: "), "{refused}");
    assert!(refused.contains("revision 900") && refused.contains(&digest), "{refused}");
    write_bundle(folder.path(), 900, forbid_reading);
    let refused = start(folder.path()).await.unwrap_err().to_string();
    assert!(refused.contains("raise `revision`") && refused.contains(&digest), "{refused}");

    // The same one again is nothing new; a higher one is.
    write_bundle(folder.path(), 900, |_| {});
    let app = start(folder.path()).await.unwrap();
    assert_eq!(loaded(&app, SYSTEM).await, [900]);
    app.store.close().await;
    write_bundle(folder.path(), 901, |_| {});
    let app = start(folder.path()).await.unwrap();
    assert_eq!(loaded(&app, SYSTEM).await, [900, 901]);
}

#[tokio::test]
async fn a_bundle_without_policies_denies_everything_to_everybody_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    write_bundle(folder.path(), 5, |files| {
        files.retain(|path, _| !path.contains('/') && !path.ends_with(".cedar"))
    });
    let dir = folder.path().to_owned();
    let app = TestApp::configured(|config| config.policies.dir = dir).await;
    let all = app.person("Eva", &Role::ALL).await;
    for path in ["/changes", "/devices", "/bundle", "/accounts"] {
        assert_eq!(
            all.get(path).await.problem("denied")["reasons"],
            json!(["no policy permits it"]),
            "{path}"
        );
    }
    all.post("/bundle/reload", json!({})).await.problem("denied");
    let ready = app.client(TENANT, None).get("//ready").await.json();
    let policies = &ready["checks"]["policies"];
    assert_eq!(
        (&policies["status"], &policies["denies_all"], &policies["policies"]),
        (&json!("degraded"), &json!(true), &json!(0)),
        "{ready}"
    );
}
