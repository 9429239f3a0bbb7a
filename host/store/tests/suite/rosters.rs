//! Rosters: written with the change that alters them, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use interlock_domain::{
    Action, Active, Binding, BindingRole, Change, ChangeKind, Digest, Facts, GateMode, PluginPlan, PluginRef,
    PluginStep, Roster, RosterRecord, Standing, State, Task, Transition,
};
use interlock_store::{ChangeFilter, Note, Page, SYSTEM, StoreError, Write};

use crate::{fixture::*, on_both};

on_both! {
    a_plugin_change_and_the_roster_that_it_writes_stand_together,
    of_two_plugin_changes_at_once_one_is_refused_whole,
    a_roster_is_written_only_from_the_revision_before,
    a_change_does_not_write_the_roster_of_another_environment,
    rolling_back_writes_the_next_revision,
    every_roster_is_listed_with_its_revision,
    plugins_that_were_installed_are_read_from_the_log,
}

fn size() -> PluginRef {
    PluginRef { name: "size".to_owned(), version: "1.0.0".to_owned(), digest: Digest::of("size") }
}

fn gate() -> Binding {
    Binding {
        plugin: "size".to_owned(),
        role: BindingRole::Gate,
        settings: serde_json::json!({ "max": 7 }),
        mode: GateMode::Enforce,
        kinds: BTreeSet::from([ChangeKind::Release]),
        group: None,
    }
}

/// A roster with one gate.
pub(crate) fn roster() -> Roster {
    let active = Active { plugin: size(), granted: BTreeSet::from(["fleet".to_owned()]) };
    Roster {
        plugins: BTreeMap::from([("size".to_owned(), active)]),
        bindings: BTreeMap::from([("size".to_owned(), gate())]),
        groups: BTreeMap::new(),
    }
}

/// The roster of a change's environment.
pub(crate) fn record(change: &Change, revision: u64, roster: Roster) -> RosterRecord {
    RosterRecord {
        tenant: mercy(),
        environment: change.manifest.environment.clone(),
        revision,
        change: change.id.clone(),
        back: false,
        at: at(1_002),
        roster,
    }
}

fn plan() -> PluginPlan {
    let activate = PluginStep::Activate { name: "size".to_owned(), from: None, to: size() };
    let bind = PluginStep::Bind { id: "size".to_owned(), from: None, to: gate() };
    PluginPlan { steps: vec![activate, bind], ..PluginPlan::default() }
}

fn admitted(world: &World, change: &Change, roster: &Roster, revision: u64) -> Transition {
    let allowed = world.decision(Action::AdmitChange, change.resource(), admission());
    change.install(&allowed, Standing { roster, revision }, at(1_002)).unwrap().unwrap()
}

/// A `plugin` change that is in force.
async fn installed(world: &World) -> Change {
    let [proposed, passed] = world.plugin_change(plan());
    let done = admitted(world, &passed.change, &Roster::default(), 0);
    let change = done.change.clone();
    world.commit(vec![step(proposed), step(passed), step(done)]).await.unwrap();
    change
}

async fn stored(world: &World) -> Option<RosterRecord> {
    world.store.roster(&mercy(), &"production".parse().unwrap()).await.unwrap()
}

async fn a_plugin_change_and_the_roster_that_it_writes_stand_together(world: World) {
    let change = installed(&world).await;
    assert_eq!(change.state, State::Completed);
    assert_eq!(world.store.change(&mercy(), &change.id).await.unwrap().unwrap(), change);
    let record = stored(&world).await.unwrap();
    assert_eq!((record.revision, &record.change), (1, &change.id));
    assert_eq!(record.roster, Roster::default().apply(&plan()).unwrap());
    let kinds = world.kinds("mercy").await;
    let last =
        ["change.proposed", "change.gates_passed", "change.admitted", "rollout.completed", "roster.written"];
    assert_eq!(kinds, last);
    let audit = world.store.audit("mercy", None, |_| {}).await.unwrap();
    assert_eq!((audit.report.findings.len(), audit.rows_compared, audit.changes_rebuilt), (0, 2, 1));
    assert_eq!(world.store.live_changes().await.unwrap(), [], "there is nothing left to lead");
    let all = world.store.changes(&mercy(), &ChangeFilter::default(), &Page::first(9)).await.unwrap();
    assert_eq!(all, [change]);
}

