//! How fast the store writes and reads here, printed and not judged:
//! `cargo run --release -p interlock-store --features testing --example commit_rate [DATABASE_URL]`.
//!
//! 64 writers each commit one small step after another; then 64 readers poll. Without an address it measures a SQLite
//! file in the temporary folder, with every commit synced.

#![expect(clippy::expect_used, reason = "a measurement stops where it cannot measure")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use interlock_domain::{Device, DeviceHealth, DeviceId, DeviceState, TenantId, Timestamp};
use interlock_store::{By, Commit, Options, Store, Write, testing};
use uuid::Uuid;

const WRITERS: usize = 64;
const COMMITS_EACH: usize = 400;
const POLLS_EACH: usize = 1_000;

#[tokio::main]
async fn main() {
    let file = testing::TestDatabase::sqlite();
    let url = std::env::args().nth(1).unwrap_or_else(|| file.url.clone());
    let options = Options { batch_wait_ms: 0, ..Options::at(url) };
    let store = Store::open(options, testing::keys()).await.expect("the database opens");
    let ids = Arc::new(AtomicU64::new(1));

    let registered = Instant::now();
    let fleet = (0..10_000).map(|n| register(device(&format!("pump-{n:05}")))).collect();
    store.commit(commit(&ids, fleet)).await.expect("a fleet is registered");
    println!("register_10000_devices {:.2} s", registered.elapsed().as_secs_f64());

    let started = Instant::now();
    let writers = (0..WRITERS).map(|writer| {
        let (store, ids) = (store.clone(), Arc::clone(&ids));
        tokio::spawn(async move {
            let mut device = device(&format!("pump-{writer:05}"));
            let mut slowest = Duration::ZERO;
            for _ in 0..COMMITS_EACH {
                let from_revision = device.revision;
                device.revision += 1;
                let write = Write::Device {
                    device: Box::new(device.clone()),
                    event: "device.reported",
                    from_revision,
                };
                let began = Instant::now();
                store.commit(commit(&ids, vec![write])).await.expect("a step is committed");
                slowest = slowest.max(began.elapsed());
            }
            slowest
        })
    });
    let mut slowest = Duration::ZERO;
    for writer in writers.collect::<Vec<_>>() {
        slowest = slowest.max(writer.await.expect("a writer ends"));
    }
    let entries = (WRITERS * COMMITS_EACH) as f64;
    println!("commits_64_writers {:.0} entries/s", entries / started.elapsed().as_secs_f64());
    println!("slowest_commit {:.1} ms", slowest.as_secs_f64() * 1_000.0);

    let started = Instant::now();
    let readers = (0..WRITERS).map(|reader| {
        let store = store.clone();
        tokio::spawn(async move {
            let tenant = tenant();
            for n in 0..POLLS_EACH {
                let id: DeviceId =
                    format!("pump-{:05}", (reader * 131 + n * 7) % 10_000).parse().expect("an id");
                store.poll(&tenant, &id).await.expect("a poll").expect("a device");
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.expect("a reader ends");
    }
    println!("polls {:.0} /s", (WRITERS * POLLS_EACH) as f64 / started.elapsed().as_secs_f64());
    store.close().await;
}

fn commit(ids: &AtomicU64, writes: Vec<Write>) -> Commit {
    let by = By { person: None, account: "bench".to_owned(), auth: None };
    let uuid = || Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::Relaxed)));
    Commit::new(tenant(), by, Timestamp::from_millis(1_000), writes, uuid)
}

fn register(device: Device) -> Write {
    Write::Device { device: Box::new(device), event: "device.registered", from_revision: 0 }
}

fn tenant() -> TenantId {
    "mercy".parse().expect("a tenant")
}

fn device(id: &str) -> Device {
    Device {
        id: id.parse().expect("a device id"),
        tenant: tenant(),
        environment: "production".parse().expect("an environment"),
        model: "pump-x2".to_owned(),
        hardware_revision: "b".to_owned(),
        site: "north".to_owned(),
        labels: [("ward".to_owned(), "icu".to_owned())].into(),
        groups: vec![],
        state: DeviceState::Active,
        firmware: Some("1.0".to_owned()),
        health: DeviceHealth::Ok,
        attributes: [("serial".to_owned(), "0815".to_owned())].into(),
        token_sha256: None,
        registered_at: Timestamp::from_millis(0),
        revision: 1,
    }
}
