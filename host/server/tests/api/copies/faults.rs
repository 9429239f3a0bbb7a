//! The signer's memory and the copy in a folder, with every system call that writes them failing or killing the process once: what was
//! acknowledged is there afterwards, the log is sound and signed, and the copy proves it. `strace` does it to a process of its own.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use interlock_ledger::Keyring;
use interlock_server::testing::TestApp;
use interlock_store::{By, Commit, Note, StoreError, Write};
use serde_json::json;
use tempfile::TempDir;

use super::{in_folder, verified};

/// Where the process works that `strace` looks at.
const FOLDER: &str = "INTERLOCK_TEST_FAULTS";
const ROUNDS: usize = 2;

async fn open(folder: &Path) -> TestApp {
    let (data, copy) = (folder.join("data"), in_folder(&folder.join("worm")));
    TestApp::configured(|config| {
        config.server.data_dir = data;
        config.ledger.copies = vec![copy];
    })
    .await
}

async fn commit(app: &TestApp, number: usize) -> Result<u64, StoreError> {
    let (kind, object_kind) = ("server.started", "server");
    let note = Note { kind, object_kind, object_id: format!("node-{number}"), payload: json!(number) };
    let by = By { person: None, account: "host".to_owned(), auth: None };
    let id = uuid::Uuid::from_u128(u128::from(std::process::id()) << 64 | number as u128);
    let commit =
        Commit::new("mercy".parse().unwrap(), by, app.app.clock.now(), vec![Write::Note(note)], || id);
    app.app.store.commit(commit).await.map(|committed| committed.entries[0])
}

/// Not a test: what the tests below do something to.
#[tokio::test]
#[ignore = "the process that the other tests of this file start"]
async fn worked_on() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let app = open(&folder).await;
    for round in 0..ROUNDS {
        match commit(&app, round).await {
            Ok(index) => println!("\nacknowledged {index}"),
            Err(error) => println!("\nrefused: {error}"),
        }
        app.app.store.signed("mercy").await.unwrap();
        app.have_copied().await;
        app.clock.advance(600_000);
    }
    app.app.store.close().await;
}

/// What became of it.
struct Done {
    output: Output,
    hit: bool,
}

impl Done {
    fn acknowledged(&self) -> Vec<u64> {
        let text = String::from_utf8_lossy(&self.output.stdout).into_owned();
        text.lines().filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok()).collect()
    }

    fn said(&self) -> String {
        format!(
            "{}\n{}",
            String::from_utf8_lossy(&self.output.stdout),
            String::from_utf8_lossy(&self.output.stderr)
        )
    }
}

/// Runs the process, and does something to its system calls about these files.
fn run(folder: &Path, paths: &[PathBuf], call: &str, what: &str) -> Done {
    let trace = folder.join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(&trace);
    for path in paths {
        strace.arg("-P").arg(path);
    }
    strace.arg(format!("--trace={call}")).arg(format!("--inject={call}:{what}"));
    strace.arg(std::env::current_exe().unwrap());
    strace.args(["--exact", "copies::faults::worked_on", "--include-ignored", "--nocapture"]);
    strace.env(FOLDER, folder);
    let output = strace.output().unwrap_or_else(|error| panic!("Debian's `strace`: {error}"));
    let seen = fs::read_to_string(&trace).unwrap_or_default();
    // A process that is killed is not there any more to be said to have been.
    let hit = seen.contains("(INJECTED)") || output.status.signal().is_some();
    Done { output, hit }
}

/// What is there afterwards is what was acknowledged, signed and copied.
async fn is_whole(folder: &Path, done: &Done, what: &str) {
    let app = open(folder).await;
    app.clock.advance(86_400_000);
    commit(&app, 99).await.unwrap();
    let size = app.app.store.signed("mercy").await.unwrap().unwrap().size;
    assert_eq!(size, app.app.store.head("mercy").await.unwrap().unwrap().size, "{what}: all is signed");
    assert!(app.app.store.refusals().is_empty(), "{what}: {:?}", app.app.store.refusals());
    for index in done.acknowledged() {
        assert!(app.app.store.entry("mercy", index).await.unwrap().is_some(), "{what}: {index} is lost");
    }
    app.have_copied().await;
    let keys: Keyring = app.app.store.keys().keyring("interlock.local/ledger/mercy").unwrap();
    let copied = verified(&keys, |path| {
        fs::read(folder.join("worm/mercy").join(path))
            .unwrap_or_else(|error| panic!("{what}: {path}: {error}"))
    });
    assert_eq!(copied, size, "{what}: all is copied");
    for log in ["mercy", "system"] {
        let audit = app.app.store.audit(log, None, |_| {}).await.unwrap();
        assert_eq!(audit.report.findings, [], "{what}");
    }
    app.app.store.close().await;
}

