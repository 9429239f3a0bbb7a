//! Bulk work on assignments does to each row what the domain does to one assignment.

use interlock_domain::{Assignment, AssignmentState, Digest, Manifest, Task};
use interlock_store::{Page, StoreError};
use serde_json::json;

use crate::{fixture::*, on_both};
use AssignmentState as S;

async fn payload_of_newest(world: &World) -> serde_json::Value {
    let rows = world.store.entries("mercy", &Page::first(1)).await.unwrap();
    serde_json::from_slice(rows[0].payload.as_ref().unwrap()).unwrap()
}

on_both! {
    assigning_ranks_the_targets_and_finds_their_way_back,
    an_unknown_target_refuses_the_whole_change,
    action_numbers_run_out_with_a_clear_refusal,
    exposing_by_rank_is_cumulative_and_passes_busy_targets_over,
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

async fn exposing_by_rank_is_cumulative_and_passes_busy_targets_over(world: World) {
    world.pumps(&["p1", "p2", "p3"]).await;
    let other = world.admitted(&["p2"]).await;
    world.commit(vec![only(&other, Task::ExposeRanks { below: 1 })]).await.unwrap();
    let change = world.admitted(&["p1", "p2", "p3"]).await;
    world.commit(vec![only(&change, Task::ExposeRanks { below: 2 })]).await.unwrap();
    let states = async || world.states(&change).await.into_values().collect::<Vec<_>>();
    assert_eq!(states().await, [S::Offered, S::Pending, S::Pending]);
    assert_eq!(payload_of_newest(&world).await["count"], 1);
    let busy = world.assignment(&other, "p2").await;
    world.commit(vec![forced(&busy, S::Verified, at(2_000))]).await.unwrap();
    world.commit(vec![only(&change, Task::ExposeRanks { below: 2 })]).await.unwrap();
    assert_eq!(states().await, [S::Offered, S::Offered, S::Pending]);
    assert_eq!(world.assignment(&change, "p2").await.revision, 2);
}

async fn exposing_by_group_reaches_sites_and_groups_by_name(world: World) {
    let mut south = pump("p1");
    south.site = "south".to_owned();
    let mut canary = pump("p2");
    canary.groups = vec!["canaries".parse().unwrap()];
    world.commit(vec![registered(south), registered(canary), registered(pump("p3"))]).await.unwrap();
    let change = world.admitted(&["p1", "p2", "p3"]).await;
    let names = ["site:south", "group:canaries", "group:nobody", "north"].map(str::to_owned).to_vec();
    world.commit(vec![only(&change, Task::ExposeGroups { names })]).await.unwrap();
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
        let expected = assignment.recall(at(1_000)).map_or(assignment, |step| step.assignment);
        assert_eq!(after, expected);
        let live = world.store.live_assignment(&mercy(), &after.device).await.unwrap();
        assert_eq!(live.map(|(live, _)| live.state), Some(after.state).filter(|state| state.is_live()));
    }
}

async fn releasing_lets_only_the_untouched_go(world: World) {
    world.pumps(&["p1", "p2"]).await;
    let change = world.admitted(&["p1", "p2"]).await;
    world
        .commit(vec![only(&change, Task::ExposeRanks { below: 1 }), only(&change, Task::Release)])
        .await
        .unwrap();
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
    let mut transition = world.assignment(&change, "p1").await.recall(at(2_000)).unwrap();
    transition.assignment.detail = "a\0b".to_owned();
    world.commit(vec![interlock_store::Write::Assignment(transition)]).await.unwrap();
    assert_eq!(world.assignment(&change, "p1").await.detail, "a\u{fffd}b");
}
