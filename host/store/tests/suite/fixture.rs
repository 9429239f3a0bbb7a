//! A hospital with pumps, and shorthand for what happens to them.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
};

use interlock_domain::{
    Account, AccountId, AccountKind, Action, Actor, AdmissionFacts, Answer, ApprovalFacts, Artifact,
    ArtifactId, ArtifactKind, ArtifactRef, Assignment, AssignmentEvent, AssignmentState,
    AssignmentTransition, Change, ChangeId, ChangeKind, Decision, DecisionId, Determining, Device,
    DeviceHealth, DeviceId, DeviceState, Digest, Draft, Effect, Exposure, Facts, Manifest, Outcome, PersonId,
    PluginPlan, PluginRef, Population, Principal, Question, Resource, Selector, SignatureOutcome, Stage,
    StrategyBinding, Task, TenantId, Timestamp, Transition,
};
use interlock_ledger::{Verdict, Verifier};
use interlock_store::{By, Commit, Committed, Options, Store, StoreError, Write, testing};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) database: testing::TestDatabase,
    pub(crate) store: Store,
    drawn: AtomicU64,
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) fn mercy() -> TenantId {
    "mercy".parse().unwrap()
}

pub(crate) fn pump(id: &str) -> Device {
    Device {
        id: id.parse().unwrap(),
        tenant: mercy(),
        environment: "production".parse().unwrap(),
        model: "pump-x2".to_owned(),
        hardware_revision: "b".to_owned(),
        site: "north".to_owned(),
        labels: BTreeMap::new(),
        groups: vec![],
        state: DeviceState::Active,
        firmware: Some("1.0".to_owned()),
        health: DeviceHealth::Ok,
        attributes: BTreeMap::new(),
        token_sha256: Some("secret".to_owned()),
        registered_at: at(0),
        revision: 1,
    }
}

pub(crate) fn registered(device: Device) -> Write {
    Write::Device { device: Box::new(device), event: "device.registered", from_revision: 0 }
}

pub(crate) fn ids(names: &[&str]) -> Vec<DeviceId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

pub(crate) fn by_ana() -> By {
    By {
        person: Some(PersonId::new(Uuid::from_u128(1)).to_string()),
        account: AccountId::new(Uuid::from_u128(1)).to_string(),
        auth: Some("key:test".to_owned()),
    }
}

/// An assignment after a step to this state, whether or not the domain would allow it.
pub(crate) fn forced(assignment: &Assignment, state: AssignmentState, now: Timestamp) -> Write {
    let event = AssignmentEvent {
        change: assignment.change.clone(),
        device: assignment.device.clone(),
        from: assignment.state,
        to: state,
        detail: "forced".to_owned(),
    };
    let assignment = Assignment {
        state,
        touched_at: now,
        detail: "forced".to_owned(),
        revision: assignment.revision + 1,
        ..assignment.clone()
    };
    Write::Assignment(AssignmentTransition { assignment, event })
}

/// Only tasks, for a change as it stands.
pub(crate) fn only(change: &Change, task: Task) -> Write {
    Write::Change(Box::new(Transition {
        change: change.clone(),
        from_revision: change.revision,
        events: vec![],
        tasks: vec![task],
    }))
}

