//! The one write path: whole or not at all, each on its own, and never half.

use futures::future::join_all;
use interlock_domain::{Action, Facts, Resource, State};
use interlock_store::{Commit, Lease, Note, StoreError, Write};

use crate::{fixture::*, on_both};

fn note(text: &str) -> Write {
    Write::Note(Note {
        kind: "server.noted",
        object_kind: "server",
        object_id: "node-1".to_owned(),
        payload: serde_json::json!({ "text": text }),
    })
}

on_both! {
    a_change_comes_back_as_it_was_committed,
    a_step_from_an_old_revision_is_a_conflict_and_leaves_nothing,
    of_two_racing_steps_exactly_one_wins,
    a_device_registered_twice_is_named_and_nothing_of_the_commit_stays,
    a_refused_commit_in_a_batch_leaves_nothing_and_its_neighbours_stay,
    a_commit_that_the_database_refuses_fails_alone,
    a_commit_under_a_lost_lease_writes_nothing,
    a_commit_whose_end_is_unknown_says_so_and_the_chain_goes_on,
    a_full_queue_says_busy_and_loses_nothing_that_it_took,
    closing_writes_what_waits_and_refuses_the_rest,
    what_belongs_to_another_tenant_is_not_written,
    a_commit_brings_an_id_for_each_entry,
    a_fleet_of_thousands_is_registered_in_one_commit,
}

async fn a_change_comes_back_as_it_was_committed(world: World) {
    world.pumps(&["p1", "p2"]).await;
    let change = world.admitted(&["p1", "p2"]).await;
    assert_eq!(world.store.change(&mercy(), &change.id).await.unwrap(), Some(change.clone()));
    let elsewhere = "grace".parse().unwrap();
    assert_eq!(world.store.change(&elsewhere, &change.id).await.unwrap(), None);
    assert_eq!(
        world.kinds("mercy").await[2..],
        ["change.proposed", "assignments.made", "change.gates_passed", "change.admitted"]
    );
}

async fn a_step_from_an_old_revision_is_a_conflict_and_leaves_nothing(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    let stale = change.halt("first".to_owned(), at(2_000)).unwrap();
    world.commit(vec![step(stale.clone())]).await.unwrap();
    let size = world.verified("mercy").await;
    let error = world.commit(vec![note("lost"), step(stale)]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("change `{}` was changed by somebody else meanwhile; read it again", change.id)
    );
    assert_eq!(world.verified("mercy").await, size);
}

async fn of_two_racing_steps_exactly_one_wins(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    let steps = ["one", "two"].map(|why| change.halt(why.to_owned(), at(2_000)).unwrap());
    let done = join_all(steps.map(|halted| world.commit(vec![step(halted)]))).await;
    let won = done.iter().filter(|done| done.is_ok()).count();
    assert_eq!(won, 1);
    assert!(done.iter().any(|done| matches!(done, Err(StoreError::Conflict { what: "change", .. }))));
    let kept = world.store.change(&mercy(), &change.id).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.revision), (State::Paused, change.revision + 1));
    assert_eq!(world.kinds("mercy").await.iter().filter(|kind| *kind == "rollout.paused").count(), 1);
}

async fn a_device_registered_twice_is_named_and_nothing_of_the_commit_stays(world: World) {
    world.pumps(&["p1"]).await;
    let newcomers = ["p2", "p1", "p3"].map(|id| {
        let mut device = pump(id);
        device.site = "south".to_owned();
        registered(device)
    });
    let error = world.commit(newcomers.to_vec()).await.unwrap_err();
    assert_eq!(error.to_string(), "device `p1` is there already");
    assert_eq!(world.store.device(&mercy(), &"p2".parse().unwrap()).await.unwrap(), None);
    let twice = world.commit(vec![registered(pump("p4")), registered(pump("p4"))]).await.unwrap_err();
    assert_eq!(twice.to_string(), "device `p4` is there already");
}

async fn a_refused_commit_in_a_batch_leaves_nothing_and_its_neighbours_stay(world: World) {
    world.pumps(&["taken"]).await;
    let place = Resource::Tenant { tenant: mercy() };
    let decision = world.decision(Action::RegisterDevice, place, Facts::None);
    let id = decision.id.clone();
    let commits = vec![
        vec![registered(pump("p1"))],
        vec![Write::Decision(Box::new(decision)), note("lost"), registered(pump("taken"))],
        vec![registered(pump("p2")), note("kept")],
    ];
    let done = join_all(commits.into_iter().map(|writes| world.commit(writes))).await;
    assert!(matches!(done[1], Err(StoreError::AlreadyExists { what: "device", .. })));
    let (first, last) = (done[0].as_ref().unwrap(), done[2].as_ref().unwrap());
    assert_eq!((&first.entries[..], &last.entries[..]), (&[1][..], &[2, 3][..]));
    assert_eq!(world.store.decision(&mercy(), &id).await.unwrap(), None);
    assert_eq!(world.kinds("mercy").await[1..], ["device.registered", "device.registered", "server.noted"]);
    world.verified("mercy").await;
}

