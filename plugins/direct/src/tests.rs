use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::json;

use super::*;

const MINUTE: Millis = 60_000;

/// All 200 targets were offered the change at noon; it is ten minutes later.
fn underway() -> Situation {
    let situation = testing::situation::<Direct>(json!({"hold_secs": 300})).unwrap();
    Situation { stage: Some(0), entered_at: Some(NOON), now: NOON + 10 * MINUTE, ..situation }
}

/// As [`underway`], and the last target verified at `minute`.
fn settled(minute: u64) -> Situation {
    let mut situation = underway();
    situation.settled_at = Some(NOON + minute * MINUTE);
    situation.progress.verified = 200;
    situation
}

fn judged(minute: u64, finding: Option<Finding>) -> HealthVerdict {
    let verdict = finding.into_iter().collect();
    HealthVerdict { check: "thresholds".into(), at: NOON + minute * MINUTE, verdict }
}

fn next(situation: &Situation) -> Directive {
    testing::advance::<Direct>(situation).unwrap()
}

#[test]
fn the_plan_is_one_stage_for_all() {
    let plan = testing::plan::<Direct>(&testing::change(), json!({"hold_secs": 60})).unwrap();
    assert_eq!(plan, [Stage { name: "all".into(), exposure: Exposure::All, hold: MINUTE }]);
}

#[test]
fn the_only_stage_is_entered_at_once() {
    assert_eq!(next(&testing::situation::<Direct>("{}").unwrap()), Directive::EnterStage(0));
}

#[test]
fn an_unsettled_stage_waits_for_a_change() {
    let situation = underway();
    assert_eq!(next(&situation), Directive::Wait(situation.until_changed()));
}

#[test]
fn a_settled_stage_waits_for_the_end_of_the_smoke_test() {
    assert_eq!(next(&settled(8)), Directive::Wait(NOON + 13 * MINUTE));
}

#[test]
fn a_smoke_test_that_is_over_completes_the_rollout() {
    assert_eq!(next(&settled(5)), Directive::Complete);
}

#[test]
fn a_promoted_rollout_does_not_wait_for_the_smoke_test() {
    assert_eq!(next(&Situation { promoted: true, ..settled(8) }), Directive::Complete);
}

#[test]
fn failing_health_rolls_back_with_its_reason() {
    let finding = Finding::critical("latency-critical", "latency is 900 ms");
    let situation = Situation { health: vec![judged(4, Some(finding))], ..underway() };
    let reason = "health check `thresholds`: latency is 900 ms".to_owned();
    assert_eq!(next(&situation), Directive::RollBack(reason));
}

#[test]
fn a_warning_keeps_the_rollout_from_completing_until_somebody_promotes() {
    let finding = Finding::warning("latency-warning", "latency is 300 ms");
    let mut situation = Situation { health: vec![judged(4, Some(finding))], ..settled(5) };
    assert_eq!(next(&situation), Directive::Wait(situation.until_changed()));
    situation.promoted = true;
    assert_eq!(next(&situation), Directive::Complete);
}

#[test]
fn too_many_failures_roll_back_without_any_health_check() {
    let mut situation = settled(5);
    situation.progress.verified = 189;
    situation.progress.failed = 11;
    let reason = "11 of 200 finished targets failed or fell silent: 5.5 %, at most 5 % may".to_owned();
    assert_eq!(next(&situation), Directive::RollBack(reason));
}

#[test]
fn an_unknown_setting_is_refused_by_its_path() {
    let problems = testing::check_settings::<Direct>(json!({"hold_seconds": 5}));
    assert_eq!(problems[0].path, "/hold_seconds");
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<Direct>(example), []);
}
