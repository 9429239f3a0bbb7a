//! Copies of the ledger that nobody overwrites: in a folder, and in a real S3 server with Object Lock.

mod faults;
mod storage;

use std::{collections::BTreeMap, fs, path::Path};

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_ledger::{
    Checkpoint, Hash, Keyring, Tile, TileKind, VerifyingKey,
    tile::{parse_bundle, parse_hashes},
    tree::{Leaves, leaf_hash, root_at},
};
use interlock_server::{
    config::LedgerCopy,
    testing::{Client, TENANT, TestApp},
};
use interlock_store::{By, Commit, Note, Write, testing::TestDatabase};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use self::storage::Storage;

const ORIGIN: &str = "interlock.local/ledger/mercy";

/// Writes so many entries more.
async fn grown(app: &TestApp, entries: usize) {
    let note = |n: usize| {
        let (kind, object_kind) = ("server.started", "server");
        Write::Note(Note { kind, object_kind, object_id: format!("node-{n}"), payload: json!({ "n": n }) })
    };
    let by = By { person: None, account: "host".to_owned(), auth: None };
    let writes = (0..entries).map(note).collect();
    let (clock, tenant) = (&app.app.clock, TENANT.parse().unwrap());
    app.app.store.commit(Commit::new(tenant, by, clock.now(), writes, || clock.uuid())).await.unwrap();
}

async fn keys(who: &Client) -> Keyring {
    let listed = who.get("/ledger/keys").await.ok();
    let keys = listed["keys"].as_array().unwrap().iter();
    keys.map(|key| key["vkey"].as_str().unwrap().parse::<VerifyingKey>().unwrap()).collect()
}

async fn ready(app: &TestApp) -> Value {
    let nobody = app.client("mercy", None);
    nobody.send(Method::GET, "//ready", &[], Body::empty()).await.json()["checks"]["copies"].clone()
}

async fn signed_size(app: &TestApp) -> u64 {
    app.app.store.signed("mercy").await.unwrap().unwrap().size
}

fn in_folder(folder: &Path) -> LedgerCopy {
    LedgerCopy { name: "worm".to_owned(), folder: folder.to_owned(), ..LedgerCopy::default() }
}

/// Reads a copy as any tool that knows tlog-tiles does, and says how many entries it proves.
fn verified(keys: &Keyring, read: impl Fn(&str) -> Vec<u8>) -> u64 {
    let opened = Checkpoint::open(&read("checkpoint"), ORIGIN, keys).unwrap();
    let Checkpoint { size, root, .. } = opened.checkpoint();
    let (mut leaves, mut from_bundles): (Vec<Hash>, Vec<Hash>) = (Vec::new(), Vec::new());
    for tile in Tile::grown(0, *size) {
        let bytes = read(&tile.to_string());
        match tile.kind() {
            TileKind::Entries => {
                from_bundles.extend(parse_bundle(&bytes, tile.width()).unwrap().into_iter().map(leaf_hash));
            }
            TileKind::Hashes(0) => leaves.extend(parse_hashes(&bytes, tile.width()).unwrap()),
            TileKind::Hashes(_) => {
                assert_eq!(parse_hashes(&bytes, tile.width()).unwrap().len(), usize::from(tile.width()))
            }
        }
    }
    assert_eq!(leaves, from_bundles);
    assert_eq!(&root_at(*size, &Leaves(&leaves)).unwrap(), root);
    *size
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(inside).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_copy_in_a_folder_proves_the_log_by_itself_and_is_only_ever_added_to() {
    let dir = tempfile::tempdir().unwrap();
    let copy = in_folder(dir.path());
    let app = TestApp::configured(|config| config.ledger.copies = vec![copy]).await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    let keys = keys(&kim).await;
    let read = |path: &str| fs::read(dir.path().join("mercy").join(path)).unwrap();
    grown(&app, 300).await;
    app.have_copied().await;
    assert_eq!(verified(&keys, read), signed_size(&app).await);
    let before = files(dir.path());
    // Not full, and not waited for long enough.
    grown(&app, 5).await;
    app.have_copied().await;
    assert_eq!(files(dir.path()), before);
    let found = ready(&app).await;
    assert_eq!((&found["status"], &found["each"][0]["behind_entries"]), (&json!("ok"), &json!(5)), "{found}");
    app.clock.advance(600_000);
    app.have_copied().await;
    assert_eq!(verified(&keys, read), signed_size(&app).await);
    // A bundle is full.
    grown(&app, 70_000).await;
    app.have_copied().await;
    assert_eq!(verified(&keys, read), signed_size(&app).await);
    let after = files(dir.path());
    for (name, bytes) in before.iter().filter(|(name, _)| !name.ends_with("/checkpoint")) {
        assert_eq!(after.get(name), Some(bytes), "{name}");
    }
    let checkpoints = after.keys().filter(|name| name.starts_with("mercy/checkpoints/")).count();
    assert_eq!(checkpoints, 3, "each that stood there is kept");
    assert!(after.contains_key("system/checkpoint"), "the server's own log too");
    let found = ready(&app).await;
    assert_eq!((&found["status"], &found["each"][0]["behind_entries"]), (&json!("ok"), &json!(0)), "{found}");
    let status = kim.get("/status").await.ok();
    assert_eq!(status["ledger"]["copies"][0]["entries"], signed_size(&app).await, "{status}");
}

#[tokio::test]
async fn what_was_altered_in_a_copy_is_said_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let copy = in_folder(dir.path());
    // Somebody was there before.
    fs::create_dir_all(dir.path().join("mercy/tile/0")).unwrap();
    fs::write(dir.path().join("mercy/tile/0/000"), "x").unwrap();
    let app = TestApp::configured(|config| config.ledger.copies = vec![copy]).await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    grown(&app, 300).await;
    app.have_copied().await;
    assert_eq!(fs::read(dir.path().join("mercy/tile/0/000")).unwrap(), b"x");
    assert!(!dir.path().join("mercy/checkpoint").exists(), "the checkpoint comes last");
    assert!(dir.path().join("system/checkpoint").exists(), "one log keeps no other waiting");
    let found = ready(&app).await;
    assert_eq!(found["status"], "degraded", "{found}");
    let status = kim.get("/status").await.ok();
    let failure = status["ledger"]["copies"][0]["failure"].as_str().unwrap();
    assert!(failure.contains("mercy/tile/0/000") && failure.contains("something else"), "{status}");
    assert_eq!(status["status"], "degraded");
    // It is tried again.
    fs::remove_file(dir.path().join("mercy/tile/0/000")).unwrap();
    app.have_copied().await;
    assert_eq!(ready(&app).await["status"], "ok");
    assert_eq!(
        verified(&keys(&kim).await, |path| fs::read(dir.path().join("mercy").join(path)).unwrap()),
        signed_size(&app).await
    );
}

