//! What an answer says: errors deny, watched policies are reported, times are judged to the millisecond.

use interlock_domain::{AccountKind, Action, Effect, Facts, Principal, Role, Timestamp};
use interlock_policy::{Bundle, Policies, default_bundle, sample_question};

use crate::{admission, asked_by, bundle_with, files_with, ids, person, somebody};

const HOURS_72_MS: i64 = 72 * 3_600_000;

/// Errs as soon as a stage after the first is entered: validation cannot see it, the sum is too large for a Long.
const OVERFLOWS: &str = "when { context.stage + 9223372036854775807 > 0 }";

const PERMIT: &str = "@id(\"yes\") @reason(\"Fine\") permit (principal, action == Interlock::Action::\"EnterStage\", resource);";

#[test]
fn an_erring_forbid_denies_although_cedar_alone_would_allow() {
    let bundle = bundle_with(&format!(
        "{PERMIT} @id(\"guard\") @reason(\"No\") \
         forbid (principal, action == Interlock::Action::\"EnterStage\", resource) {};",
        "when { context.stage + 9223372036854775807 < 0 }"
    ));
    let mut question = sample_question(Action::EnterStage);
    assert!(bundle.ask(&question).allowed);
    if let Facts::Admission(facts) = &mut question.facts {
        facts.stage = 1;
    }
    let answer = bundle.ask(&question);
    assert!(!answer.allowed);
    assert_eq!(answer.determining, [], "the permit did not decide");
    assert_eq!(answer.errors.len(), 1);
    assert!(
        answer.errors[0].starts_with("policy `guard` could not be evaluated, so nothing is permitted: "),
        "{answer:?}"
    );
    assert!(answer.errors[0].contains("overflow"), "{answer:?}");
}

#[test]
fn an_erring_permit_denies_although_another_permits() {
    let bundle = bundle_with(&format!(
        "{PERMIT} @id(\"more\") @reason(\"Also\") \
         permit (principal, action == Interlock::Action::\"EnterStage\", resource) {OVERFLOWS};"
    ));
    let mut question = sample_question(Action::EnterStage);
    if let Facts::Admission(facts) = &mut question.facts {
        facts.stage = 1;
    }
    let answer = bundle.ask(&question);
    assert!(!answer.allowed);
    assert_eq!(answer.reasons().len(), 1, "only the error is a reason: {answer:?}");
}

#[test]
fn a_question_that_does_not_fit_the_schema_is_denied_and_says_so() {
    let bundle = default_bundle().unwrap();
    let mut without_facts = sample_question(Action::AdmitChange);
    without_facts.facts = Facts::None;
    let mut wrong_resource = sample_question(Action::ApproveChange);
    wrong_resource.resource = sample_question(Action::ReadLedger).resource;
    let mut wrong_principal = sample_question(Action::ApproveChange);
    wrong_principal.principal = sample_question(Action::ReadEvidence).principal;
    let mut needless_facts = sample_question(Action::PauseRollout);
    needless_facts.facts = sample_question(Action::AdmitChange).facts;
    for question in [without_facts, wrong_resource, wrong_principal, needless_facts] {
        let answer = bundle.ask(&question);
        assert!(!answer.allowed);
        assert!(
            answer.errors[0].starts_with("the question does not fit the schema of the policies: "),
            "{answer:?}"
        );
    }
}

#[test]
fn without_policies_everything_is_denied_and_the_bundle_says_so() {
    let bundle = bundle_with("// nothing yet\n");
    assert!(bundle.denies_all());
    for &action in Action::ALL {
        let answer = bundle.ask(&sample_question(action));
        assert!(!answer.allowed && answer.errors.is_empty());
        assert_eq!(answer.reasons(), ["no policy permits it"]);
    }
    assert!(!default_bundle().unwrap().denies_all());
}

#[test]
fn a_watched_forbid_is_reported_and_does_not_deny() {
    let bundle = bundle_with(&format!(
        "{PERMIT} @id(\"soon\") @reason(\"From next month on\") @mode(\"monitor\") \
         forbid (principal, action == Interlock::Action::\"EnterStage\", resource);"
    ));
    let answer = bundle.ask(&sample_question(Action::EnterStage));
    assert!(answer.allowed);
    assert_eq!(ids(&answer), ["yes"]);
    assert_eq!(answer.monitored.len(), 1);
    assert_eq!((answer.monitored[0].id.as_str(), answer.monitored[0].effect), ("soon", Effect::Forbid));
}

#[test]
fn a_watched_permit_is_reported_only_where_nothing_else_stands_against_it() {
    let watched = "@id(\"soon\") @reason(\"Perhaps\") @mode(\"monitor\") \
                   permit (principal, action == Interlock::Action::\"EnterStage\", resource);";
    let answer = bundle_with(watched).ask(&sample_question(Action::EnterStage));
    assert!(!answer.allowed);
    assert_eq!(answer.monitored[0].id, "soon");

    let guarded = format!("{watched} @id(\"no\") @reason(\"No\") forbid (principal, action, resource);");
    let answer = bundle_with(&guarded).ask(&sample_question(Action::EnterStage));
    assert!(!answer.allowed);
    assert_eq!(answer.monitored, []);
}

