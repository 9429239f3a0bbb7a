//! The ledger that the store keeps is one that the offline verifier finds sound.

use futures::future::join_all;
use interlock_domain::{Change, Command, Digest, Event, State};
use interlock_ledger::Entry;
use interlock_store::{Commit, Page, SYSTEM, StoreError};

use crate::{fixture::*, on_both};

on_both! {
    a_ledger_written_by_many_at_once_is_sound,
    a_restart_continues_the_chain,
    two_stores_on_one_database_write_one_chain,
    a_change_is_what_its_events_say,
    each_step_of_a_change_names_the_state_before_and_after,
    no_secret_reaches_the_record,
    entries_can_be_neither_altered_nor_deleted,
    a_head_that_contradicts_itself_is_not_built_upon_and_stops_no_other_log,
    entries_are_paged_newest_first,
}

async fn a_ledger_written_by_many_at_once_is_sound(world: World) {
    let commits = (0..150).map(|n| {
        let tenant = if n % 3 == 0 { "grace" } else { "mercy" };
        let mut device = pump(&format!("p{n}"));
        device.tenant = tenant.parse().unwrap();
        Commit::new(device.tenant.clone(), by_ana(), at(n), vec![registered(device)], || world.uuid())
    });
    let done = join_all(commits.map(|commit| world.store.commit(commit))).await;
    let mut places: Vec<(String, u64)> = done
        .into_iter()
        .map(|done| done.unwrap())
        .flat_map(|done| done.entries.into_iter().map(move |idx| (done.log.clone(), idx)))
        .collect();
    places.sort();
    let expected: Vec<(String, u64)> = [("grace", 50), ("mercy", 100)]
        .into_iter()
        .flat_map(|(log, size)| (0..size).map(move |idx| (log.to_owned(), idx)))
        .collect();
    assert_eq!(places, expected);
    assert_eq!((world.verified("grace").await, world.verified("mercy").await), (50, 100));
    assert_eq!(world.store.logs().await.unwrap(), ["grace", "mercy"]);
}

async fn a_restart_continues_the_chain(world: World) {
    let mut world = world;
    world.pumps(&["p1", "p2"]).await;
    world.reopened(|_| {}).await;
    let committed = world.commit(vec![registered(pump("p3"))]).await.unwrap();
    assert_eq!(committed.entries, [2]);
    assert_eq!(world.verified("mercy").await, 3);
}

async fn two_stores_on_one_database_write_one_chain(world: World) {
    let other = world.database.open().await;
    let stores = [&world.store, &other];
    let commits = (0..60).map(|n| {
        let commit = world.prepared(vec![registered(pump(&format!("p{n}")))]);
        async move { stores[n % 2].commit(commit).await }
    });
    for done in join_all(commits).await {
        done.unwrap();
    }
    assert_eq!(world.verified("mercy").await, 60);
}

async fn a_change_is_what_its_events_say(world: World) {
    world.pumps(&["p1", "p2"]).await;
    let change = world.admitted(&["p1", "p2"]).await;
    let halted = change.halt("the strategy does not answer".to_owned(), at(3_000)).unwrap();
    let permit = world
        .decision(interlock_domain::Action::RollBackRollout, change.resource(), interlock_domain::Facts::None)
        .permit()
        .unwrap();
    let ana = account("Ana", 1).actor("key:test".to_owned());
    let back = halted.change.decide(&Command::RollBack, &ana, "no use", &permit, at(4_000)).unwrap();
    world.commit(vec![step(halted), step(back)]).await.unwrap();
    let events: Vec<Event> = world.store.events_of(&mercy(), &change.id).await.unwrap();
    let kept = world.store.change(&mercy(), &change.id).await.unwrap().unwrap();
    assert_eq!(kept.state, State::RollingBack);
    assert_eq!(Change::from_events(&events), Some(kept));
}

async fn each_step_of_a_change_names_the_state_before_and_after(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    let halted = change.halt("why".to_owned(), at(3_000)).unwrap();
    world.commit(vec![step(halted.clone())]).await.unwrap();
    let rows = world.store.entries("mercy", &Page::first(1)).await.unwrap();
    let entry = Entry::parse(&rows[0].body).unwrap();
    assert_eq!(entry.before, Some(Digest::of_canonical(&change).unwrap()));
    assert_eq!(entry.after, Some(Digest::of_canonical(&halted.change).unwrap()));
    assert_eq!((entry.object.digest, entry.actor.person), (Some(change.digest), by_ana().person));
}

async fn no_secret_reaches_the_record(world: World) {
    world.pumps(&["p1"]).await;
    world.push("2.0").await;
    for row in world.store.rows("mercy", 0, 10).await.unwrap() {
        let text = [row.body, row.payload.unwrap_or_default()].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("secret") && !text.contains("wrapped"), "{text}");
    }
}

async fn entries_can_be_neither_altered_nor_deleted(world: World) {
    world.pumps(&["p1"]).await;
    for attack in [
        "UPDATE ledger_entries SET kind = 'x'",
        "UPDATE ledger_entries SET leaf_hash = body",
        "DELETE FROM ledger_entries",
    ] {
        let error = world.tamper(attack).await.unwrap_err();
        assert!(error.to_string().contains("ledger entries are never"), "{error}");
    }
    // A payload may have to be erased; the digest in the entry stands for it.
    world.tamper("UPDATE ledger_entries SET payload = NULL").await.unwrap();
}

async fn a_head_that_contradicts_itself_is_not_built_upon_and_stops_no_other_log(world: World) {
    world.pumps(&["p1"]).await;
    world.tamper("UPDATE ledger_heads SET size = 2").await.unwrap();
    let system = Commit::new(SYSTEM.parse().unwrap(), by_ana(), at(0), vec![], || world.uuid());
    let mut device = pump("p9");
    device.tenant = system.tenant.clone();
    let system = Commit { writes: vec![registered(device)], ids: vec![world.uuid()], ..system };
    let (broken, sound) =
        tokio::join!(world.commit(vec![registered(pump("p2"))]), world.store.commit(system));
    assert!(matches!(broken, Err(StoreError::Corrupt { what: "log", .. })));
    sound.unwrap();
    assert_eq!(world.verified(SYSTEM).await, 1);
}

async fn entries_are_paged_newest_first(world: World) {
    world.pumps(&["p1", "p2", "p3"]).await;
    let page = |after: Option<&str>| Page { after: after.map(str::to_owned), limit: 2 };
    let idx = |rows: Vec<interlock_ledger::StoredRow>| rows.iter().map(|row| row.idx).collect::<Vec<_>>();
    assert_eq!(idx(world.store.entries("mercy", &page(None)).await.unwrap()), [2, 1]);
    assert_eq!(idx(world.store.entries("mercy", &page(Some("1"))).await.unwrap()), [0]);
    assert!(world.store.head("nobody").await.unwrap().is_none());
}
