//! A fake of a hawkBit DDI server: it offers what a test says and writes down what devices say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use interlock_emulator::Url;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const FIRMWARE: &[u8] = b"firmware of a pump!";
const FIRMWARE_SHA1: &str = "c183f72a0f94b701d1383cd3b2b49ead0f704f5d";
const FIRMWARE_SHA256: &str = "a9bb0e02ccb8c123b3d0f18072f12c37109ed40064fbfb11c5131fd5af8d675a";

/// What a device is to do.
#[derive(Clone, Copy)]
pub(crate) enum Offer {
    Deploy { action: u32, version: &'static str, update: &'static str },
    Cancel { action: u32 },
}

/// What a device did.
#[derive(Debug)]
pub(crate) enum Event {
    Data { device: String, data: Value },
    Feedback { device: String, cancel: bool, action: String, status: Value },
    Fetch { device: String, method: Method },
    Telemetry { device: String, error_rate: f64, latency_ms: f64 },
}

impl Event {
    pub(crate) fn device(&self) -> &str {
        match self {
            Event::Data { device, .. }
            | Event::Feedback { device, .. }
            | Event::Fetch { device, .. }
            | Event::Telemetry { device, .. } => device,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        match self {
            Event::Data { data, .. } => {
                let [health, version, site] =
                    ["health", "firmware_version", "site"].map(|key| text(&data["data"][key]));
                write!(f, "data: health {health}, version {version}, site {site}")
            }
            Event::Feedback { cancel, action, status, .. } => {
                let kind = if *cancel { "cancel " } else { "" };
                let (execution, finished) = (text(&status["execution"]), text(&status["result"]["finished"]));
                write!(f, "{kind}{action} {execution} {finished}: {}", text(&status["details"][0]))
            }
            Event::Fetch { method, .. } => write!(f, "{method} firmware"),
            Event::Telemetry { error_rate, latency_ms, .. } => {
                write!(f, "measured {error_rate} {latency_ms}")
            }
        }
    }
}

struct Inner {
    offers: BTreeMap<String, Offer>,
    data_wanted: BTreeSet<String>,
    polls: BTreeMap<String, usize>,
    fetched: BTreeMap<String, usize>,
    content: &'static [u8],
    nonsense: Option<&'static str>,
    killed: bool,
}

#[derive(Clone)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    events: mpsc::UnboundedSender<Event>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn tell(&self, event: Event) {
        // A test that no longer listens does not mind.
        let _ = self.events.send(event);
    }
}

pub(crate) struct FakeServer {
    address: SocketAddr,
    shared: Shared,
    events: mpsc::UnboundedReceiver<Event>,
    task: tokio::task::JoinSet<()>,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let inner = Inner {
            offers: BTreeMap::new(),
            data_wanted: BTreeSet::new(),
            polls: BTreeMap::new(),
            fetched: BTreeMap::new(),
            content: FIRMWARE,
            nonsense: None,
            killed: false,
        };
        let shared = Shared { inner: Arc::new(Mutex::new(inner)), events: sender };
        let device = Router::new()
            .route("/", get(poll))
            .route("/configData", put(data))
            .route("/deploymentBase/{action}", get(deployment))
            .route("/deploymentBase/{action}/feedback", post(feedback))
            .route("/cancelAction/{action}", get(cancel))
            .route("/cancelAction/{action}/feedback", post(cancel_feedback))
            .route("/firmware", get(firmware))
            .route("/telemetry", post(telemetry));
        let app = Router::new().nest("/mercy/controller/v1/{device}", device).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, shared, events, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn offer(&self, device: &str, offer: Offer) {
        self.shared.inner().offers.insert(device.to_owned(), offer);
    }

    pub(crate) fn ask_for_data(&self, device: &str) {
        self.shared.inner().data_wanted.insert(device.to_owned());
    }

    pub(crate) fn serve_other_content(&self, content: &'static [u8]) {
        self.shared.inner().content = content;
    }

    pub(crate) fn answer_polls_with(&self, nonsense: &'static str) {
        self.shared.inner().nonsense = Some(nonsense);
    }

    pub(crate) fn deployments_fetched(&self, device: &str) -> usize {
        self.shared.inner().fetched.get(device).copied().unwrap_or_default()
    }

    pub(crate) fn most_polls_of_a_device(&self) -> usize {
        self.shared.inner().polls.values().copied().max().unwrap_or_default()
    }

