use std::cmp::Ordering;

use interlock_plugin_sdk::testing::{self, Evidence, NOON};
use proptest::prelude::{ProptestConfig, proptest};
use serde_json::{Value, json};

use super::*;
use crate::version::Version;

fn evaluate(document: Option<Value>, devices: Value, settings: Value) -> Result<Verdict, Fault> {
    let change = testing::change();
    let key = format!("{}/compatibility", change.artifacts[0].digest);
    let fleet = json!({ "targets": 200, "devices": devices });
    let evidence = Evidence::new().json("fleet", "population", fleet);
    let evidence = match document {
        Some(document) => evidence.json("document", &key, document),
        None => evidence,
    };
    evidence.during(|| testing::evaluate::<super::DeviceCompatibility>(&change, settings, NOON))
}

fn codes(document: Option<Value>, devices: Value, settings: Value) -> Vec<String> {
    evaluate(document, devices, settings).unwrap().findings.into_iter().map(|finding| finding.code).collect()
}

fn pumps(revision: &str, version: &str) -> Value {
    json!([{ "model": "pump-x2", "hardware_revision": revision, "version": version, "targets": 200 }])
}

fn rule() -> Value {
    json!({ "model": "pump-x2", "hardware_revisions": ["B", "C"], "minimum_version": "2.0.0", "maximum_version": "2.9.0" })
}

fn document() -> Option<Value> {
    Some(json!({ "devices": [rule()] }))
}

#[test]
fn devices_within_all_limits_pass() {
    for version in ["2.0.0", "2.9.0", "v2.5.0", "2.5"] {
        assert_eq!(codes(document(), pumps("B", version), json!({})), [""; 0], "{version}");
    }
}

#[test]
fn each_thing_that_does_not_fit_has_its_code() {
    for (revision, version, code) in [
        ("A", "2.0.0", "device-revision-incompatible"),
        ("B", "1.9.9", "device-version-too-old"),
        ("B", "2.0.0-rc.1", "device-version-too-old"),
        ("B", "2.9.1", "device-version-too-new"),
        ("B", "2.9.0.1", "device-version-too-new"),
        ("", "2.0.0", "device-revision-unknown"),
        ("B", "", "device-version-unknown"),
        ("B", "latest", "device-version-unknown"),
        ("", "1.0.0", "device-version-too-old"),
        ("A", "", "device-revision-incompatible"),
    ] {
        assert_eq!(codes(document(), pumps(revision, version), json!({})), [code], "{revision} {version}");
    }
    let lamps = json!([{ "model": "lamp", "hardware_revision": null, "targets": 200 }]);
    assert_eq!(codes(document(), lamps, json!({})), ["device-model-incompatible"]);
}

#[test]
fn a_finding_names_model_revision_version_and_how_many() {
    let verdict = evaluate(document(), pumps("A", "2.0.0"), json!({})).unwrap();
    let message = &verdict.findings[0].message;
    assert!(message.contains("200 devices of model `pump-x2`, revision `A`, version `2.0.0`"), "{message}");
    assert_eq!(verdict.findings[0].subject, "pump-x2");
}

#[test]
fn what_is_unknown_fails_or_warns_as_set() {
    let warn = json!({ "on_unknown": "warn" });
    assert_eq!(evaluate(document(), pumps("B", ""), json!({})).unwrap().outcome, Outcome::Fail);
    assert_eq!(evaluate(document(), pumps("B", ""), warn.clone()).unwrap().outcome, Outcome::Warn);
    assert_eq!(evaluate(document(), pumps("A", ""), warn).unwrap().outcome, Outcome::Fail);
}

#[test]
fn where_no_rule_asks_an_unknown_fact_does_not_matter() {
    let any = Some(json!({ "devices": [{ "model": "pump-x2" }] }));
    assert_eq!(codes(any, pumps("", ""), json!({})), [""; 0]);
}

#[test]
fn settings_and_document_must_both_agree() {
    let settings = json!({ "devices": [{ "model": "pump-x2", "minimum_version": "2.5.0" }] });
    assert_eq!(codes(document(), pumps("B", "2.4.0"), settings.clone()), ["device-version-too-old"]);
    assert_eq!(codes(document(), pumps("A", "2.6.0"), settings.clone()), ["device-revision-incompatible"]);
    assert_eq!(codes(document(), pumps("B", "2.6.0"), settings.clone()), [""; 0]);
    assert_eq!(codes(None, pumps("A", "2.6.0"), settings.clone()), [""; 0]);
    // What one of them does not know, the other may refuse for sure.
    assert_eq!(codes(document(), pumps("", "2.4.0"), settings), ["device-version-too-old"]);
}

