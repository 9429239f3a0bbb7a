use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::json;

use super::*;

const HOUR: Millis = 3_600_000;

/// The shadow stage was entered at noon and settled at once, since it reaches nobody; health was judged so many hours later.
fn watching(hours: u64, finding: Option<Finding>) -> Situation {
    let verdict = finding.into_iter().collect();
    let at = NOON + hours * HOUR;
    Situation {
        stage: Some(0),
        entered_at: Some(NOON),
        settled_at: Some(NOON),
        now: at,
        health: vec![HealthVerdict { check: "thresholds".into(), at, verdict }],
        ..testing::situation::<ShadowCanary>("{}").unwrap()
    }
}

fn next(situation: &Situation) -> Directive {
    testing::advance::<ShadowCanary>(situation).unwrap()
}

#[test]
fn the_plan_begins_with_a_stage_that_reaches_nobody() {
    let plan =
        testing::plan::<ShadowCanary>(&testing::change(), json!({ "stages_bp": [500, 10_000] })).unwrap();
    let told: Vec<_> = plan.iter().map(|stage| (stage.name.as_str(), &stage.exposure, stage.hold)).collect();
    assert_eq!(
        told,
        [
            ("shadow", &Exposure::Shadow, 24 * HOUR),
            ("5 %", &Exposure::Percent(500), 2 * HOUR),
            ("100 %", &Exposure::Percent(10_000), 2 * HOUR)
        ]
    );
}

#[test]
fn nobody_is_touched_before_the_watch_is_over() {
    assert_eq!(next(&watching(23, None)), Directive::Wait(NOON + 24 * HOUR));
    assert_eq!(next(&watching(24, None)), Directive::EnterStage(1));
}

#[test]
fn a_fleet_that_is_unwell_anyway_stops_the_change_before_it_begins() {
    let failing = Finding::critical("error-rate-critical", "error rate is 7 %");
    let reason = "health check `thresholds`: error rate is 7 %".to_owned();
    assert_eq!(next(&watching(3, Some(failing))), Directive::RollBack(reason));
}

#[test]
fn a_person_may_end_the_watch() {
    assert_eq!(next(&Situation { promoted: true, ..watching(1, None) }), Directive::EnterStage(1));
}

#[test]
fn settings_are_checked_by_their_path() {
    let wrong = json!({ "stages_bp": [500, 500, 9_000] });
    let paths: Vec<String> =
        testing::check_settings::<ShadowCanary>(wrong).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["/stages_bp/1", "/stages_bp"]);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<ShadowCanary>(example), []);
}
