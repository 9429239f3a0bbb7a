//! The server is killed in the middle of rollouts, again and again, at random points: seventy times in all. Nothing may be
//! lost, and every rollout must end as it does without kills. Only kills that hit an unfinished change count.

use std::{collections::BTreeMap, time::Duration};

use interlock_emulator::{Behaviour, Effect, Fleet};
use interlock_store::testing::TestDatabase;
use interlock_tests::{Hospital, Person, Setup, text};
use serde_json::{Value, json};

use crate::program;

const PUMPS: usize = 40;
/// States from which a change goes on by itself.
const UNFINISHED: [&str; 4] = ["gating", "approving", "rolling_out", "rolling_back"];
/// A server lives at most this long: some die before they hold the lease, some after they have done a good deal.
const KILL_WITHIN_MS: u64 = 2_000;
/// How long people read what they approve.
const READING: Duration = Duration::from_millis(400);
/// More rollouts than this mean that the kills miss.
const ROUNDS_MAX: u64 = 20;

/// Where chance comes from: a number that is printed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn thrown() -> Self {
        let seed = std::env::var("INTERLOCK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        println!("INTERLOCK_TEST_SEED={seed}");
        Self(seed)
    }

    /// splitmix64
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// What must be the same with and without kills.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    state: String,
    stages: Vec<u64>,
    approvals: Vec<String>,
    verified: u64,
    /// Came back, or never left: how many were touched before health failed is chance.
    on_their_old_version: u64,
    pumps_on_old: usize,
    pumps_on_new: usize,
}

/// What is rolled out again and again.
#[derive(Clone, Copy)]
struct Story {
    /// Every version of it fails its health checks.
    bad: bool,
    /// States in which a kill has to hit at least once.
    must_hit: &'static [&'static str],
}

const GOOD: Story = Story { bad: false, must_hit: &["approving", "rolling_out"] };
const BAD: Story = Story { bad: true, must_hit: &["rolling_out", "rolling_back"] };

impl Story {
    /// The version of a round, counted from 1; round 0 is what the pumps run at first.
    fn version(self, round: u64) -> String {
        match round {
            0 => "1.0.0".to_owned(),
            round => format!("{}.{round}.0", if self.bad { 6 } else { 2 }),
        }
    }

    /// What the pumps run before a round, and after it if it comes back.
    fn version_before(self, round: u64) -> String {
        self.version(if self.bad { 0 } else { round - 1 })
    }

    /// A bad one is held at its first stage until health has failed, however long the server is away.
    fn hold_secs(self) -> u64 {
        if self.bad { 60 } else { 1 }
    }
}

/// Kills that hit a change which was not at its end, by the state that it was in.
#[derive(Debug)]
struct Hits {
    wanted: usize,
    by_state: BTreeMap<String, usize>,
}

impl Hits {
    fn total(&self) -> usize {
        self.by_state.values().sum()
    }

    fn enough(&self, story: Story) -> bool {
        self.wanted == 0
            || self.total() >= self.wanted
                && story.must_hit.iter().all(|state| self.by_state.contains_key(*state))
    }

    /// Counts a kill by what the restarted server says of the change. No change leaves its end by itself, so one that is
    /// not there now was not there when the server was killed; one that is may have got there since, and counts not.
    fn count(&mut self, state: &str) -> bool {
        let unfinished = UNFINISHED.contains(&state);
        if unfinished {
            *self.by_state.entry(state.to_owned()).or_default() += 1;
        }
        unfinished
    }
}

/// Rolls changes out until the server was killed so often in the middle of one, and says how each ended.
async fn endings(setup: Setup, story: Story, kills: usize) -> Vec<Ending> {
    let mut dice = Dice::thrown();
    let mut hits = Hits { wanted: kills, by_state: BTreeMap::new() };
    // A killed server's lease is in the way until it is over, so a long one would make every kill hit the same place.
    let config = setup.config.replace("lease_ms = 3000", "lease_ms = 500");
    assert_ne!(config, setup.config, "the quick server has another lease now");
    let mut hospital = Hospital::open(Setup { config, ..setup }, PUMPS).await.unwrap();
    let faults = (1..=ROUNDS_MAX).filter(|_| story.bad).map(|round| Behaviour {
        version: Some(story.version(round)),
        site: None,
        share_bp: 10_000,
        effect: Effect::ErrorRate(0.2),
    });
    let fleet = hospital.switch_on(faults.collect()).unwrap();
    hospital.everybody_on(&fleet, "1.0.0").await.unwrap();

    let mut endings = Vec::new();
    for round in 1.. {
        assert!(round <= ROUNDS_MAX, "too few kills hit a change that was not at its end: {hits:?}");
        endings.push(roll_out(&mut hospital, &fleet, story, round, &mut dice, &mut hits).await);
        if hits.enough(story) {
            break;
        }
    }
    println!(
        "{kills} kills wanted, {} hit: {:?}, in {} rollouts",
        hits.total(),
        hits.by_state,
        endings.len()
    );
    let verified = hospital.verify_ledger().await.unwrap();
    assert_eq!(verified["changes_rebuilt"], endings.len(), "{verified}");
    fleet.stop().await;
    hospital.server.stop().await.unwrap();
    endings
}

