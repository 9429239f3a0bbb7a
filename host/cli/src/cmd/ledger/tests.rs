use std::{collections::BTreeSet, fs, path::Path};

use interlock_domain::{AccountKind, Role, RoleGrant, Scope};
use interlock_server::{App, SystemClock, flow::key};

use super::*;
use crate::failure::Exit;

/// A data folder whose server made a key for somebody of this name.
async fn with_a_key_for(data_dir: &Path, name: &str) {
    let mut config = interlock_server::Config::default();
    config.server.data_dir = data_dir.to_owned();
    config.plugins.dir = data_dir.join("plugins");
    config.plugins.compile_in_process = true;
    let app = App::open(config.checked().unwrap(), Arc::new(SystemClock)).await.unwrap();
    let request = serde_json::from_value(json!({
        "name": name,
        "kind": AccountKind::User,
        "roles": [RoleGrant { role: Role::Auditor, environment: None }],
        "scopes": [Scope::Read],
        "expires_in_ms": 60_000,
        "label": "test",
    }));
    key::create_locally(&app, &"mercy".parse().unwrap(), request.unwrap()).await.unwrap();
    app.store.close().await;
}

async fn verify(data_dir: &Path, tenant: &str, remember: Option<&Path>) -> Result<Outcome, Failure> {
    let connection = Connection {
        server: "http://127.0.0.1:1".to_owned(),
        key: None,
        signing_key: None,
        tenant: tenant.to_owned(),
    };
    let verify = Verify {
        source: None,
        asked: Asked::default(),
        local: Local::at(data_dir),
        remember: remember.map(Path::to_owned),
    };
    verify.run(&connection, Format::Json).await
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
}

#[tokio::test]
async fn a_folder_that_holds_no_ledger_is_unverifiable_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let typo = folder.path().join("typo");
    let failure = verify(&typo, "mercy", None).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Failed);
    assert!(failure.to_string().contains("give the --data-dir"), "{failure}");
    assert_eq!(files(folder.path()), BTreeSet::new());
    // Also with a key, but without a database.
    with_a_key_for(folder.path(), "Ana").await;
    fs::remove_file(folder.path().join("interlock.db")).unwrap();
    let before = files(folder.path());
    let failure = verify(folder.path(), "mercy", None).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Failed);
    assert!(failure.to_string().contains("there is no database"), "{failure}");
    assert_eq!(files(folder.path()), before);
}

#[tokio::test]
async fn a_sound_ledger_is_done_and_a_tenant_without_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    with_a_key_for(folder.path(), "Ana").await;
    let before = files(folder.path());
    assert_eq!(verify(folder.path(), "mercy", None).await.unwrap(), Outcome::Done);
    assert_eq!(verify(folder.path(), "nobody", None).await.unwrap(), Outcome::Unverifiable);
    assert_eq!(files(folder.path()), before);
}

#[tokio::test]
async fn a_ledger_that_was_set_back_is_found_by_the_remembered_checkpoint_which_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (data, memory) = (folder.path().join("data"), folder.path().join("checkpoint"));
    with_a_key_for(&data, "Ana").await;
    assert_eq!(verify(&data, "mercy", Some(&memory)).await.unwrap(), Outcome::Done);
    let first = fs::read_to_string(&memory).unwrap();
    let (database, backup) = (data.join("interlock.db"), folder.path().join("backup.db"));
    fs::copy(&database, &backup).unwrap();

    with_a_key_for(&data, "Ben").await;
    assert_eq!(verify(&data, "mercy", Some(&memory)).await.unwrap(), Outcome::Done);
    let second = fs::read_to_string(&memory).unwrap();
    assert_ne!(second, first, "the newer checkpoint is remembered");

    fs::copy(&backup, &database).unwrap();
    assert_eq!(verify(&data, "mercy", None).await.unwrap(), Outcome::Done, "by itself it is in order");
    assert_eq!(verify(&data, "mercy", Some(&memory)).await.unwrap(), Outcome::Tampered);
    assert_eq!(fs::read_to_string(&memory).unwrap(), second, "what is not sound is not remembered");
    // It goes on from there: as long as before and longer, and another log.
    with_a_key_for(&data, "Eva").await;
    with_a_key_for(&data, "Kim").await;
    assert_eq!(verify(&data, "mercy", Some(&memory)).await.unwrap(), Outcome::Tampered);
    assert_eq!(files(folder.path()), BTreeSet::from([data, memory, backup]), "nothing half-written is left");
}

#[tokio::test]
async fn a_file_that_holds_no_checkpoint_is_wrong_usage_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("notes.txt");
    fs::write(&memory, "buy milk\n").unwrap();
    let failure = verify(folder.path(), "mercy", Some(&memory)).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage, "{failure}");
    assert_eq!(fs::read_to_string(&memory).unwrap(), "buy milk\n");
}