#[test]
fn a_watched_policy_that_errs_is_reported_and_denies_nothing() {
    let bundle = bundle_with(&format!(
        "{PERMIT} @id(\"soon\") @reason(\"No\") @mode(\"monitor\") \
         forbid (principal, action == Interlock::Action::\"EnterStage\", resource) {OVERFLOWS};"
    ));
    let mut question = sample_question(Action::EnterStage);
    if let Facts::Admission(facts) = &mut question.facts {
        facts.stage = 1;
    }
    let answer = bundle.ask(&question);
    assert!(answer.allowed);
    assert!(answer.monitored[0].reason.starts_with("could not be evaluated: "), "{answer:?}");
}

#[test]
fn approvals_are_fresh_for_less_than_72_hours_and_exactly_then_expired() {
    let bundle = default_bundle().unwrap();
    let ask = |action, stage, age_ms: i64| {
        bundle.ask(&admission(action, "production", |facts, now: Timestamp| {
            facts.stage = stage;
            facts.approvals = facts
                .approvals
                .with(person(2), &[Role::ClinicalSafety], now.plus_millis(-age_ms))
                .with(person(3), &[Role::Regulatory], now);
        }))
    };
    for action in [Action::AdmitChange, Action::EnterStage] {
        assert!(ask(action, 0, HOURS_72_MS - 1).allowed, "{action}");
        let then = ask(action, 0, HOURS_72_MS);
        assert_eq!((then.allowed, ids(&then)), (false, vec!["approvals.profile"]), "{action}");
        let late = ask(action, 0, HOURS_72_MS + 1);
        let both = vec!["approvals.guarded-fresh", "approvals.profile"];
        assert_eq!((late.allowed, ids(&late)), (false, both), "{action}");
    }
    assert!(ask(Action::EnterStage, 1, 100 * HOURS_72_MS).allowed, "once under way, age does not count");
}

#[test]
fn counted_approvals_without_an_age_are_not_fresh() {
    let answer =
        default_bundle().unwrap().ask(&admission(Action::AdmitChange, "production", |facts, now| {
            facts.approvals = facts.approvals.with(person(2), &[Role::ClinicalSafety], now).with(
                person(3),
                &[Role::Regulatory],
                now,
            );
            facts.approvals.oldest = None;
        }));
    assert_eq!(ids(&answer), ["approvals.guarded-fresh"]);
}

#[test]
fn the_author_is_the_author_through_every_account_and_role() {
    let bundle = default_bundle().unwrap();
    let mut question = admission(Action::AdmitChange, "production", |_, _| {});
    question.action = Action::ApproveChange;
    question.facts = Facts::None;
    for account in [7, 8] {
        let mut actor = somebody(account, &[Role::ClinicalSafety, Role::Regulatory]);
        actor.person = person(1);
        question.principal = Principal::Actor(actor);
        assert_eq!(ids(&bundle.ask(&question)), ["approvals.not-the-author"]);
    }
    question.principal = Principal::Actor(somebody(2, &[Role::ClinicalSafety]));
    assert!(bundle.ask(&question).allowed);
}

#[test]
fn a_program_never_approves_nor_rejects_and_a_person_does_both() {
    let bundle = default_bundle().unwrap();
    for action in [Action::ApproveChange, Action::RejectChange] {
        let mut question = asked_by(action, &[Role::ClinicalSafety, Role::Regulatory]);
        assert!(bundle.ask(&question).allowed);
        if let Principal::Actor(actor) = &mut question.principal {
            actor.kind = AccountKind::Service;
        }
        assert_eq!(ids(&bundle.ask(&question)), ["approvals.only-people"]);
    }
}

#[test]
fn every_signature_outcome_but_verified_keeps_a_release_out_of_production() {
    use interlock_domain::SignatureOutcome::*;
    let bundle = default_bundle().unwrap();
    for outcome in [
        Verified,
        NotYetValid,
        Expired,
        Missing,
        UnknownKey,
        RevokedKey,
        KeyTooSmall,
        WrongPadding,
        WrongSalt,
        BadSignature,
        MalformedStatement,
        OtherArtifact,
        SizeMismatch,
        DigestMismatch,
    ] {
        for (environment, allowed) in [("production", outcome == Verified), ("staging", true)] {
            let answer = bundle.ask(&admission(Action::AdmitChange, environment, |facts, now| {
                facts.signature = outcome;
                facts.approvals = facts.approvals.with(person(2), &[Role::ClinicalSafety], now).with(
                    person(3),
                    &[Role::Regulatory],
                    now,
                );
            }));
            assert_eq!(answer.allowed, allowed, "{outcome} in {environment}: {answer:?}");
        }
    }
}

#[test]
fn a_replaced_bundle_answers_from_then_on_and_questions_keep_theirs() {
    let policies = Policies::new(default_bundle().unwrap());
    let before = policies.bundle();
    let question = sample_question(Action::PauseRollout);
    assert!(policies.ask(&question).allowed);
    let old = policies.replace(Bundle::from_files(files_with("")).unwrap());
    assert_eq!(old.digest, before.digest);
    assert!(!policies.ask(&question).allowed);
    assert!(before.ask(&question).allowed);
    assert_ne!(policies.ask(&question).bundle, before.ask(&question).bundle);
}
