//! What a signature is about, what it is worth, and what is left of it when keys and statements are gone.

use axum::{body::Body, http::Method};
use interlock_domain::{
    AccountId, ArtifactStatement, Change, ChangeId, DeviceHealth, DeviceState, Digest, Outcome, Role,
    Rollout, SignedStatement, State, TenantId, Transition, Verdict,
};
use interlock_server::{
    Config,
    testing::{Client, TENANT, TestApp},
};
use interlock_store::{By, Commit, Write};
use interlock_vault::SigningKey;
use serde_json::{Value, json};

const KEY_A: &str = include_str!("../../../vault/testkeys/test-only-rsa4096-a.pem");
const KEY_B: &str = include_str!("../../../vault/testkeys/test-only-rsa4096-b.pem");

/// A server that trusts key A, and a release manager.
struct Shop {
    app: TestApp,
    ana: Client,
    key: SigningKey,
}

/// What a maker signs, by default for every model and for ever.
struct Signing<'a> {
    name: &'a str,
    version: &'a str,
    content: &'a [u8],
    counter: u64,
    models: &'a [&'a str],
    expires_in_ms: Option<i64>,
}

impl<'a> Signing<'a> {
    fn of(name: &'a str, version: &'a str, content: &'a [u8], counter: u64) -> Self {
        Self { name, version, content, counter, models: &[], expires_in_ms: None }
    }
}

impl Shop {
    async fn open() -> Self {
        Self::configured(|_| {}).await
    }

    async fn configured(alter: impl FnOnce(&mut Config)) -> Self {
        let plugins = interlock_server::testing::built_plugins();
        let app = TestApp::configured(|config| {
            config.plugins.cache_dir = plugins.with_file_name("interlock-plugins-compiled");
            config.plugins.dir = plugins;
            config.gates.retain(|gate| gate.plugin == "signature");
            alter(config);
        })
        .await;
        let ana = app.person("Ana", &[Role::ReleaseManager]).await;
        let shop = Self { app, ana, key: SigningKey::from_pkcs8_pem(KEY_A).unwrap() };
        shop.trust("a", &shop.key.public_pem());
        shop
    }

    /// Puts a file into the folder of trusted keys while the server runs.
    fn trust(&self, name: &str, pem: &str) {
        std::fs::write(self.trusted(name), pem).unwrap();
    }

    fn trusted(&self, name: &str) -> std::path::PathBuf {
        self.app.app.config.artifacts.trusted_keys_dir.join(format!("{name}.pem"))
    }

    fn sign(&self, what: &Signing<'_>) -> SignedStatement {
        let now = self.app.app.clock.now();
        let statement = ArtifactStatement {
            v: 1,
            name: what.name.to_owned(),
            version: what.version.to_owned(),
            digest: Digest::of(what.content),
            size_bytes: what.content.len() as u64,
            release_counter: what.counter,
            models: what.models.iter().map(|&model| model.to_owned()).collect(),
            not_before: None,
            expires_at: what.expires_in_ms.map(|ms| now.plus_millis(ms)),
        };
        self.key.sign(&statement).unwrap()
    }

    async fn push(&self, what: Signing<'_>) {
        let signed = self.sign(&what);
        self.ana.push(what.name, what.version, what.content, Some(&signed)).await.ok();
    }

    /// A pump of this model that runs this version.
    async fn pump(&self, id: &str, model: &str, firmware: Option<&str>) {
        let device = interlock_domain::Device {
            id: id.parse().unwrap(),
            tenant: tenant(),
            environment: "production".parse().unwrap(),
            model: model.to_owned(),
            hardware_revision: String::new(),
            site: String::new(),
            labels: Default::default(),
            groups: vec![],
            state: DeviceState::Active,
            firmware: firmware.map(str::to_owned),
            health: DeviceHealth::Ok,
            attributes: Default::default(),
            token_sha256: None,
            registered_at: self.app.app.clock.now(),
            revision: 1,
        };
        let event = "device.registered";
        self.write(Write::Device { device: Box::new(device), event, from_revision: 0 }).await;
    }

