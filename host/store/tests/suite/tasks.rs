//! Bulk work on assignments does to each row what the domain does to one assignment.

use std::collections::BTreeSet;

use interlock_domain::{Assignment, AssignmentState, Device, DeviceState, Digest, Manifest, Task, WaysBack};
use interlock_store::{Page, StoreError, Write};
use serde_json::json;

use crate::{fixture::*, on_both};
use AssignmentState as S;

async fn payload_of_newest(world: &World) -> serde_json::Value {
    let rows = world.store.entries("mercy", &Page::first(1)).await.unwrap();
    serde_json::from_slice(rows[0].payload.as_ref().unwrap()).unwrap()
}

fn ranks(below: u64) -> Task {
    Task::ExposeRanks { below, back: WaysBack::new() }
}

on_both! {
    assigning_ranks_the_targets_and_finds_their_way_back,
    an_unknown_target_refuses_the_whole_change,
    action_numbers_run_out_with_a_clear_refusal,
    exposing_by_rank_is_cumulative_and_busy_targets_wait,
    a_silent_target_of_a_change_that_is_over_is_taken_over,
    a_silent_way_back_of_a_change_that_is_over_is_taken_over_after_its_time,
    what_a_target_comes_from_is_noted_when_it_is_offered,
    a_target_that_left_the_environment_or_service_is_let_go,
    a_recall_leaves_what_a_later_change_brought,
    a_later_change_goes_back_to_where_a_recalled_one_came_from,
    what_a_later_change_has_only_offered_waits_for_a_recall,
    what_was_not_begun_gets_its_time_anew,
    exposing_by_group_reaches_sites_and_groups_by_name,
    a_recall_does_to_each_target_what_the_domain_does_to_one,
    releasing_lets_only_the_untouched_go,
    a_step_of_a_target_that_moved_on_is_a_conflict,
    words_with_nul_are_stored_readably,
}

async fn assigning_ranks_the_targets_and_finds_their_way_back(world: World) {
    let mut unreported = pump("p3");
    unreported.firmware = None;
    world.commit(vec![registered(pump("p1")), registered(pump("p2")), registered(unreported)]).await.unwrap();
    let old = world.push("1.0").await;
    let change = world.admitted(&["p2", "p3", "p1"]).await;
    let [first, second, third] = [
        world.assignment(&change, "p2").await,
        world.assignment(&change, "p3").await,
        world.assignment(&change, "p1").await,
    ];
    assert_eq!([first.rank, second.rank, third.rank], [0, 1, 2]);
    assert_eq!([first.action, second.action, third.action], [2, 4, 6]);
    let expected = Assignment {
        tenant: mercy(),
        change: change.id.clone(),
        device: "p2".parse().unwrap(),
        rank: 0,
        state: S::Pending,
        action: 2,
        artifact: Digest::of("2.0"),
        version: "2.0".to_owned(),
        version_before: Some("1.0".to_owned()),
        artifact_before: Some(old.digest),
        begun: false,
        answered_back: false,
        touched_at: at(1_000),
        detail: String::new(),
        revision: 1,
    };
    assert_eq!(first, expected);
    assert_eq!((second.version_before, second.artifact_before), (None, None));
    // Numbers never come again, also when the assignments are made anew.
    world.commit(vec![only(&change, Task::Assign { targets: ids(&["p1", "p2"]) })]).await.unwrap();
    assert_eq!(world.states(&change).await.len(), 2);
    assert_eq!(
        (world.assignment(&change, "p1").await.action, world.assignment(&change, "p1").await.rank),
        (8, 0)
    );
    let touched = Manifest::population_digest(&ids(&["p1", "p2"]));
    assert_eq!(
        payload_of_newest(&world).await,
        json!({"count": 2, "states": {"pending": 2}, "targets": touched})
    );
}