#[tokio::test]
async fn nothing_of_a_database_that_was_altered_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (database, copy) = (TestDatabase::sqlite(), in_folder(dir.path()));
    let url = database.url.clone();
    let app = TestApp::configured(|config| {
        config.ledger.copies = vec![copy];
        config.store.url = url;
    })
    .await;
    grown(&app, 600).await;
    app.app.store.signed("mercy").await.unwrap();
    let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
    let triggers: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    for (name,) in triggers {
        let drop = sqlx::AssertSqlSafe(format!("DROP TRIGGER \"{name}\""));
        sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
    }
    // An entry; then a hash of a tile above, which no signer looks at.
    let table = [
        (
            "UPDATE ledger_entries SET body = leaf_hash WHERE log = 'mercy' AND idx = 300",
            "do not lead to the checkpoint",
        ),
        (
            "UPDATE ledger_nodes SET hash = zeroblob(32) WHERE log = 'mercy' AND level = 8 AND idx = 1",
            "does not lead to what was signed",
        ),
    ];
    for (alter, said) in table {
        sqlx::raw_sql("CREATE TABLE entries_aside AS SELECT * FROM ledger_entries; CREATE TABLE nodes_aside AS SELECT * FROM ledger_nodes")
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::raw_sql(alter).execute(&mut connection).await.unwrap();
        app.have_copied().await;
        assert!(!dir.path().join("mercy/checkpoint").exists(), "{alter}");
        let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
        let status = kim.get("/status").await.ok();
        let failure = status["ledger"]["copies"][0]["failure"].as_str().unwrap();
        assert!(failure.contains(said), "{alter}: {failure}");
        let back = "UPDATE ledger_entries SET body = (SELECT a.body FROM entries_aside a
                        WHERE a.log = ledger_entries.log AND a.idx = ledger_entries.idx)
                    WHERE EXISTS (SELECT 1 FROM entries_aside a WHERE a.log = ledger_entries.log AND a.idx = ledger_entries.idx);
                    UPDATE ledger_nodes SET hash = (SELECT a.hash FROM nodes_aside a WHERE a.log = ledger_nodes.log
                        AND a.level = ledger_nodes.level AND a.idx = ledger_nodes.idx)
                    WHERE EXISTS (SELECT 1 FROM nodes_aside a WHERE a.log = ledger_nodes.log AND a.level = ledger_nodes.level
                        AND a.idx = ledger_nodes.idx);
                    DROP TABLE entries_aside; DROP TABLE nodes_aside";
        sqlx::raw_sql(back).execute(&mut connection).await.unwrap();
    }
    app.have_copied().await;
    assert_eq!(ready(&app).await["status"], "ok");
}

