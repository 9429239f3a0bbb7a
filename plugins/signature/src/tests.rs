use interlock_plugin_sdk::testing::{self, Evidence, NOON};
use serde_json::{Value, json};

use super::*;

/// What the host states about a well-signed artifact, with `altered` laid over it.
fn facts(altered: &Value) -> Value {
    let artifact = &testing::change().artifacts[0];
    let mut facts = json!({
        "name": artifact.name,
        "version": artifact.version,
        "digest": artifact.digest,
        "size": artifact.size_bytes,
        "signature": { "outcome": "verified", "key_id": "release-2026", "detail": null },
        "models": [],
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
    evaluate_change(&testing::change(), altered, settings)
}

fn evaluate_change(change: &Change, altered: Value, settings: Value) -> Result<Verdict, Fault> {
    let key = evidence::artifact_key(&change.artifacts[0]);
    let evidence = Evidence::new().json("artifact", &key, facts(&altered));
    evidence.during(|| testing::evaluate::<super::Signature>(change, settings, NOON))
}

fn codes(altered: Value, settings: Value) -> Vec<String> {
    evaluate(altered, settings).unwrap().findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn a_good_signature_with_a_higher_counter_passes() {
    assert_eq!(evaluate(json!({}), json!({})).unwrap(), Verdict::pass());
}

/// The rows of the README's table of outcomes. A test of the host holds it to every outcome that the host knows.
fn documented() -> Vec<(&'static str, &'static str)> {
    let words = |line: &'static str| -> Vec<&str> { line.split('|').map(str::trim).collect() };
    let quoted = |word: &'static str| word.strip_prefix('`')?.strip_suffix('`');
    let rows = include_str!("../README.md").lines().filter(|line| line.starts_with("| `")).map(words);
    rows.filter_map(|words| Some((quoted(words.get(1)?)?, quoted(words.get(2)?)?)))
        .filter(|(_, finding)| finding.starts_with("signature-"))
        .collect()
}

#[test]
fn every_outcome_but_verified_fails_with_the_code_that_the_readme_gives_it_and_no_two_share_one() {
    let documented = documented();
    assert_eq!(documented.len(), 13, "{documented:?}");
    let mut codes = std::collections::BTreeSet::new();
    for (outcome, code) in documented {
        let verdict = evaluate(json!({"signature": {"outcome": outcome}}), json!({})).unwrap();
        assert_eq!((verdict.outcome, verdict.findings[0].code.as_str()), (Outcome::Fail, code), "{outcome}");
        assert!(codes.insert(code), "`{code}` stands twice");
    }
}

#[test]
fn an_artifact_goes_only_to_the_models_that_it_is_signed_for() {
    let with = |models: Value| Change {
        manifest: json!({"population": {"models": models}}).to_string(),
        ..testing::change()
    };
    let judge =
        |change: &Change, models: Value| evaluate_change(change, json!({"models": models}), json!({}));
    let both = with(json!({"x2": 3, "x9": 2, "y1": 1}));
    assert_eq!(judge(&both, json!([])).unwrap(), Verdict::pass());
    assert_eq!(judge(&both, json!(["y1", "x9", "x2", "x3"])).unwrap(), Verdict::pass());
    let verdict = judge(&both, json!(["x2"])).unwrap();
    assert_eq!(
        (verdict.outcome, verdict.findings[0].code.as_str()),
        (Outcome::Fail, "signature-other-model")
    );
    assert_eq!(
        verdict.findings[0].message,
        "`pump-firmware` is signed for `x2`, but the change goes to `x9`, `y1`, 3 targets in all; leave these targets \
         out, or have it signed for them"
    );
    let many: Value = (0..9).map(|n| (format!("m{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let message = &judge(&with(many), json!(["x2"])).unwrap().findings[0].message;
    assert!(message.contains("goes to `m0`, `m1`, `m2`, `m3`, `m4` and 4 more, 9 targets"), "{message}");
}

#[test]
fn a_manifest_that_does_not_say_whom_it_reaches_is_a_fault_where_models_are_named() {
    for manifest in ["{}", "", r#"{"population": {"size": 1}}"#, r#"{"population": {"models": {}}}"#] {
        let change = Change { manifest: manifest.to_owned(), ..testing::change() };
        let judged = evaluate_change(&change, json!({"models": ["x2"]}), json!({}));
        assert!(matches!(judged, Err(Fault::Evidence(_))), "{manifest}: {judged:?}");
        assert_eq!(evaluate_change(&change, json!({}), json!({})).unwrap(), Verdict::pass());
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
    for (field, other) in [("digest", "sha256:00"), ("name", "lamp-firmware"), ("version", "1.0")] {
        let foreign = evaluate(json!({ field: other }), json!({}));
        assert!(matches!(foreign, Err(Fault::Evidence(_))), "{field}: {foreign:?}");
    }
    // Under its digest alone there is nothing: that could be anybody's.
    let by_digest = Evidence::new().json("artifact", &change.artifacts[0].digest, facts(&json!({})));
    let found = by_digest.during(|| testing::evaluate::<super::Signature>(&change, json!({}), NOON));
    assert!(matches!(found, Err(Fault::Evidence(_))), "{found:?}");
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