async fn an_unknown_target_refuses_the_whole_change(world: World) {
    world.pumps(&["p1"]).await;
    let proposal = world.proposal(&ids(&["p1", "ghost"]));
    let id = proposal.change.id.clone();
    let error = world.commit(vec![step(proposal)]).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no device `ghost`");
    assert_eq!(world.store.change(&mercy(), &id).await.unwrap(), None);
    let twice = world.commit(vec![step(world.proposal(&ids(&["p1", "p1"])))]).await;
    assert!(twice.is_err());
}

async fn action_numbers_run_out_with_a_clear_refusal(world: World) {
    world.pumps(&["p1", "p2"]).await;
    world.tamper("INSERT INTO action_numbers (tenant, last) VALUES ('mercy', 1073741821)").await.unwrap();
    world.commit(vec![step(world.proposal(&ids(&["p1"])))]).await.unwrap();
    let error = world.commit(vec![step(world.proposal(&ids(&["p2"])))]).await.unwrap_err();
    assert!(matches!(error, StoreError::ActionsExhausted { .. }), "{error}");
}

async fn exposing_by_rank_is_cumulative_and_busy_targets_wait(world: World) {
    world.pumps(&["p1", "p2", "p3"]).await;
    let other = world.admitted(&["p2"]).await;
    world.commit(vec![only(&other, ranks(1))]).await.unwrap();
    let change = world.admitted(&["p1", "p2", "p3"]).await;
    world.commit(vec![only(&change, ranks(2))]).await.unwrap();
    let states = async || world.states(&change).await.into_values().collect::<Vec<_>>();
    assert_eq!(states().await, [S::Offered, S::Waiting, S::Pending]);
    assert_eq!(payload_of_newest(&world).await["states"], json!({"offered": 1, "waiting": 1}));
    let free = async || world.store.waiting_free(&change, at(-60_000)).await.unwrap();
    assert_eq!(free().await, 0);
    world.commit(vec![only(&change, Task::OfferWaiting { back: WaysBack::new() })]).await.unwrap();
    assert_eq!(states().await, [S::Offered, S::Waiting, S::Pending]);
    let busy = world.assignment(&other, "p2").await;
    world.commit(vec![forced(&busy, S::Verified, at(2_000))]).await.unwrap();
    assert_eq!(free().await, 1);
    world.commit(vec![only(&change, Task::OfferWaiting { back: WaysBack::new() })]).await.unwrap();
    assert_eq!(states().await, [S::Offered, S::Offered, S::Pending]);
    assert_eq!(world.assignment(&change, "p2").await.revision, 3);
}

async fn a_silent_target_of_a_change_that_is_over_is_taken_over(world: World) {
    world.pumps(&["p1"]).await;
    let older = world.admitted(&["p1"]).await;
    world.commit(vec![only(&older, ranks(1))]).await.unwrap();
    world.commit(vec![forced(&world.assignment(&older, "p1").await, S::Silent, at(500))]).await.unwrap();
    let newer = world.admitted(&["p1"]).await;
    // While the older change goes on, its silent target is still its own.
    world.commit(vec![only(&newer, ranks(1))]).await.unwrap();
    assert_eq!(world.assignment(&newer, "p1").await.state, S::Waiting);
    world.tamper("UPDATE changes SET is_final = 1 WHERE id = (SELECT MIN(id) FROM changes)").await.unwrap();
    assert_eq!(world.store.waiting_free(&newer, at(-60_000)).await.unwrap(), 1);
    world.commit(vec![only(&newer, Task::OfferWaiting { back: WaysBack::new() })]).await.unwrap();
    assert_eq!(world.assignment(&newer, "p1").await.state, S::Offered);
    let left = world.assignment(&older, "p1").await;
    assert_eq!((left.state, left.detail), (S::Superseded, format!("taken over by {}", newer.id)));
    let live = world.store.live_assignment(&mercy(), &"p1".parse().unwrap()).await.unwrap();
    assert_eq!(live.map(|(live, _)| live.change), Some(newer.id));
}

