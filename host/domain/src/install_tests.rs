//! A `plugin` change from its proposal into force and back.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::*;
use crate::{
    AccountId, AccountKind, Answer, Binding, BindingRole, ChangeId, ChangeKind, Command, DecisionId,
    Determining, Digest, Draft, Effect, Facts, GateMode, Manifest, PersonId, PluginRef, PluginStep,
    Population, Principal, Question, Resource, Selector,
};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(in crate::change) fn ana() -> Actor {
    Actor {
        tenant: "mercy".parse().unwrap(),
        account: AccountId::new(Uuid::from_u128(1)),
        person: PersonId::new(Uuid::from_u128(1)),
        name: "Ana".to_owned(),
        kind: AccountKind::User,
        roles: vec![],
        auth: "key:test".to_owned(),
        hold: None,
    }
}

pub(in crate::change) fn answered(action: Action, resource: Resource, allowed: bool) -> Decision {
    let effect = if allowed { Effect::Permit } else { Effect::Forbid };
    let determining = vec![Determining { id: "p1".to_owned(), reason: "because".to_owned(), effect }];
    let bundle = Digest::of("bundle");
    let answer = Answer { allowed, determining, errors: vec![], monitored: vec![], bundle };
    let principal = Principal::Actor(ana());
    let question = Question { principal, action, resource, facts: Facts::None, now: at(1), freshness: None };
    Decision::of_policy(DecisionId::new(Uuid::from_u128(5)), None, question, answer, 1)
}

fn size() -> PluginRef {
    PluginRef { name: "size".to_owned(), version: "1.0.0".to_owned(), digest: Digest::of("size") }
}

fn plan() -> PluginPlan {
    let to = Binding {
        plugin: "size".to_owned(),
        role: BindingRole::Gate,
        settings: serde_json::json!({ "max": 7 }),
        mode: GateMode::Enforce,
        kinds: BTreeSet::from([ChangeKind::Release]),
        group: None,
    };
    let steps = vec![
        PluginStep::Activate { name: "size".to_owned(), from: None, to: size() },
        PluginStep::Bind { id: "size".to_owned(), from: None, to },
    ];
    PluginPlan { steps, ..PluginPlan::default() }
}

pub(in crate::change) fn manifest(plugins: Option<PluginPlan>) -> Manifest {
    Manifest {
        v: 1,
        tenant: "mercy".parse().unwrap(),
        environment: "production".parse().unwrap(),
        kind: ChangeKind::Plugin,
        title: "No large artifacts".to_owned(),
        description: String::new(),
        artifacts: vec![],
        documents: Vec::new(),
        selector: Selector::default(),
        population: Population {
            size: 0,
            digest: Manifest::population_digest([]),
            groups: BTreeMap::new(),
            models: BTreeMap::new(),
        },
        strategy: None,
        plugins,
        policies: None,
        at_once: vec![],
        health: vec![],
        gates: vec![],
        groups: vec![],
        bundle: Digest::of("bundle"),
        rollback: vec![],
        silent_after_ms: 1,
        judge_every_ms: 1,
    }
}

pub(in crate::change) fn propose(manifest: Manifest) -> Result<Transition, Refusal> {
    let place = Resource::Environment {
        tenant: manifest.tenant.clone(),
        environment: manifest.environment.clone(),
        change_kind: Some(manifest.kind),
    };
    let permit = answered(Action::ProposeChange, place, true).permit().unwrap();
    let draft = Draft { manifest, targets: vec![], author: ana(), expires_after_ms: 1_000 };
    Change::propose(draft, ChangeId::new(Uuid::from_u128(1)), &permit, at(0))
}

/// A change that passed its gates, and what happened to it.
fn approving() -> (Change, Vec<Event>) {
    let proposed = propose(manifest(Some(plan()))).unwrap();
    assert_eq!(proposed.tasks, [], "nobody is assigned");
    let passed = proposed.change.review(vec![], at(1)).unwrap();
    let events = proposed.events.into_iter().chain(passed.events).collect();
    (passed.change, events)
}

fn admitted(change: &Change, roster: &Roster, revision: u64) -> Transition {
    let allowed = answered(Action::AdmitChange, change.resource(), true);
    change.install(&allowed, Standing { roster, revision }, at(2)).unwrap().unwrap()
}

