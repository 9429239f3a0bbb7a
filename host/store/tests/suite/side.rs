//! What is not ledgered: leases, idempotency keys, measurements, when devices were heard.

use interlock_domain::{AssignmentState, Change, Cohort, Digest, TenantId};
use interlock_store::{Begin, BundleFloor, Kept, Sample, StoreError, Summary, Window, Write};

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
    what_was_done_before_a_crash_is_not_done_again,
    a_request_that_failed_or_died_can_be_sent_again,
    measurements_are_read_by_cohort_oldest_first,
    the_treatment_is_what_has_installed_and_only_since_it_has,
    aggregates_are_over_every_measurement_in_the_window,
    numbers_at_the_edge_of_what_there_is_do_not_break_an_aggregate,
    what_is_kept_comes_back_by_kind_and_digest,
    the_floor_of_the_policies_only_rises_and_has_one_bundle_a_revision,
    the_floor_of_an_application_is_of_its_tenant_only,
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
    world.commit(vec![registered(pump("p1")), done("k")]).await.unwrap();
    assert_eq!(begin("k", "push", 2).await, Begin::InProgress);
    // A second sending that got through all the same cannot write a second time.
    let late = world.commit(vec![registered(pump("p2")), done("k")]).await;
    assert!(matches!(late, Err(StoreError::Conflict { what: "idempotency key", .. })));
    assert_eq!(world.store.device(&mercy(), &"p2".parse().unwrap()).await.unwrap(), None);
    world.store.idempotency_finish("k", "ana", 201, "{}").await.unwrap();
    assert_eq!(begin("k", "push", 2).await, Begin::Done { status: 201, body: "{}".to_owned() });
    assert_eq!(begin("k", "pull", 2).await, Begin::OtherPayload);
    assert_eq!(world.store.idempotency_prune(at(1)).await.unwrap(), 1);
    assert_eq!(begin("k", "push", 3).await, Begin::Fresh);
}

fn done(key: &str) -> Write {
    Write::Done { key: key.to_owned(), principal: "ana".to_owned(), made: "device `p1`".to_owned() }
}

async fn what_was_done_before_a_crash_is_not_done_again(world: World) {
    let begin = async |now| world.store.idempotency_begin("k", "ana", "push", at(now)).await.unwrap();
    assert_eq!(begin(0).await, Begin::Fresh);
    world.commit(vec![registered(pump("p1")), done("k")]).await.unwrap();
    // The server dies here: nobody keeps the answer.
    world.store.idempotency_abandon("k", "ana").await.unwrap();
    assert_eq!(begin(9_999).await, Begin::InProgress);
    for later in [10_000, 300_000, 900_000] {
        assert_eq!(begin(later).await, Begin::AnswerLost { made: "device `p1`".to_owned() });
    }
}

async fn a_request_that_failed_or_died_can_be_sent_again(world: World) {
    let begin = async |now| world.store.idempotency_begin("k", "ana", "push", at(now)).await.unwrap();
    assert_eq!(begin(0).await, Begin::Fresh);
    world.store.idempotency_abandon("k", "ana").await.unwrap();
    assert_eq!(begin(10).await, Begin::Fresh);
    assert_eq!(begin(10_009).await, Begin::InProgress);
    assert_eq!(begin(10_010).await, Begin::Fresh);
    assert_eq!(begin(10_011).await, Begin::InProgress);
    world.store.idempotency_finish("k", "ana", 404, "gone").await.unwrap();
    world.store.idempotency_abandon("k", "ana").await.unwrap();
    assert_eq!(begin(900_000).await, Begin::Done { status: 404, body: "gone".to_owned() });
}

/// Everything of `errors` that was ever measured in one cohort.
fn errors<'a>(tenant: &'a TenantId, change: &'a Change, cohort: Cohort) -> Window<'a> {
    Window { tenant, change: &change.id, cohort, metric: "errors", from: at(0), to: at(1_000_000) }
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
    let tenant = mercy();
    let read = async |cohort, from, to| {
        let window = Window { from: at(from), to: at(to), ..errors(&tenant, &change, cohort) };
        world.store.thinned(&window, 10).await.unwrap().0
    };
    assert_eq!(read(Cohort::Treatment, 0, 100).await, [1.5, 2.25, 3.5]);
    assert_eq!(read(Cohort::Treatment, 20, 30).await, [2.25]);
    assert_eq!(read(Cohort::Control, 0, 100).await, [7.0]);
    assert_eq!(world.store.prune_samples(at(20)).await.unwrap(), 3);
    assert_eq!(read(Cohort::Control, 0, 100).await, [0.0; 0]);
    assert!(world.kinds("mercy").await.iter().all(|kind| !kind.contains("sample")));
}