pub(crate) fn step(transition: Transition) -> Write {
    Write::Change(Box::new(transition))
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        Self::new(testing::TestDatabase::sqlite()).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::new(testing::TestDatabase::postgres().await).await
    }

    async fn new(database: testing::TestDatabase) -> Self {
        let store = database.open().await;
        Self { database, store, drawn: AtomicU64::new(100) }
    }

    /// The same database behind a new store, with other options.
    pub(crate) async fn reopened(&mut self, alter: impl FnOnce(&mut Options)) {
        self.store.close().await;
        let mut options = self.database.options();
        alter(&mut options);
        self.store = Store::open(options, testing::keys()).await.unwrap();
    }

    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.drawn.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn prepared(&self, writes: Vec<Write>) -> Commit {
        Commit::new(mercy(), by_ana(), at(1_000), writes, || self.uuid())
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Result<Committed, StoreError> {
        self.store.commit(self.prepared(writes)).await
    }

    /// As [`World::commit`], but at another time.
    pub(crate) async fn commit_at(&self, ms: i64, writes: Vec<Write>) -> Result<Committed, StoreError> {
        self.store.commit(Commit { now: at(ms), ..self.prepared(writes) }).await
    }

    /// Registers pumps of these names.
    pub(crate) async fn pumps(&self, names: &[&str]) {
        self.commit(names.iter().map(|name| registered(pump(name))).collect()).await.unwrap();
    }

    pub(crate) fn artifact(&self, version: &str) -> Artifact {
        Artifact {
            id: ArtifactId::new(self.uuid()),
            tenant: mercy(),
            name: "pump-firmware".to_owned(),
            version: version.to_owned(),
            kind: ArtifactKind::Firmware,
            file_name: format!("pump-{version}.swu"),
            digest: Digest::of(version),
            sha1: "00".to_owned(),
            md5: "00".to_owned(),
            size_bytes: 3,
            signed: None,
            pushed_by: AccountId::new(Uuid::from_u128(1)),
            pushed_at: at(0),
        }
    }

    pub(crate) async fn push(&self, version: &str) -> Artifact {
        let artifact = self.artifact(version);
        let sealed = serde_json::json!({ "wrapped": version });
        self.commit(vec![Write::Artifact { artifact: Box::new(artifact.clone()), sealed }]).await.unwrap();
        artifact
    }

    pub(crate) fn decision(&self, action: Action, resource: Resource, facts: Facts) -> Decision {
        let answer = Answer {
            allowed: true,
            determining: vec![Determining {
                id: "p1".to_owned(),
                reason: "because".to_owned(),
                effect: Effect::Permit,
            }],
            errors: vec![],
            monitored: vec![],
            bundle: Digest::of("bundle"),
        };
        let question =
            Question { principal: Principal::Actor(ana()), action, resource, facts, now: at(1_000) };
        Decision::of_policy(DecisionId::new(self.uuid()), None, question, answer, 7)
    }

    /// A proposal to bring 2.0 to these targets, in this order, in two stages.
    pub(crate) fn proposal(&self, targets: &[DeviceId]) -> Transition {
        let manifest = manifest(targets);
        let place = Resource::Environment {
            tenant: mercy(),
            environment: manifest.environment.clone(),
            change_kind: Some(ChangeKind::Release),
        };
        let permit = self.decision(Action::ProposeChange, place, Facts::None).permit().unwrap();
        let draft = Draft { manifest, targets: targets.to_vec(), author: ana(), expires_after_ms: 1_000_000 };
        Change::propose(draft, ChangeId::new(self.uuid()), &permit, at(1_000)).unwrap()
    }

    /// A `plugin` change that was proposed here and passed, not committed yet.
    pub(crate) fn plugin_change(&self, plan: PluginPlan) -> [Transition; 2] {
        let manifest = Manifest {
            kind: ChangeKind::Plugin,
            strategy: None,
            plugins: Some(plan),
            selector: Selector::default(),
            ..manifest(&[])
        };
        let place = Resource::Environment {
            tenant: mercy(),
            environment: manifest.environment.clone(),
            change_kind: Some(ChangeKind::Plugin),
        };
        let permit = self.decision(Action::ProposeChange, place, Facts::None).permit().unwrap();
        let draft = Draft { manifest, targets: vec![], author: ana(), expires_after_ms: 1_000_000 };
        let proposed = Change::propose(draft, ChangeId::new(self.uuid()), &permit, at(1_000)).unwrap();
        let passed = proposed.change.review(vec![], at(1_001)).unwrap();
        [proposed, passed]
    }

    /// A change over these targets that was proposed, passed and admitted, as it stands in the store.
    pub(crate) async fn admitted(&self, targets: &[&str]) -> Change {
        let proposed = self.proposal(&ids(targets));
        let passed = proposed.change.review(vec![], at(1_001)).unwrap();
        let allowed = self.decision(Action::AdmitChange, passed.change.resource(), admission());
        let admitted = passed.change.admit(&allowed, at(1_002)).unwrap().unwrap();
        let change = admitted.change.clone();
        self.commit(vec![step(proposed), step(passed), step(admitted)]).await.unwrap();
        change
    }

    pub(crate) async fn assignment(&self, change: &Change, device: &str) -> Assignment {
        self.store.assignment(&mercy(), &change.id, &device.parse().unwrap()).await.unwrap().unwrap()
    }

    pub(crate) async fn states(&self, change: &Change) -> BTreeMap<String, AssignmentState> {
        let page = interlock_store::Page::first(10_000);
        let all = self.store.assignments(&mercy(), &change.id, &Default::default(), &page).await.unwrap();
        all.into_iter().map(|assignment| (assignment.device.to_string(), assignment.state)).collect()
    }

    /// Reads a log from end to end with the offline verifier and returns how many entries it has.
    pub(crate) async fn verified(&self, log: &str) -> u64 {
        let origin = self.store.options().origin(log);
        let mut verifier = Verifier::new(&origin, self.store.keys().keyring(&origin).unwrap());
        let signed = self.store.signed(log).await.unwrap().unwrap();
        let head = self.store.head(log).await.unwrap().unwrap();
        let mut next = 0;
        loop {
            let rows = self.store.rows(log, next, 1_000).await.unwrap();
            if rows.is_empty() {
                break;
            }
            next += rows.len() as u64;
            verifier.push_batch(&rows, NonZeroUsize::MIN, |_| {});
        }
        let report = verifier.finish_signed(signed.note.as_bytes());
        assert_eq!(report.verdict(), Verdict::Sound, "{:?}", report.findings);
        assert_eq!((report.entries, report.root, signed.size), (head.size, head.root, head.size));
        report.entries
    }

    /// The types of a log's entries, oldest first.
    pub(crate) async fn kinds(&self, log: &str) -> Vec<String> {
        let rows = self.store.rows(log, 0, 10_000).await.unwrap();
        rows.iter().map(|row| interlock_ledger::Entry::parse(&row.body).unwrap().kind).collect()
    }

    /// Goes around the store: what a fault or an intruder would do.
    pub(crate) async fn tamper(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.raw(sql, sql).await
    }

    /// Asks the database itself for one number.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        let url = &self.database.url;
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        } else {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
        }
    }

    /// Likewise, for what the two dialects spell differently.
    pub(crate) async fn raw(&self, sqlite: &'static str, postgres: &'static str) -> Result<(), sqlx::Error> {
        // Nothing is signed while it happens: what was committed before is by now.
        let _ = self.store.signed("mercy").await;
        let url = &self.database.url;
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await?;
            sqlx::raw_sql(sqlite).execute(&mut connection).await?;
        } else {
            let mut connection = PgConnection::connect(url).await?;
            sqlx::raw_sql(postgres).execute(&mut connection).await?;
        }
        Ok(())
    }
}

