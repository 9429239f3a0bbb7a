//! Witnesses: real ones on the loopback cosign what the server signs.

use std::{path::Path, sync::Arc};

use axum::{body::Body, http::Method};
use interlock_domain::Role;
use interlock_ledger::{Checkpoint, Keyring, Receipt, SigningKey, VerifyingKey};
use interlock_server::{
    config::{Config, LedgerWitness, Provable},
    testing::{Client, TestApp},
};
use interlock_witness::Witness;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use crate::house::{House, LOOSENED, approve};

const ORIGIN: &str = "interlock.local/ledger/mercy";

/// Witnesses of a log whose key is known, and a folder for the log's key and their memories.
pub(crate) struct Witnesses {
    folder: TempDir,
    each: Vec<LedgerWitness>,
    tasks: JoinSet<()>,
}

impl Witnesses {
    pub(crate) async fn start(count: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::generate(ORIGIN).unwrap();
        std::fs::write(folder.path().join("log-key"), key.to_pkcs8().unwrap()).unwrap();
        let mut witnesses = Self { folder, each: Vec::new(), tasks: JoinSet::new() };
        for number in 0..count {
            witnesses.add(number, &key).await;
        }
        witnesses
    }

    async fn add(&mut self, number: u8, log: &SigningKey) {
        let own = SigningKey::from_seed(&format!("witness.example/w{number}"), &[number; 32]).unwrap();
        let key = own.cosigning_key().unwrap().to_string();
        // One private key under the name of each log.
        let pkcs8 = log.to_pkcs8().unwrap();
        let named =
            |log: &str| SigningKey::from_pkcs8(&format!("interlock.local/ledger/{log}"), &pkcs8).unwrap();
        let logs = ["mercy", "system"].map(|log| named(log).verifying_key().clone()).into_iter().collect();
        let memory = self.folder.path().join(format!("w{number}"));
        let witness = Witness::open(own, logs, memory, Arc::new(|| 1_795_197_600)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        self.tasks.spawn(async move {
            interlock_witness::serve(Arc::new(witness), listener, std::future::pending()).await.unwrap();
        });
        self.each.push(LedgerWitness { key, url });
    }

    /// One more, which takes what it is sent and never answers.
    pub(crate) async fn hang(&mut self) {
        let own = SigningKey::from_seed("witness.example/hangs", &[99; 32]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        self.tasks.spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        self.each.push(LedgerWitness { key: own.cosigning_key().unwrap().to_string(), url });
    }

    pub(crate) fn configure(&self, quorum: usize) -> impl FnOnce(&mut Config) + use<> {
        let (key, each) = (self.folder.path().join("log-key"), self.each.clone());
        move |config| {
            config.ledger.key_file = key;
            config.ledger.witnesses = each;
            config.ledger.witness_quorum = quorum;
            config.ledger.witness_timeout_ms = 300;
        }
    }

    fn ring(&self, log: &Path) -> Keyring {
        let log = SigningKey::from_pkcs8(ORIGIN, &std::fs::read(log).unwrap()).unwrap();
        let witnesses = self.each.iter().map(|witness| witness.key.parse::<VerifyingKey>().unwrap());
        witnesses.chain([log.verifying_key().clone()]).collect()
    }

    fn opened(&self, text: &[u8]) -> (u64, usize) {
        let ring = self.ring(&self.folder.path().join("log-key"));
        let opened = Checkpoint::open(text, ORIGIN, &ring).unwrap();
        (opened.checkpoint().size, opened.witnesses().count())
    }
}

async fn checkpoint(who: &Client) -> Vec<u8> {
    who.send(Method::GET, "//ledger/mercy/checkpoint", &[], Body::empty()).await.body
}

async fn ready(app: &TestApp) -> Value {
    let nobody = app.client("mercy", None);
    nobody.send(Method::GET, "//ready", &[], Body::empty()).await.json()["checks"]["witnesses"].clone()
}

#[tokio::test]
async fn what_is_signed_is_cosigned_served_and_in_receipts() {
    let witnesses = Witnesses::start(3).await;
    let app = TestApp::configured(witnesses.configure(0)).await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    let (size, cosignatures) = witnesses.opened(&checkpoint(&kim).await);
    assert_eq!(cosignatures, 0, "nobody was asked yet");
    app.have_witnessed().await;
    assert_eq!(witnesses.opened(&checkpoint(&kim).await), (size, 3));
    // It grows: they are asked from where they are.
    kim.post("/groups", json!({ "name": "lab" })).await.ok();
    app.have_witnessed().await;
    let (grown, cosignatures) = witnesses.opened(&checkpoint(&kim).await);
    assert!(grown > size && cosignatures == 3);
    kim.post("/groups", json!({ "name": "lab-2" })).await.ok();
    let receipt = kim.get("/ledger/entries/0/receipt").await;
    let receipt = Receipt::parse(&receipt.body).unwrap();
    let ring = witnesses.ring(&witnesses.folder.path().join("log-key"));
    let opened = receipt.verify(receipt.extra.as_ref().unwrap(), ORIGIN, &ring).unwrap();
    assert_eq!((opened.checkpoint().size, opened.witnesses().count()), (grown, 3));
    let found = ready(&app).await;
    assert_eq!((&found["status"], &found["quorum"]), (&json!("ok"), &json!(3)), "{found}");
    let verified = kim.post("/ledger/verify", json!({})).await.ok();
    assert_eq!(verified["outcome"], "sound", "{verified}");
    let listed = kim.get("/ledger/keys").await.ok();
    assert_eq!(listed["keys"].as_array().unwrap().iter().filter(|key| key["for"] == "witness").count(), 3);
}

#[tokio::test]
async fn a_witness_that_hangs_or_is_away_keeps_nobody_from_a_quorum() {
    let mut witnesses = Witnesses::start(1).await;
    witnesses.hang().await;
    let app = TestApp::configured(witnesses.configure(1)).await;
    let kim = app.person("Kim", &[Role::Auditor]).await;
    app.have_witnessed().await;
    assert_eq!(witnesses.opened(&checkpoint(&kim).await).1, 1);
    let found = ready(&app).await;
    assert_eq!(found["status"], "ok", "{found}");
    assert_eq!(found["each"][1]["status"], "degraded", "{found}");
    assert!(found["each"][1]["detail"].as_str().unwrap().contains("witness_timeout_ms"), "{found}");
}

#[tokio::test]
async fn without_a_quorum_nothing_is_witnessed_and_the_log_goes_on() {
    let mut witnesses = Witnesses::start(1).await;
    witnesses.hang().await;
    let app = TestApp::configured(witnesses.configure(0)).await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    app.have_witnessed().await;
    kim.post("/groups", json!({ "name": "lab" })).await.ok();
    assert_eq!(witnesses.opened(&checkpoint(&kim).await).1, 0);
    let found = ready(&app).await;
    assert_eq!((&found["status"], &found["quorum"]), (&json!("degraded"), &json!(2)), "{found}");
}

#[tokio::test]
async fn a_log_that_was_cut_off_finds_no_witness_any_more() {
    let witnesses = Witnesses::start(1).await;
    let app = TestApp::configured(witnesses.configure(1)).await;
    let kim = app.person("Kim", &[Role::Auditor, Role::Operator]).await;
    for name in ["lab", "ward", "icu", "er", "or", "hall"] {
        kim.post("/groups", json!({ "name": name })).await.ok();
    }
    app.have_witnessed().await;
    // A server with the same key and an empty database: what a thief of both would set up.
    let fork = TestApp::replica(1, witnesses.configure(1)).await;
    let eve = fork.person("Eve", &[Role::Auditor]).await;
    fork.have_witnessed().await;
    assert_eq!(witnesses.opened(&checkpoint(&eve).await).1, 0);
    // Of this log that it is shorter than it was, of the server's own that it is another.
    let found = ready(&fork).await;
    let detail = found["each"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("the log was cut off") || detail.contains("answered 422"), "{found}");
    // As long as the witness's log, and still another one.
    for number in 0..20 {
        fork.person(&format!("Eve {number}"), &[Role::Viewer]).await;
    }
    fork.have_witnessed().await;
    let found = ready(&fork).await;
    assert!(found["each"][0]["detail"].as_str().unwrap().contains("answered 422"), "{found}");
    assert_eq!(witnesses.opened(&checkpoint(&eve).await).1, 0);
}

#[tokio::test]
async fn a_change_waits_for_witnesses_where_they_are_asked_for_and_says_so() {
    for away in [true, false] {
        let mut witnesses = Witnesses::start(1).await;
        if away {
            witnesses.hang().await;
        }
        let configure = witnesses.configure(0);
        let house = House::configured(None, &LOOSENED, |config| {
            configure(config);
            config.ledger.admission_waits_for = Provable::Witnessed;
        })
        .await;
        let change = house.propose().await;
        approve(&house.ben, &change).await.ok();
        approve(&house.rolf, &change).await.ok();
        assert_eq!(house.looked_at(&change).await["state"], "approving", "nobody was asked yet");
        let explained = house.explain(&change).await;
        assert!(explained["summary"].as_str().unwrap().contains("enough witnesses"), "{explained}");
        house.app.have_witnessed().await;
        let state = house.looked_at(&change).await["state"].clone();
        assert_eq!(state, if away { "approving" } else { "rolling_out" });
        // What nobody waits for goes on.
        house.admin.post("/groups", json!({ "name": "lab" })).await.ok();
        house.is_sound().await;
    }
}
