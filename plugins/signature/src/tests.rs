use interlock_plugin_sdk::testing::{self, Evidence, NOON};
use serde_json::{Value, json};

use super::*;

/// What the host states about a well-signed artifact, with `altered` laid over it.
fn facts(altered: &Value) -> Value {
    let artifact = &testing::change().artifacts[0];
    let mut facts = json!({
        "digest": artifact.digest,
        "size": artifact.size_bytes,
        "signature": { "outcome": "verified", "key_id": "release-2026", "detail": null },
        "release_counter": 12,
        "current_release_counter_max": 11,
    });
    lay_over(&mut facts, altered);
    facts
}

fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            above.iter().for_each(|(key, value)| lay_over(below.entry(key).or_insert(Value::Null), value));
        }
        (below, above) => *below = above.clone(),
    }
}

fn evaluate(altered: Value, settings: Value) -> Result<Verdict, Fault> {
    let change = testing::change();
    let evidence = Evidence::new().json("artifact", &change.artifacts[0].digest, facts(&altered));
    evidence.during(|| testing::evaluate::<super::Signature>(&change, settings, NOON))
}

fn codes(altered: Value, settings: Value) -> Vec<String> {
    evaluate(altered, settings).unwrap().findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn a_good_signature_with_a_higher_counter_passes() {
    assert_eq!(evaluate(json!({}), json!({})).unwrap(), Verdict::pass());
}

#[test]
fn every_reason_has_its_own_code() {
    let reasons = [
        ("missing", "signature-missing"),
        ("unknown_key", "signature-unknown-key"),
        ("revoked_key", "signature-revoked-key"),
        ("digest_mismatch", "signature-digest-mismatch"),
        ("size_mismatch", "signature-size-mismatch"),
        ("wrong_padding", "signature-wrong-padding"),
        ("wrong_salt", "signature-wrong-salt"),
        ("key_too_small", "signature-key-too-small"),
        ("bad_signature", "signature-bad"),
        ("malformed_statement", "signature-malformed"),
        ("expired", "signature-expired"),
        ("not_yet_valid", "signature-not-yet-valid"),
    ];
    for (outcome, code) in reasons {
        let verdict = evaluate(json!({"signature": {"outcome": outcome}}), json!({})).unwrap();
        assert_eq!((verdict.outcome, verdict.findings[0].code.as_str()), (Outcome::Fail, code), "{outcome}");
    }
}

#[test]
fn a_finding_names_artifact_key_and_detail_and_what_to_do() {
    let altered = json!({"signature": {"outcome": "revoked_key", "detail": "revoked on 2026-01-05"}});
    let verdict = evaluate(altered, json!({})).unwrap();
    assert_eq!(
        verdict.findings[0].message,
        "`pump-firmware` is signed with a revoked key (key `release-2026`): revoked on 2026-01-05; sign it with a key \
         that is in force"
    );
    assert_eq!(verdict.findings[0].subject, testing::change().artifacts[0].digest);
}

#[test]
fn only_listed_keys_are_trusted_where_keys_are_listed() {
    assert_eq!(codes(json!({}), json!({"trusted_keys": ["release-2026", "b"]})), [""; 0]);
    assert_eq!(codes(json!({}), json!({"trusted_keys": ["b"]})), ["signature-key-not-trusted"]);
    let unnamed = json!({"signature": {"key_id": null}});
    assert_eq!(codes(unnamed, json!({"trusted_keys": ["b"]})), ["signature-key-not-trusted"]);
}

#[test]
fn a_lower_counter_is_refused_unless_allowed() {
    let lower = json!({"release_counter": 10});
    assert_eq!(codes(lower.clone(), json!({})), ["release-counter-lower"]);
    assert_eq!(codes(lower, json!({"allow_counter_lower": true})), [""; 0]);
}

#[test]
fn an_equal_counter_is_accepted_unless_refused() {
    let equal = json!({"release_counter": 11});
    assert_eq!(codes(equal.clone(), json!({})), [""; 0]);
    assert_eq!(codes(equal, json!({"allow_counter_equal": false})), ["release-counter-equal"]);
}

#[test]
fn a_counter_may_be_missing_only_before_the_first_release() {
    let uncounted = json!({"release_counter": null});
    assert_eq!(codes(uncounted, json!({})), ["release-counter-missing"]);
    let first = json!({"release_counter": null, "current_release_counter_max": null});
    assert_eq!(codes(first, json!({})), [""; 0]);
}

#[test]
fn all_objections_to_an_artifact_are_reported_together() {
    let altered = json!({"size": 1, "signature": {"outcome": "expired"}, "release_counter": 1});
    let expected = ["artifact-size-differs", "signature-expired", "release-counter-lower"];
    assert_eq!(codes(altered, json!({})), expected);
}

#[test]
fn missing_unreadable_or_foreign_evidence_is_a_fault() {
    let change = testing::change();
    let missing = testing::evaluate::<super::Signature>(&change, json!({}), NOON);
    assert!(matches!(missing, Err(Fault::Evidence(_))));
    let unknown_outcome = evaluate(json!({"signature": {"outcome": "fine"}}), json!({}));
    assert!(matches!(unknown_outcome, Err(Fault::Evidence(_))));
    let foreign = evaluate(json!({"digest": "sha256:00"}), json!({}));
    assert!(matches!(foreign, Err(Fault::Evidence(_))));
}

#[test]
fn a_release_without_artifacts_fails_and_other_changes_pass() {
    let evaluate = |kind| {
        let change = Change { kind, artifacts: Vec::new(), ..testing::change() };
        testing::evaluate::<super::Signature>(&change, json!({}), NOON).unwrap().outcome
    };
    assert_eq!(evaluate(ChangeKind::Release), Outcome::Fail);
    assert_eq!(evaluate(ChangeKind::Config), Outcome::Pass);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<super::Signature>(example), []);
}
