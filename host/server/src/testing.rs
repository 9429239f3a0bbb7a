//! A whole server in a test: the real router on a store in a temporary folder, under a clock that stands still.
//!
//! ```no_run
//! # use interlock_server::testing::TestApp;
//! # use interlock_domain::Role;
//! # use serde_json::json;
//! # async fn example() {
//! let app = TestApp::start().await;
//! let ana = app.person("Ana", &[Role::ReleaseManager]).await;
//! let refused = ana.post("/changes", json!({ "titel": "2.0" })).await;
//! assert_eq!(refused.problem("invalid")["field"], "/titel");
//! # }
//! ```
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, Response, StatusCode, header},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use interlock_domain::{AccountKind, Digest, Role, RoleGrant, Scope, SignedStatement, TenantId, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    App, Config, ManualClock, anchors, copies,
    flow::{
        key::{self, KeyRequest},
        roster, sync,
    },
    following, heartbeat,
    reconcile::Reconciler,
    serve, sinks, watch, witnesses,
};

/// The tenant of a [`TestApp`] unless a test says otherwise.
pub const TENANT: &str = "mercy";
/// When a [`TestApp`] starts: a Friday in November 2026, 18:00 UTC.
pub const START_MS: i64 = 1_795_197_600_000;

/// A server without a socket.
pub struct TestApp {
    /// What flows need.
    pub app: Arc<App>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    router: Router,
    reconciler: Reconciler,
    /// Who it is among servers on one database.
    holder: String,
    dir: TempDir,
}

impl TestApp {
    /// A server without plugins.
    pub async fn start() -> Self {
        Self::configured(|_| {}).await
    }

    /// A server with the first-party plugins.
    ///
    /// # Panics
    /// When they were not built.
    pub async fn with_plugins() -> Self {
        Self::configured(|config| {
            config.plugins.dir = built_plugins();
            // Compiling is slow and its result the same for every test.
            config.plugins.cache_dir = built_plugins().with_file_name("interlock-plugins-compiled");
        })
        .await
    }

    /// A server with another configuration.
    pub async fn configured(alter: impl FnOnce(&mut Config)) -> Self {
        Self::replica(0, alter).await
    }

    /// One of several servers on one database; `number` tells them apart.
    pub async fn replica(number: u64, alter: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.data_dir = dir.path().join("data");
        config.plugins.dir = dir.path().join("plugins");
        config.store.batch_wait_ms = 0;
        // A clock that stands still gives nothing back. What is about limits and keys sets its own.
        config.http.limits.enabled = false;
        config.identity.keys_live_max = 100;
        // Whoever reads an answer to its end waits for the end of a stream. What is about streams sets its own.
        config.events.stream_ms_max = 1;
        // A test's `main` is not ours, so it cannot be started again as a compiler.
        config.plugins.compile_in_process = true;
        alter(&mut config);
        let clock = ManualClock::at(Timestamp::from_millis(START_MS)).drawing_after(number * 1_000_000);
        let clock = Arc::new(clock);
        // In a place of its own: a configuration is large, and so is whatever waits for it.
        let app = Box::pin(App::open(config.checked().unwrap(), clock.clone())).await.unwrap();
        let router = serve::router(app.clone());
        let reconciler = Reconciler::new(app.clone(), "test".to_owned());
        Self { app, clock, router, reconciler, holder: format!("test-{number}"), dir }
    }

    /// The folder that everything is kept in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Tells all systems outside what happened.
    pub async fn tell_sinks(&self) {
        sinks::once(&self.app, &self.holder).await;
    }

    /// Wakes whoever follows a log that grew.
    pub async fn look_at_logs(&self) {
        self.app.following.look(&self.app.store).await.unwrap();
    }

    /// Ends all streams, as a server that stops does.
    pub async fn end_streams(&self) {
        let stop = CancellationToken::new();
        stop.cancel();
        following::run(self.app.clone(), stop).await;
    }

    /// The router itself.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Has the reconciler look at every live change once.
    pub async fn reconcile(&self) {
        self.reconciler.round().await.unwrap();
        // In a running server this is a task of its own.
        roster::follow(&self.app).await.unwrap();
    }

    /// Has the newest checkpoints cosigned.
    pub async fn have_witnessed(&self) {
        witnesses::round(&self.app).await.unwrap();
    }

    /// Has the logs copied, where it is time.
    pub async fn have_copied(&self) {
        copies::round(&self.app, "test").await;
    }

    /// Has the checkpoints anchored, where it is time.
    pub async fn have_anchored(&self) {
        anchors::round(&self.app, "test").await;
    }

    /// Has quiet logs kept alive.
    pub async fn beat(&self) {
        heartbeat::round(&self.app, "test").await.unwrap();
    }

    /// Has the tamper watch look at every log once.
    pub async fn watch(&self) {
        watch::round(&self.app).await.unwrap();
    }