async fn a_silent_way_back_of_a_change_that_is_over_is_taken_over_after_its_time(world: World) {
    world.pumps(&["p1"]).await;
    let older = world.admitted(&["p1"]).await;
    world.commit(vec![forced(&world.assignment(&older, "p1").await, S::Restoring, at(5_000))]).await.unwrap();
    world.tamper("UPDATE changes SET is_final = 1 WHERE id = (SELECT MIN(id) FROM changes)").await.unwrap();
    let newer = world.admitted(&["p1"]).await;
    world.commit_at(10_000, vec![only(&newer, ranks(1))]).await.unwrap();
    assert_eq!(world.assignment(&newer, "p1").await.state, S::Waiting);
    let free = async |before| world.store.waiting_free(&newer, at(before)).await.unwrap();
    assert_eq!((free(5_000).await, free(5_001).await), (0, 1));
    // The manifest's patience is a minute.
    world.commit_at(65_001, vec![only(&newer, Task::OfferWaiting { back: WaysBack::new() })]).await.unwrap();
    assert_eq!(world.assignment(&newer, "p1").await.state, S::Offered);
    assert_eq!(world.assignment(&older, "p1").await.state, S::Superseded);
    let touched = Manifest::population_digest(&ids(&["p1"]));
    assert_eq!(
        payload_of_newest(&world).await["taken_over"],
        json!([{"change": older.id, "count": 1, "targets": touched}])
    );
}

async fn what_a_target_comes_from_is_noted_when_it_is_offered(world: World) {
    world.pumps(&["p1", "p2"]).await;
    let change = world.admitted(&["p1", "p2"]).await;
    // p1 was updated by somebody else after the change was proposed.
    let updated = Device { firmware: Some("1.5".to_owned()), revision: 2, ..pump("p1") };
    let write = Write::Device { device: Box::new(updated), event: "device.reported", from_revision: 1 };
    world.commit(vec![write]).await.unwrap();
    let versions = world.store.versions_ahead(&mercy(), &change.id).await.unwrap();
    assert_eq!(
        versions.into_iter().flatten().collect::<BTreeSet<_>>(),
        ["1.0", "1.5"].map(str::to_owned).into()
    );
    let back = WaysBack::from([("1.5".to_owned(), Digest::of("1.5"))]);
    world.commit(vec![only(&change, Task::ExposeRanks { below: 2, back })]).await.unwrap();
    let way = async |name| {
        let assignment = world.assignment(&change, name).await;
        (assignment.version_before, assignment.artifact_before)
    };
    assert_eq!(way("p1").await, (Some("1.5".to_owned()), Some(Digest::of("1.5"))));
    // No verified artifact of what p2 runs: better none than one that nobody vouches for.
    assert_eq!(way("p2").await, (Some("1.0".to_owned()), None));
}

async fn a_target_that_left_the_environment_or_service_is_let_go(world: World) {
    world.pumps(&["p1", "p2", "p3"]).await;
    let change = world.admitted(&["p1", "p2", "p3"]).await;
    let moved = Device { environment: "lab".parse().unwrap(), revision: 2, ..pump("p1") };
    let retired = Device { state: DeviceState::Retired, revision: 2, ..pump("p2") };
    let writes = [moved, retired].map(|device| Write::Device {
        device: Box::new(device),
        event: "device.updated",
        from_revision: 1,
    });
    world.commit(writes.to_vec()).await.unwrap();
    world.commit(vec![only(&change, ranks(3))]).await.unwrap();
    let states: Vec<S> = world.states(&change).await.into_values().collect();
    assert_eq!(states, [S::Released, S::Released, S::Offered]);
    let detail = world.assignment(&change, "p1").await.detail;
    assert_eq!(detail, "it is out of service or has moved to another environment");
}