async fn the_treatment_is_what_has_installed_and_only_since_it_has(world: World) {
    world.pumps(&["p1", "p2", "p3", "p4", "p5"]).await;
    let change = world.admitted(&["p1", "p2", "p3", "p4", "p5"]).await;
    let devices = ["p1", "p2", "p3", "p4", "p5"];
    // Each of them measures all the time.
    let samples: Vec<Sample> =
        devices.iter().flat_map(|device| (0..10).map(|n| sample(device, n * 100, n as f64))).collect();
    world.store.put_samples(&samples).await.unwrap();
    let go = async |device: &str, state, ms| {
        let step = forced(&world.assignment(&change, device).await, state, at(ms));
        world.commit(vec![step]).await.unwrap();
    };
    use AssignmentState as S;
    // Heard of and verified later: what counts is when it was installed.
    go("p1", S::Installed, 500).await;
    go("p1", S::Verified, 700).await;
    go("p1", S::Silent, 900).await;
    go("p2", S::Failed, 800).await;
    go("p3", S::Downloading, 100).await;
    go("p4", S::Waiting, 100).await;
    let tenant = mercy();
    let seen = async |cohort| {
        let window = errors(&tenant, &change, cohort);
        let (values, samples) = world.store.thinned(&window, 1_000).await.unwrap();
        assert_eq!(values.len() as u64, samples);
        let size = world.store.cohort_size(&tenant, &change.id, cohort).await.unwrap();
        (size, values)
    };
    assert_eq!(seen(Cohort::Treatment).await, (2, vec![5.0, 6.0, 7.0, 8.0, 8.0, 9.0, 9.0]));
    let (size, control) = seen(Cohort::Control).await;
    assert_eq!((size, control.len()), (2, 20), "p4, which waits, and p5");
}

async fn aggregates_are_over_every_measurement_in_the_window(world: World) {
    world.pumps(&["p1", "p2"]).await;
    let change = world.admitted(&["p1", "p2"]).await;
    let tenant = mercy();
    let window = errors(&tenant, &change, Cohort::Control);
    assert_eq!(world.store.summary(&window).await.unwrap(), None);
    assert_eq!(world.store.percentile(&window, 95).await.unwrap(), None);
    assert_eq!(world.store.thinned(&window, 10).await.unwrap(), (vec![], 0));
    // Twelve thousand, so that nothing that stops at the newest ten thousand comes out right: 0 to 11,999.
    for n in (0..12_000_i64).step_by(1_000) {
        let device = if n % 2_000 == 0 { "p1" } else { "p2" };
        let samples: Vec<Sample> = (n..n + 1_000).map(|n| sample(device, n, n as f64)).collect();
        world.store.put_samples(&samples).await.unwrap();
    }
    let summary = world.store.summary(&window).await.unwrap().unwrap();
    let expected = Summary { samples: 12_000, sum: 71_994_000.0, minimum: 0.0, maximum: 11_999.0 };
    assert_eq!((summary, summary.mean()), (expected, 5_999.5));
    // Nearest rank: the 6,000th, the 11,400th and the 11,880th.
    for (percent, value) in [(50, 5_999.0), (95, 11_399.0), (99, 11_879.0), (100, 11_999.0)] {
        let found = world.store.percentile(&window, percent).await.unwrap();
        assert_eq!(found, Some((value, 12_000)), "p{percent}");
    }
    let (thinned, of) = world.store.thinned(&window, 4).await.unwrap();
    assert_eq!((thinned, of), (vec![0.0, 3_000.0, 6_000.0, 9_000.0], 12_000));
    let (thinned, of) = world.store.thinned(&window, 10_000).await.unwrap();
    assert_eq!((thinned.len(), of), (10_000, 12_000));
    let steps = thinned.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.into_iter().all(|step| step == 1.0 || step == 2.0), "evenly");
    assert!(*thinned.last().unwrap() >= 11_998.0, "to the end of the window");
    // One measurement is each of its percentiles.
    let one = Window { to: at(1), ..window };
    assert_eq!(world.store.percentile(&one, 1).await.unwrap(), Some((0.0, 1)));
}

