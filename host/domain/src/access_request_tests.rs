//! Requests, who may answer to them, and when what was answered holds.

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{Answer, Decision, Facts, Principal, Question, Resource};

const HOUR_MS: i64 = 3_600_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn tenant() -> TenantId {
    "mercy".parse().unwrap()
}

fn person(seed: u128, kind: AccountKind) -> Actor {
    Actor {
        tenant: tenant(),
        account: AccountId::new(Uuid::from_u128(seed)),
        person: PersonId::new(Uuid::from_u128(seed)),
        name: format!("Person {seed}"),
        kind,
        roles: vec![],
        auth: "key:test".to_owned(),
        hold: None,
    }
}

fn permit(who: &Actor, action: Action) -> Permit {
    let bundle = Digest::of(b"bundle");
    let answer = Answer { allowed: true, determining: vec![], errors: vec![], monitored: vec![], bundle };
    let question = Question {
        principal: Principal::Actor(who.clone()),
        action,
        resource: Resource::Tenant { tenant: tenant() },
        facts: Facts::None,
        now: at(0),
        freshness: None,
    };
    let decision = Decision::of_policy(DecisionId::new(Uuid::from_u128(5)), None, question, answer, 1);
    decision.permit().unwrap()
}

fn question() -> Value {
    json!({ "subject": { "type": "user", "id": "Alice" }, "action": { "name": "edit" },
        "resource": { "type": "record", "id": "7" } })
}

/// Made by person 1, who answers for the program; open for an hour.
fn request() -> AccessRequest {
    AccessRequest {
        id: AccessRequestId::new(Uuid::from_u128(9)),
        tenant: tenant(),
        evaluation: DecisionId::new(Uuid::from_u128(8)),
        account: AccountId::new(Uuid::from_u128(100)),
        person: PersonId::new(Uuid::from_u128(1)),
        asked: Box::new(question()),
        subject: AccessRequest::subject_of("salt", "user", "Alice"),
        scope: AccessRequest::scope_of("salt", &question()).unwrap(),
        salt: "salt".to_owned(),
        reason: "on call".to_owned(),
        wanted_ms: 1_000,
        state: AccessState::Pending,
        created_at: at(0),
        expires_at: at(HOUR_MS),
        answered: None,
        approved_until: None,
        revoked: None,
        revision: 1,
    }
}

fn said(
    request: &AccessRequest,
    verdict: AccessVerdict,
    seed: u128,
    now: i64,
) -> Result<AccessRequest, String> {
    let who = person(seed, AccountKind::User);
    let called = vec![who.person.to_string(), who.account.to_string(), who.name.clone()];
    let permit = permit(&who, Action::ApproveAccess);
    request
        .decide(verdict, &who, &called, "looked at it", &permit, at(now))
        .map_err(|error| error.to_string())
}

fn until(ms: i64) -> AccessVerdict {
    AccessVerdict::Approve { until: at(ms) }
}

#[test]
fn neither_whoever_asks_nor_the_subject_answers() {
    assert!(said(&request(), until(2_000), 2, 1).is_ok());
    for verdict in [until(2_000), AccessVerdict::Reject] {
        let own = said(&request(), verdict, 1, 1).unwrap_err();
        assert!(own.contains("it is about you, or you or your program made it"), "{own}");
        for called in [" alice ", "ALICE"] {
            let who = person(2, AccountKind::User);
            let permit = permit(&who, Action::ApproveAccess);
            let about = request().decide(verdict, &who, &[called.to_owned()], "mine", &permit, at(1));
            assert!(matches!(about, Err(Refusal::OwnRequest { .. })), "{called}");
        }
    }
    let approved = said(&request(), until(2_000), 2, 1).unwrap();
    assert!(said(&approved, AccessVerdict::Revoke, 1, 2).is_ok(), "to take access away is always good");
}

#[test]
fn only_a_permitted_person_with_a_reason_answers() {
    let who = person(2, AccountKind::User);
    let program = person(2, AccountKind::Service);
    let good = permit(&who, Action::ApproveAccess);
    let decide = |who: &Actor, reason: &str, permit: &Permit| {
        request().decide(AccessVerdict::Reject, who, &[], reason, permit, at(1))
    };
    assert!(decide(&who, "no", &good).is_ok());
    assert!(matches!(decide(&who, " ", &good), Err(Refusal::NoReason { .. })));
    let other = permit(&who, Action::ReadKey);
    assert!(matches!(decide(&who, "no", &other), Err(Refusal::WrongPermit { .. })));
    let theirs = permit(&person(3, AccountKind::User), Action::ApproveAccess);
    assert!(matches!(decide(&who, "no", &theirs), Err(Refusal::WrongPermit { .. })));
    let of_program = permit(&program, Action::ApproveAccess);
    assert!(matches!(decide(&program, "no", &of_program), Err(Refusal::NotAPerson { .. })));
}

