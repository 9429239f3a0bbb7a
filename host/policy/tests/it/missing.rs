//! The search for further approvals.

use interlock_domain::{Action, Role, Role::*};
use interlock_policy::{Candidate, Missing, Need, SearchLimit, default_bundle, missing_approvals};

use crate::{admission, bundle_with, candidate, person};

const HOUR_MS: i64 = 3_600_000;

fn need(roles: &[Role], persons: &[u32]) -> Need {
    Need { roles: roles.to_vec(), persons: persons.iter().map(|&number| person(number)).collect() }
}

fn search(question: &interlock_domain::Question, candidates: &[Candidate]) -> Missing {
    missing_approvals(&default_bundle().unwrap(), question, candidates, SearchLimit::default())
}

#[test]
fn nothing_is_missing_where_it_is_allowed() {
    let question = admission(Action::AdmitChange, "staging", |_, _| {});
    assert_eq!(search(&question, &[candidate(2, &[ClinicalSafety])]), Missing::AlreadyAllowed);
}

#[test]
fn both_approvals_are_named_with_everybody_who_could_give_them() {
    let question = admission(Action::AdmitChange, "production", |_, _| {});
    let candidates = [
        candidate(4, &[Regulatory]),
        candidate(3, &[ClinicalSafety]),
        candidate(2, &[ClinicalSafety]),
        candidate(1, &[ClinicalSafety, Regulatory]), // the author
        candidate(5, &[Operator]),                   // may not approve
    ];
    let expected = Missing::Approvals {
        needs: vec![need(&[ClinicalSafety], &[2, 3]), need(&[Regulatory], &[4])],
        alternatives: Vec::new(),
    };
    assert_eq!(search(&question, &candidates), expected);
    let mut reversed = candidates.to_vec();
    reversed.reverse();
    assert_eq!(search(&question, &reversed), expected, "the order of candidates does not matter");
}

#[test]
fn smallest_sets_only_and_alternatives_after_the_first() {
    let question = admission(Action::AdmitChange, "production", |_, _| {});
    let candidates = [
        candidate(2, &[ClinicalSafety]),
        candidate(3, &[Regulatory]),
        candidate(4, &[ClinicalSafety, Regulatory]),
    ];
    let (clinical, both, regulatory) =
        (need(&[ClinicalSafety], &[2]), need(&[ClinicalSafety, Regulatory], &[4]), need(&[Regulatory], &[3]));
    assert_eq!(
        search(&question, &candidates),
        Missing::Approvals {
            needs: vec![clinical.clone(), both.clone()],
            alternatives: vec![vec![clinical, regulatory.clone()], vec![both, regulatory]],
        }
    );
}

#[test]
fn one_profile_twice_needs_two_persons() {
    let question = admission(Action::AdmitChange, "production", |_, _| {});
    let both = [ClinicalSafety, Regulatory];
    assert!(matches!(search(&question, &[candidate(2, &both)]), Missing::NotByApprovals { .. }));
    assert_eq!(
        search(&question, &[candidate(2, &both), candidate(3, &both)]),
        Missing::Approvals {
            needs: vec![need(&both, &[2, 3]), need(&both, &[2, 3])],
            alternatives: Vec::new()
        }
    );
}

#[test]
fn whoever_has_approved_does_not_count_again() {
    let question = admission(Action::AdmitChange, "production", |facts, now| {
        facts.approvals = facts.approvals.with(person(2), &[ClinicalSafety], now);
    });
    assert_eq!(
        search(&question, &[candidate(2, &[ClinicalSafety]), candidate(3, &[Regulatory])]),
        Missing::Approvals { needs: vec![need(&[Regulatory], &[3])], alternatives: Vec::new() }
    );
}