    async fn propose(&self, name: &str, version: &str, selector: Value) -> Value {
        let proposal = json!({
            "environment": "production", "title": version, "selector": selector,
            "artifacts": [{ "name": name, "version": version }], "strategy": { "plugin": "direct" },
        });
        self.ana.post("/changes", proposal).await.ok()
    }

    /// The codes of the signature gate's findings about bringing this to every pump. The change is withdrawn.
    async fn judged(&self, name: &str, version: &str) -> Vec<String> {
        self.judged_for(name, version, json!({ "all": true })).await
    }

    async fn judged_for(&self, name: &str, version: &str, selector: Value) -> Vec<String> {
        let change = self.propose(name, version, selector).await;
        self.app.reconcile().await;
        let path = format!("/changes/{}", change["id"].as_str().unwrap());
        let change = self.ana.get(&path).await.ok();
        let findings = change["gates"][0]["verdict"]["findings"].as_array().unwrap();
        let codes = findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
        if change["state"] != "rejected" {
            self.ana.post(&format!("{path}/cancel"), json!({ "reason": "only asked" })).await.ok();
        }
        codes
    }

    /// A change that brings this to every pump.
    async fn proposed(&self, name: &str, version: &str) -> ChangeId {
        let change = self.propose(name, version, json!({ "all": true })).await;
        change["id"].as_str().unwrap().parse().unwrap()
    }

    /// Puts a change into this state, whether or not the domain would allow it.
    async fn put_into(&self, id: &ChangeId, state: State) {
        self.alter(id, |change| change.state = state).await;
    }

    async fn alter(&self, id: &ChangeId, alter: impl FnOnce(&mut Change)) {
        let mut change = self.app.app.store.change(&tenant(), id).await.unwrap().unwrap();
        let from_revision = change.revision;
        alter(&mut change);
        change.revision += 1;
        let transition = Transition { change, from_revision, events: vec![], tasks: vec![] };
        self.write(Write::Change(Box::new(transition))).await;
    }

    async fn write(&self, write: Write) {
        let account = AccountId::new(self.app.app.clock.uuid()).to_string();
        let by = By { person: None, account, auth: None };
        let app = &self.app.app;
        let commit = Commit::new(tenant(), by, app.clock.now(), vec![write], || app.clock.uuid());
        app.store.commit(commit).await.unwrap();
    }
}

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

#[tokio::test]
async fn a_signature_is_lent_to_no_copy_under_another_name_or_version() {
    let shop = Shop::open().await;
    shop.pump("p1", "x2", None).await;
    shop.push(Signing::of("lamp-firmware", "1.0", b"content", 1)).await;
    shop.ana.push("pump-firmware", "2.0", b"content", None).await.ok();
    shop.ana.push("lamp-firmware", "1.1", b"content", None).await.ok();
    let of_lamp = shop.sign(&Signing::of("lamp-firmware", "1.0", b"content", 1));
    shop.ana.push("door-firmware", "1.0", b"content", Some(&of_lamp)).await.ok();
    assert_eq!(shop.judged("lamp-firmware", "1.0").await, [""; 0]);
    assert_eq!(shop.judged("pump-firmware", "2.0").await, ["signature-missing"]);
    assert_eq!(shop.judged("lamp-firmware", "1.1").await, ["signature-missing"]);
    assert_eq!(shop.judged("door-firmware", "1.0").await, ["signature-other-artifact"]);
}

#[tokio::test]
async fn unsigned_bytes_that_came_first_under_another_name_take_nothing_from_a_signed_release() {
    let shop = Shop::open().await;
    shop.pump("p1", "x2", None).await;
    shop.ana.push("pump-firmware", "0.1", b"content", None).await.ok();
    shop.push(Signing::of("pump-firmware", "2.0", b"content", 1)).await;
    assert_eq!(shop.judged("pump-firmware", "2.0").await, [""; 0]);
}

