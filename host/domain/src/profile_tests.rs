use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const HOUR: i64 = 3_600_000;

fn person(number: u128) -> PersonId {
    PersonId::new(Uuid::from_u128(number))
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_millis(1_795_176_000_000 + hours * HOUR)
}

fn given(number: u128, roles: &[Role], hours: i64) -> Given {
    Given {
        person: person(number),
        roles: roles.to_vec(),
        at: at(hours),
        signed: false,
        stage: None,
        on_behalf_of: None,
    }
}

fn facts(given: impl IntoIterator<Item = Given>) -> ApprovalFacts {
    let begun = ApprovalFacts { since: Some(at(0)), ..ApprovalFacts::none() };
    given.into_iter().fold(begun, |facts, given| facts.with_given(given))
}

fn level(name: &str, roles: &[Role], count: u32) -> Level {
    Level {
        name: name.to_owned(),
        roles: roles.to_vec(),
        count,
        signature: false,
        escalate_after_ms: None,
        escalate_to: Vec::new(),
    }
}

fn profile(order: Order, levels: Vec<Level>) -> Profile {
    Profile {
        name: "standard".to_owned(),
        kinds: vec![ChangeKind::Release],
        environments: Vec::new(),
        guarded: true,
        order,
        stages: Stages::Once,
        expires_pending_ms: None,
        expires_approved_ms: Some(24 * 3_600_000),
        veto: true,
        levels,
    }
}

use Role::{ClinicalSafety as Clinical, Operator, Regulatory};

fn two_levels(order: Order) -> Profile {
    profile(order, vec![level("clinic", &[Clinical], 1), level("regulator", &[Regulatory], 1)])
}

fn who(tally: &Tally) -> Vec<Vec<PersonId>> {
    tally.levels.iter().map(|level| level.persons.clone()).collect()
}

#[test]
fn whoever_can_do_both_levels_leaves_the_other_to_whoever_can_do_one() {
    let both = [Clinical, Regulatory];
    let profile = profile(Order::Parallel, vec![level("a", &[Clinical], 1), level("b", &[Regulatory], 1)]);
    // Greedily, person 1 would take level a, and person 2 could not take b.
    let tally = profile.tally(&facts([given(1, &both, 1), given(2, &[Clinical], 2)]), 0, at(3));
    assert!(tally.complete(), "{tally:?}");
    assert_eq!(who(&tally), [vec![person(2)], vec![person(1)]]);
}

#[test]
fn one_person_counts_for_one_level_only() {
    let tally = two_levels(Order::Parallel).tally(&facts([given(1, &[Clinical, Regulatory], 1)]), 0, at(2));
    assert!(!tally.complete());
    assert_eq!(tally.levels_complete(), 1);
}

#[test]
fn n_of_m_takes_n_distinct_persons() {
    let profile = profile(Order::Parallel, vec![level("two of us", &[Clinical, Regulatory], 2)]);
    let one = facts([given(1, &[Clinical], 1), given(1, &[Regulatory], 2)]);
    assert!(!profile.tally(&one, 0, at(3)).complete(), "the same person twice");
    let two = one.with_given(given(2, &[Clinical], 3));
    assert!(profile.tally(&two, 0, at(3)).complete());
}

#[test]
fn in_order_an_approval_before_its_turn_does_not_count() {
    let early = facts([given(2, &[Regulatory], 1), given(1, &[Clinical], 2)]);
    let profile = two_levels(Order::Ordered);
    let tally = profile.tally(&early, 0, at(3));
    assert_eq!(who(&tally), [vec![person(1)], vec![]]);
    assert_eq!(tally.levels[1].open_since, Some(at(2)), "its turn came with the first level");
    assert!(profile.tally(&early.with_given(given(2, &[Regulatory], 3)), 0, at(3)).complete());
}

#[test]
fn out_of_turn_names_what_comes_before() {
    let profile = two_levels(Order::Ordered);
    let refused = profile.not_now(&facts([]), 0, &given(2, &[Regulatory], 1), at(1));
    let expected = NotNow::OutOfTurn { level: "regulator".to_owned(), before: "clinic".to_owned() };
    assert_eq!(refused, Some(expected));
    assert_eq!(profile.not_now(&facts([]), 0, &given(1, &[Clinical], 1), at(1)), None);
    let begun = facts([given(1, &[Clinical], 1)]);
    assert_eq!(profile.not_now(&begun, 0, &given(2, &[Regulatory], 2), at(2)), None);
    assert_eq!(
        profile.not_now(&begun, 0, &given(3, &[Clinical], 2), at(2)),
        None,
        "not needed is no mistake"
    );
}

