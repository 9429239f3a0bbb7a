use interlock_plugin_sdk::testing::{self, NOON};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

/// In stage `index` of the default plan since noon; it is three hours later.
fn in_stage(index: u32, settings: Value) -> Situation {
    let situation = testing::situation::<Canary>(settings).unwrap();
    Situation { stage: Some(index), entered_at: Some(NOON), now: NOON + 3 * HOUR, ..situation }
}

/// As [`in_stage`], and the last of ten targets verified at `minute`.
fn settled(index: u32, minute: u64, settings: Value) -> Situation {
    let mut situation = in_stage(index, settings);
    situation.settled_at = Some(NOON + minute * MINUTE);
    situation.progress.verified = 10;
    situation
}

fn health(at: Instant, finding: Option<Finding>) -> Vec<HealthVerdict> {
    vec![HealthVerdict { check: "thresholds".into(), at, verdict: finding.into_iter().collect() }]
}

fn warning() -> Option<Finding> {
    Some(Finding::warning("latency-warning", "latency is 300 ms"))
}

fn next(situation: &Situation) -> Directive {
    testing::advance::<Canary>(situation).unwrap()
}

#[test]
fn the_default_plan_is_5_10_25_50_100_percent_for_two_hours_each() {
    let plan = testing::plan::<Canary>(&testing::change(), "{}").unwrap();
    let stages: Vec<_> =
        plan.iter().map(|stage| (stage.name.as_str(), &stage.exposure, stage.hold)).collect();
    let percent = |bp| Exposure::Percent(bp);
    assert_eq!(
        stages,
        [
            ("5 %", &percent(500), 2 * HOUR),
            ("10 %", &percent(1000), 2 * HOUR),
            ("25 %", &percent(2500), 2 * HOUR),
            ("50 %", &percent(5000), 2 * HOUR),
            ("100 %", &percent(10_000), 2 * HOUR),
        ]
    );
}

#[test]
fn the_first_stage_is_entered_at_once() {
    assert_eq!(next(&testing::situation::<Canary>("{}").unwrap()), Directive::EnterStage(0));
}

#[test]
fn a_stage_with_unfinished_targets_waits_for_a_change() {
    let situation = in_stage(0, json!({}));
    assert_eq!(next(&situation), Directive::Wait(situation.until_changed()));
}

#[test]
fn a_settled_stage_waits_for_the_exact_end_of_its_hold_time() {
    assert_eq!(next(&settled(0, 90, json!({}))), Directive::Wait(NOON + 90 * MINUTE + 2 * HOUR));
}

#[test]
fn the_next_stage_follows_when_the_hold_time_passed_to_the_millisecond() {
    let mut situation = settled(0, 60, json!({}));
    assert_eq!(next(&situation), Directive::EnterStage(1));
    situation.now -= 1;
    assert_eq!(next(&situation), Directive::Wait(NOON + 3 * HOUR));
}

#[test]
fn a_promoted_stage_is_left_before_its_hold_time_but_not_before_it_settled() {
    let promoted = Situation { promoted: true, ..settled(0, 179, json!({})) };
    assert_eq!(next(&promoted), Directive::EnterStage(1));
    let unsettled = Situation { settled_at: None, ..promoted };
    assert_eq!(next(&unsettled), Directive::Wait(unsettled.until_changed()));
}

#[test]
fn the_rollout_completes_after_the_last_stage() {
    assert_eq!(next(&settled(4, 60, json!({}))), Directive::Complete);
}

#[test]
fn failing_health_rolls_back_even_a_promoted_stage() {
    let finding = Finding::critical("error-rate-critical", "error rate is 9 %");
    let situation =
        Situation { health: health(NOON + HOUR, Some(finding)), promoted: true, ..in_stage(0, json!({})) };
    let reason = "health check `thresholds`: error rate is 9 %".to_owned();
    assert_eq!(next(&situation), Directive::RollBack(reason));
}

#[test]
fn good_health_from_before_the_stage_does_not_let_it_end() {
    let mut situation = Situation { health: health(NOON - 1, None), ..settled(1, 30, json!({})) };
    assert_eq!(next(&situation), Directive::Wait(situation.until_changed()));
    situation.health = health(NOON, None);
    assert_eq!(next(&situation), Directive::EnterStage(2));
}

#[test]
fn failures_at_the_limit_are_borne_and_above_it_roll_back() {
    let mut situation = in_stage(2, json!({}));
    situation.progress.verified = 38;
    situation.progress.silent = 2;
    assert_eq!(next(&situation), Directive::Wait(situation.until_changed()));
    situation.progress.failed = 1;
    let reason = "3 of 41 finished targets failed or fell silent: 7.31 %, at most 5 % may".to_owned();
    assert_eq!(next(&situation), Directive::RollBack(reason));
}

#[test]
fn failures_of_an_unsettled_stage_count_once_enough_targets_finished() {
    let mut situation = in_stage(0, json!({"min_finished": 5}));
    situation.progress.failed = 4;
    assert_eq!(next(&situation), Directive::Wait(situation.until_changed()));
    situation.progress.verified = 1;
    assert!(matches!(next(&situation), Directive::RollBack(_)));
}

#[test]
fn failures_of_a_settled_stage_always_count() {
    let mut situation = settled(0, 60, json!({"min_finished": 100}));
    situation.progress.failed = 1;
    assert!(matches!(next(&situation), Directive::RollBack(_)));
}