/// One round: proposed, approved, and killed at random points until it ends or enough kills have hit.
async fn roll_out(
    hospital: &mut Hospital,
    fleet: &Fleet,
    story: Story,
    round: u64,
    dice: &mut Dice,
    hits: &mut Hits,
) -> Ending {
    let (version, before) = (story.version(round), story.version_before(round));
    hospital.push(&version, round + 1).await.unwrap();
    let proposal = Hospital::proposal(&version, "under fire", story.hold_secs());
    let id = hospital.propose(&proposal).await.unwrap();

    // People act while the server dies; what they do not get an answer to, they repeat.
    let people = tokio::spawn(approve_whatever_happens(
        vec![hospital.ben.clone(), hospital.carla.clone()],
        id.clone(),
    ));
    // The first kill of a round comes while people still read.
    let mut within_ms = 2 * READING.as_millis() as u64;
    while !hits.enough(story) {
        tokio::time::sleep(Duration::from_millis(dice.next(within_ms))).await;
        within_ms = KILL_WITHIN_MS;
        hospital.server.restart().await.unwrap();
        if !hits.count(&text(&hospital.change(&id).await.unwrap(), "/state")) {
            break;
        }
    }
    people.await.unwrap();

    let change = hospital.wait(&id, &["completed", "rolled_back"]).await.unwrap();
    hospital.everybody_on(fleet, if story.bad { &before } else { &version }).await.unwrap();
    let count = |pointer: &str| change.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let list = |pointer: &str| change.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut approvals: Vec<String> =
        list("/approvals").iter().map(|approval| text(approval, "/name")).collect();
    approvals.sort();
    Ending {
        state: text(&change, "/state"),
        stages: list("/rollout/stages").iter().filter_map(|stage| stage["index"].as_u64()).collect(),
        approvals,
        verified: count("/progress/verified"),
        on_their_old_version: count("/progress/rolled_back") + count("/progress/released"),
        pumps_on_old: hospital.pumps_on(&before).await.unwrap(),
        pumps_on_new: hospital.pumps_on(&version).await.unwrap(),
    }
}

async fn approve_whatever_happens(people: Vec<Person>, id: String) {
    for person in people {
        tokio::time::sleep(READING).await;
        loop {
            let change = person.get(&format!("/changes/{id}")).await.unwrap_or(Value::Null);
            let done = change["approvals"].as_array().is_some_and(|approvals| {
                approvals.iter().any(|approval| text(approval, "/name") == person.name)
            });
            if done {
                break;
            }
            if text(&change, "/state") == "approving" {
                let body = json!({ "digest": change["digest"], "reason": "reviewed" });
                // Whatever comes of it is looked up in the next round.
                drop(person.try_post(&format!("/changes/{id}/approve"), &body).await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Each ending under fire is the undisturbed one.
#[track_caller]
fn check(disturbed: &[Ending], undisturbed: &[Ending]) {
    let [undisturbed] = undisturbed else { panic!("one rollout is enough without kills") };
    for ending in disturbed {
        assert_eq!(ending, undisturbed);
    }
}

fn completed() -> Ending {
    Ending {
        state: "completed".to_owned(),
        stages: vec![0, 1, 2, 3, 4],
        approvals: vec!["Ben (clinical safety)".to_owned(), "Carla (regulatory)".to_owned()],
        verified: PUMPS as u64,
        on_their_old_version: 0,
        pumps_on_old: 0,
        pumps_on_new: PUMPS,
    }
}

fn rolled_back() -> Ending {
    Ending {
        state: "rolled_back".to_owned(),
        stages: vec![0],
        verified: 0,
        on_their_old_version: PUMPS as u64,
        pumps_on_old: PUMPS,
        pumps_on_new: 0,
        ..completed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_rollout_survives_thirty_kills_on_sqlite() {
    let undisturbed = endings(program::quick(), GOOD, 0).await;
    assert_eq!(undisturbed, [completed()]);
    check(&endings(program::quick(), GOOD, 30).await, &undisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_survives_twenty_kills_on_sqlite() {
    let undisturbed = endings(program::quick(), BAD, 0).await;
    assert_eq!(undisturbed, [rolled_back()]);
    check(&endings(program::quick(), BAD, 20).await, &undisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_rollout_survives_ten_kills_on_postgresql() {
    let [calm, under_fire] = [TestDatabase::postgres().await, TestDatabase::postgres().await];
    let on = |database: &TestDatabase| Setup { store_url: Some(database.url.clone()), ..program::quick() };
    let undisturbed = endings(on(&calm), GOOD, 0).await;
    assert_eq!(undisturbed, [completed()]);
    check(&endings(on(&under_fire), GOOD, 10).await, &undisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_survives_ten_kills_on_postgresql() {
    let [calm, under_fire] = [TestDatabase::postgres().await, TestDatabase::postgres().await];
    let on = |database: &TestDatabase| Setup { store_url: Some(database.url.clone()), ..program::quick() };
    let undisturbed = endings(on(&calm), BAD, 0).await;
    assert_eq!(undisturbed, [rolled_back()]);
    check(&endings(on(&under_fire), BAD, 10).await, &undisturbed);
}
