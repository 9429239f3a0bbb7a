//! Databases for tests: SQLite in a folder of its own, PostgreSQL on a server of its own.
//!
//! The PostgreSQL server is made once a process, on a free port of the loopback, and goes away with the process; each
//! test gets a fresh database on it. `INTERLOCK_TEST_POSTGRES_URL` names a server to use instead. Nothing here skips a
//! test: where no server can be had, it panics and says what is missing.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop where their surroundings are not as they need them"
)]

use std::{
    io::Write as _,
    net::TcpListener,
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

/// A server for all tests of this process.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// Numbers the databases of this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A fresh, empty database, dropped with its folder when the test ends.
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

    /// A database on this process's PostgreSQL server.
    pub async fn postgres() -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("interlock_{}_{number}", std::process::id());
        let mut admin = PgConnection::connect(&SERVER.url("postgres")).await.unwrap_or_else(|error| {
            panic!("cannot reach PostgreSQL at {}: {error}", SERVER.url("postgres"));
        });
        for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut admin).await.expect("a database of its own");
        }
        Self { url: SERVER.url(&name), _folder: None }
    }

    /// Options that open it and write at once, without waiting for more commits.
    pub fn options(&self) -> Options {
        Options { pool_max: 4, batch_wait_ms: 0, ..Options::at(&self.url) }
    }

    /// Opens it.
    pub async fn open(&self) -> Store {
        Store::open(self.options(), keys())
            .await
            .unwrap_or_else(|error| panic!("cannot open {}: {error}", self.url))
    }
}

/// The same keys each time.
pub fn keys() -> LedgerKeys {
    let emitter = SigningKey::from_seed("node-test", &[1; 32]).expect("a key from a seed");
    let log = SigningKey::from_seed("log", &[2; 32]).expect("a key from a seed");
    LedgerKeys::new(emitter, log.to_pkcs8().expect("a key's PKCS#8"))
}

/// Where PostgreSQL is, and the watcher that stops it.
struct Server {
    /// Everything of the address up to the database's name, and what follows it.
    before_name: String,
    after_name: String,
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("{}{database}{}", self.before_name, self.after_name)
    }

    fn start() -> Self {
        match std::env::var("INTERLOCK_TEST_POSTGRES_URL") {
            Ok(url) => Self::given(&url),
            Err(_) => Self::private(),
        }
    }

    fn given(url: &str) -> Self {
        let (address, parameters) = match url.split_once('?') {
            Some((address, parameters)) => (address, format!("?{parameters}")),
            None => (url, String::new()),
        };
        let authority = address.find("://").map_or(0, |at| at + 3);
        let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
        Self { before_name: format!("{}/", &address[..end]), after_name: parameters }
    }

    fn private() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("interlock-pg-")
            .tempdir()
            .expect("a folder for PostgreSQL")
            .keep();
        if am_root() {
            run(Command::new("chown").arg("postgres:").arg(&folder));
        }
        let data = folder.join("data");
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
        // Somebody else may take the port between here and there: try another then.
        for _ in 0..10 {
            let port = free_port();
            let settings = format!(
                "-c listen_addresses=127.0.0.1 -p {port} -k {} -c fsync=off -c synchronous_commit=off \
                 -c full_page_writes=off -c max_connections=200",
                folder.display()
            );
            let started = as_postgres(&programs.join("pg_ctl"))
                .arg("-D")
                .arg(&data)
                .arg("-w")
                .arg("-l")
                .arg(folder.join("log"))
                .args(["-o", &settings, "start"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .expect("pg_ctl starts");
            if started.success() {
                stop_with_this_process(&programs, &folder);
                return Self {
                    before_name: format!("postgres://postgres@127.0.0.1:{port}/"),
                    after_name: String::new(),
                };
            }
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL did not start:\n{log}");
    }
}

/// Leaves a watcher behind that waits for this process to end, however it ends, and then stops the server and removes
/// its folder: a static is never dropped, and a test may be killed.
fn stop_with_this_process(programs: &Path, folder: &Path) {
    let script = format!(
        "read -r _; {stop} -D '{folder}/data' -m immediate stop >/dev/null 2>&1; rm -rf '{folder}'",
        stop = shell_command(&programs.join("pg_ctl")),
        folder = folder.display(),
    );
    let mut watcher = Command::new("setsid")
        .args(["sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setsid (package util-linux) starts the watcher");
    // Its input ends when this process does, because nobody else has the other end.
    if let Some(mut input) = watcher.stdin.take() {
        let _ = input.flush();
        std::mem::forget(input);
    }
}

fn shell_command(program: &Path) -> String {
    match am_root() {
        true => format!("runuser -u postgres -- '{}'", program.display()),
        false => format!("'{}'", program.display()),
    }
}

fn programs() -> PathBuf {
    let found = ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin"]
        .into_iter()
        .map(PathBuf::from)
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
