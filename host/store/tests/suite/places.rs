//! No more targets of a site or group are on their way at once than a change allows.

use interlock_domain::{AssignmentState, AtOnce, Change, Device, DeviceState, Task, WaysBack};
use interlock_store::{Full, Write};

use crate::{fixture::*, on_both};
use AssignmentState as S;

on_both! {
    a_pair_goes_one_after_the_other,
    a_target_that_failed_keeps_its_twin_until_it_is_out_of_service,
    another_change_takes_places_too,
    the_way_back_goes_in_turn_and_waits_for_nobody_who_is_lost,
    a_recall_in_turn_does_to_each_target_what_the_domain_does_to_one,
}

/// Pumps `a1`, `a2`, `b1`, `b2`: two pairs that stand in for each other.
async fn pairs(world: &World) -> Change {
    let paired = |name: &str| {
        let group = format!("pair-{}", &name[..1]).parse().unwrap();
        registered(Device { groups: vec!["all".parse().unwrap(), group], ..pump(name) })
    };
    world.commit(["a1", "a2", "b1", "b2"].map(paired).to_vec()).await.unwrap();
    world.push("1.0").await;
    paced(world.admitted(&["a1", "a2", "b1", "b2"]).await)
}

fn paced(mut change: Change) -> Change {
    change.manifest.at_once = vec![AtOnce { of: "group:pair-".to_owned(), targets: 1 }];
    change
}

async fn expose(world: &World, change: &Change) {
    let back = WaysBack::from([("1.0".to_owned(), interlock_domain::Digest::of("1.0"))]);
    world.commit(vec![only(change, Task::ExposeRanks { below: 10, back })]).await.unwrap();
}

async fn offer_waiting(world: &World, change: &Change) {
    world.commit(vec![only(change, Task::OfferWaiting { back: WaysBack::new() })]).await.unwrap();
}

async fn states(world: &World, change: &Change) -> Vec<S> {
    world.states(change).await.into_values().collect()
}

async fn free(world: &World, change: &Change) -> u64 {
    world.store.waiting_free(change, at(-60_000)).await.unwrap()
}

async fn force(world: &World, change: &Change, device: &str, state: S) {
    world.commit(vec![forced(&world.assignment(change, device).await, state, at(1_000))]).await.unwrap();
}

async fn a_pair_goes_one_after_the_other(world: World) {
    let change = pairs(&world).await;
    expose(&world, &change).await;
    assert_eq!(states(&world, &change).await, [S::Offered, S::Waiting, S::Offered, S::Waiting]);
    assert_eq!(free(&world, &change).await, 0);
    let full = world.store.full_places(&change, at(-60_000)).await.unwrap();
    let expected = |name: &str, device| Full {
        name: name.to_owned(),
        rule: change.manifest.at_once[0].clone(),
        devices: ids(&[device]),
    };
    assert_eq!(full, [expected("group:pair-a", "a1"), expected("group:pair-b", "b1")]);
    // Installed is not there yet: it may restart.
    force(&world, &change, "a1", S::Installed).await;
    assert_eq!(free(&world, &change).await, 0);
    force(&world, &change, "a1", S::Verified).await;
    assert_eq!(free(&world, &change).await, 1);
    offer_waiting(&world, &change).await;
    assert_eq!(states(&world, &change).await, [S::Verified, S::Offered, S::Offered, S::Waiting]);
    // The same statement again offers nothing.
    offer_waiting(&world, &change).await;
    assert_eq!(states(&world, &change).await, [S::Verified, S::Offered, S::Offered, S::Waiting]);
    world.verified("mercy").await;
}

async fn a_target_that_failed_keeps_its_twin_until_it_is_out_of_service(world: World) {
    let change = pairs(&world).await;
    expose(&world, &change).await;
    for state in [S::Failed, S::Silent, S::RollbackFailed] {
        force(&world, &change, "a1", state).await;
        assert_eq!(free(&world, &change).await, 0, "{state}");
    }
    let retired = Device { state: DeviceState::Retired, revision: 2, ..pump("a1") };
    let write = Write::Device { device: Box::new(retired), event: "device.updated", from_revision: 1 };
    world.commit(vec![write]).await.unwrap();
    assert_eq!(free(&world, &change).await, 1);
}