pub(crate) fn account(name: &str, seed: u128) -> Account {
    Account {
        id: AccountId::new(Uuid::from_u128(seed)),
        tenant: mercy(),
        kind: AccountKind::User,
        person: PersonId::new(Uuid::from_u128(seed)),
        name: name.to_owned(),
        roles: vec![],
        active: true,
        created_at: at(0),
        hold: None,
    }
}

pub(crate) fn ana() -> Actor {
    account("Ana", 1).actor("key:test".to_owned())
}

pub(crate) fn admission() -> Facts {
    Facts::Admission(Box::new(AdmissionFacts {
        approvals: ApprovalFacts::none(),
        gates_passed: 0,
        gates_warned: 0,
        gates_failed: 0,
        gates_holding: 0,
        gates_missing: 0,
        signature: SignatureOutcome::Verified,
        rollback_complete: true,
        weakens: false,
        exposure_bp: 0,
        stage: 0,
        health: Outcome::Pass,
    }))
}

pub(crate) fn manifest(targets: &[DeviceId]) -> Manifest {
    let stage = |name: &str, basis_points| Stage {
        name: name.to_owned(),
        exposure: Exposure::Percent { basis_points },
        hold_ms: 1_000,
    };
    Manifest {
        v: 1,
        tenant: mercy(),
        environment: "production".parse().unwrap(),
        kind: ChangeKind::Release,
        title: "Pump firmware 2.0".to_owned(),
        description: String::new(),
        artifacts: vec![ArtifactRef {
            name: "pump-firmware".to_owned(),
            version: "2.0".to_owned(),
            digest: Digest::of("2.0"),
            size_bytes: 3,
        }],
        documents: Vec::new(),
        selector: Selector { all: true, ..Selector::default() },
        population: Population {
            size: targets.len() as u64,
            digest: Manifest::population_digest(targets),
            groups: BTreeMap::new(),
            models: BTreeMap::new(),
        },
        strategy: Some(StrategyBinding {
            plugin: PluginRef {
                name: "canary".to_owned(),
                version: "1.0.0".to_owned(),
                digest: Digest::of("canary"),
            },
            settings: serde_json::json!({}),
            plan: vec![stage("50 %", 5_000), stage("100 %", 10_000)],
        }),
        plugins: None,
        policies: None,
        at_once: vec![],
        health: vec![],
        gates: vec![],
        groups: vec![],
        bundle: Digest::of("bundle"),
        rollback: vec![],
        silent_after_ms: 60_000,
        judge_every_ms: 60_000,
    }
}