/// The version of an object that is pinned.
async fn pin(app: &TestApp, path: &str) -> interlock_store::Pin {
    app.app.store.pin("s3", "mercy", path).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_copy_in_a_bucket_is_locked_pinned_and_outlives_whoever_holds_its_keys() {
    let storage = Storage::start().await;
    storage.bucket("worm", true).await;
    storage.bucket("loose", false).await;
    let copy = |name: &str, bucket: &str| LedgerCopy {
        name: name.to_owned(),
        s3_url: storage.url.clone(),
        s3_bucket: bucket.to_owned(),
        s3_prefix: "interlock/".to_owned(),
        s3_credentials_file: storage.credentials(),
        keep_entries_years: 2,
        keep_proofs_years: 3,
        keep_margin_days: 31,
        legal_hold: true,
        ..LedgerCopy::default()
    };
    let nowhere = LedgerCopy { s3_url: "http://127.0.0.1:1".to_owned(), ..copy("nowhere", "worm") };
    let copies = vec![copy("s3", "worm"), copy("unlocked", "loose"), nowhere];
    let app = TestApp::configured(|config| config.ledger.copies = copies).await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    grown(&app, 300).await;
    app.have_copied().await;

    // One that does not lock, and one that is not there: said, and no reason for the other to wait.
    let status = kim.get("/status").await.ok();
    let failure =
        |at: usize| status["ledger"]["copies"][at]["failure"].as_str().unwrap_or_default().to_owned();
    assert_eq!(failure(0), "", "{status}");
    assert!(failure(1).contains("no Object Lock"), "{status}");
    assert!(failure(2).contains("cannot be reached"), "{status}");
    let found = ready(&app).await;
    assert_eq!(found["each"][0]["status"], "ok", "{found}");
    assert_eq!(
        (&found["each"][1]["status"], &found["each"][2]["status"]),
        (&json!("degraded"), &json!("degraded"))
    );

    // Any tool reads it.
    let size = signed_size(&app).await;
    let mut objects = BTreeMap::new();
    let paths = Tile::grown(0, size).map(|tile| tile.to_string()).chain(["checkpoint".to_owned()]);
    for path in paths {
        let (status, headers, body) =
            storage.ask("GET", &format!("worm/interlock/mercy/{path}"), &[], "").await;
        assert!(status.is_success(), "{path}: {status}");
        assert_eq!(headers["x-amz-object-lock-mode"], "COMPLIANCE", "{path}");
        assert_eq!(headers["x-amz-object-lock-legal-hold"], "ON", "{path}");
        // From 2026-11-20, by the class of what it is.
        let until = if path.starts_with("tile/entries/") { "2028-12-22" } else { "2029-12-22" };
        let kept = headers["x-amz-object-lock-retain-until-date"].to_str().unwrap();
        assert!(kept.starts_with(until), "{path}: {kept}");
        if path != "checkpoint" {
            assert_eq!(pin(&app, &path).await.version, headers["x-amz-version-id"].to_str().unwrap());
        }
        objects.insert(path, body);
    }
    assert_eq!(verified(&keys(&kim).await, |path| objects[path].clone()), size);

    // Whoever holds the keys neither removes nor shortens it.
    let bundle = "worm/interlock/mercy/tile/entries/000";
    let pinned = pin(&app, "tile/entries/000").await;
    let version = format!("{bundle}?versionId={}", pinned.version);
    let (status, ..) =
        storage.ask("DELETE", &version, &[("x-amz-bypass-governance-retention", "true")], "").await;
    assert!(status.is_client_error(), "{status}");
    let shorter = "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2027-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let retention = format!("{bundle}?retention&versionId={}", pinned.version);
    let (status, ..) = storage.ask("PUT", &retention, &[], shorter).await;
    assert!(status.is_client_error(), "{status}");
    // They put something on top: the pinned version is what it was, and the next round does not mind.
    let (status, ..) = storage.ask("PUT", bundle, &[], "forged").await;
    assert!(status.is_success(), "{status}");
    let (_, _, body) = storage.ask("GET", &version, &[], "").await;
    assert_eq!(body, objects["tile/entries/000"]);
    grown(&app, 300).await;
    app.have_copied().await;
    let (_, _, note) = storage.ask("GET", "worm/interlock/mercy/checkpoint", &[], "").await;
    let opened = Checkpoint::open(&note, ORIGIN, &keys(&kim).await).unwrap();
    assert_eq!(opened.checkpoint().size, signed_size(&app).await);

    // What a crash left put and not noted is found, compared and pinned; what somebody else put is not taken for it.
    let next = Tile::of_size(TileKind::Entries, 2, signed_size(&app).await + 300).unwrap();
    assert_eq!(next.width(), 256);
    storage.ask("PUT", &format!("worm/interlock/mercy/{next}"), &[], "forged").await;
    grown(&app, 300).await;
    app.have_copied().await;
    let status = kim.get("/status").await.ok();
    let failure = status["ledger"]["copies"][0]["failure"].as_str().unwrap();
    assert!(failure.contains(&next.to_string()) && failure.contains("something else"), "{failure}");
    let (_, _, same) = storage.ask("GET", "worm/interlock/mercy/checkpoint", &[], "").await;
    assert_eq!(same, note, "the checkpoint comes last");
    let nobody = app.client("mercy", None);
    let metrics = nobody.send(Method::GET, "//metrics", &[], Body::empty()).await.text();
    assert!(metrics.contains("ledger_copy_lag_entries{copy=\"s3\"}"), "{metrics}");
    assert!(metrics.contains("ledger_copy_failures_total{copy=\"nowhere\"} "), "{metrics}");
    assert!(!format!("{:?}", app.app).contains("hunter2"));
}
