//! Databases for tests: SQLite in a folder of its own, PostgreSQL on a server of its own.
//!
//! The PostgreSQL server is made on first need, on a free port of the loopback: one for all test processes of a nextest
//! run, or one for this process. It goes away when that ends, however it ends. Each test gets a fresh database on it.
//! `INTERLOCK_TEST_POSTGRES_URL` names a server to use instead. Nothing here skips a test: where no server can be had,
//! it panics and says what is missing.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop where their surroundings are not as they need them"
)]

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use interlock_ledger::SigningKey;
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::{LedgerKeys, Options, Store};

/// What makes a server quick that has nothing to lose.
const CARELESS: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off";

/// The server's address: everything up to the database's name, and what follows it.
static SERVER: LazyLock<(String, String)> = LazyLock::new(server);

/// Numbers the databases of this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// What somebody does who holds the database. Says how many rows that altered.
pub async fn alter(url: &str, sql: &str) -> u64 {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite:") {
        let mut database = sqlx::SqliteConnection::connect(url).await.expect("the database");
        return sqlx::query(sql).execute(&mut database).await.expect("the statement").rows_affected();
    }
    let mut database = PgConnection::connect(url).await.expect("the database");
    sqlx::query(sql).execute(&mut database).await.expect("the statement").rows_affected()
}

/// A fresh, empty database. A file goes with its folder when this is dropped, the rest with the server.
#[derive(Debug)]
pub struct TestDatabase {
    /// How to open it, as [`Options::url`].
    pub url: String,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A file in a folder of its own.
    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("a folder for the database");
        let url = format!("sqlite:{}", folder.path().join("interlock.db").display());
        Self { url, _folder: Some(folder) }
    }

    /// A database on the tests' PostgreSQL server.
    pub async fn postgres() -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("interlock_{}_{number}", std::process::id());
        let admin = address("postgres");
        let mut connection = PgConnection::connect(&admin)
            .await
            .unwrap_or_else(|error| panic!("cannot reach PostgreSQL at {admin}: {error}"));
        for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            let made = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
            made.expect("a database of its own");
        }
        Self { url: address(&name), _folder: None }
    }

    /// A database on a PostgreSQL server of this process that syncs what it commits, as one in use does.
    pub async fn durable_postgres() -> Self {
        let folder = std::env::temp_dir().join(format!("interlock-pg-durable-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for PostgreSQL");
        let port = start(&folder, std::process::id(), "");
        Self { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), _folder: None }
    }

    /// Options that open it and write at once, without waiting for more commits.
    pub fn options(&self) -> Options {
        Options { pool_max: 4, batch_wait_ms: 0, ..Options::at(&self.url) }
    }

    /// Opens it.
    pub async fn open(&self) -> Store {
        let opened = Store::open(self.options(), keys()).await;
        opened.unwrap_or_else(|error| panic!("cannot open {}: {error}", self.url))
    }
}

/// The same keys each time.
pub fn keys() -> LedgerKeys {
    let emitter = SigningKey::from_seed("node-test", &[1; 32]).expect("a key from a seed");
    let log = SigningKey::from_seed("log", &[2; 32]).expect("a key from a seed");
    LedgerKeys::new(emitter, log.to_pkcs8().expect("a key's PKCS#8"))
}

fn address(database: &str) -> String {
    let (before, after) = &*SERVER;
    format!("{before}{database}{after}")
}

fn server() -> (String, String) {
    if let Ok(url) = std::env::var("INTERLOCK_TEST_POSTGRES_URL") {
        return given(&url);
    }
    // nextest runs each test in a process of its own: they share the server of their run.
    let (name, lives_with) = match std::env::var("NEXTEST_RUN_ID") {
        Ok(run) => (run, parent_id()),
        Err(_) => (std::process::id().to_string(), std::process::id()),
    };
    let folder = std::env::temp_dir().join(format!("interlock-pg-{name}"));
    fs::create_dir_all(&folder).expect("a folder for PostgreSQL");
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("the lock on the server");
    let note = folder.join("port");
    let port = fs::read_to_string(&note).unwrap_or_else(|_| {
        let port = start(&folder, lives_with, CARELESS).to_string();
        fs::write(&note, &port).expect("a note of the port");
        port
    });
    (format!("postgres://postgres@127.0.0.1:{port}/"), String::new())
}

fn given(url: &str) -> (String, String) {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    (format!("{}/", &address[..end]), parameters)
}

/// Makes a server in this folder that lives as long as the process with this id, and says its port.
fn start(folder: &Path, lives_with: u32, careless: &str) -> u16 {
    let programs = programs();
    let data = folder.join("data");
    if am_root() {
        run(Command::new("chown").arg("postgres:").arg(folder));
    }
    run(as_postgres(&programs.join("initdb")).arg("-D").arg(&data).args([
        "-U",
        "postgres",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]));
    stop_with(lives_with, &programs, folder);
    // Somebody else may take the port between here and there: try another then.
    for _ in 0..10 {
        let port = free_port();
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -p {port} -k {} {careless} -c max_connections=200",
            folder.display()
        );
        let started = as_postgres(&programs.join("pg_ctl"))
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(folder.join("log"))
            .args(["-w", "-o", &settings, "start"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if started.is_ok_and(|status| status.success()) {
            return port;
        }
    }
    panic!("PostgreSQL did not start:\n{}", fs::read_to_string(folder.join("log")).unwrap_or_default());
}

/// Leaves a watcher behind that stops the server and removes its folder when that process is gone: a static is never
/// dropped, and a test may be killed.
#[expect(
    clippy::zombie_processes,
    reason = "the watcher outlives this process, so that nobody here can wait for it"
)]
fn stop_with(process: u32, programs: &Path, folder: &Path) {
    let script = format!(
        "while kill -0 {process} 2>/dev/null; do sleep 1; done
         {user}'{programs}/pg_ctl' -D '{folder}/data' -m immediate stop
         rm -rf '{folder}'",
        user = if am_root() { "runuser -u postgres -- " } else { "" },
        programs = programs.display(),
        folder = folder.display(),
    );
    // In a session of its own, so that an interrupt of the tests does not reach it.
    Command::new("setsid")
        .args(["sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setsid (package util-linux) starts the watcher");
}

fn programs() -> PathBuf {
    let found = ["15", "16", "17"]
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
        .into_iter()
        .find(|folder| folder.join("initdb").exists());
    found.unwrap_or_else(|| {
        panic!(
            "no PostgreSQL: install Debian's `postgresql-15`, or name a server with INTERLOCK_TEST_POSTGRES_URL \
             (postgres://USER@HOST:PORT)"
        )
    })
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !am_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn am_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("`id` runs");
    id.stdout.trim_ascii() == b"0"
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    if !output.status.success() {
        panic!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