#[test]
fn a_level_that_asks_for_signatures_counts_signed_approvals_only() {
    let mut profile = profile(Order::Parallel, vec![level("clinic", &[Clinical], 1)]);
    profile.levels[0].signature = true;
    let plain = given(1, &[Clinical], 1);
    assert!(!profile.tally(&facts([plain.clone()]), 0, at(2)).complete());
    assert_eq!(
        profile.not_now(&facts([]), 0, &plain, at(1)),
        Some(NotNow::Unsigned { level: "clinic".to_owned() })
    );
    let signed = Given { signed: true, ..plain };
    assert_eq!(profile.not_now(&facts([]), 0, &signed, at(1)), None);
    assert!(profile.tally(&facts([signed]), 0, at(2)).complete());
}

#[test]
fn an_approval_is_expired_exactly_at_the_instant_until_the_rollout_begins() {
    let profile = profile(Order::Parallel, vec![level("clinic", &[Clinical], 1)]);
    let facts = facts([given(1, &[Clinical], 0)]);
    let instant = at(24);
    assert_eq!(profile.tally(&facts, 0, instant.plus_millis(-1)).levels[0].expires_at, Some(instant));
    assert!(profile.tally(&facts, 0, instant.plus_millis(-1)).complete());
    assert!(!profile.tally(&facts, 0, instant).complete());
    assert!(profile.tally(&facts, 3, instant).complete(), "a long canary is able to finish");
}

#[test]
fn each_stage_has_approvals_of_its_own_where_the_profile_says_so() {
    let mut profile = profile(Order::Parallel, vec![level("clinic", &[Clinical], 1)]);
    let whole = given(1, &[Clinical], 1);
    let second = Given { stage: Some(1), ..whole.clone() };
    assert!(profile.tally(&facts([whole.clone()]), 1, at(2)).complete(), "once is enough by default");
    profile.stages = Stages::Each;
    assert!(profile.tally(&facts([whole.clone()]), 0, at(2)).complete());
    assert!(!profile.tally(&facts([whole.clone()]), 1, at(2)).complete());
    let both = facts([whole, second]);
    assert!(profile.tally(&both, 1, at(2)).complete());
    assert!(!profile.tally(&both, 2, at(2)).complete());
    let only = facts([Given { stage: Some(1), ..given(1, &[Clinical], 1) }]);
    assert!(!profile.tally(&only, 0, at(2)).complete(), "what is for one stage admits nothing");
}

#[test]
fn a_level_that_waits_too_long_may_be_filled_by_more_roles() {
    let mut profile = two_levels(Order::Ordered);
    profile.levels[1].escalate_after_ms = Some(4 * 3_600_000);
    profile.levels[1].escalate_to = vec![Operator];
    let begun = facts([given(1, &[Clinical], 1)]);
    assert_eq!(profile.tally(&begun, 0, at(1)).levels[1].escalates_at, Some(at(5)), "counted from its turn");
    let early = begun.with_given(given(2, &[Operator], 4));
    assert!(!profile.tally(&early, 0, at(9)).complete());
    let late = begun.with_given(given(2, &[Operator], 5));
    assert!(profile.tally(&late, 0, at(5)).complete());
}

#[test]
fn a_delegate_and_who_delegated_never_count_as_two() {
    let profile = profile(Order::Parallel, vec![level("two", &[Clinical, Regulatory], 2)]);
    let own = given(1, &[Clinical], 1);
    let for_one = Given { on_behalf_of: Some(person(1)), ..given(2, &[Clinical], 2) };
    let also_for_one = Given { on_behalf_of: Some(person(1)), ..given(3, &[Clinical], 3) };
    for (who, distinct) in [
        (vec![own.clone(), for_one.clone()], 1),
        (vec![for_one.clone(), also_for_one.clone()], 1),
        (vec![own, for_one, also_for_one, given(4, &[Regulatory], 4)], 2),
    ] {
        let facts = facts(who);
        assert_eq!(facts.distinct, distinct, "{facts:?}");
        assert_eq!(profile.tally(&facts, 0, at(5)).complete(), distinct == 2);
    }
}