    pub(crate) async fn next(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    pub(crate) fn drain(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Stops listening, and closes connections that are still open as soon as they are used.
    pub(crate) async fn kill(mut self) {
        self.shared.inner().killed = true;
        self.task.shutdown().await;
    }
}

/// Where a device's own addresses are, as the server tells it.
fn home(headers: &HeaderMap, device: &str) -> String {
    format!("http://{}/mercy/controller/v1/{device}", headers["host"].to_str().unwrap())
}

fn authentic(headers: &HeaderMap, device: &str) -> bool {
    let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    shown == format!("TargetToken token-of-{device}") || shown == "GatewayToken gateway-token"
}

async fn poll(State(shared): State<Shared>, Path(device): Path<String>, headers: HeaderMap) -> Response {
    if !authentic(&headers, &device) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut inner = shared.inner();
    if inner.killed {
        return (StatusCode::SERVICE_UNAVAILABLE, [(axum::http::header::CONNECTION, "close")])
            .into_response();
    }
    if let Some(nonsense) = inner.nonsense {
        return nonsense.into_response();
    }
    *inner.polls.entry(device.clone()).or_default() += 1;
    let home = home(&headers, &device);
    let mut links = serde_json::Map::new();
    if inner.data_wanted.contains(&device) {
        links.insert("configData".to_owned(), json!({ "href": format!("{home}/configData") }));
    }
    match inner.offers.get(&device) {
        Some(Offer::Deploy { action, .. }) => {
            // The query belongs to the address, and only to this one.
            let href = format!("{home}/deploymentBase/{action}?c=-12");
            links.insert("deploymentBase".to_owned(), json!({ "href": href }));
        }
        Some(Offer::Cancel { action }) => {
            links.insert(
                "cancelAction".to_owned(),
                json!({ "href": format!("{home}/cancelAction/{action}") }),
            );
        }
        None => {}
    }
    Json(json!({ "config": { "polling": { "sleep": "00:05:00" } }, "_links": links })).into_response()
}

async fn data(State(shared): State<Shared>, Path(device): Path<String>, Json(data): Json<Value>) {
    shared.inner().data_wanted.remove(&device);
    shared.tell(Event::Data { device, data });
}

async fn deployment(
    State(shared): State<Shared>,
    Path((device, action)): Path<(String, u32)>,
    uri: axum::http::Uri,
    headers: HeaderMap,
) -> Response {
    let mut inner = shared.inner();
    let Some(Offer::Deploy { action: offered, version, update }) = inner.offers.get(&device).copied() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if offered != action || uri.query() != Some("c=-12") {
        return StatusCode::NOT_FOUND.into_response();
    }
    *inner.fetched.entry(device.clone()).or_default() += 1;
    let artifact = json!({
        "filename": "fw.swu",
        "size": FIRMWARE.len(),
        "hashes": { "sha1": FIRMWARE_SHA1, "sha256": FIRMWARE_SHA256 },
        "_links": { "download": { "href": format!("{}/firmware", home(&headers, &device)) } },
    });
    let chunk = json!({ "part": "os", "name": "fw", "version": version, "artifacts": [artifact] });
    let deployment = json!({ "download": update, "update": update, "chunks": [chunk] });
    Json(json!({ "id": action.to_string(), "deployment": deployment })).into_response()
}

async fn feedback(
    State(shared): State<Shared>,
    Path((device, action)): Path<(String, String)>,
    Json(body): Json<Value>,
) {
    let status = body["status"].clone();
    assert_eq!(body["id"].to_string(), action, "the id is a number, as SWUpdate sends it");
    if status["execution"] == "closed" {
        let mut inner = shared.inner();
        inner.offers.remove(&device);
        inner.data_wanted.insert(device.clone());
    }
    shared.tell(Event::Feedback { device, cancel: false, action, status });
}

async fn cancel(State(shared): State<Shared>, Path((device, action)): Path<(String, u32)>) -> Response {
    match shared.inner().offers.get(&device) {
        Some(Offer::Cancel { action: offered }) if *offered == action => {
            let id = action.to_string();
            Json(json!({ "id": id, "cancelAction": { "stopId": id } })).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn cancel_feedback(
    State(shared): State<Shared>,
    Path((device, action)): Path<(String, String)>,
    Json(body): Json<Value>,
) {
    if body["status"]["execution"] != "rejected" {
        shared.inner().offers.remove(&device);
    }
    shared.tell(Event::Feedback { device, cancel: true, action, status: body["status"].clone() });
}

async fn firmware(State(shared): State<Shared>, Path(device): Path<String>, method: Method) -> Bytes {
    let content = shared.inner().content;
    shared.tell(Event::Fetch { device, method });
    Bytes::from_static(content)
}

async fn telemetry(State(shared): State<Shared>, Path(device): Path<String>, Json(body): Json<Value>) {
    let value = |index: usize, metric| {
        assert_eq!(body["samples"][index]["metric"], metric);
        body["samples"][index]["value"].as_f64().unwrap()
    };
    let (error_rate, latency_ms) = (value(0, "error_rate"), value(1, "latency_ms"));
    shared.tell(Event::Telemetry { device, error_rate, latency_ms });
}
