use interlock_domain::{ApprovalFacts, Given, Timestamp};
use proptest::prelude::*;

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn level_of(name: &str, roles: &[Role], count: u32) -> Level {
    Level {
        name: name.to_owned(),
        roles: roles.to_vec(),
        count,
        signature: false,
        escalate_after_ms: None,
        escalate_to: Vec::new(),
    }
}

fn base() -> Profile {
    Profile {
        name: "implants".to_owned(),
        kinds: KINDS.to_vec(),
        environments: vec!["production".parse().unwrap()],
        guarded: false,
        order: Order::Parallel,
        stages: Stages::Once,
        expires_pending_ms: Some(72 * HOUR_MS),
        expires_approved_ms: Some(24 * HOUR_MS),
        veto: true,
        levels: vec![
            level_of("clinic", &[Role::ClinicalSafety], 2),
            level_of("regulator", &[Role::Regulatory], 1),
        ],
    }
}

/// What an edit of the profile comes to, and what its opposite does.
#[track_caller]
fn check(edit: impl Fn(&mut Profile), looser: &[&str], tighter: &[&str]) {
    let (old, mut new) = (base(), base());
    edit(&mut new);
    let steps = super::steps(Some(&old), Some(&new)).unwrap();
    assert_eq!((steps.looser, steps.tighter), (owned(looser), owned(tighter)));
    let back = super::steps(Some(&new), Some(&old)).unwrap();
    assert_eq!(
        (back.looser.is_empty(), back.tighter.is_empty()),
        (tighter.is_empty(), looser.is_empty()),
        "the way back is the opposite"
    );
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn each_thing_that_a_profile_demands_less_is_said() {
    check(|new| new.levels[0].count = 1, &["the level `clinic` asks for 1 person instead of 2"], &[]);
    check(|new| drop(new.levels.pop()), &["the level `regulator` (1 person: regulatory) is gone"], &[]);
    check(
        |new| new.levels[1].roles.push(Role::Operator),
        &["operator may fill the level `regulator`, too"],
        &[],
    );
    check(|new| new.veto = false, &["one rejection no longer ends the change"], &[]);
    let day = |new: &mut Profile| new.expires_approved_ms = Some(48 * HOUR_MS);
    check(day, &["an approval lasts 48 h instead of 24 h"], &[]);
    check(|new| new.expires_approved_ms = None, &["an approval lasts without end instead of 24 h"], &[]);
    check(
        |new| new.expires_pending_ms = Some(73 * HOUR_MS),
        &["a change may wait 73 h instead of 72 h"],
        &[],
    );
    let escalated = |new: &mut Profile| {
        new.levels[1].escalate_after_ms = Some(4 * HOUR_MS);
        new.levels[1].escalate_to = vec![Role::Operator];
    };
    check(escalated, &["the level `regulator` may be filled by operator after 4 h"], &[]);
}

#[test]
fn each_thing_that_a_profile_demands_more_is_said() {
    check(|new| new.levels[1].signature = true, &[], &["the level `regulator` counts signed approvals only"]);
    check(|new| new.order = Order::Ordered, &[], &["levels wait for those before them"]);
    check(|new| new.stages = Stages::Each, &[], &["every later stage needs approvals of its own"]);
    let more = |new: &mut Profile| new.levels.push(level_of("board", &[Role::Auditor, Role::Regulatory], 3));
    check(more, &[], &["the level `board` (3 people: auditor or regulatory) is new"]);
}

#[test]
fn another_name_alone_is_no_difference_and_more_here_with_less_there_is_both() {
    let (old, mut new) = (base(), base());
    new.levels[0].name = "ward".to_owned();
    new.name = "pumps".to_owned();
    assert_eq!(steps(Some(&old), Some(&new)), None);
    check(
        |new| new.levels[0].roles = vec![Role::Regulatory],
        &["regulatory may fill the level `clinic`, too"],
        &["clinical_safety alone no longer fills the level `clinic`"],
    );
}

#[test]
fn a_profile_that_comes_lets_more_through_and_one_that_goes_less() {
    let some = base();
    let come = steps(None, Some(&some)).unwrap();
    assert_eq!((come.looser.len(), come.tighter.len()), (1, 1));
    let gone = steps(Some(&some), None).unwrap();
    assert_eq!((gone.looser.len(), gone.tighter.len()), (0, 1));
}

const ROLES: [Role; 3] = [Role::ClinicalSafety, Role::Regulatory, Role::Operator];

fn some_roles(at_least: usize) -> impl Strategy<Value = Vec<Role>> {
    prop::sample::subsequence(ROLES.to_vec(), at_least..=2)
}

prop_compose! {
    fn some_level()(
        name in prop::sample::select(vec!["a", "b", "c"]), roles in some_roles(1), count in 1_u32..3,
        signature in any::<bool>(), escalates in prop::option::of((1_u64..4, some_roles(1))),
    ) -> Level {
        let escalate_to: Vec<Role> =
            escalates.iter().flat_map(|(_, to)| to.iter().copied()).filter(|role| !roles.contains(role)).collect();
        let after = escalates.map(|(after, _)| after).filter(|_| !escalate_to.is_empty());
        Level { escalate_after_ms: after, escalate_to, count, signature, ..level_of(name, &roles, count) }
    }
}

prop_compose! {
    fn some_profile()(
        levels in prop::collection::vec(some_level(), 1..4), ordered in any::<bool>(), lasts in prop::option::of(2_u64..8),
    ) -> Profile {
        let mut levels: Vec<Level> = levels;
        let mut names = BTreeSet::new();
        levels.retain(|level| names.insert(level.name.clone()));
        let order = if ordered { Order::Ordered } else { Order::Parallel };
        Profile { levels, order, expires_approved_ms: lasts, ..base() }
    }
}

prop_compose! {
    fn some_given()(person in 1_u128..7, roles in some_roles(1), at in 1_i64..9, signed in any::<bool>()) -> Given {
        Given {
            person: format!("per_{person:032}").parse().unwrap(),
            roles,
            at: Timestamp::from_millis(at),
            signed,
            stage: None,
            on_behalf_of: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    /// What is not called looser completes nothing that was not complete.
    #[test]
    fn whoever_completes_a_profile_that_is_not_looser_had_completed_the_one_before(
        old in some_profile(), edited in some_profile(), keep in prop::collection::vec(any::<bool>(), 3),
        given in prop::collection::vec(some_given(), 0..7), now in 6_i64..12,
    ) {
        // Half of the levels as they were, so that many pairs compare at all.
        let mut new = edited;
        for level in &mut new.levels {
            let was = old.levels.iter().zip(&keep).find(|(was, keep)| was.name == level.name && **keep);
            if let Some((was, _)) = was {
                level.clone_from(was);
            }
        }
        let looser = steps(Some(&old), Some(&new)).is_some_and(|steps| !steps.looser.is_empty());
        let mut facts = given.into_iter().fold(ApprovalFacts::none(), |facts, given| facts.with_given(given));
        facts.since = Some(Timestamp::from_millis(0));
        let complete = |profile: &Profile| profile.tally(&facts, 0, Timestamp::from_millis(now)).complete();
        prop_assert!(looser || !complete(&new) || complete(&old), "{old:?}\n{new:?}\n{facts:?}");
    }
}
