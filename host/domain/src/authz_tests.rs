use crate::{Action, ChangeKind, Facts, Freshness, PersonId, Principal, Question, Resource, Timestamp};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// What is asked of policies that were known to be the newest at 1,000 and deny at an age of 500.
fn asked(action: Action, back_weakens: bool, now: i64) -> Question {
    Question {
        principal: Principal::Plugin {
            tenant: "mercy".parse().unwrap(),
            name: "any".to_owned(),
            digest: interlock_ledger::Digest::of("any"),
            granted: Default::default(),
        },
        action,
        resource: Resource::Change {
            id: "chg_00000000000000000000000000000001".to_owned(),
            tenant: "mercy".parse().unwrap(),
            environment: "production".parse().unwrap(),
            change_kind: ChangeKind::Release,
            author: "per_00000000000000000000000000000001".parse::<PersonId>().unwrap(),
            paused_by_safety: false,
            back_weakens,
        },
        facts: Facts::None,
        now: at(now),
        freshness: Some(Freshness { known_at: at(1_000), deny_after_ms: Some(500) }),
    }
}

#[test]
fn policies_are_too_old_exactly_at_the_age_and_not_before() {
    assert_eq!(asked(Action::AdmitChange, false, 1_499).staleness(), None);
    let told = asked(Action::AdmitChange, false, 1_500).staleness().unwrap();
    assert!(told.contains("1970-01-01T00:00:01.000Z") && told.contains("500 ms"), "{told}");
    let ageless = Freshness { known_at: at(1_000), deny_after_ms: None };
    let question = Question { freshness: Some(ageless), ..asked(Action::AdmitChange, false, i64::MAX / 2) };
    assert_eq!(question.staleness(), None);
    // A clock that went back makes nothing old.
    assert_eq!(asked(Action::AdmitChange, false, 0).staleness(), None);
}

#[test]
fn to_stop_is_left_to_the_policies_however_old_unless_it_takes_a_check_away() {
    let too_old = |action, back_weakens| asked(action, back_weakens, 9_000).staleness().is_some();
    assert!(!too_old(Action::PauseRollout, false) && !too_old(Action::PauseRollout, true));
    assert!(!too_old(Action::RollBackRollout, false) && too_old(Action::RollBackRollout, true));
    for action in Action::ALL {
        let stops = matches!(action, Action::PauseRollout | Action::RollBackRollout);
        assert_eq!(too_old(*action, false), !stops, "{action}");
    }
}