#[test]
fn the_first_profile_that_fits_is_the_one() {
    let staging: Environment = "staging".parse().unwrap();
    let named = Profile { environments: vec![staging.clone()], guarded: false, ..two_levels(Order::Ordered) };
    let all = [named, two_levels(Order::Parallel)];
    let order = |environment: &Environment, guarded| {
        Profile::of(&all, ChangeKind::Release, environment, guarded).map(|profile| profile.order)
    };
    assert_eq!(order(&staging, true), Some(Order::Ordered));
    assert_eq!(order(&"production".parse().unwrap(), true), Some(Order::Parallel));
    assert_eq!(order(&"lab".parse().unwrap(), false), None);
    assert!(Profile::of(&all, ChangeKind::Config, &staging, true).is_none());
}

const KNOWN: [Role; 3] = [Clinical, Regulatory, Operator];

fn some_roles() -> impl Strategy<Value = Vec<Role>> {
    prop::sample::subsequence(KNOWN.to_vec(), 1..=3)
}

fn some_profile(order: Order) -> impl Strategy<Value = Profile> {
    prop::collection::vec((some_roles(), 1_u32..3), 1..4).prop_map(move |levels| {
        profile(order, levels.iter().map(|(roles, count)| level("level", roles, *count)).collect())
    })
}

fn some_given() -> impl Strategy<Value = Vec<Given>> {
    prop::collection::vec((1_u128..7, some_roles(), 0_i64..6), 0..7)
        .prop_map(|all| all.iter().map(|(who, roles, hours)| given(*who, roles, *hours)).collect())
}

/// The most places that can be filled, by trying everything.
fn most(profile: &Profile, given: &[Given], free: &mut Vec<u32>) -> u32 {
    let Some((first, rest)) = given.split_first() else { return 0 };
    let mut best = most(profile, rest, free);
    for at in 0..free.len() {
        if free[at] > 0 && profile.levels[at].roles.iter().any(|role| first.roles.contains(role)) {
            free[at] -= 1;
            best = best.max(1 + most(profile, rest, free));
            free[at] += 1;
        }
    }
    best
}

proptest! {
    #[test]
    fn in_parallel_as_many_places_are_filled_as_can_be(profile in some_profile(Order::Parallel), given in some_given()) {
        let facts = facts(given);
        let tally = profile.tally(&facts, 0, at(6));
        let filled: usize = tally.levels.iter().map(|level| level.persons.len()).sum();
        let mut free = profile.levels.iter().map(|level| level.count).collect();
        prop_assert_eq!(filled, most(&profile, &facts.given, &mut free) as usize);
    }

    #[test]
    fn nobody_counts_twice_and_nobody_without_a_role(
        order in prop::sample::select(vec![Order::Ordered, Order::Parallel]),
        (ordered, parallel) in (some_profile(Order::Ordered), some_profile(Order::Parallel)),
        given in some_given(),
    ) {
        let profile = if order == Order::Ordered { ordered } else { parallel };
        let facts = facts(given);
        let tally = profile.tally(&facts, 0, at(6));
        let mut all: Vec<PersonId> = who(&tally).concat();
        let counted = all.len();
        all.sort();
        all.dedup();
        prop_assert_eq!(all.len(), counted);
        for (level, tally) in profile.levels.iter().zip(&tally.levels) {
            prop_assert!(tally.persons.len() <= level.count as usize);
            for person in &tally.persons {
                let held = &facts.given.iter().find(|given| given.person == *person).unwrap().roles;
                prop_assert!(level.roles.iter().any(|role| held.contains(role)));
            }
        }
    }

    #[test]
    fn in_order_no_level_is_complete_before_those_before_it(profile in some_profile(Order::Ordered), given in some_given()) {
        let tally = profile.tally(&facts(given), 0, at(6));
        let complete: Vec<bool> = tally.levels.iter().map(|level| level.complete).collect();
        prop_assert!(complete.is_sorted_by(|one, other| one >= other), "{complete:?}");
    }

    #[test]
    fn one_more_approval_never_makes_it_less_complete(profile in some_profile(Order::Parallel), given in some_given(), roles in some_roles()) {
        let facts = facts(given);
        let more = facts.with_given(super::tests::given(99, &roles, 6));
        let count = |facts: &ApprovalFacts| -> usize {
            profile.tally(facts, 0, at(6)).levels.iter().map(|level| level.persons.len()).sum()
        };
        prop_assert!(count(&more) >= count(&facts));
    }
}