fn enrolled(transition: &Transition) -> &RosterRecord {
    match transition.tasks.as_slice() {
        [Task::Enroll { record }] => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_admitted_plugin_change_writes_the_next_roster_and_completes() {
    let (change, mut events) = approving();
    let admitted = admitted(&change, &Roster::default(), 6);
    assert_eq!(admitted.change.state, State::Completed);
    let record = enrolled(&admitted);
    assert_eq!((record.revision, &record.change, record.back), (7, &change.id, false));
    assert_eq!(record.roster, Roster::default().apply(&plan()).unwrap());
    events.extend(admitted.events);
    assert_eq!(Change::from_events(&events).unwrap(), admitted.change);
    // It has no targets that `decide` could call back, and no rollout that it could stop.
    let permit = answered(Action::RollBackRollout, admitted.change.resource(), true).permit().unwrap();
    assert!(admitted.change.decide(&Command::RollBack, &ana(), "back", &permit, at(3)).is_err());
}

#[test]
fn a_roster_that_moved_on_rejects_the_change_with_what_to_do() {
    let (change, mut events) = approving();
    let moved_on = Roster::default().apply(&plan()).unwrap();
    let rejected = admitted(&change, &moved_on, 1);
    assert_eq!((rejected.change.state, &rejected.tasks[..]), (State::Rejected, &[][..]));
    let note = rejected.change.note.clone().unwrap();
    assert!(note.contains("plugin `size` is sha256:") && note.contains("propose it again"), "{note}");
    events.extend(rejected.events);
    assert_eq!(Change::from_events(&events).unwrap(), rejected.change);
}

#[test]
fn a_denied_plugin_change_is_held_like_any_other() {
    let (change, _) = approving();
    let denied = answered(Action::AdmitChange, change.resource(), false);
    let roster = Roster::default();
    let held = change.install(&denied, Standing { roster: &roster, revision: 0 }, at(2)).unwrap().unwrap();
    assert_eq!((held.change.state, held.change.hold.is_some()), (State::Approving, true));
    assert!(change.admit(&denied, at(2)).is_err(), "there is one way to admit it");
}

#[test]
fn rolling_back_puts_back_what_was_there_while_it_still_holds_what_was_written() {
    let (change, _) = approving();
    let done = admitted(&change, &Roster::default(), 0);
    let (written, change) = (enrolled(&done).roster.clone(), done.change.clone());
    assert!(
        change.resource()
            == Resource::Change {
                id: change.id.to_string(),
                tenant: "mercy".parse().unwrap(),
                environment: "production".parse().unwrap(),
                change_kind: ChangeKind::Plugin,
                author: change.author.clone(),
                paused_by_safety: false,
                back_weakens: true,
            }
    );
    assert_ne!(change.resource(), change.resource_going_back(false));
    let permit = answered(Action::RollBackRollout, change.resource(), true).permit().unwrap();
    let back = |roster: &Roster, reason: &str| {
        change.put_back(&ana(), reason, &permit, Standing { roster, revision: 1 }, at(3))
    };
    let done = back(&written, "too strict").unwrap();
    assert_eq!(done.change.state, State::RolledBack);
    let record = enrolled(&done);
    assert_eq!((record.revision, record.back, &record.roster), (2, true, &Roster::default()));
    let moved_on = back(&Roster::default(), "too strict").unwrap_err().to_string();
    assert!(moved_on.contains("binding `size` is nothing now"), "{moved_on}");
    assert!(matches!(back(&written, " "), Err(Refusal::NoReason { .. })));
    assert!(
        done.change
            .put_back(&ana(), "again", &permit, Standing { roster: &written, revision: 1 }, at(4))
            .is_err()
    );
}

#[test]
fn a_plugin_change_without_steps_and_other_changes_with_some_are_refused() {
    assert!(matches!(propose(manifest(None)), Err(Refusal::BadManifest(_))));
    assert!(matches!(propose(manifest(Some(PluginPlan::default()))), Err(Refusal::BadManifest(_))));
    let release = Manifest { kind: ChangeKind::Release, ..manifest(Some(plan())) };
    assert!(propose(release).unwrap_err().to_string().contains("a `plugin` change, and no other"));
}
