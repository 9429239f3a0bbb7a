use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::json;

use super::*;

const MINUTE: Millis = 60_000;

/// Everybody was offered the change at noon, so many failed, and the last settled a minute later; health was judged since.
fn switched(failed: u64, minute: u64) -> Situation {
    let now = NOON + minute * MINUTE;
    let mut situation = testing::situation::<BlueGreen>("{}").unwrap();
    situation.progress.verified = 200 - failed;
    situation.progress.failed = failed;
    Situation {
        stage: Some(0),
        entered_at: Some(NOON),
        settled_at: Some(NOON + MINUTE),
        now,
        health: vec![HealthVerdict { check: "thresholds".into(), at: now, verdict: Verdict::pass() }],
        ..situation
    }
}

fn next(situation: &Situation) -> Directive {
    testing::advance::<BlueGreen>(situation).unwrap()
}

#[test]
fn everybody_is_switched_at_once() {
    let plan = testing::plan::<BlueGreen>(&testing::change(), "{}").unwrap();
    assert_eq!(plan, [Stage { name: "green".into(), exposure: Exposure::All, hold: 5 * MINUTE }]);
    assert_eq!(next(&testing::situation::<BlueGreen>("{}").unwrap()), Directive::EnterStage(0));
}

#[test]
fn everybody_is_watched_before_it_completes() {
    assert_eq!(next(&switched(0, 3)), Directive::Wait(NOON + 6 * MINUTE));
    assert_eq!(next(&switched(0, 6)), Directive::Complete);
}

#[test]
fn a_count_of_errors_switches_back_however_many_targets_there_are() {
    assert_eq!(next(&switched(10, 6)), Directive::Complete);
    let reason = "11 targets failed or fell silent; at most 10 may".to_owned();
    assert_eq!(next(&switched(11, 3)), Directive::RollBack(reason));
}

#[test]
fn an_unknown_setting_is_refused_by_its_path() {
    assert_eq!(testing::check_settings::<BlueGreen>(json!({ "errors": 5 }))[0].path, "/errors");
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<BlueGreen>(example), []);
}