async fn a_later_change_goes_back_to_where_a_recalled_one_came_from(world: World) {
    world.pumps(&["p1"]).await;
    let (earlier, later) = (world.admitted(&["p1"]).await, world.admitted(&["p1"]).await);
    let back = WaysBack::from([("1.0".to_owned(), Digest::of("1.0"))]);
    let expose = Task::ExposeRanks { below: 1, back };
    world.commit_at(1_000, vec![only(&earlier, expose)]).await.unwrap();
    world
        .commit(vec![forced(&world.assignment(&earlier, "p1").await, S::Verified, at(1_500))])
        .await
        .unwrap();
    let updated = Device { firmware: Some("2.0".to_owned()), revision: 2, ..pump("p1") };
    let write = Write::Device { device: Box::new(updated), event: "device.reported", from_revision: 1 };
    world.commit(vec![write]).await.unwrap();
    let back = WaysBack::from([("2.0".to_owned(), Digest::of("2.0"))]);
    world.commit_at(2_000, vec![only(&later, Task::ExposeRanks { below: 1, back })]).await.unwrap();
    world
        .commit(vec![forced(&world.assignment(&later, "p1").await, S::Installing, at(2_500))])
        .await
        .unwrap();
    world.commit(vec![only(&earlier, Task::Recall)]).await.unwrap();
    assert_eq!(world.assignment(&earlier, "p1").await.state, S::Superseded);
    let way = world.assignment(&later, "p1").await;
    assert_eq!((way.version_before, way.artifact_before), (Some("1.0".to_owned()), Some(Digest::of("1.0"))));
}

async fn what_a_later_change_has_only_offered_waits_for_a_recall(world: World) {
    world.pumps(&["p1"]).await;
    let (earlier, later) = (world.admitted(&["p1"]).await, world.admitted(&["p1"]).await);
    let back = WaysBack::from([("1.0".to_owned(), Digest::of("1.0"))]);
    world.commit_at(1_000, vec![only(&earlier, Task::ExposeRanks { below: 1, back })]).await.unwrap();
    world
        .commit(vec![forced(&world.assignment(&earlier, "p1").await, S::Verified, at(1_500))])
        .await
        .unwrap();
    world.commit_at(2_000, vec![only(&later, ranks(1))]).await.unwrap();
    world.commit(vec![only(&earlier, Task::Recall)]).await.unwrap();
    assert_eq!(world.assignment(&earlier, "p1").await.state, S::Restoring);
    assert_eq!(world.assignment(&later, "p1").await.state, S::Waiting);
    let live = world.store.live_assignment(&mercy(), &"p1".parse().unwrap()).await.unwrap();
    assert_eq!(live.map(|(live, _)| live.change), Some(earlier.id));
}

