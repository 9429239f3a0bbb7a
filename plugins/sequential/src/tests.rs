use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::{Value, json};

use super::*;
use crate::test::{Decision, Sprt};

fn settings(json: &Value) -> Settings {
    serde_json::from_value(json.clone()).unwrap()
}

/// What it says of so many verified, failed and silent targets.
fn judge(verified: f64, failed: f64, silent: f64, settings: Value) -> Result<Verdict, Fault> {
    let queries = testing::needs::<Sequential>(&testing::change(), &settings).unwrap();
    let values = [verified, failed, silent];
    let observations: Vec<Observation> = queries
        .into_iter()
        .zip(values)
        .map(|(query, value)| {
            let series = |value| Series { targets: 100, samples: 1, value: Some(value), raw: Vec::new() };
            Observation { query, treatment: series(value), control: series(0.0) }
        })
        .collect();
    testing::judge::<Sequential>(&observations, settings, NOON)
}

#[test]
fn the_limits_are_walds() {
    // 1 % against 5 % at alpha = beta = 1 %: a failure adds ln 5, a success takes ln(0.99/0.95), the limits are ±ln 99.
    let sprt = Sprt::new(&settings(&json!({})));
    assert_eq!(sprt.decide(2, 2), Decision::Undecided { more: 190 });
    assert_eq!(sprt.decide(3, 3), Decision::Unacceptable);
    assert_eq!(sprt.decide(0, 111), Decision::Undecided { more: 1 });
    assert_eq!(sprt.decide(0, 112), Decision::Acceptable);
}

#[test]
fn a_few_early_failures_are_enough_to_stop() {
    let verdict = judge(2.0, 2.0, 1.0, json!({})).unwrap();
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert_eq!(
        verdict.findings[0].message,
        "3 of 5 finished targets failed or fell silent: that speaks for 5 % and more rather than for 1 %"
    );
}

#[test]
fn many_good_targets_prove_that_it_is_acceptable() {
    let verdict = judge(200.0, 0.0, 0.0, json!({})).unwrap();
    assert_eq!(
        (verdict.outcome, verdict.findings[0].code.as_str()),
        (Outcome::Pass, "failure-rate-acceptable")
    );
}

#[test]
fn while_it_cannot_tell_it_says_what_would_settle_it() {
    let verdict = judge(10.0, 0.0, 0.0, json!({})).unwrap();
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert!(
        verdict.findings[0].message.contains("102 more without a failure"),
        "{}",
        verdict.findings[0].message
    );
    assert_eq!(judge(10.0, 0.0, 0.0, json!({ "undecided": "warn" })).unwrap().outcome, Outcome::Warn);
    assert_eq!(judge(0.0, 0.0, 0.0, json!({})).unwrap().findings[0].code, "failure-rate-undecided");
}

#[test]
fn more_failures_never_make_it_look_better() {
    let sprt = Sprt::new(&settings(&json!({})));
    let weight = |decision| match decision {
        Decision::Acceptable => 0,
        Decision::Undecided { .. } => 1,
        Decision::Unacceptable => 2,
    };
    for finished in 0..300 {
        let weights: Vec<i32> =
            (0..=finished).map(|failures| weight(sprt.decide(failures, finished))).collect();
        assert!(weights.is_sorted(), "{finished}: {weights:?}");
    }
}

#[test]
fn a_count_that_is_no_count_is_a_fault() {
    for wrong in [f64::NAN, -1.0, 0.5, f64::INFINITY] {
        assert!(matches!(judge(wrong, 0.0, 0.0, json!({})), Err(Fault::Evidence(_))), "{wrong}");
    }
}

#[test]
fn settings_are_checked_by_their_path() {
    let wrong = json!({ "acceptable_bp": 500, "unacceptable_bp": 500, "missed_bp": 0 });
    let paths: Vec<String> =
        testing::check_settings::<Sequential>(wrong).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["/missed_bp", "/unacceptable_bp"]);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<Sequential>(example), []);
}