    /// Has the server look at the policies in git, when it is time.
    pub async fn look_at_git(&self) {
        sync::round(&self.app, &self.holder).await.unwrap();
    }

    /// Somebody with these roles in the whole tenant, and a key for everything.
    pub async fn person(&self, name: &str, roles: &[Role]) -> Client {
        self.with_key(TENANT, AccountKind::User, name, roles, &[Scope::Read, Scope::Write, Scope::Admin])
            .await
    }

    /// A key with only these scopes for somebody with these roles.
    pub async fn scoped(&self, name: &str, roles: &[Role], scopes: &[Scope]) -> Client {
        self.with_key(TENANT, AccountKind::User, name, roles, scopes).await
    }

    /// A key of any kind in any tenant. It works for a day.
    pub async fn with_key(
        &self,
        tenant: &str,
        kind: AccountKind,
        name: &str,
        roles: &[Role],
        scopes: &[Scope],
    ) -> Client {
        let tenant: TenantId = tenant.parse().unwrap();
        let request = KeyRequest {
            name: name.to_owned(),
            kind,
            roles: roles.iter().map(|&role| RoleGrant { role, environment: None }).collect(),
            scopes: scopes.to_vec(),
            expires_in_ms: 24 * 3_600_000,
            label: "test".to_owned(),
            person: None,
            owner: None,
            reset: false,
            networks: Vec::new(),
            public_key: None,
        };
        let new = key::create_locally(&self.app, &tenant, request).await.unwrap();
        self.client(tenant.as_str(), new.text.as_deref())
    }

    /// Whoever holds this key, or nobody.
    pub fn client(&self, tenant: &str, key: Option<&str>) -> Client {
        Client {
            router: self.router.clone(),
            base: format!("/v1/tenants/{tenant}"),
            key: key.map(str::to_owned),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            sent: Arc::default(),
        }
    }
}

/// Where `cargo xtask plugins` puts the components.
///
/// # Panics
/// When they are not there.
pub fn built_plugins() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let dir = target.join("interlock-plugins");
    assert!(dir.is_dir(), "there is no `{}`; run `cargo xtask plugins` first", dir.display());
    dir
}

/// Somebody who uses the API.
#[derive(Debug, Clone)]
pub struct Client {
    router: Router,
    base: String,
    key: Option<String>,
    address: IpAddr,
    sent: Arc<AtomicU64>,
}

impl Client {
    /// The same, connected from another address.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self { address: address.parse().unwrap(), ..self.clone() }
    }

    /// Gets a path below the tenant.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], None).await
    }

    /// Posts with a new idempotency key.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        let sent = self.sent.fetch_add(1, Ordering::Relaxed);
        self.post_as(&format!("{path}-{sent}"), path, body).await
    }

    /// Posts with this idempotency key.
    pub async fn post_as(&self, key: &str, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, &[("idempotency-key", key)], Some(body)).await
    }

    /// Asks for anything below the tenant, with these headers beside those of a JSON body.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let json = [("content-type", "application/json")];
        let given = headers.iter().copied().chain(json.into_iter().filter(|_| body.is_some()));
        let headers: Vec<(&str, &str)> = given.collect();
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(method, path, &headers, body).await
    }

    /// Pushes an artifact, with the headers that describe it.
    pub async fn push(
        &self,
        name: &str,
        version: &str,
        content: &[u8],
        signed: Option<&SignedStatement>,
    ) -> Answer {
        let digest = format!("sha-256=:{}:", STANDARD.encode(Digest::of(content).as_bytes()));
        let length = content.len().to_string();
        let signed = signed.map(|signed| URL_SAFE_NO_PAD.encode(serde_json::to_vec(signed).unwrap()));
        let mut headers = vec![
            ("content-type", "application/octet-stream"),
            ("content-length", &length),
            ("content-digest", &digest),
            ("interlock-kind", "firmware"),
        ];
        headers.extend(signed.as_deref().map(|signed| ("interlock-signed", signed)));
        let path = format!("/artifacts/{name}/{version}");
        self.send(Method::PUT, &path, &headers, Body::from(content.to_vec())).await
    }

    /// Sends anything below the tenant as it is; a path that begins with `//` is taken from the root of the server.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let (parts, body) = self.begin(method, path, headers, body).await.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The same; what is answered is not read yet, since it may have no end.
    pub async fn begin(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Response<Body> {
        let uri = match path.strip_prefix("//") {
            Some(rooted) => format!("/{rooted}"),
            None => format!("{}{path}", self.base),
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let connected = ConnectInfo(SocketAddr::from((self.address, 40_000)));
        let request = request.extension(connected).body(body).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, when this is the success that was expected.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem, when it is of the kind that was expected.
    #[track_caller]
    pub fn problem(&self, slug: &str) -> Value {
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem:#}");
        assert_eq!(problem["status"], self.status.as_u16(), "{problem:#}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        problem
    }

    /// A header, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    }
}
