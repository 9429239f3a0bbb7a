//! A server with devices and a rollout, put into the store as the pipeline would have left it.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request},
};
use futures::stream;
use interlock_domain::{
    AccountId, Artifact, ArtifactId, ArtifactKind, ArtifactRef, AssignmentState, Change, ChangeId,
    ChangeKind, Device, DeviceHealth, DeviceState, Digest, Exposure, Manifest, PersonId, PluginRef,
    Population, Selector, Stage, State, StrategyBinding, Task, Timestamp, Transition,
};
use interlock_server::{
    Config,
    device::router,
    testing::{Answer, TestApp},
};
use interlock_store::{By, Commit, Write};
use interlock_vault::Expected;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) const TENANT: &str = "mercy";
/// The device that most tests are about.
pub(crate) const PUMP: &str = "pump-1";
/// Longer than a chunk of the vault, so that downloads have seams.
pub(crate) fn firmware() -> Vec<u8> {
    (0..150_000_u32).flat_map(|n| n.to_be_bytes()).take(150_001).collect()
}

pub(crate) struct World {
    pub(crate) app: TestApp,
    router: Router,
}

/// A change in the store, and where it is.
pub(crate) struct Rollout {
    change: Change,
}

impl World {
    /// A tenant with one pump on version 1.0, and both versions in the vault. Nothing is rolled out.
    pub(crate) async fn new() -> Self {
        Self::configured(|_| {}).await
    }

    pub(crate) async fn configured(alter: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::configured(alter).await;
        let router = router(app.app.clone());
        let world = Self { app, router };
        world.push("1.0", b"the old firmware").await;
        world.push("2.0", &firmware()).await;
        world.register(PUMP, Some("1.0")).await;
        world
    }

    /// Such a tenant whose pump is offered version 2.0.
    pub(crate) async fn offering() -> (Self, Rollout) {
        let world = Self::new().await;
        let rollout = world.roll_out(&[PUMP]).await;
        (world, rollout)
    }

    pub(crate) async fn register(&self, id: &str, firmware: Option<&str>) {
        self.write(Write::Device {
            device: Box::new(self.device(id, firmware)),
            event: "device.registered",
            from_revision: 0,
        })
        .await;
    }

    pub(crate) async fn retire(&self, id: &str) {
        let device = self.stored(id).await.unwrap();
        let from_revision = device.revision;
        let device = Device { state: DeviceState::Retired, revision: from_revision + 1, ..device };
        self.write(Write::Device { device: Box::new(device), event: "device.retired", from_revision }).await;
    }

    fn device(&self, id: &str, firmware: Option<&str>) -> Device {
        Device {
            id: id.parse().unwrap(),
            tenant: TENANT.parse().unwrap(),
            environment: "production".parse().unwrap(),
            model: "pump-x2".to_owned(),
            hardware_revision: String::new(),
            site: String::new(),
            labels: BTreeMap::new(),
            groups: vec![],
            state: DeviceState::Active,
            firmware: firmware.map(str::to_owned),
            health: DeviceHealth::Unknown,
            attributes: BTreeMap::new(),
            token_sha256: Some(token_hash(&token_of(id))),
            registered_at: self.now(),
            revision: 1,
        }
    }

    pub(crate) async fn push(&self, version: &str, content: &[u8]) {
        let expected = Expected { digest: None, size_bytes: None, size_bytes_max: 1 << 20 };
        let pieces = stream::iter([Ok::<_, std::io::Error>(content.to_vec().into())]);
        let stored = self.app.app.vault.put(pieces, expected).await.unwrap();
        let artifact = Artifact {
            id: ArtifactId::new(self.app.app.clock.uuid()),
            tenant: TENANT.parse().unwrap(),
            name: "pump-firmware".to_owned(),
            version: version.to_owned(),
            kind: ArtifactKind::Firmware,
            file_name: format!("pump-{version}.swu"),
            digest: stored.digest,
            sha1: stored.sha1,
            md5: stored.md5,
            size_bytes: stored.size_bytes,
            signed: None,
            pushed_by: AccountId::new(Uuid::from_u128(1)),
            pushed_at: self.now(),
        };
        let sealed = serde_json::to_value(&stored.sealed).unwrap();
        self.write(Write::Artifact { artifact: Box::new(artifact), sealed }).await;
    }

