//! `interlock ledger witness` and a server whose signer's disk fails, as programs of their own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use interlock_ledger::{
    Checkpoint, Keyring, SignedNote, SigningKey, VerifyingKey,
    tree::{Leaves, ProofPlan, leaf_hash, root_at},
    witness::{Submission, cosigned},
};
use tempfile::TempDir;

use crate::fake::run;

const ORIGIN: &str = "interlock.local/ledger/mercy";

struct Witness {
    child: Child,
    out: BufReader<ChildStdout>,
    url: String,
    key: VerifyingKey,
}

impl Witness {
    /// Starts it on a free port, and waits until it says its key.
    fn start(folder: &Path, log_key: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let mut program = Command::new(env!("CARGO_BIN_EXE_interlock"));
        program.args(["ledger", "witness", "--name", "witness.example.com/w1", "--key-file", &at("w1.key")]);
        program.args(["--state", &at("state"), "--listen", &address.to_string(), "--log-key", log_key]);
        let mut child = program.env_clear().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Self { child, out, url: format!("http://{address}"), key: line.trim().parse().unwrap() }
    }

    /// Ends it as service managers do; whether it ended well.
    fn stop(mut self) -> bool {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        let _ = &self.out;
        self.child.wait().unwrap().success()
    }
}

fn leaves(size: u64) -> Vec<interlock_ledger::Hash> {
    (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn note(key: &SigningKey, size: u64) -> SignedNote {
    let root = root_at(size, &Leaves(&leaves(size))).unwrap();
    Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(key).unwrap()
}

fn submission(key: &SigningKey, old: u64, size: u64) -> String {
    let proof = if old == 0 {
        Vec::new()
    } else {
        ProofPlan::consistency(old, size).unwrap().build(&Leaves(&leaves(size))).unwrap()
    };
    Submission { old, proof, note: note(key, size) }.to_string()
}

async fn submit(url: &str, body: String) -> (u16, String) {
    let answer =
        reqwest::Client::new().post(format!("{url}/add-checkpoint")).body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_witness_cosigns_what_continues_and_remembers_it_when_it_is_started_again() {
    let folder = TempDir::new().unwrap();
    let log = SigningKey::from_seed(ORIGIN, &[3; 32]).unwrap();
    // By file, as an operator has it.
    let log_key = folder.path().join("mercy.vkey");
    fs::write(&log_key, format!("{}\n", log.verifying_key())).unwrap();
    let log_key = log_key.to_str().unwrap();
    let witness = Witness::start(folder.path(), log_key);
    assert_eq!(witness.key.name(), "witness.example.com/w1");
    let (status, text) = submit(&witness.url, submission(&log, 0, 5)).await;
    assert_eq!(status, 200, "{text}");
    let trusted: Keyring = [witness.key.clone()].into_iter().collect();
    cosigned(&note(&log, 5), &text, &trusted).unwrap();
    let own_key = witness.key.clone();
    assert!(witness.stop(), "it ends well when it is told to");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.path().join("w1.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    // Another process with the same files: the same key, and what it cosigned.
    let witness = Witness::start(folder.path(), &log.verifying_key().to_string());
    assert_eq!(witness.key, own_key);
    let (status, text) = submit(&witness.url, submission(&log, 0, 3)).await;
    assert_eq!((status, text.trim()), (409, "5"));
    assert_eq!(submit(&witness.url, submission(&log, 5, 9)).await.0, 200);
    // Somebody else's log, and another log of this name.
    let stranger = SigningKey::from_seed("elsewhere.example/log", &[4; 32]).unwrap();
    let root = root_at(1, &Leaves(&leaves(1))).unwrap();
    let unknown =
        Checkpoint { origin: "elsewhere.example/log".to_owned(), size: 1, root }.sign(&stranger).unwrap();
    let unknown = Submission { old: 0, proof: Vec::new(), note: unknown }.to_string();
    assert_eq!(submit(&witness.url, unknown).await.0, 404);
    let forged = SigningKey::from_seed(ORIGIN, &[5; 32]).unwrap();
    assert_eq!(submit(&witness.url, submission(&forged, 9, 12)).await.0, 403);
    assert!(witness.stop());
}

#[tokio::test]
async fn what_a_witness_cannot_be_started_with_is_said() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let log = SigningKey::from_seed(ORIGIN, &[3; 32]).unwrap().verifying_key().to_string();
    fs::write(at("no-key"), "buy milk").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (key, no_key, state) = (at("key"), at("no-key"), at("state"));
    let with = |name: &str, key: &str, log: &str, listen: &str| {
        [
            "ledger",
            "witness",
            "--name",
            name,
            "--key-file",
            key,
            "--state",
            &state,
            "--log-key",
            log,
            "--listen",
            listen,
        ]
        .map(str::to_owned)
    };
    for (arguments, code, said) in [
        (with("w1", &key, "buy milk", "127.0.0.1:0"), 2, "--log-key"),
        (with("w1", &no_key, &log, "127.0.0.1:0"), 2, "no-key"),
        (with("w 1", &key, &log, "127.0.0.1:0"), 2, "w 1"),
        (with("w1", &key, &log, &taken), 3, "is another server there?"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = run(&arguments, "").await;
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(said), "{arguments:?}: {run:?}");
    }
    assert_eq!(
        run(&["ledger", "witness", "--name", "w1", "--key-file", &key, "--state", &state], "").await.code,
        2
    );
}

/// Fault L18: what a disk did not sync may or may not be there, and only a new beginning tells.
#[tokio::test]
async fn a_server_whose_signer_cannot_sync_once_ends_and_signs_when_it_is_started_again() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(folder.path().join("trace"));
    strace.arg("-P").arg(data.join("signer/system.new"));
    strace.args(["--trace=fsync", "--inject=fsync:error=EIO:when=1"]);
    strace
        .arg(env!("CARGO_BIN_EXE_interlock"))
        .args(["serve", "--listen", &address, "--data-dir"])
        .arg(&data);
    let ended = strace.output().unwrap_or_else(|error| panic!("Debian's `strace`: {error}"));
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(!ended.status.success(), "{said}");
    assert!(!data.join("signer/system.signed").exists(), "nothing was signed");
    // It goes on where it was, until it is told to stop.
    let mut again = Command::new(env!("CARGO_BIN_EXE_interlock"));
    again.args(["serve", "--listen", &address, "--data-dir"]).arg(&data);
    let mut again = again.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Only once it answers does it listen to being told to stop.
    while reqwest::get(format!("http://{address}/health")).await.is_err() {
        assert!(again.try_wait().unwrap().is_none(), "it ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Command::new("kill").args(["-TERM", &again.id().to_string()]).status().unwrap();
    assert!(again.wait().unwrap().success());
    assert!(data.join("signer/system.signed").exists());
}