/// Everything below a folder, and what it is called while it is written.
fn places(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut at = 0;
    while let Some(inside) = found.get(at).cloned() {
        at += 1;
        if inside.is_dir() {
            found.extend(fs::read_dir(inside).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    let unfinished: Vec<PathBuf> = found.iter().map(|path| path.with_extension("unfinished")).collect();
    found.extend(unfinished);
    found
}

/// Does it to each of these calls about the files that `of` picks, one after the other, until there is none left.
async fn each(of: fn(&Path) -> Vec<PathBuf>, calls: &[&str], what: &str) {
    // Which files there are shows a run to which nothing is done.
    let whole = TempDir::new().unwrap();
    let done = run(whole.path(), &[whole.path().join("nothing")], "fsync", "error=EIO");
    assert!(!done.hit && done.acknowledged().len() == ROUNDS, "{}", done.said());
    let names: Vec<OsString> = of(whole.path())
        .iter()
        .map(|path| path.strip_prefix(whole.path()).unwrap().as_os_str().to_owned())
        .collect();
    let mut hits = 0;
    for call in calls {
        for number in 1.. {
            let folder = TempDir::new().unwrap();
            let paths: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
            let done = run(folder.path(), &paths, call, &format!("{what}:when={number}"));
            let said = format!("{call} number {number}: {what}\n{}", done.said());
            is_whole(folder.path(), &done, &said).await;
            if !done.hit {
                break;
            }
            hits += 1;
            assert!(number < 60, "{call} has no end");
        }
    }
    assert!(hits >= calls.len(), "{hits} hits");
}

fn of_signer(folder: &Path) -> Vec<PathBuf> {
    let signer = folder.join("data/signer");
    ["", "lock", "mercy.new", "mercy.signed"].map(|name| signer.join(name)).to_vec()
}

fn of_copy(folder: &Path) -> Vec<PathBuf> {
    places(&folder.join("worm"))
}

fn of_database(folder: &Path) -> Vec<PathBuf> {
    ["interlock.db", "interlock.db-wal"].map(|name| folder.join("data").join(name)).to_vec()
}

/// Fault L6.
#[tokio::test]
async fn a_signer_whose_memory_fails_at_any_call_loses_nothing() {
    each(of_signer, &["openat", "write", "fsync", "rename"], "error=EIO").await;
}

/// Fault L6.
#[tokio::test]
async fn a_signer_that_is_killed_at_any_call_loses_nothing() {
    each(of_signer, &["openat", "write", "fsync", "rename"], "signal=SIGKILL").await;
}

/// Faults L6 and L8: the disk of the copy fails, or is full.
#[tokio::test]
async fn a_copy_whose_disk_fails_or_is_full_at_any_call_is_made_whole_later() {
    each(of_copy, &["linkat", "mkdir"], "error=EIO").await;
    each(of_copy, &["write"], "error=ENOSPC").await;
}

/// Fault L6.
#[tokio::test]
async fn a_copy_that_is_killed_at_any_call_is_made_whole_later() {
    each(of_copy, &["write", "linkat", "rename", "unlink"], "signal=SIGKILL").await;
}

/// Fault L8: the database's disk is full for a while. What is refused is not there, and it goes on once there is room.
#[tokio::test]
async fn a_full_disk_of_the_database_refuses_and_leaves_nothing_half_written() {
    for first in [40, 80, 120, 160] {
        let folder = TempDir::new().unwrap();
        let what = format!("error=ENOSPC:when={first}..{}", first + 8);
        let done = run(folder.path(), &of_database(folder.path()), "pwrite64", &what);
        is_whole(folder.path(), &done, &format!("{what}\n{}", done.said())).await;
    }
}