#[tokio::test]
async fn admission_too_asks_for_the_signature_of_this_name_and_version() {
    let shop = Shop::configured(|config| config.gates.clear()).await;
    shop.pump("p1", "x2", None).await;
    shop.push(Signing::of("lamp-firmware", "1.0", b"content", 1)).await;
    shop.ana.push("pump-firmware", "2.0", b"content", None).await.ok();
    let why_not = async |name: &str, version: &str| {
        let change = shop.propose(name, version, json!({ "all": true })).await;
        shop.app.reconcile().await;
        let path = format!("/changes/{}", change["id"].as_str().unwrap());
        let held = shop.ana.get(&path).await.ok()["hold"].to_string();
        shop.ana.post(&format!("{path}/cancel"), json!({ "reason": "only asked" })).await.ok();
        held
    };
    let unsigned = why_not("pump-firmware", "2.0").await;
    assert!(unsigned.contains("needs a verified signature"), "{unsigned}");
    let signed = why_not("lamp-firmware", "1.0").await;
    assert!(!signed.contains("needs a verified signature"), "{signed}");
}

#[tokio::test]
async fn a_counter_that_was_ever_admitted_stays_the_floor_whatever_its_signature_is_worth_now() {
    let mut shop = Shop::open().await;
    shop.pump("p1", "x2", None).await;
    let soon = Signing { expires_in_ms: Some(1_000), ..Signing::of("fw", "5.0", b"five", 5) };
    shop.push(soon).await;
    let five = shop.proposed("fw", "5.0").await;
    // The statement expires, and its key gives way to another.
    shop.app.clock.advance(2_000);
    shop.key = SigningKey::from_pkcs8_pem(KEY_B).unwrap();
    shop.trust("b", &shop.key.public_pem());
    std::fs::remove_file(shop.trusted("a")).unwrap();
    shop.push(Signing::of("fw", "4.0", b"four", 4)).await;
    for state in [State::RollingOut, State::Paused, State::RollingBack, State::RolledBack, State::Completed] {
        shop.put_into(&five, state).await;
        assert_eq!(shop.judged("fw", "4.0").await, ["release-counter-lower"], "{state}");
    }
    for state in [State::Rejected, State::Cancelled, State::Expired] {
        shop.put_into(&five, state).await;
        assert_eq!(shop.judged("fw", "4.0").await, [""; 0], "{state}");
    }
}

#[tokio::test]
async fn what_a_rollback_went_back_to_may_be_released_again_and_nothing_older() {
    let shop = Shop::open().await;
    shop.push(Signing::of("fw", "1.0", b"one", 1)).await;
    shop.push(Signing::of("fw", "0.9", b"nought", 0)).await;
    shop.push(Signing::of("fw", "2.0", b"two", 2)).await;
    shop.pump("p1", "x2", Some("1.0")).await;
    let two = shop.proposed("fw", "2.0").await;
    shop.put_into(&two, State::Completed).await;
    assert_eq!(shop.judged("fw", "1.0").await, ["release-counter-lower"]);
    shop.put_into(&two, State::RolledBack).await;
    assert_eq!(shop.judged("fw", "1.0").await, [""; 0]);
    assert_eq!(shop.judged("fw", "0.9").await, ["release-counter-lower"]);
}

#[tokio::test]
async fn a_release_does_not_count_against_itself_when_its_gates_are_asked_again() {
    let strict = json!({ "allow_counter_equal": false });
    let shop = Shop::configured(|config| config.gates[0].settings = strict).await;
    shop.pump("p1", "x2", None).await;
    shop.push(Signing::of("fw", "2.0", b"two", 2)).await;
    let two = shop.proposed("fw", "2.0").await;
    shop.app.reconcile().await;
    // Admitted, and kept from its first stage by what the gate said before.
    shop.alter(&two, |change| {
        change.state = State::RollingOut;
        change.rollout = Some(Rollout {
            admitted_at: change.updated_at,
            stages: vec![],
            settled_at: None,
            promoted: false,
            health: vec![],
        });
        change.gates[0].verdict = Verdict::unanswered("timed-out", "it took too long".to_owned());
    })
    .await;
    shop.app.reconcile().await;
    let asked = shop.app.app.store.change(&tenant(), &two).await.unwrap().unwrap();
    assert_eq!(asked.gates[0].verdict, Verdict { outcome: Outcome::Pass, findings: vec![] });
    // Against another change with the same release it does count.
    assert_eq!(shop.judged("fw", "2.0").await, ["release-counter-equal"]);
}

