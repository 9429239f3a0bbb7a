//! Who is told: a timestamp authority (`openssl ts` behind a few lines of HTTP), a receiver of webhooks, and a fake of Horizon.

use std::{
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A timestamp authority: the program is OpenSSL's, which signs each request that comes.
pub(crate) struct Authority {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Authority {
    /// With a certificate for this purpose: a section of `tsa.cnf`.
    pub(crate) async fn start(purpose: &str, ec: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = include_str!("tsa.cnf");
        std::fs::write(folder.path().join("tsa.cnf"), config).unwrap();
        std::fs::write(folder.path().join("serial"), "01\n").unwrap();
        let openssl = |arguments: &str| {
            let arguments = arguments.split_whitespace();
            run(Command::new("openssl").args(arguments).current_dir(folder.path()));
        };
        let key = if ec { "ec -pkeyopt ec_paramgen_curve:P-256" } else { "rsa:2048" };
        openssl(&format!(
            "req -x509 -newkey {key} -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=ca -config tsa.cnf -extensions ca"
        ));
        openssl(&format!(
            "req -newkey {key} -nodes -keyout tsa.key -out tsa.csr -subj /CN=tsa -config tsa.cnf"
        ));
        openssl(&format!(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 3650 -extfile tsa.cnf -extensions {purpose}"
        ));
        let at = folder.path().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(stamp)).with_state(Arc::new(at));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { folder, url, task }
    }

    pub(crate) fn trust(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Whether OpenSSL takes an answer for a timestamp of a file.
    pub(crate) fn verifies(&self, answer: &[u8], data: &[u8]) -> bool {
        let at = |name: &str| self.folder.path().join(name);
        std::fs::write(at("answer.tsr"), answer).unwrap();
        std::fs::write(at("data"), data).unwrap();
        let mut verify = Command::new("openssl");
        verify.args(["ts", "-verify", "-in", "answer.tsr", "-data", "data", "-CAfile", "ca.pem"]);
        verify.current_dir(self.folder.path()).output().unwrap().status.success()
    }
}

async fn stamp(State(at): State<Arc<PathBuf>>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    assert_eq!(headers["content-type"], "application/timestamp-query");
    std::fs::write(at.join("query.tsq"), &body).unwrap();
    let mut reply = Command::new("openssl");
    reply.args(["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr"]);
    let done = reply.current_dir(&*at).output().unwrap();
    // What somebody on the way made of an earlier answer.
    let replayed = at.join("replayed.tsr");
    if replayed.exists() {
        return (StatusCode::OK, std::fs::read(replayed).unwrap());
    }
    match std::fs::read(at.join("reply.tsr")) {
        Ok(answer) if done.status.success() => (StatusCode::OK, answer),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// Who receives webhooks.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) seen: Seen,
    pub(crate) answers: Arc<Mutex<StatusCode>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (seen, answers) = (Seen::default(), Arc::new(Mutex::new(StatusCode::NO_CONTENT)));
        let state = (seen.clone(), answers.clone());
        let receive = |State((seen, answers)): State<(Seen, Arc<Mutex<StatusCode>>)>,
                       headers: HeaderMap,
                       body: String| async move {
            seen.lock().unwrap().push((headers, body));
            (*answers.lock().unwrap(), [("location", "/elsewhere")])
        };
        let router =
            Router::new().route("/hook", post(receive)).route("/elsewhere", post(receive)).with_state(state);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, answers, task }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A fake of Horizon that reads transactions with Stellar's own library.
pub(crate) struct FakeHorizon {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
}

impl FakeHorizon {
    pub(crate) fn start(account: &str, passphrase: &str) -> Self {
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        let dir = target.with_file_name("tools").join("stellar-sdk-16.1.1");
        assert!(
            dir.join("installed").is_file(),
            "`{}` is not there: run `cargo xtask test` once",
            dir.display()
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/anchors/horizon.py");
        let mut python = Command::new(dir.join("bin/python3"));
        python.arg(script).args([account, passphrase]).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap();
        Self { child, lines, url: format!("http://127.0.0.1:{port}") }
    }

    /// The next transaction that it took.
    pub(crate) fn taken(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for FakeHorizon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