    pub(crate) async fn artifact(&self, version: &str) -> Artifact {
        let tenant = TENANT.parse().unwrap();
        self.app.app.store.artifact_by_version(&tenant, "pump-firmware", version).await.unwrap().unwrap()
    }

    /// Offers version 2.0 to these devices.
    pub(crate) async fn roll_out(&self, targets: &[&str]) -> Rollout {
        let targets: Vec<_> = targets.iter().map(|id| id.parse().unwrap()).collect();
        let manifest = manifest(&self.artifact("2.0").await, Manifest::population_digest(&targets));
        let change = Change {
            id: ChangeId::new(self.app.app.clock.uuid()),
            author: PersonId::new(Uuid::from_u128(1)),
            author_name: "Ana".to_owned(),
            author_account: AccountId::new(Uuid::from_u128(1)),
            digest: manifest.digest().unwrap(),
            manifest,
            state: State::RollingOut,
            gates: vec![],
            groups: vec![],
            approvals: vec![],
            escalations: vec![],
            revised_at: None,
            glass: vec![],
            hold: None,
            rollout: None,
            rollback: None,
            note: None,
            paused_by_safety: false,
            created_at: self.now(),
            expires_at: self.now(),
            updated_at: self.now(),
            revision: 1,
        };
        let below = targets.len() as u64;
        // As the host does it when a stage is entered: how each version comes back, if its artifact is there.
        let old =
            self.app.app.store.artifact_by_version(&TENANT.parse().unwrap(), "pump-firmware", "1.0").await;
        let back = old.unwrap().map(|old| ("1.0".to_owned(), old.digest)).into_iter().collect();
        let tasks = vec![Task::Assign { targets }, Task::ExposeRanks { below, back }];
        let transition = Transition { change: change.clone(), from_revision: 0, events: vec![], tasks };
        self.write(Write::Change(Box::new(transition))).await;
        Rollout { change }
    }

    pub(crate) async fn pause(&self, rollout: &mut Rollout) {
        self.step(rollout, State::Paused, vec![]).await;
    }

    pub(crate) async fn recall(&self, rollout: &mut Rollout) {
        self.step(rollout, State::RollingBack, vec![Task::Recall]).await;
    }

    async fn step(&self, rollout: &mut Rollout, state: State, tasks: Vec<Task>) {
        let from_revision = rollout.change.revision;
        rollout.change.state = state;
        rollout.change.revision += 1;
        let transition = Transition { change: rollout.change.clone(), from_revision, events: vec![], tasks };
        self.write(Write::Change(Box::new(transition))).await;
    }

    async fn write(&self, write: Write) {
        let app = &self.app.app;
        let by = By { person: None, account: "test".to_owned(), auth: None };
        let commit = Commit::new(TENANT.parse().unwrap(), by, self.now(), vec![write], || app.clock.uuid());
        app.store.commit(commit).await.unwrap();
    }

    fn now(&self) -> Timestamp {
        self.app.app.clock.now()
    }

    pub(crate) async fn stored(&self, id: &str) -> Option<Device> {
        self.app.app.store.device(&TENANT.parse().unwrap(), &id.parse().unwrap()).await.unwrap()
    }

    /// Where the pump is.
    pub(crate) async fn state(&self, rollout: &Rollout) -> AssignmentState {
        self.assignment(rollout).await.state
    }