#[test]
fn a_server_cannot_talk_its_way_past_the_remembered_checkpoint() {
    let note = |size: u64, root: [u8; 32]| {
        let key = interlock_ledger::SigningKey::from_seed("o", &[1; 32]).unwrap();
        let checkpoint = interlock_ledger::Checkpoint { origin: "o".to_owned(), size, root };
        checkpoint.sign(&key).unwrap().to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint");
    Memory::open(&file).unwrap().keep(&note(7, [1; 32])).unwrap();
    let memory = Memory::open(&file).unwrap();
    memory.leads_to(&note(7, [1; 32])).unwrap();
    memory.leads_to(&note(8, [2; 32])).unwrap();
    for other in [note(6, [1; 32]), note(7, [2; 32]), String::new()] {
        assert_eq!(memory.leads_to(&other).unwrap_err().exit(), Exit::Failed, "{other}");
    }
}

#[tokio::test]
async fn progress_is_shown_as_soon_as_it_takes_over_a_second() {
    let shown = AtomicU64::new(0);
    let show = |_: &ProgressBar| {
        shown.fetch_add(1, Ordering::Relaxed);
    };
    assert_eq!(showing(async { 7 }, Format::Json, show).await, 7);
    assert_eq!(shown.load(Ordering::Relaxed), 0);
    showing(tokio::time::sleep(PATIENCE + PATIENCE / 4), Format::Json, show).await;
    assert!(shown.load(Ordering::Relaxed) > 0);
    let (steps, bar) = (Steps::default(), ProgressBar::hidden());
    steps.note(AuditStep::Entries { done: 500, of: 2_000 });
    steps.note(AuditStep::Rows { done: 100 });
    steps.show(&bar);
    assert_eq!(bar.message(), "500 of 2000 entries verified, 100 rows compared");
}

/// The public keys of the tenant's log and of its server, in files.
fn public_keys(data: &Path, folder: &Path) -> (String, String) {
    let pkcs8 = fs::read(data.join("ledger-key.pk8")).unwrap();
    let file = |name: &str, key: String| {
        let path = folder.join(name);
        fs::write(&path, key).unwrap();
        path.display().to_string()
    };
    let key = |name: &str| interlock_ledger::SigningKey::from_pkcs8(name, &pkcs8).unwrap();
    let log = key("interlock.local/ledger/mercy").verifying_key().to_string();
    let emitter = key("interlock").verifying_key().to_string();
    (file("log.vkey", log), file("emitter.vkey", emitter))
}

#[tokio::test]
async fn a_database_is_verified_with_public_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    with_a_key_for(&data, "Ana").await;
    let (log, emitter) = public_keys(&data, folder.path());
    let database = data.join("interlock.db");
    let elsewhere = folder.path().join("restored.db").display().to_string();
    fs::copy(&database, &elsewhere).unwrap();
    let connection = Connection {
        server: "http://127.0.0.1:1".to_owned(),
        key: None,
        signing_key: None,
        tenant: "mercy".to_owned(),
    };
    let ask = async |source: &str, more: &[&str]| {
        let program = ["interlock", "verify", source, "--log-key", &log, "--emitter-key", &emitter];
        let parsed = <One as clap::Parser>::try_parse_from([&program[..], more].concat()).unwrap();
        parsed.ledger.run(&connection, Format::Json).await.unwrap()
    };
    assert_eq!(ask(&elsewhere, &[]).await, Outcome::Done);
    let memory = folder.path().join("memory").display().to_string();
    let live = database.display().to_string();
    assert_eq!(ask(&live, &["--remember", &memory]).await, Outcome::Done);
    with_a_key_for(&data, "Ben").await;
    assert_eq!(ask(&live, &["--remember", &memory]).await, Outcome::Done);
    assert_eq!(ask(&elsewhere, &[]).await, Outcome::Done, "by itself it is in order");
    assert_eq!(ask(&elsewhere, &["--remember", &memory]).await, Outcome::Tampered);
    assert_eq!(ask(&elsewhere, &["--kept", &memory]).await, Outcome::Tampered);
    // With somebody else's key nothing is believed.
    let other = interlock_ledger::SigningKey::from_seed("interlock.local/ledger/mercy", &[7; 32]).unwrap();
    fs::write(&log, other.verifying_key().to_string()).unwrap();
    assert_eq!(ask(&live, &[]).await, Outcome::Tampered);
}

#[derive(Debug, clap::Parser)]
struct One {
    #[command(subcommand)]
    ledger: Ledger,
}