#[test]
fn a_request_is_answered_once_and_in_time() {
    let approved = said(&request(), until(2_000), 2, 1).unwrap();
    for (from, verdict, now, status) in [
        (&approved, until(3_000), 2, "approved"),
        (&approved, AccessVerdict::Reject, 2, "approved"),
        (&approved, AccessVerdict::Revoke, 2_000, "expired"),
        (&request(), AccessVerdict::Revoke, 2, "pending"),
        (&request(), until(2 * HOUR_MS), HOUR_MS, "expired"),
        (&request(), until(5), 5, "pending"),
        (&said(&request(), AccessVerdict::Reject, 2, 1).unwrap(), until(2_000), 2, "rejected"),
    ] {
        let refused = said(from, verdict, 3, now).unwrap_err();
        assert!(refused.ends_with(&format!("it is {status}")), "{refused}");
    }
    assert!(said(&request(), until(2 * HOUR_MS), 2, HOUR_MS - 1).is_ok(), "up to the last instant");
}

#[test]
fn an_approval_holds_for_exactly_its_question_until_exactly_its_instant() {
    let approved = said(&request(), until(2_000), 2, 1).unwrap();
    let claim = |until: Option<i64>, state: Option<&str>| AccessClaim {
        id: approved.id.clone(),
        approved_until: until.map(at),
        state: state.map(str::to_owned),
    };
    let plain = claim(None, None);
    let holds = |request: &AccessRequest, claim: &AccessClaim, question: &Value, now: i64| {
        request.holds(claim, &tenant(), question, at(now)).map_err(Unapproved::reason)
    };
    assert_eq!(holds(&approved, &plain, &question(), 1_999), Ok(()));
    assert_eq!(holds(&approved, &claim(Some(2_000), Some("approved")), &question(), 5), Ok(()));
    assert_eq!(holds(&approved, &plain, &question(), 2_000), Err("approval_expired"));
    for (pointer, value) in
        [("/subject/id", json!("Bob")), ("/action/name", json!("burn")), ("/resource/id", json!("8"))]
    {
        let mut other = question();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_eq!(holds(&approved, &plain, &other, 5), Err("out_of_scope"), "{pointer}");
    }
    let mut other = question();
    other["context"] = json!({ "ward": "b" });
    assert_eq!(holds(&approved, &plain, &other, 5), Err("out_of_scope"));
    assert_eq!(holds(&approved, &claim(Some(9_000), None), &question(), 5), Err("approval_unverifiable"));
    assert_eq!(holds(&approved, &claim(None, Some("pending")), &question(), 5), Err("approval_unverifiable"));
    let elsewhere: TenantId = "grace".parse().unwrap();
    assert_eq!(approved.holds(&plain, &elsewhere, &question(), at(5)), Err(Unapproved::Unverifiable));
    assert_eq!(holds(&request(), &plain, &question(), 5), Err("grant_pending"));
    assert_eq!(holds(&request(), &plain, &question(), HOUR_MS), Err("approval_expired"));
    let rejected = said(&request(), AccessVerdict::Reject, 2, 1).unwrap();
    assert_eq!(holds(&rejected, &plain, &question(), 5), Err("policy_denied"));
    let revoked = said(&approved, AccessVerdict::Revoke, 3, 5).unwrap();
    assert_eq!(holds(&revoked, &plain, &question(), 6), Err("approval_expired"));
}

#[test]
fn the_salt_goes_nowhere_and_the_digest_depends_on_it() {
    assert_eq!(request().shown().salt, "");
    assert_ne!(request().scope, AccessRequest::scope_of("other", &question()).unwrap());
    let subject = AccessRequest::subject_of;
    assert_ne!(subject("s", "a", "bc"), subject("s", "ab", "c"));
    assert_ne!(
        subject("s", "a", "bc"),
        subject("t", "a", "bc"),
        "without the salt nobody can guess whom it is about"
    );
}