    pub(crate) async fn assignment(&self, rollout: &Rollout) -> interlock_domain::Assignment {
        let store = &self.app.app.store;
        let found =
            store.assignment(&TENANT.parse().unwrap(), &rollout.change.id, &PUMP.parse().unwrap()).await;
        found.unwrap().unwrap()
    }

    /// Asks as the pump, below its base.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let token = format!("TargetToken {}", token_of(PUMP));
        self.send(method, &format!("{}{path}", base(PUMP)), &[("authorization", &token)], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Body::empty()).await
    }

    /// Gets a file as the pump, with further headers. `href` is absolute, as the server gives it.
    pub(crate) async fn fetch(&self, method: Method, href: &str, headers: &[(&str, &str)]) -> Answer {
        let token = format!("TargetToken {}", token_of(PUMP));
        let mut all = vec![("authorization", token.as_str())];
        all.extend_from_slice(headers);
        self.send(method, href.strip_prefix("http://ddi.test").unwrap(), &all, Body::empty()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "ddi.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// The links of a poll.
    pub(crate) async fn links(&self) -> Value {
        self.get("").await.ok()["_links"].clone()
    }

    /// The action that is offered, and where its artifact is.
    pub(crate) async fn offered(&self) -> (String, String) {
        let href = self.links().await["deploymentBase"]["href"].as_str().unwrap().to_owned();
        let deployment = self.fetch(Method::GET, &href, &[]).await.ok();
        let file = &deployment["deployment"]["chunks"][0]["artifacts"][0];
        let file = file["_links"]["download"]["href"].as_str().unwrap().to_owned();
        (deployment["id"].as_str().unwrap().to_owned(), file)
    }

    /// Says how an action goes, and returns the status code of the answer.
    pub(crate) async fn say(&self, action: &str, execution: &str, finished: &str) -> u16 {
        let body = json!({"id": action, "status": {
            "execution": execution, "result": {"finished": finished}, "details": ["as it goes"]
        }});
        let path = format!("/deploymentBase/{action}/feedback");
        self.ask(Method::POST, &path, body.to_string()).await.status.as_u16()
    }

    /// Says which version it runs.
    pub(crate) async fn report(&self, version: &str) -> u16 {
        let body = json!({"mode": "merge", "data": {"firmware_version": version}});
        self.ask(Method::PUT, "/configData", body.to_string()).await.status.as_u16()
    }
}

pub(crate) fn base(device: &str) -> String {
    format!("/{TENANT}/controller/v1/{device}")
}

pub(crate) fn token_of(device: &str) -> String {
    format!("the-token-of-{device}")
}

pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

fn manifest(artifact: &Artifact, population: Digest) -> Manifest {
    Manifest {
        v: 1,
        tenant: TENANT.parse().unwrap(),
        environment: "production".parse().unwrap(),
        kind: ChangeKind::Release,
        title: "Pump firmware 2.0".to_owned(),
        description: String::new(),
        artifacts: vec![ArtifactRef {
            name: artifact.name.clone(),
            version: artifact.version.clone(),
            digest: artifact.digest,
            size_bytes: artifact.size_bytes,
        }],
        documents: Vec::new(),
        selector: Selector { all: true, ..Selector::default() },
        population: Population {
            size: 1,
            digest: population,
            groups: BTreeMap::new(),
            models: BTreeMap::new(),
        },
        strategy: Some(StrategyBinding {
            plugin: PluginRef {
                name: "direct".to_owned(),
                version: "1.0.0".to_owned(),
                digest: Digest::of(b"direct"),
            },
            settings: json!({}),
            plan: vec![Stage { name: "all".to_owned(), exposure: Exposure::All, hold_ms: 0 }],
        }),
        plugins: None,
        groups: vec![],
        policies: None,
        at_once: vec![],
        health: vec![],
        gates: vec![],
        bundle: Digest::of(b"bundle"),
        rollback: vec![],
        silent_after_ms: 60_000,
        judge_every_ms: 60_000,
    }
}