#[test]
fn a_warning_waits_pauses_or_is_passed_over_as_set() {
    let warned = |on_warning| {
        let health = health(NOON + HOUR, warning());
        Situation { health, ..settled(0, 30, json!({"on_warning": on_warning})) }
    };
    let waiting = warned("wait");
    assert_eq!(next(&waiting), Directive::Wait(waiting.until_changed()));
    assert_eq!(
        next(&warned("pause")),
        Directive::Pause("health check `thresholds`: latency is 300 ms".into())
    );
    assert_eq!(next(&warned("continue")), Directive::EnterStage(1));
}

#[test]
fn a_promotion_overrides_a_warning() {
    for on_warning in ["wait", "pause"] {
        let health = health(NOON + HOUR, warning());
        let situation = settled(0, 30, json!({"on_warning": on_warning}));
        assert_eq!(next(&Situation { health, promoted: true, ..situation }), Directive::EnterStage(1));
    }
}

#[test]
fn a_warning_from_before_the_stage_does_not_pause_it() {
    let situation = in_stage(1, json!({"on_warning": "pause"}));
    let situation = Situation { health: health(NOON - 1, warning()), ..situation };
    assert_eq!(next(&situation), Directive::Wait(situation.until_changed()));
}

#[test]
fn a_stage_that_the_plan_does_not_have_is_a_fault() {
    assert!(matches!(testing::advance::<Canary>(&in_stage(5, json!({}))), Err(Fault::Internal(_))));
}

fn refused(settings: Value) -> Vec<String> {
    testing::check_settings::<Canary>(settings).into_iter().map(|problem| problem.path).collect()
}

#[test]
fn settings_are_refused_at_their_path() {
    let stages = |shares: &[u32]| {
        let stages: Vec<_> = shares.iter().map(|bp| json!({"percent_bp": bp})).collect();
        json!({"stages": stages})
    };
    assert_eq!(refused(json!({})), Vec::<String>::new());
    assert_eq!(refused(stages(&[10_000])), Vec::<String>::new());
    assert_eq!(refused(stages(&[])), ["/stages"]);
    assert_eq!(refused(stages(&[500, 500, 10_000])), ["/stages/1/percent_bp"]);
    assert_eq!(refused(stages(&[0, 10_000])), ["/stages/0/percent_bp"]);
    assert_eq!(refused(stages(&[500, 9_999])), ["/stages/1/percent_bp"]);
    assert_eq!(refused(stages(&[500, 10_001])), ["/stages/1/percent_bp"]);
    assert_eq!(refused(json!({"max_failure_bp": 10_001})), ["/max_failure_bp"]);
    assert_eq!(refused(json!({"stages": [{"percent_bp": 5, "percent": 5}]})), ["/stages/0/percent"]);
    assert_eq!(refused(json!({"stages": [{"percent_bp": "5 %"}]})), ["/stages/0/percent_bp"]);
    assert_eq!(refused(json!({"on_warning": "ignore"})), ["/on_warning"]);
}

#[test]
fn unfit_settings_are_a_fault_that_names_the_path() {
    let fault = testing::plan::<Canary>(&testing::change(), json!({"stages": []})).unwrap_err();
    assert_eq!(fault, Fault::Settings("`/stages`: name at least one stage".into()));
}

proptest! {
    /// Whatever the situation: stages are entered one after the other, a wait lies ahead, and nothing is promoted
    /// past unsettled targets or failing health.
    #[test]
    fn no_situation_skips_a_stage_or_waits_for_the_past(
        stage in proptest::option::of(0u32..5),
        entered_ago in 0..10 * HOUR,
        settled_after in proptest::option::of(0..10 * HOUR),
        (verified, failed, silent) in (0u64..100, 0u64..10, 0u64..10),
        outcome in 0..4,
        promoted: bool,
    ) {
        let mut situation = in_stage(0, json!({}));
        let entered_at = situation.now.saturating_sub(entered_ago);
        situation.stage = stage;
        situation.entered_at = stage.map(|_| entered_at);
        situation.settled_at = stage.and(settled_after).map(|after| (entered_at + after).min(situation.now));
        situation.promoted = promoted;
        situation.progress = Progress { verified, failed, silent, ..situation.progress };
        situation.health = match outcome {
            0 => Vec::new(),
            1 => health(situation.now, None),
            2 => health(situation.now, warning()),
            _ => health(situation.now, Some(Finding::critical("x", "y"))),
        };
        let directive = next(&situation);
        let bad = outcome == 3 || (failed + silent) * 20 > verified + failed + silent;
        prop_assert_eq!(bad, matches!(directive, Directive::RollBack(_)));
        match directive {
            Directive::EnterStage(next) => {
                prop_assert_eq!(next, stage.map_or(0, |stage| stage + 1));
                prop_assert!(stage.is_none() || situation.settled_at.is_some());
            }
            Directive::Wait(instant) => prop_assert!(instant > situation.now),
            Directive::Complete => prop_assert!(stage == Some(4) && situation.settled_at.is_some()),
            Directive::Pause(_) => prop_assert!(false, "the default settings do not pause"),
            Directive::RollBack(_) => {}
        }
    }
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<Canary>(example), []);
}