async fn another_change_takes_places_too(world: World) {
    let other = pairs(&world).await;
    world.commit(vec![only(&other, Task::ExposeRanks { below: 1, back: WaysBack::new() })]).await.unwrap();
    let change = paced(world.admitted(&["a2", "b2"]).await);
    expose(&world, &change).await;
    assert_eq!(states(&world, &change).await, [S::Waiting, S::Offered]);
    force(&world, &other, "a1", S::Verified).await;
    assert_eq!(free(&world, &change).await, 1);
}

async fn the_way_back_goes_in_turn_and_waits_for_nobody_who_is_lost(world: World) {
    let change = pairs(&world).await;
    expose(&world, &change).await;
    for device in ["a1", "a2", "b1"] {
        force(&world, &change, device, S::Verified).await;
    }
    force(&world, &change, "b2", S::Silent).await;
    world.commit(vec![only(&change, Task::Recall)]).await.unwrap();
    assert_eq!(states(&world, &change).await, [S::Recalled, S::Recalled, S::Recalled, S::Confirming]);
    let progress = world.store.progress(&mercy(), &change.id).await.unwrap();
    assert_eq!(progress.rolling_back, 4);
    let free = async |before| world.store.recalled_free(&change, at(before)).await.unwrap();
    assert_eq!(free(-60_000).await, 1);
    let restore = async || world.commit(vec![only(&change, Task::RestoreNext)]).await.unwrap();
    restore().await;
    // b2 is being asked what it runs, so its twin waits.
    assert_eq!(states(&world, &change).await, [S::Restoring, S::Recalled, S::Recalled, S::Confirming]);
    force(&world, &change, "a1", S::RolledBack).await;
    restore().await;
    assert_eq!(states(&world, &change).await, [S::RolledBack, S::Restoring, S::Recalled, S::Confirming]);
    assert_eq!(free(-60_000).await, 0);
    // Nothing was heard of b2 for longer than the change is patient: its twin is not kept on the new revision.
    assert_eq!(free(1_001).await, 1);
    force(&world, &change, "b2", S::RollbackFailed).await;
    assert_eq!(free(-60_000).await, 1);
}

async fn a_recall_in_turn_does_to_each_target_what_the_domain_does_to_one(world: World) {
    let mut names = Vec::new();
    for (n, state) in S::ALL.into_iter().enumerate() {
        for firmware in ["1.0", "0.9"] {
            let mut device = pump(&format!("{n:02}-{state}-{firmware}"));
            device.firmware = Some(firmware.to_owned());
            names.push(device.id.to_string());
            world.commit(vec![registered(device)]).await.unwrap();
        }
    }
    world.push("1.0").await;
    let targets: Vec<&str> = names.iter().map(String::as_str).collect();
    let change = paced(world.admitted(&targets).await);
    let mut before = Vec::new();
    for (name, state) in names.iter().zip(S::ALL.into_iter().flat_map(|state| [state, state])) {
        force(&world, &change, name, state).await;
        before.push(world.assignment(&change, name).await);
    }
    world.commit(vec![only(&change, Task::Recall)]).await.unwrap();
    let mut recalled = Vec::new();
    for assignment in before {
        let after = world.assignment(&change, assignment.device.as_str()).await;
        let expected = assignment.recall(false, true, at(1_000)).map_or(assignment, |step| step.assignment);
        assert_eq!(after, expected);
        recalled.push(after);
    }
    world.commit(vec![only(&change, Task::RestoreNext)]).await.unwrap();
    for assignment in recalled {
        let after = world.assignment(&change, assignment.device.as_str()).await;
        let expected = assignment.restore(at(1_000)).map_or(assignment, |step| step.assignment);
        assert_eq!(after, expected);
    }
}