async fn numbers_at_the_edge_of_what_there_is_do_not_break_an_aggregate(world: World) {
    world.pumps(&["p1"]).await;
    let change = world.admitted(&["p1"]).await;
    let values = [f64::MAX, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324];
    let samples: Vec<Sample> =
        values.iter().enumerate().map(|(n, value)| sample("p1", n as i64, *value)).collect();
    world.store.put_samples(&samples).await.unwrap();
    let tenant = mercy();
    let window = errors(&tenant, &change, Cohort::Control);
    let summary = world.store.summary(&window).await.unwrap().unwrap();
    let expected = Summary { samples: 5, sum: 1e300, minimum: f64::MIN, maximum: f64::MAX };
    assert_eq!(summary, expected);
    assert_eq!(world.store.percentile(&window, 99).await.unwrap(), Some((f64::MAX, 5)));
}

async fn what_is_kept_comes_back_by_kind_and_digest(world: World) {
    let (bundle, plugin) = (b"files".as_slice(), [0, 255, 7].as_slice());
    let digest = Digest::of(bundle);
    assert_eq!(world.store.kept(Kept::Bundle, &digest).await.unwrap(), None);
    for _ in 0..2 {
        world.store.keep(Kept::Bundle, &digest, bundle).await.unwrap();
        world.store.keep(Kept::Plugin, &Digest::of(plugin), plugin).await.unwrap();
    }
    assert_eq!(world.store.kept(Kept::Bundle, &digest).await.unwrap().unwrap(), bundle);
    assert_eq!(world.store.kept(Kept::Plugin, &digest).await.unwrap(), None);
    assert_eq!(world.store.kept(Kept::Plugin, &Digest::of(plugin)).await.unwrap().unwrap(), plugin);
}

async fn the_floor_of_the_policies_only_rises_and_has_one_bundle_a_revision(mut world: World) {
    let floor = |revision, bundle: &str| BundleFloor { revision, digest: Digest::of(bundle) };
    assert_eq!(world.store.bundle_floor().await.unwrap(), None);
    for (revision, bundle, goes) in [
        (3, "a", true),
        (3, "a", true),
        (3, "b", false),
        (2, "b", false),
        (5, "b", true),
        (4, "a", false),
        (0, "a", false),
    ] {
        let raised = world.commit(vec![Write::BundleFloor(floor(revision, bundle))]).await;
        assert_eq!(raised.is_ok(), goes, "{revision} {bundle}: {raised:?}");
        assert!(goes || matches!(raised, Err(StoreError::Conflict { .. })), "{raised:?}");
    }
    world.reopened(|_| {}).await;
    assert_eq!(world.store.bundle_floor().await.unwrap(), Some(floor(5, "b")));
}

async fn the_floor_of_an_application_is_of_its_tenant_only(mut world: World) {
    let floor = |revision, application: &str| BundleFloor { revision, digest: Digest::of(application) };
    assert_eq!(world.store.application_floors().await.unwrap(), []);
    for (revision, application, goes) in
        [(3, "a", true), (3, "a", true), (3, "b", false), (2, "b", false), (5, "b", true), (0, "a", false)]
    {
        let to = floor(revision, application);
        let raised = world.commit(vec![Write::ApplicationFloor { tenant: mercy(), to }]).await;
        assert_eq!(raised.is_ok(), goes, "{revision} {application}: {raised:?}");
        assert!(goes || matches!(raised, Err(StoreError::Conflict { .. })), "{raised:?}");
    }
    // Nobody raises another tenant's.
    let tenant = "other".parse().unwrap();
    let raised = world.commit(vec![Write::ApplicationFloor { tenant, to: floor(9, "c") }]).await;
    assert!(matches!(raised, Err(StoreError::Malformed { .. })), "{raised:?}");
    world.reopened(|_| {}).await;
    assert_eq!(world.store.application_floors().await.unwrap(), [(mercy(), floor(5, "b"))]);
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
