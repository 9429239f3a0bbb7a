use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::{Value, json};

use super::*;

/// 200 targets, so many of which run a version that is not stored.
fn stranding(stranded: u64) -> Change {
    let mut change = testing::change();
    change.rollback[0].targets = 200 - stranded;
    change.rollback.push(RollbackTarget { version: "1.9.0".into(), artifact: None, targets: stranded });
    change
}

fn judge(change: &Change, settings: Value) -> Verdict {
    testing::evaluate::<RollbackPlan>(change, settings, NOON).unwrap()
}

#[test]
fn a_release_whose_targets_can_all_come_back_passes() {
    assert_eq!(judge(&testing::change(), json!({})), Verdict::pass());
}

#[test]
fn targets_without_a_stored_version_fail_by_version() {
    let verdict = judge(&stranding(12), json!({}));
    assert_eq!(verdict.outcome, Outcome::Fail);
    let finding = &verdict.findings[0];
    assert_eq!((finding.code.as_str(), finding.subject.as_str()), ("no-way-back", "1.9.0"));
    assert_eq!(
        finding.message,
        "12 targets run 1.9.0, and no verified artifact of that version is stored; push it with its signed statement"
    );
}

#[test]
fn a_target_that_never_reported_is_said_so() {
    let mut change = stranding(1);
    change.rollback[1].version.clear();
    assert!(judge(&change, json!({})).findings[0].message.contains("never said what they run"));
}

#[test]
fn an_operator_may_accept_a_few_and_is_warned() {
    let settings = json!({ "min_covered_bp": 9_500 });
    assert_eq!(judge(&stranding(10), settings.clone()).outcome, Outcome::Warn);
    assert_eq!(judge(&stranding(11), settings).outcome, Outcome::Fail);
}

#[test]
fn a_plan_that_forgets_targets_fails() {
    let mut change = testing::change();
    change.rollback[0].targets = 199;
    assert_eq!(judge(&change, json!({})).findings[0].code, "rollback-plan-incomplete");
}

#[test]
fn a_change_that_moves_no_artifact_is_not_its_business() {
    let change = Change { kind: ChangeKind::Policy, rollback: Vec::new(), ..testing::change() };
    assert_eq!(judge(&change, json!({})), Verdict::pass());
}

#[test]
fn settings_are_checked_by_their_path() {
    let problems = testing::check_settings::<RollbackPlan>(json!({ "min_covered_bp": 10_001 }));
    assert_eq!(problems[0].path, "/min_covered_bp");
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<RollbackPlan>(example), []);
}
