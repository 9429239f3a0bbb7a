use std::collections::BTreeSet;

use interlock_domain::{Action, Determining, Digest, Effect, Refusal, State, Timestamp};
use interlock_store::StoreError;
use interlock_vault::VaultError;
use serde_json::json;

use super::*;
use crate::FlowError;

/// The problem's status, kind and all that it says beyond its detail.
#[track_caller]
fn check(error: impl Into<FlowError>, expected: &str) {
    let problem = Problem::from(error.into());
    let (status_and_slug, extensions) = expected.split_at(expected.find('{').unwrap());
    assert_eq!(format!("{} {} ", problem.status().as_u16(), problem.kind().slug()), status_and_slug);
    assert_eq!(Value::Object(problem.extensions), serde_json::from_str::<Value>(extensions).unwrap());
}

fn other_digest() -> Refusal {
    Refusal::OtherDigest {
        verb: "approve",
        change: "chg_1".into(),
        given: Digest::of(b"old"),
        current: Digest::of(b"new"),
    }
}

#[test]
fn every_refusal_of_the_domain_has_its_own_problem() {
    let (change, at) = (|| "chg_1".to_owned(), Timestamp::from_millis(0));
    check(
        Refusal::WrongState { verb: "approve", change: change(), state: State::Completed },
        "409 wrong-state {}",
    );
    check(
        other_digest(),
        &format!(
            "409 other-digest {}",
            json!({ "current": Digest::of(b"new").to_string(), "field": "/digest" })
        ),
    );
    check(Refusal::OwnChange { change: change() }, "403 self-approval {}");
    check(Refusal::NotAPerson { change: change() }, "409 not-a-person {}");
    let second = Refusal::SecondPersonNeeded { account: "acc_1".into(), name: "Ben".into() };
    check(second, "409 second-person-needed {}");
    check(Refusal::AlreadyApproved { change: change(), name: "Ben".into(), at }, "409 already-approved {}");
    check(Refusal::Expired { change: change(), at }, "409 approval-expired {}");
    let (level, before) = ("regulatory".to_owned(), "clinic".to_owned());
    let turn = Refusal::OutOfTurn { change: change(), level: level.clone(), before };
    check(turn, r#"409 out-of-turn {"before":"clinic","level":"regulatory"}"#);
    check(Refusal::Unsigned { change: change(), level }, r#"409 signature-needed {"level":"regulatory"}"#);
    check(Refusal::StageOver { change: change(), stage: 1, next: 2 }, r#"409 stage-over {"field":"/stage"}"#);
    let bad = Refusal::BadDelegation { field: "/to", detail: "to oneself".to_owned() };
    check(bad, r#"422 invalid {"field":"/to"}"#);
    let unusable =
        Refusal::DelegationNotUsable { change: change(), delegation: "del_1".into(), why: "it was revoked" };
    check(unusable, "409 delegation-not-usable {}");
    check(Refusal::SecondToBreak { change: change(), until: at }, "409 second-to-break {}");
    let (account, name) = ("acc".to_owned(), "Ada".to_owned());
    check(
        Refusal::OtherHandOut { account: account.clone(), name: name.clone() },
        r#"409 other-hand-out {"field":"/digest"}"#,
    );
    check(Refusal::LastAdministrator { account, name }, "409 last-administrator {}");
    let first = "Otto".to_owned();
    check(Refusal::SafetyToBreak { change: change(), first, until: at }, "409 safety-to-break {}");
    check(Refusal::OwnIncident { incident: "inc_1".into() }, "403 own-incident {}");
    check(
        Refusal::AlreadyReviewed { incident: "inc_1".into(), name: "Ben".into() },
        "409 already-reviewed {}",
    );
    check(Refusal::NoReason { verb: "pause", change: change() }, r#"422 no-reason {"field":"/reason"}"#);
    check(Refusal::SkippedStage { asked: 3, next: 1 }, "409 skipped-stage {}");
    check(Refusal::NotSettled { open: 1, targets: 2 }, "409 not-settled {}");
    check(Refusal::NoSuchAction { device: "p".into(), action: 1 }, "404 no-such-action {}");
    check(Refusal::ActionClosed { device: "p".into(), action: 1 }, "410 action-closed {}");
    check(Refusal::BadManifest("a float".into()), "422 bad-manifest {}");
    check(Refusal::BadRoster("no such binding".into()), "422 bad-roster {}");
    let moved_on = Refusal::RosterMovedOn {
        what: "plugin",
        name: "size".into(),
        expected: "a".into(),
        found: "b".into(),
    };
    check(moved_on, "409 roster-moved-on {}");
    let wrong = Refusal::WrongPermit {
        permitted: Action::ReadChange,
        needed: Action::ApproveChange,
        resource: "chg_1".into(),
    };
    check(wrong, "403 denied {}");
}

#[test]
fn every_error_of_a_flow_has_its_own_problem() {
    check(FlowError::NotFound { what: "change", id: "chg_1".into() }, "404 not-found {}");
    check(FlowError::OutOfScope { scope: "write" }, r#"403 out-of-scope {"missing":"write"}"#);
    check(FlowError::invalid("/title", "too long"), r#"422 invalid {"field":"/title"}"#);
    check(FlowError::Exists { what: "device", id: "p".into() }, "409 exists {}");
    check(FlowError::Stale { id: "chg_1".into(), given: 1, current: 2 }, r#"412 stale {"current":2}"#);
    check(
        FlowError::Plugin { plugin: "canary".into(), detail: "trapped".into() },
        r#"409 plugin-unusable {"plugin":"canary"}"#,
    );
    let bundle = interlock_policy::BundleError::Absent { path: "schema.cedarschema" };
    check(FlowError::Bundle(bundle.into()), r#"422 bundle-refused {"faults":[]}"#);
    let decision = interlock_domain::DecisionId::new(uuid::Uuid::from_u128(1));
    let forbidding =
        Determining { id: "no-freeze".into(), reason: "it is frozen".into(), effect: Effect::Forbid };
    let denied = FlowError::Denied {
        action: Action::ProposeChange,
        resource: "mercy/production".into(),
        reasons: vec!["it is frozen (no-freeze)".into()],
        determining: vec![forbidding],
        decision: decision.clone(),
    };
    let said = json!({
        "decision": decision.to_string(),
        "policies": [{ "id": "no-freeze", "reason": "it is frozen", "effect": "forbid" }],
        "reasons": ["it is frozen (no-freeze)"],
    });
    check(denied, &format!("403 denied {said}"));
}

#[test]
fn each_way_in_which_content_can_be_wrong_is_told_apart() {
    check(VaultError::CutShort { expected: 2, found: 1 }, "422 cut-short {}");
    check(VaultError::LongerThanAnnounced { expected: 1, found: 2 }, "422 longer-than-announced {}");
    check(
        VaultError::TooLarge { size_bytes_max: 9, found: 10 },
        r#"413 artifact-too-large {"limit_bytes":9}"#,
    );
    let (expected, found) = (Digest::of(b"a"), Digest::of(b"b"));
    let said = json!({ "expected": expected.to_string(), "found": found.to_string() });
    check(VaultError::DigestMismatch { expected, found }, &format!("422 digest-mismatch {said}"));
    check(VaultError::Interrupted { received_bytes: 1, source: "gone".into() }, "400 interrupted {}");
    check(VaultError::RangeOutside { range: 0..9, size_bytes: 1 }, "416 range-outside {}");
    check(VaultError::ChunkAltered { digest: expected, chunk: 0 }, "500 content-damaged {}");
    check(VaultError::Encryption, "500 internal {}");
}

#[test]
fn the_store_says_whether_to_come_again() {
    check(StoreError::Busy, "503 busy {}");
    check(StoreError::Behind { log: "mercy".to_owned(), entries: 9, age_ms: 8 }, "503 busy {}");
    check(StoreError::Closed, "503 stopping {}");
    check(StoreError::Conflict { what: "change", id: "chg_1".into() }, "409 conflict {}");
    check(StoreError::Fenced { lease: "change/chg_1".into() }, "409 conflict {}");
    check(StoreError::AlreadyExists { what: "device", id: "p".into() }, "409 exists {}");
    check(StoreError::Missing { what: "group", id: "g".into() }, "404 not-found {}");
    check(StoreError::ActionsExhausted { tenant: "mercy".into() }, "409 actions-exhausted {}");
    check(StoreError::Malformed { detail: "no ids".into() }, "500 internal {}");
    assert_eq!(Problem::from(StoreError::Busy).into_response().headers()["retry-after"], "1");
}

#[test]
fn nothing_of_the_inside_is_said() {
    let corrupt =
        StoreError::Corrupt { what: "change", id: "chg_1".into(), detail: "password hunter2".into() };
    for problem in [Problem::from(corrupt), Problem::from(StoreError::Malformed { detail: "hunter2".into() })]
    {
        assert!(!problem.detail().contains("hunter2"), "{}", problem.detail());
    }
}

#[test]
fn no_two_kinds_share_a_slug() {
    let slugs: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
    assert_eq!(slugs.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert_eq!(Kind::of_slug(kind.slug()), Some(*kind));
        assert!(kind.slug().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", kind.slug());
        assert!(kind.status().is_client_error() || kind.status().is_server_error());
    }
}

#[tokio::test]
async fn a_problem_names_the_request_and_its_trace() {
    let work = async { Problem::invalid("/title", "too long").into_response() };
    let response = crate::trace::with("ab".repeat(16), handling("/v1/x".into(), work)).await;
    assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
        json!({
            "type": "/problems/invalid", "title": "A field does not fit", "status": 422, "detail": "too long",
            "field": "/title", "instance": "/v1/x", "trace_id": "abababababababababababababababab",
        })
    );
}