#[test]
fn a_model_may_be_listed_several_times() {
    let twice = Some(json!({ "devices": [
        { "model": "pump-x2", "hardware_revisions": ["A"], "minimum_version": "1.5.0" }, rule()
    ] }));
    assert_eq!(codes(twice.clone(), pumps("A", "1.6.0"), json!({})), [""; 0]);
    assert_eq!(codes(twice, pumps("B", "1.6.0"), json!({})), ["device-version-too-old"]);
}

#[test]
fn somebody_must_say_what_the_artifact_runs_on() {
    assert_eq!(codes(None, pumps("B", "2.0.0"), json!({})), ["compatibility-missing"]);
    let required = json!({ "devices": [rule()], "document": "required" });
    assert_eq!(codes(None, pumps("B", "2.0.0"), required), ["compatibility-missing"]);
    let ignored = json!({ "devices": [{ "model": "pump-x2" }], "document": "ignored" });
    assert_eq!(codes(document(), pumps("A", "1.0.0"), ignored), [""; 0]);
}

#[test]
fn facts_of_fewer_devices_than_the_change_has_fail() {
    let few = json!([{ "model": "pump-x2", "hardware_revision": "B", "version": "2.0.0", "targets": 199 }]);
    assert_eq!(codes(document(), few, json!({})), ["population-differs"]);
}

#[test]
fn unreadable_or_missing_evidence_is_a_fault() {
    for bad in [
        json!({}),
        json!({ "devices": [{ "model": "a", "minimum_version": "new" }] }),
        json!({ "devices": [{ "modell": "a" }] }),
    ] {
        let found = evaluate(Some(bad), pumps("B", "2.0.0"), json!({}));
        assert!(matches!(found, Err(Fault::Evidence(_))), "{found:?}");
    }
    let found = testing::evaluate::<super::DeviceCompatibility>(&testing::change(), json!({}), NOON);
    assert!(matches!(found, Err(Fault::Evidence(_))), "{found:?}");
}

#[test]
fn only_releases_are_judged_and_they_need_an_artifact() {
    let evaluate = |kind| {
        let change = Change { kind, artifacts: Vec::new(), ..testing::change() };
        testing::evaluate::<super::DeviceCompatibility>(&change, json!({}), NOON).unwrap().outcome
    };
    assert_eq!(evaluate(ChangeKind::Config), Outcome::Pass);
    assert_eq!(evaluate(ChangeKind::Release), Outcome::Fail);
}

#[test]
fn settings_are_refused_by_their_path() {
    for (settings, path) in [
        (json!({ "devices": [{ "model": "" }] }), "/devices/0/model"),
        (json!({ "devices": [{ "model": "a", "hardware_revisions": [] }] }), "/devices/0/hardware_revisions"),
        (json!({ "devices": [{ "model": "a", "minimum_version": "1.x" }] }), "/devices/0/minimum_version"),
        (json!({ "devices": [{ "model": "a", "maximum_version": "" }] }), "/devices/0/maximum_version"),
        (json!({ "document": "ignored" }), "/devices"),
    ] {
        let problems = testing::check_settings::<super::DeviceCompatibility>(&settings);
        assert_eq!(
            problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
            [path],
            "{settings}"
        );
    }
}

fn compare(one: &str, two: &str) -> Option<Ordering> {
    Version::read(one).unwrap().compare(&Version::read(two).unwrap())
}

/// The order that semver.org gives as its example.
#[test]
fn semantic_versions_are_in_the_order_of_their_specification() {
    let ascending = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "2.0.0",
        "2.1.0",
        "2.1.1",
        "2.10.0",
    ];
    for pair in ascending.windows(2) {
        assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
    }
    assert_eq!(compare("1.0.0+20130313144700", "1.0.0+exp.sha.5114f85"), Some(Ordering::Equal));
    assert_eq!(compare("2.1", "2.1.0"), Some(Ordering::Equal));
    assert_eq!(compare("2026.03", "2026.3.0.0"), Some(Ordering::Equal));
    assert_eq!(compare("1.0.0-rc.1", "1.0"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_order_of_versions_turns_round(one in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}", two in "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}") {
        assert_eq!(compare(&one, &two), compare(&two, &one).map(Ordering::reverse));
        assert_eq!(compare(&one, &one), Some(Ordering::Equal));
        assert_eq!(compare(&format!("{one}.0"), &one), Some(Ordering::Equal));
    }

    #[test]
    fn any_text_is_a_version_or_is_refused(text in ".{0,40}") {
        if let Ok(version) = Version::read(&text) {
            assert_eq!(version.compare(&version), Some(Ordering::Equal));
        }
    }
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<super::DeviceCompatibility>(example), []);
}