#[test]
fn an_approval_that_is_too_old_is_to_be_given_anew() {
    let question = admission(Action::AdmitChange, "production", |facts, now| {
        facts.approvals = facts
            .approvals
            .with(person(2), &[ClinicalSafety], now.plus_millis(-73 * HOUR_MS))
            .with(person(3), &[Regulatory], now.plus_millis(-HOUR_MS));
    });
    let at = |hours: i64| Some(question.now.plus_millis(-hours * HOUR_MS));
    let candidates = [
        Candidate { approved_at: at(73), ..candidate(2, &[ClinicalSafety]) },
        Candidate { approved_at: at(1), ..candidate(3, &[Regulatory]) },
        candidate(4, &[ClinicalSafety]),
    ];
    assert_eq!(
        search(&question, &candidates),
        Missing::Approvals { needs: vec![need(&[ClinicalSafety], &[2])], alternatives: Vec::new() }
    );
    let Missing::NotByApprovals { reasons } = search(&question, &candidates[1..]) else { panic!() };
    assert!(reasons[0].contains("older than 72 hours"), "{reasons:?}");
}

#[test]
fn what_approvals_cannot_mend_is_said() {
    let question = admission(Action::AdmitChange, "production", |facts, _| facts.gates_failed = 1);
    let candidates = [candidate(2, &[ClinicalSafety]), candidate(3, &[Regulatory])];
    let Missing::NotByApprovals { reasons } = search(&question, &candidates) else { panic!() };
    assert_eq!(reasons.len(), 1, "not the approvals, which would be there: {reasons:?}");
    assert!(reasons[0].ends_with("(guardrails.gates-passed)"), "{reasons:?}");
}

#[test]
fn a_role_that_nobody_holds_is_said() {
    let question = admission(Action::AdmitChange, "production", |_, _| {});
    let candidates = [candidate(2, &[ClinicalSafety]), candidate(3, &[ClinicalSafety])];
    let Missing::NotByApprovals { reasons } = search(&question, &candidates) else { panic!() };
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].ends_with("(approvals.guarded-regulatory)"), "{reasons:?}");
    let Missing::NotByApprovals { reasons } = search(&question, &[]) else { panic!() };
    assert_eq!(reasons.len(), 4, "{reasons:?}");
}

#[test]
fn more_approvals_than_are_searched_for_is_said() {
    let bundle = bundle_with(
        "@id(\"answer\") @reason(\"a\") permit (principal, action == Interlock::Action::\"ApproveChange\", resource);\n\
         @id(\"five\") @reason(\"b\") permit (principal, action == Interlock::Action::\"AdmitChange\", resource) \
         when { context.approvals.distinct >= 5 };",
    );
    let question = admission(Action::AdmitChange, "production", |_, _| {});
    let candidates: Vec<Candidate> = (2..9).map(|number| candidate(number, &[Viewer])).collect();
    assert_eq!(
        missing_approvals(&bundle, &question, &candidates, SearchLimit::default()),
        Missing::NotByApprovals { reasons: vec!["more than 4 further approvals would be needed".to_owned()] }
    );
    let wider = SearchLimit { approvals_max: 5, ..SearchLimit::default() };
    let Missing::Approvals { needs, .. } = missing_approvals(&bundle, &question, &candidates, wider) else {
        panic!()
    };
    assert_eq!(needs.len(), 5);
}

#[test]
fn the_limit_on_questions_is_obeyed_and_reported() {
    let question = admission(Action::AdmitChange, "production", |_, _| {});
    let candidates = [candidate(2, &[ClinicalSafety]), candidate(3, &[Regulatory])];
    let within = |questions_max| {
        missing_approvals(
            &default_bundle().unwrap(),
            &question,
            &candidates,
            SearchLimit { questions_max, ..SearchLimit::default() },
        )
    };
    // The question, two candidates, two sets of one, and of two: twice clinical safety is impossible, both is it,
    // twice regulatory is impossible.
    assert!(matches!(within(6), Missing::Approvals { .. }));
    assert_eq!(within(5), Missing::SearchExceeded { asked: 5 });
    assert_eq!(within(0), Missing::SearchExceeded { asked: 0 });
}

#[test]
fn a_question_without_facts_about_approvals_has_no_missing_approvals() {
    let mut question = admission(Action::AdmitChange, "production", |_, _| {});
    question.action = Action::ReadLedger;
    question.facts = interlock_domain::Facts::None;
    assert!(matches!(search(&question, &[]), Missing::NotByApprovals { .. }));
}
