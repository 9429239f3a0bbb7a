//! Two replicas on one PostgreSQL, with a real Redis between them: it makes things faster, and losing it loses nothing.

use std::{
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_server::{
    serve,
    testing::{Answer, Client, TENANT, TestApp, built_plugins},
};
use interlock_store::testing::TestDatabase;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A Redis of its own, on a socket in a folder of its own.
struct Redis {
    child: Child,
    dir: TempDir,
}

impl Redis {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(dir.path())
            .arg("--unixsocket")
            .arg(dir.path().join("redis.sock"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("no `redis-server` (Debian's package of this name): {error}"));
        Self { child, dir }
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.dir.path().join("redis.sock").display())
    }

    fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been stopped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A replica that serves, under a clock that stands still: what it caches stays cached until somebody tells it.
struct Replica {
    app: TestApp,
    stop: CancellationToken,
}

impl Replica {
    async fn start(number: u64, database: &TestDatabase, redis: &Redis, keys: &TempDir) -> Self {
        let app = TestApp::replica(number, |config| {
            config.store.url.clone_from(&database.url);
            config.store.pool_max = 4;
            config.plugins.signers_min = 0;
            config.bus.url = redis.url();
            config.ledger.key_file = keys.path().join("ledger-key.pk8");
            config.artifacts.wrapping_key_file = keys.path().join("wrapping-key");
        })
        .await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve::serve(app.app.clone(), listener, stop.clone()));
        Self { app, stop }
    }

    async fn bus(&self) -> serde_json::Value {
        let nobody = self.app.client(TENANT, None);
        let ready = nobody.send(Method::GET, "//ready", &[], Body::empty()).await;
        ready.json()["checks"]["bus"]["status"].clone()
    }

    async fn until_bus_is(&self, status: &str) {
        until(async || self.bus().await == status).await;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Waits for something that another process does.
async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..1_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to that within ten seconds");
}

async fn new_key(admin: &Client, name: &str) -> (String, String) {
    let request = json!({ "name": name, "kind": "user", "roles": [{ "role": "viewer" }], "scopes": ["read"],
        "expires_in_ms": 3_600_000 });
    let made = admin.post("/keys", request).await.ok();
    let text = |pointer: &str| made.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    (text("/key"), text("/id"))
}

async fn revoke(admin: &Client, id: &str) {
    admin.send(Method::DELETE, &format!("/keys/{id}"), &[], Body::empty()).await.ok();
}

async fn look(replica: &Replica, key: &str) -> Answer {
    replica.app.client(TENANT, Some(key)).get("/groups").await
}

#[tokio::test]
async fn a_revocation_reaches_the_other_replica_at_once_and_without_redis_a_little_later() {
    let (database, keys) = (TestDatabase::postgres().await, tempfile::tempdir().unwrap());
    let mut redis = Redis::start();
    let one = Replica::start(1, &database, &redis, &keys).await;
    let two = Replica::start(2, &database, &redis, &keys).await;
    one.until_bus_is("ok").await;
    two.until_bus_is("ok").await;
    let admin = one.app.person("Eva", &[Role::Administrator]).await;

    let (key, id) = new_key(&admin, "Vic").await;
    look(&two, &key).await.ok();
    revoke(&admin, &id).await;
    until(async || look(&two, &key).await.status == 401).await;

    // Without Redis nothing is lost: what a replica knows of a key is good for five seconds.
    let (key, id) = new_key(&admin, "Val").await;
    look(&two, &key).await.ok();
    redis.stop();
    one.until_bus_is("degraded").await;
    two.until_bus_is("degraded").await;
    revoke(&admin, &id).await;
    assert_eq!(look(&two, &key).await.status, 200, "nobody told it, and its clock stands still");
    two.app.clock.advance(5_000);
    assert_eq!(look(&two, &key).await.status, 401);
}

#[tokio::test]
async fn every_replica_swaps_to_what_a_plugin_change_brings_into_use_and_back() {
    let (database, keys) = (TestDatabase::postgres().await, tempfile::tempdir().unwrap());
    let redis = Redis::start();
    let one = Replica::start(1, &database, &redis, &keys).await;
    let two = Replica::start(2, &database, &redis, &keys).await;
    one.until_bus_is("ok").await;
    two.until_bus_is("ok").await;
    let ana = one.app.person("Ana", &[Role::ReleaseManager]).await;
    let wasm = std::fs::read(built_plugins().join("size-limit.wasm")).unwrap();
    let headers = [("content-type", "application/wasm")];
    let pushed = ana.send(Method::POST, "/plugins", &headers, Body::from(wasm)).await.ok();
    let in_use = |replica: &Replica| {
        let bound = replica.app.app.sandbox.shelf().bound("mercy/staging/size-limit");
        bound.map(|plugin| plugin.digest().to_string())
    };
    let proposal = json!({ "kind": "plugin", "environment": "staging", "title": "No large artifacts",
        "plugins": [{ "activate": { "digest": pushed["digest"] } }] });
    let change = ana.post("/changes", proposal).await.ok();
    // Either replica leads the change; both have it then.
    until(async || in_use(&one).is_some() && in_use(&two).is_some()).await;
    assert_eq!(in_use(&two).unwrap(), pushed["digest"].as_str().unwrap());
    let path = format!("/changes/{}/rollback", change["id"].as_str().unwrap());
    ana.post(&path, json!({ "reason": "not wanted" })).await.ok();
    until(async || in_use(&one).is_none() && in_use(&two).is_none()).await;
}