async fn a_commit_that_the_database_refuses_fails_alone(world: World) {
    // PostgreSQL takes no NUL in text, and SQLite knows no such lease.
    let lease = Lease { name: "le\0ase".to_owned(), holder: "node-1".to_owned(), token: 1 };
    let done = join_all([
        world.store.commit(world.prepared(vec![registered(pump("p1"))])),
        world.store.commit(world.prepared(vec![registered(pump("p2"))]).fenced(&lease)),
        world.store.commit(world.prepared(vec![registered(pump("p3"))])),
    ])
    .await;
    assert_eq!(done.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(world.verified("mercy").await, 2);
}

async fn a_commit_under_a_lost_lease_writes_nothing(world: World) {
    let mine = world.store.acquire("rollouts", "node-1", 1_000, at(0)).await.unwrap().unwrap();
    world.store.commit(world.prepared(vec![registered(pump("p1"))]).fenced(&mine)).await.unwrap();
    let theirs = world.store.acquire("rollouts", "node-2", 1_000, at(1_000)).await.unwrap().unwrap();
    let error =
        world.store.commit(world.prepared(vec![registered(pump("p2"))]).fenced(&mine)).await.unwrap_err();
    assert_eq!(error.to_string(), "lease `rollouts` is held by somebody else by now; stop acting on it");
    assert_eq!(world.store.device(&mercy(), &"p2".parse().unwrap()).await.unwrap(), None);
    world.store.commit(world.prepared(vec![registered(pump("p2"))]).fenced(&theirs)).await.unwrap();
    assert_eq!(world.verified("mercy").await, 2);
}

async fn a_commit_whose_end_is_unknown_says_so_and_the_chain_goes_on(world: World) {
    world.pumps(&["p1"]).await;
    // The database accepts every statement and fails at the commit itself.
    world.raw(
        "CREATE TABLE nobody (id INTEGER PRIMARY KEY);
         CREATE TABLE refusal (id INTEGER REFERENCES nobody (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER refuse AFTER INSERT ON devices BEGIN INSERT INTO refusal VALUES (1); END;",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON devices DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION refuse();",
    ).await.unwrap();
    let error = world.commit(vec![registered(pump("p2"))]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unknown(_)), "{error}");
    world.raw("DROP TRIGGER refuse", "DROP TRIGGER refuse ON devices").await.unwrap();
    world.commit(vec![registered(pump("p2"))]).await.unwrap();
    assert_eq!(world.verified("mercy").await, 2);
}

async fn a_full_queue_says_busy_and_loses_nothing_that_it_took(world: World) {
    let mut world = world;
    world.reopened(|options| options.queue_max = 3).await;
    let names: Vec<String> = (0..10).map(|n| format!("p{n}")).collect();
    let done = join_all(names.iter().map(|name| world.commit(vec![registered(pump(name))]))).await;
    let busy = done.iter().filter(|done| matches!(done, Err(StoreError::Busy))).count();
    assert_eq!((busy, world.verified("mercy").await), (7, 3));
}

async fn closing_writes_what_waits_and_refuses_the_rest(world: World) {
    let (committed, ()) = tokio::join!(world.commit(vec![registered(pump("p1"))]), world.store.close());
    committed.unwrap();
    assert!(matches!(world.commit(vec![registered(pump("p2"))]).await, Err(StoreError::Closed)));
    let again = world.database.open().await;
    assert!(again.device(&mercy(), &"p1".parse().unwrap()).await.unwrap().is_some());
}

async fn what_belongs_to_another_tenant_is_not_written(world: World) {
    let foreign =
        Commit::new("grace".parse().unwrap(), by_ana(), at(0), vec![registered(pump("p1"))], || world.uuid());
    let error = world.store.commit(foreign).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the commit does not hold together: it writes what belongs to `mercy` under `grace`"
    );
}

async fn a_commit_brings_an_id_for_each_entry(world: World) {
    let mut commit = world.prepared(vec![note("a"), note("b")]);
    commit.ids.pop();
    let error = world.store.commit(commit).await.unwrap_err();
    assert_eq!(error.to_string(), "the commit does not hold together: it needs 2 entry ids and brings 1");
    assert!(world.store.head("mercy").await.unwrap().is_none());
}

async fn a_fleet_of_thousands_is_registered_in_one_commit(world: World) {
    let names: Vec<String> = (0..2_500).map(|n| format!("p{n:05}")).collect();
    let fleet = names.iter().map(|name| registered(pump(name))).collect();
    assert_eq!(world.commit(fleet).await.unwrap().entries.len(), 2_500);
    let targets: Vec<&str> = names.iter().map(String::as_str).collect();
    let change = world.admitted(&targets).await;
    assert_eq!(world.store.progress(&mercy(), &change.id).await.unwrap().pending, 2_500);
    assert_eq!(world.verified("mercy").await, 2_504);
}
