//! What is not ledgered: leases, idempotency keys, measurements, when devices were heard.

use interlock_domain::{AssignmentState, Cohort};
use interlock_store::{Begin, Sample, StoreError, Write};

use crate::{fixture::*, on_both};

fn sample(device: &str, ms: i64, value: f64) -> Sample {
    Sample {
        tenant: mercy(),
        device: device.parse().unwrap(),
        metric: "errors".to_owned(),
        at: at(ms),
        value,
    }
}

on_both! {
    a_lease_has_one_holder_and_a_token_that_only_rises,
    of_many_who_ask_at_once_one_gets_the_lease,
    an_idempotency_key_is_fresh_then_in_progress_then_done,
    a_request_that_failed_or_died_can_be_sent_again,
    measurements_are_read_by_cohort_oldest_first,
    when_a_device_was_heard_never_goes_back,
    a_ping_is_answered,
}

async fn a_lease_has_one_holder_and_a_token_that_only_rises(world: World) {
    let take = async |holder: &str, now| {
        world.store.acquire("rollouts", holder, 100, at(now)).await.unwrap().map(|lease| lease.token)
    };
    assert_eq!(take("a", 0).await, Some(1));
    assert_eq!(take("b", 99).await, None);
    assert_eq!(take("a", 99).await, Some(1));
    assert_eq!(take("b", 198).await, None);
    assert_eq!(take("b", 199).await, Some(2));
    assert_eq!(take("a", 200).await, None);
    let ran_out = take("b", 400).await;
    assert_eq!(ran_out, Some(3));
    let lease = world.store.acquire("rollouts", "b", 100, at(401)).await.unwrap().unwrap();
    world.store.release(&lease).await.unwrap();
    assert_eq!(take("a", 402).await, Some(4));
    // What is held by somebody else by now cannot be given back.
    world.store.release(&lease).await.unwrap();
    assert_eq!(take("b", 403).await, None);
}

async fn of_many_who_ask_at_once_one_gets_the_lease(world: World) {
    let holders: Vec<String> = (0..8).map(|n| format!("node-{n}")).collect();
    let asked = holders.iter().map(|holder| world.store.acquire("rollouts", holder, 100, at(0)));
    let got = futures::future::join_all(asked).await.into_iter().filter_map(Result::unwrap).count();
    assert_eq!(got, 1);
}

async fn an_idempotency_key_is_fresh_then_in_progress_then_done(world: World) {
    let begin = async |key: &str, what: &str, now| {
        world.store.idempotency_begin(key, "ana", what, at(now)).await.unwrap()
    };
    assert_eq!(begin("k", "push", 0).await, Begin::Fresh);
    assert_eq!(begin("k", "push", 1).await, Begin::InProgress);
    assert_eq!(begin("k", "pull", 1).await, Begin::OtherPayload);
    assert_eq!(world.store.idempotency_begin("k", "ben", "pull", at(1)).await.unwrap(), Begin::Fresh);
    let answer = |status| Write::Idempotent {
        key: "k".to_owned(),
        principal: "ana".to_owned(),
        status,
        body: "{}".to_owned(),
    };
    world.commit(vec![registered(pump("p1")), answer(201)]).await.unwrap();
    assert_eq!(begin("k", "push", 2).await, Begin::Done { status: 201, body: "{}".to_owned() });
    assert_eq!(begin("k", "pull", 2).await, Begin::OtherPayload);
    // A second sending that got through all the same cannot write a second time.
    let late = world.commit(vec![registered(pump("p2")), answer(201)]).await;
    assert!(matches!(late, Err(StoreError::Conflict { what: "idempotency key", .. })));
    assert_eq!(world.store.device(&mercy(), &"p2".parse().unwrap()).await.unwrap(), None);
    assert_eq!(world.store.idempotency_prune(at(1)).await.unwrap(), 1);
    assert_eq!(begin("k", "push", 3).await, Begin::Fresh);
}

async fn a_request_that_failed_or_died_can_be_sent_again(world: World) {
    let begin = async |now| world.store.idempotency_begin("k", "ana", "push", at(now)).await.unwrap();
    assert_eq!(begin(0).await, Begin::Fresh);
    world.store.idempotency_abandon("k", "ana").await.unwrap();
    assert_eq!(begin(10).await, Begin::Fresh);
    assert_eq!(begin(300_009).await, Begin::InProgress);
    assert_eq!(begin(300_010).await, Begin::Fresh);
    assert_eq!(begin(300_011).await, Begin::InProgress);
    world.store.idempotency_finish("k", "ana", 404, "gone").await.unwrap();
    world.store.idempotency_abandon("k", "ana").await.unwrap();
    assert_eq!(begin(900_000).await, Begin::Done { status: 404, body: "gone".to_owned() });
}

async fn measurements_are_read_by_cohort_oldest_first(world: World) {
    world.pumps(&["p1", "p2", "p3"]).await;
    let change = world.admitted(&["p1", "p2"]).await;
    world
        .commit(vec![forced(&world.assignment(&change, "p1").await, AssignmentState::Verified, at(0))])
        .await
        .unwrap();
    let (early, late) = (
        [sample("p1", 10, 1.5), sample("p2", 10, 7.0), sample("p3", 10, 9.0)],
        [sample("p1", 20, 2.5), sample("p1", 30, 3.5), sample("p1", 20, 2.25)],
    );
    let (first, second) = tokio::join!(world.store.put_samples(&early), world.store.put_samples(&late));
    first.unwrap();
    second.unwrap();
    let read = async |cohort, from, to, cap| {
        world.store.samples(&mercy(), &change.id, cohort, "errors", at(from), at(to), cap).await.unwrap()
    };
    assert_eq!(read(Cohort::Treatment, 0, 100, 10).await, [1.5, 2.25, 3.5]);
    assert_eq!(read(Cohort::Treatment, 0, 100, 2).await, [2.25, 3.5]);
    assert_eq!(read(Cohort::Treatment, 20, 30, 10).await, [2.25]);
    assert_eq!(read(Cohort::Control, 0, 100, 10).await, [7.0]);
    assert_eq!(world.store.prune_samples(at(20)).await.unwrap(), 3);
    assert_eq!(read(Cohort::Control, 0, 100, 10).await, [0.0; 0]);
    assert!(world.kinds("mercy").await.iter().all(|kind| !kind.contains("sample")));
}

async fn when_a_device_was_heard_never_goes_back(world: World) {
    let device = "p1".parse().unwrap();
    assert_eq!(world.store.seen(&mercy(), &device).await.unwrap(), None);
    let heard = |ms| (mercy(), device.clone(), at(ms));
    world.store.touch_seen(&[heard(10), heard(30), heard(20)]).await.unwrap();
    world.store.touch_seen(&[heard(15)]).await.unwrap();
    assert_eq!(world.store.seen(&mercy(), &device).await.unwrap(), Some(at(30)));
}

async fn a_ping_is_answered(world: World) {
    world.store.ping().await.unwrap();
    world.store.close().await;
    assert!(matches!(world.store.ping().await, Err(StoreError::Closed)));
}