#[tokio::test]
async fn a_release_goes_only_to_the_models_that_its_maker_signed_it_for() {
    let shop = Shop::open().await;
    for (id, model) in [("p1", "x2"), ("p2", "x2"), ("p3", "x9")] {
        shop.pump(id, model, None).await;
    }
    shop.push(Signing { models: &["x1", "x2"], ..Signing::of("fw", "2.0", b"two", 2) }).await;
    let change = shop.propose("fw", "2.0", json!({ "all": true })).await;
    assert_eq!(change["manifest"]["population"]["models"], json!({ "x2": 2, "x9": 1 }));
    assert_eq!(shop.judged("fw", "2.0").await, ["signature-other-model"]);
    assert_eq!(shop.judged_for("fw", "2.0", json!({ "model": "x2" })).await, [""; 0]);
}

#[tokio::test]
async fn only_an_artifact_whose_signature_verifies_is_a_way_back() {
    let shop = Shop::open().await;
    shop.push(Signing::of("fw", "2.0", b"two", 2)).await;
    shop.push(Signing::of("fw", "1.0", b"one", 1)).await;
    shop.push(Signing { expires_in_ms: Some(1_000), ..Signing::of("fw", "0.8", b"old", 0) }).await;
    // Anybody who may push could push this; a rollback would install it.
    shop.ana.push("fw", "0.9", b"planted", None).await.ok();
    shop.app.clock.advance(2_000);
    for (id, version) in [("p1", "1.0"), ("p2", "0.9"), ("p3", "0.8"), ("p4", "0.7")] {
        shop.pump(id, "x2", Some(version)).await;
    }
    let back = |change: &Value| {
        let targets = change["manifest"]["rollback"].as_array().unwrap().clone();
        targets
            .into_iter()
            .map(|target| (target["version"].clone(), target["artifact"].clone()))
            .collect::<Vec<_>>()
    };
    let change = shop.propose("fw", "2.0", json!({ "all": true })).await;
    let one = json!(Digest::of(b"one"));
    assert_eq!(
        back(&change),
        [
            (json!("0.7"), Value::Null),
            (json!("0.8"), Value::Null),
            (json!("0.9"), Value::Null),
            (json!("1.0"), one)
        ]
    );
}

#[tokio::test]
async fn keys_are_trusted_and_revoked_while_the_server_runs_and_a_broken_folder_shows() {
    let shop = Shop::open().await;
    std::fs::remove_file(shop.trusted("a")).unwrap();
    let signed = shop.sign(&Signing::of("fw", "1.0", b"one", 1));
    let pushed = shop.ana.push("fw", "1.0", b"one", Some(&signed)).await.ok();
    let worth = async || {
        let shown = shop.ana.get(&format!("/artifacts/{}", pushed["id"].as_str().unwrap())).await.ok();
        shown["signature"]["outcome"].as_str().unwrap().to_owned()
    };
    let ready = async || {
        let ready = shop.ana.send(Method::GET, "//ready", &[], Body::empty()).await;
        assert_eq!(ready.status, 200);
        ready.json()["checks"].clone()
    };
    assert_eq!(worth().await, "unknown_key");
    shop.trust("vendor", &shop.key.public_pem());
    assert_eq!(worth().await, "verified");
    assert_eq!(ready().await["trusted_keys"], json!({ "status": "ok", "keys": 1 }));
    let revoked = shop.trusted("x").with_file_name("revoked");
    std::fs::write(&revoked, format!("{}\n", signed.key_id)).unwrap();
    assert_eq!(worth().await, "revoked_key");
    // A list that cannot be read un-revokes nothing.
    shop.trust("broken", "hello");
    std::fs::remove_file(&revoked).unwrap();
    assert_eq!(worth().await, "revoked_key");
    let broken = ready().await["trusted_keys"].clone();
    assert_eq!(broken["status"], "degraded");
    assert!(broken["detail"].as_str().unwrap().contains("the last good keys count"), "{broken}");
    std::fs::remove_file(shop.trusted("broken")).unwrap();
    assert_eq!(worth().await, "verified");
    assert_eq!(ready().await["trusted_keys"]["status"], "ok");
}
