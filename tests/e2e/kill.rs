//! The server is killed in the middle of a rollout, again and again, at random points. Nothing may be lost, and
//! the end must be the same as without kills.

use std::time::Duration;

use interlock_emulator::{Behaviour, Effect};
use interlock_store::testing::TestDatabase;
use interlock_tests::{Hospital, Person, Setup, text};
use serde_json::{Value, json};

use crate::program;

const PUMPS: usize = 40;
const BAD: &str = "2.1.0";

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
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    state: String,
    stages: Vec<u64>,
    approvals: Vec<String>,
    verified: u64,
    rolled_back: u64,
    released: u64,
    pumps_on_old: usize,
    pumps_on_new: usize,
}

/// Rolls `version` out, with so many kills on the way.
async fn roll_out(setup: Setup, version: &str, kills: usize) -> Ending {
    let mut dice = Dice::thrown();
    let mut hospital = Hospital::open(setup, PUMPS).await.unwrap();
    let fleet = hospital
        .switch_on(vec![Behaviour {
            version: Some(BAD.to_owned()),
            site: None,
            share_bp: 10_000,
            effect: Effect::ErrorRate(0.2),
        }])
        .unwrap();
    hospital.everybody_on(&fleet, "1.0.0").await.unwrap();
    hospital.push(version, 2).await.unwrap();
    let id = hospital.propose(&Hospital::proposal(version, "under fire", 1)).await.unwrap();

    // People act while the server dies; what they do not get an answer to, they repeat.
    let people = tokio::spawn(approve_whatever_happens(
        vec![hospital.ben.clone(), hospital.carla.clone()],
        id.clone(),
    ));
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(dice.next(600))).await;
        hospital.server.restart().await.unwrap();
    }
    people.await.unwrap();

    let change = hospital.wait(&id, &["completed", "rolled_back"]).await.unwrap();
    let old = if version == BAD { "1.0.0" } else { version };
    hospital.everybody_on(&fleet, old).await.unwrap();
    let verified = hospital.verify_ledger().await.unwrap();
    assert!(verified["entries"].as_u64().unwrap() > 0);
    let count = |pointer: &str| change.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let list = |pointer: &str| change.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut approvals: Vec<String> =
        list("/approvals").iter().map(|approval| text(approval, "/name")).collect();
    approvals.sort();
    let ending = Ending {
        state: text(&change, "/state"),
        stages: list("/rollout/stages").iter().filter_map(|stage| stage["index"].as_u64()).collect(),
        approvals,
        verified: count("/progress/verified"),
        rolled_back: count("/progress/rolled_back"),
        released: count("/progress/released"),
        pumps_on_old: hospital.pumps_on("1.0.0").await.unwrap(),
        pumps_on_new: hospital.pumps_on(version).await.unwrap(),
    };
    fleet.stop().await;
    hospital.server.stop().await.unwrap();
    ending
}

async fn approve_whatever_happens(people: Vec<Person>, id: String) {
    for person in people {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_good_rollout_survives_thirty_kills_on_sqlite() {
    let undisturbed = roll_out(program::quick(), "2.0.0", 0).await;
    assert_eq!(undisturbed.state, "completed");
    assert_eq!(undisturbed.stages, [0, 1, 2, 3, 4]);
    assert_eq!(undisturbed.verified, PUMPS as u64);
    assert_eq!(roll_out(program::quick(), "2.0.0", 30).await, undisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_survives_twenty_kills_on_sqlite() {
    let ending = roll_out(program::quick(), BAD, 20).await;
    assert_eq!(ending.state, "rolled_back");
    assert_eq!(ending.pumps_on_old, PUMPS);
    assert_eq!(ending.rolled_back + ending.released, PUMPS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_rollout_survives_ten_kills_on_postgresql() {
    let database = TestDatabase::postgres().await;
    let setup = Setup { store_url: Some(database.url.clone()), ..program::quick() };
    let ending = roll_out(setup, "2.0.0", 10).await;
    assert_eq!(ending.state, "completed");
    assert_eq!(ending.stages, [0, 1, 2, 3, 4]);
    assert_eq!(ending.verified, PUMPS as u64);
}
