//! A fake of a server: it answers as a test says and writes down what it is asked.

use std::{
    collections::VecDeque,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command};

/// What it answers, in order; the last answer is given again and again.
type Answers = Arc<Mutex<VecDeque<(u16, Body)>>>;

/// What an answer holds.
#[derive(Clone)]
pub(crate) enum Body {
    Json(Value),
    Html(&'static str),
    Bytes(Vec<u8>),
    /// With a cookie.
    Session(&'static str, Value),
}

pub(crate) struct FakeServer {
    pub(crate) url: String,
    answers: Answers,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    queries: Arc<Mutex<Vec<String>>>,
    _task: tokio::task::JoinSet<()>,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let (answers, asked, queries) = (Answers::default(), Arc::default(), Arc::default());
        let shared = (Arc::clone(&answers), Arc::clone(&asked), Arc::clone(&queries));
        let app = Router::new().fallback(answer).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, answers, asked, queries, _task: task }
    }

    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = (u16, Body)>) {
        *self.answers.lock().unwrap() = answers.into_iter().collect();
    }

    /// What it was asked: method and path, and the body.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    /// The queries of what it was asked, without the question mark.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.queries.lock().unwrap().clone()
    }

    /// Runs the program against it. `said` is what the person types.
    pub(crate) async fn run(&self, arguments: &[&str], said: &str) -> Run {
        run(&[&["--server", self.url.as_str(), "--key", "ilk_test"], arguments].concat(), said).await
    }
}

type Shared = (Answers, Arc<Mutex<Vec<(String, Value)>>>, Arc<Mutex<Vec<String>>>);

async fn answer(
    State((answers, asked, queries)): State<Shared>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    asked.lock().unwrap().push((format!("{method} {}", uri.path()), body));
    queries.lock().unwrap().push(uri.query().unwrap_or_default().to_owned());
    let mut answers = answers.lock().unwrap();
    let (status, body) =
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().cloned().unwrap() };
    let status = StatusCode::from_u16(status).unwrap();
    match body {
        Body::Json(body) => (status, Json(body)).into_response(),
        Body::Session(cookie, body) => (status, [(header::SET_COOKIE, cookie)], Json(body)).into_response(),
        Body::Bytes(body) => (status, body).into_response(),
        Body::Html(body) => (status, [(header::CONTENT_TYPE, "text/html")], body).into_response(),
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program without a server, a configuration or a terminal.
pub(crate) async fn run(arguments: &[&str], said: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that asks nothing may be gone before it is answered.
    let _ = child.stdin.take().unwrap().write_all(said.as_bytes()).await;
    let Output { status, stdout, stderr } = child.wait_with_output().await.unwrap();
    Run {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}