async fn what_was_not_begun_gets_its_time_anew(world: World) {
    world.pumps(&["p1", "p2", "p3"]).await;
    let change = world.admitted(&["p1", "p2", "p3"]).await;
    world.commit_at(1_000, vec![only(&change, ranks(2))]).await.unwrap();
    let fetched = world.assignment(&change, "p2").await.fetched(at(1_500)).unwrap();
    world.commit(vec![Write::Assignment(fetched)]).await.unwrap();
    let due = async |withheld| {
        let due = world.store.silent_due(&mercy(), &change.id, at(9_000), withheld, 9).await.unwrap();
        due.into_iter().map(|due| due.device.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(due(false).await, ["p1", "p2"]);
    assert_eq!(due(true).await, ["p2"], "while it stands still, only what has begun can fall silent");
    world.commit_at(9_000, vec![only(&change, Task::Renew)]).await.unwrap();
    assert_eq!(due(false).await, ["p2"]);
}

async fn a_recall_leaves_what_a_later_change_brought(world: World) {
    world.pumps(&["p1", "p2"]).await;
    // Proposed first, but reaching its targets last: what counts is when a target was offered.
    let later = world.admitted(&["p1"]).await;
    let earlier = world.admitted(&["p1", "p2"]).await;
    world.commit(vec![only(&earlier, ranks(2))]).await.unwrap();
    for name in ["p1", "p2"] {
        let installed = world.assignment(&earlier, name).await;
        world.commit(vec![forced(&installed, S::Verified, at(1_500))]).await.unwrap();
    }
    world.commit_at(2_000, vec![only(&later, ranks(1))]).await.unwrap();
    world.commit(vec![forced(&world.assignment(&later, "p1").await, S::Verified, at(2_500))]).await.unwrap();
    world.commit(vec![only(&earlier, Task::Recall)]).await.unwrap();
    let states: Vec<S> = world.states(&earlier).await.into_values().collect();
    assert_eq!(states, [S::Superseded, S::RollbackFailed]);
}

async fn exposing_by_group_reaches_sites_and_groups_by_name(world: World) {
    let mut south = pump("p1");
    south.site = "south".to_owned();
    let mut canary = pump("p2");
    canary.groups = vec!["canaries".parse().unwrap()];
    world.commit(vec![registered(south), registered(canary), registered(pump("p3"))]).await.unwrap();
    let change = world.admitted(&["p1", "p2", "p3"]).await;
    let names = ["site:south", "group:canaries", "group:nobody", "north"].map(str::to_owned).to_vec();
    world.commit(vec![only(&change, Task::ExposeGroups { names, back: WaysBack::new() })]).await.unwrap();
    assert_eq!(
        world.states(&change).await.into_values().collect::<Vec<_>>(),
        [S::Offered, S::Offered, S::Pending]
    );
}

async fn a_recall_does_to_each_target_what_the_domain_does_to_one(world: World) {
    // Each state twice: with and without a stored artifact to go back to.
    let mut names = Vec::new();
    let mut fleet = Vec::new();
    for (n, state) in S::ALL.into_iter().enumerate() {
        for firmware in ["1.0", "0.9"] {
            let mut device = pump(&format!("{n:02}-{state}-{firmware}"));
            device.firmware = Some(firmware.to_owned());
            names.push(device.id.to_string());
            fleet.push(registered(device));
        }
    }
    world.commit(fleet).await.unwrap();
    world.push("1.0").await;
    let targets: Vec<&str> = names.iter().map(String::as_str).collect();
    let change = world.admitted(&targets).await;
    let mut before = Vec::new();
    for (name, state) in names.iter().zip(S::ALL.into_iter().flat_map(|state| [state, state])) {
        let assignment = world.assignment(&change, name).await;
        world.commit(vec![forced(&assignment, state, at(500))]).await.unwrap();
        before.push(world.assignment(&change, name).await);
    }
    world.commit(vec![only(&change, Task::Recall)]).await.unwrap();
    for assignment in before {
        let after = world.assignment(&change, assignment.device.as_str()).await;
        let expected = assignment.recall(false, false, at(1_000)).map_or(assignment, |step| step.assignment);
        assert_eq!(after, expected);
        let live = world.store.live_assignment(&mercy(), &after.device).await.unwrap();
        assert_eq!(live.map(|(live, _)| live.state), Some(after.state).filter(|state| state.is_live()));
    }
}

async fn releasing_lets_only_the_untouched_go(world: World) {
    world.pumps(&["p1", "p2"]).await;
    let change = world.admitted(&["p1", "p2"]).await;
    world.commit(vec![only(&change, ranks(1)), only(&change, Task::Release)]).await.unwrap();
    assert_eq!(world.states(&change).await.into_values().collect::<Vec<_>>(), [S::Offered, S::Released]);
    let touched = Manifest::population_digest(&ids(&["p2"]));
    assert_eq!(
        payload_of_newest(&world).await,
        json!({"count": 1, "states": {"released": 1}, "targets": touched})
    );
}

async fn a_step_of_a_target_that_moved_on_is_a_conflict(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    let assignment = world.assignment(&change, "p1").await;
    world.commit(vec![forced(&assignment, S::Offered, at(2_000))]).await.unwrap();
    let error = world.commit(vec![forced(&assignment, S::Failed, at(2_000))]).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { what: "assignment", .. }));
    assert_eq!(world.assignment(&change, "p1").await.state, S::Offered);
}

async fn words_with_nul_are_stored_readably(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    let mut transition = world.assignment(&change, "p1").await.recall(false, false, at(2_000)).unwrap();
    transition.assignment.detail = "a\0b".to_owned();
    world.commit(vec![interlock_store::Write::Assignment(transition)]).await.unwrap();
    assert_eq!(world.assignment(&change, "p1").await.detail, "a\u{fffd}b");
}