async fn of_two_plugin_changes_at_once_one_is_refused_whole(world: World) {
    let changes: Vec<Change> = {
        let mut changes = Vec::new();
        for _ in 0..2 {
            let [proposed, passed] = world.plugin_change(plan());
            changes.push(passed.change.clone());
            world.commit(vec![step(proposed), step(passed)]).await.unwrap();
        }
        changes
    };
    let both = changes.iter().map(|change| {
        let done = admitted(&world, change, &Roster::default(), 0);
        world.commit(vec![step(done)])
    });
    let results = futures::future::join_all(both).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().any(|result| matches!(result, Err(StoreError::Conflict { what: "roster", .. }))));
    let record = stored(&world).await.unwrap();
    for change in changes {
        let kept = world.store.change(&mercy(), &change.id).await.unwrap().unwrap();
        assert_eq!(kept.state == State::Completed, record.change == change.id);
        assert_eq!(kept.state == State::Approving, record.change != change.id);
    }
}

async fn a_roster_is_written_only_from_the_revision_before(world: World) {
    let change = installed(&world).await;
    for revision in [1, 3] {
        let record = Box::new(record(&change, revision, roster()));
        let refused = world.commit(vec![only(&change, Task::Enroll { record })]).await;
        assert!(matches!(refused, Err(StoreError::Conflict { what: "roster", .. })), "{refused:?}");
    }
    let second = Box::new(record(&change, 2, roster()));
    world.commit(vec![only(&change, Task::Enroll { record: second.clone() })]).await.unwrap();
    assert_eq!(stored(&world).await.unwrap(), *second);
}

async fn a_change_does_not_write_the_roster_of_another_environment(world: World) {
    let change = installed(&world).await;
    let mut other = record(&change, 1, roster());
    other.environment = "staging".parse().unwrap();
    let refused = world.commit(vec![only(&change, Task::Enroll { record: Box::new(other) })]).await;
    assert!(matches!(refused, Err(StoreError::Malformed { .. })), "{refused:?}");
}

async fn rolling_back_writes_the_next_revision(world: World) {
    let change = installed(&world).await;
    let before = stored(&world).await.unwrap();
    let allowed = world.decision(Action::RollBackRollout, change.resource(), Facts::None).permit().unwrap();
    let standing = Standing { roster: &before.roster, revision: before.revision };
    let back = change.put_back(&ana(), "too strict", &allowed, standing, at(1_003)).unwrap();
    world.commit(vec![step(back.clone())]).await.unwrap();
    let record = stored(&world).await.unwrap();
    assert_eq!((record.revision, record.back, record.roster), (2, true, Roster::default()));
    let audit = world.store.audit("mercy", None, |_| {}).await.unwrap();
    assert_eq!((audit.report.findings.len(), audit.changes_rebuilt), (0, 1));
    // Twice is once: the roster has moved on.
    let again = world.commit(vec![step(back)]).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
}

async fn every_roster_is_listed_with_its_revision(world: World) {
    assert_eq!(world.store.roster_revisions().await.unwrap(), []);
    installed(&world).await;
    let listed = world.store.roster_revisions().await.unwrap();
    assert_eq!(listed, [(mercy(), "production".parse().unwrap(), 1)]);
}

async fn plugins_that_were_installed_are_read_from_the_log(world: World) {
    let note = |name: &str, said: &str| Note {
        kind: "plugin.installed",
        object_kind: "plugin",
        object_id: name.to_owned(),
        payload: serde_json::json!({ "said": said }),
    };
    let other = Note { kind: "plugin.other", ..note("size", "other") };
    for (tenant, note) in [
        (SYSTEM, note("size", "first")),
        (SYSTEM, other),
        ("mercy", note("x", "no")),
        (SYSTEM, note("size", "second")),
    ] {
        let mut commit = world.prepared(vec![Write::Note(note)]);
        commit.tenant = tenant.parse().unwrap();
        world.store.commit(commit).await.unwrap();
    }
    let found = world.store.installed_plugins().await.unwrap();
    let said: Vec<_> = found.iter().map(|(name, payload)| (name.as_str(), payload.as_slice())).collect();
    assert_eq!(said, [("size", &br#"{"said":"first"}"#[..]), ("size", &br#"{"said":"second"}"#[..])]);
}
