use interlock_plugin_sdk::testing::{self, NOON};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod bad_settings;
mod maths;

/// Latencies in milliseconds of ten pumps on the old revision.
const CONTROL: [f64; 10] = [30.0, 31.0, 33.0, 33.0, 35.0, 36.0, 36.0, 38.0, 41.0, 44.0];
/// Of twelve treated ones, 16 ms slower: the 98 % interval of the shift is 8 to 22 (scipy 1.17.1, see `maths`), the ratio of
/// the means is 1.4496 and the chance that a sample is above one of control 0.9792.
const SLOW: [f64; 12] = [41.0, 44.0, 44.0, 47.0, 49.0, 52.0, 52.0, 52.0, 55.0, 58.0, 61.0, 66.0];

fn series(raw: &[f64]) -> Series {
    Series { targets: 10, samples: raw.len() as u64, value: None, raw: raw.to_vec() }
}

/// What it says of these samples of treatment and control, for each metric in turn.
fn judge(samples: &[(&[f64], &[f64])], settings: &Value) -> Verdict {
    let queries = testing::needs::<CanaryJudge>(&testing::change(), settings).unwrap();
    assert_eq!(queries.len(), samples.len());
    let observations: Vec<Observation> = queries
        .into_iter()
        .zip(samples)
        .map(|(query, (treatment, control))| Observation {
            query,
            treatment: series(treatment),
            control: series(control),
        })
        .collect();
    testing::judge::<CanaryJudge>(&observations, settings, NOON).unwrap()
}

/// The outcome and the codes, in a form that a test reads like a sentence.
fn said(samples: &[(&[f64], &[f64])], settings: &Value) -> String {
    told(&judge(samples, settings))
}

fn told(verdict: &Verdict) -> String {
    let codes: Vec<_> = verdict.findings.iter().map(|finding| finding.code.as_str()).collect();
    let outcome = match verdict.outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "warn",
        Outcome::Hold => "hold",
        Outcome::Fail => "fail",
    };
    format!("{outcome}: {}", codes.join(", "))
}

/// One metric with these settings.
fn one(metric: Value) -> Value {
    let mut settings = json!({ "name": "latency_ms" });
    settings.as_object_mut().unwrap().extend(metric.as_object().unwrap().clone());
    json!({ "metrics": [settings] })
}

/// So many metrics `m0`, `m1`, … of one group.
fn several(count: usize) -> Value {
    json!({ "metrics": (0..count).map(|index| json!({ "name": format!("m{index}") })).collect::<Vec<_>>() })
}

const HIGH: (&[f64], &[f64]) = (&SLOW, &CONTROL);
const LOW: (&[f64], &[f64]) = (&CONTROL, &SLOW);
const SAME: (&[f64], &[f64]) = (&CONTROL, &CONTROL);
const NOTHING: (&[f64], &[f64]) = (&[], &[]);

#[test]
fn it_asks_for_the_samples_of_each_metric() {
    let settings =
        json!({ "metrics": [{ "name": "error_rate" }, { "name": "latency_ms" }], "window_secs": 60 });
    let queries = testing::needs::<CanaryJudge>(&testing::change(), settings).unwrap();
    let asked: Vec<_> =
        queries.iter().map(|query| (query.id.as_str(), query.metric.as_str(), query.aggregation)).collect();
    assert_eq!(
        asked,
        [("error_rate", "error_rate", Aggregation::Raw), ("latency_ms", "latency_ms", Aggregation::Raw)]
    );
    assert!(queries.iter().all(|query| query.window == 60_000));
}

#[test]
fn a_difference_in_the_bad_direction_fails() {
    assert_eq!(said(&[HIGH], &one(json!({}))), "fail: metric-high, score-fail");
    assert_eq!(said(&[LOW], &one(json!({}))), "fail: metric-low, score-fail");
    assert_eq!(said(&[HIGH], &one(json!({ "direction": "increase" }))), "fail: metric-high, score-fail");
    assert_eq!(said(&[LOW], &one(json!({ "direction": "decrease" }))), "fail: metric-low, score-fail");
}

#[test]
fn a_difference_in_the_good_direction_passes() {
    assert_eq!(said(&[HIGH], &one(json!({ "direction": "decrease" }))), "pass: score-pass");
    assert_eq!(said(&[LOW], &one(json!({ "direction": "increase" }))), "pass: score-pass");
}

#[test]
fn a_significant_shift_counts_only_beyond_a_quarter_of_its_estimate() {
    // Limits move with the samples: 7 ms less give 1 to 15 around 9, and 1 is below 2.25; 4 ms less give 4 to 18 around 12.
    let less = |by: f64| SLOW.map(|sample| sample - by);
    assert_eq!(said(&[(&less(7.0), &CONTROL)], &one(json!({}))), "pass: score-pass");
    assert_eq!(said(&[(&less(4.0), &CONTROL)], &one(json!({}))), "fail: metric-high, score-fail");
}

#[test]
fn a_shift_counts_from_the_allowed_effect_on() {
    let high = ("fail: metric-high, score-fail".to_owned(), "pass: score-pass".to_owned());
    let ratio = |bp| said(&[HIGH], &one(json!({ "allowed_increase_bp": bp })));
    assert_eq!((ratio(14_495), ratio(14_497)), high);
    let chance = |bp| said(&[HIGH], &one(json!({ "effect_size": "cles", "allowed_increase_bp": bp })));
    assert_eq!((chance(9_791), chance(9_792)), high);
    // The other way round the ratio is 0.68986 and the chance 0.02083.
    let low = ("fail: metric-low, score-fail".to_owned(), "pass: score-pass".to_owned());
    let ratio = |bp| said(&[LOW], &one(json!({ "allowed_decrease_bp": bp })));
    assert_eq!((ratio(6_899), ratio(6_898)), low);
    let chance = |bp| said(&[LOW], &one(json!({ "effect_size": "cles", "allowed_decrease_bp": bp })));
    assert_eq!((chance(209), chance(208)), low);
}

#[test]
fn an_effect_that_cannot_be_told_excuses_nothing() {
    // The mean of control is 0.
    let (treatment, control) = ([11.0, 12.0, 13.0, 14.0, 15.0], [-2.0, -1.0, 0.0, 1.0, 2.0]);
    let settings = one(json!({ "allowed_increase_bp": 1_000_000 }));
    assert_eq!(said(&[(&treatment, &control)], &settings), "fail: metric-high, score-fail");
}

#[test]
fn samples_that_are_the_same_pass() {
    // All four from Kayenta's own tests of its classifier.
    let decrease = one(json!({ "direction": "decrease" }));
    let up: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0];
    let pass = "pass: score-pass";
    assert_eq!(said(&[(up, &[5.0, 4.0, 3.0, 2.0, 1.0])], &decrease), pass);
    assert_eq!(said(&[(&[1.0; 3], &[1.0; 2])], &decrease), pass);
    assert_eq!(said(&[(&[0.0, 1.0, 1.0, 1.0, 1.0], &[1.0; 5])], &decrease), pass);
    assert_eq!(said(&[(&[], up)], &decrease), "warn: metric-no-data, score-no-data");
}

#[test]
fn two_different_constants_differ() {
    assert_eq!(said(&[(&[5.0; 20], &[3.0; 20])], &one(json!({}))), "fail: metric-high, score-fail");
    assert_eq!(said(&[(&[0.0; 20], &[3.0; 20])], &one(json!({}))), "fail: metric-low, score-fail");
}

#[test]
fn one_sample_of_each_is_too_little_to_compare() {
    assert_eq!(said(&[(&[5.0], &[3.0])], &one(json!({}))), "warn: metric-no-data, score-no-data");
}

#[test]
fn missing_data_passes_where_it_stands_for_zero() {
    let replace = json!({ "nan_strategy": "replace" });
    assert_eq!(said(&[(&[], &CONTROL)], &one(replace.clone())), "pass: score-pass");
    assert_eq!(said(&[(&[f64::NAN; 9], &CONTROL)], &one(replace)), "fail: metric-low, score-fail");
    assert_eq!(said(&[(&[f64::NAN; 9], &CONTROL)], &one(json!({}))), "warn: metric-no-data, score-no-data");
}

#[test]
fn metrics_that_must_have_data_count_against_the_score_without() {
    let mut settings = several(3);
    assert_eq!(said(&[SAME, SAME, NOTHING], &settings), "pass: metric-no-data, score-pass");
    settings["metrics"][2]["must_have_data"] = json!(true);
    assert_eq!(said(&[SAME, SAME, NOTHING], &settings), "fail: metric-must-have-data, score-fail");
}

#[test]
fn the_score_is_the_passing_share_to_two_digits() {
    // Two of three: 66.67, which is below 75.
    let verdict = judge(&[SAME, SAME, HIGH], &several(3));
    assert_eq!(verdict.outcome, Outcome::Fail);
    let score = verdict.findings.last().unwrap();
    assert_eq!(score.subject, "score");
    assert_eq!(
        score.message,
        "the score is 66.67 % (`all` 66.67 %): fail; 95 % would pass and 75 % be marginal"
    );
}

#[test]
fn a_marginal_score_warns() {
    let mut settings = several(4);
    assert_eq!(said(&[SAME, SAME, SAME, HIGH], &settings), "warn: metric-high, score-marginal");
    settings["marginal_bp"] = json!(7_501);
    assert_eq!(said(&[SAME, SAME, SAME, HIGH], &settings), "fail: metric-high, score-fail");
    settings["pass_bp"] = json!(7_500);
    settings["marginal_bp"] = json!(7_500);
    assert_eq!(said(&[SAME, SAME, SAME, HIGH], &settings), "pass: metric-high, score-pass");
}

/// Errors count 60 %; latency and battery are not weighed and share the rest.
fn weighed() -> Value {
    json!({
        "metrics": [
            { "name": "error_rate", "groups": ["errors"] },
            { "name": "latency_ms", "groups": ["latency"] },
            { "name": "battery", "groups": ["battery", "errors"] },
        ],
        "group_weights_bp": { "errors": 6_000 },
    })
}

#[test]
fn groups_count_by_their_weights() {
    let score = |samples: &[(&[f64], &[f64])]| {
        judge(samples, &weighed()).findings.pop().unwrap().message.split(':').next().unwrap().to_owned()
    };
    let told = "the score is 80 % (`battery` 100 %, `errors` 100 %, `latency` 0 %)";
    assert_eq!(score(&[SAME, HIGH, SAME]), told);
    // A metric in two groups counts in both: 100 * 0.2 + 50 * 0.6.
    let told = "the score is 50 % (`battery` 0 %, `errors` 50 %, `latency` 100 %)";
    assert_eq!(score(&[SAME, SAME, HIGH]), told);
    // A group without data counts in full.
    let told = "the score is 100 % (`battery` 100 %, `errors` 100 %, `latency` 100 %)";
    assert_eq!(score(&[SAME, NOTHING, SAME]), told);
}

#[test]
fn a_critical_metric_that_does_not_pass_voids_the_score() {
    let mut settings = several(20);
    settings["metrics"][0]["critical"] = json!(true);
    let mut samples = [SAME; 20];
    samples[0] = HIGH;
    let verdict = judge(&samples, &settings);
    let score = verdict.findings.last().unwrap();
    assert_eq!(
        (score.code.as_str(), score.message.as_str()),
        ("score-fail", "the score is 0 %, because critical metrics do not pass: `m0`")
    );
    assert_eq!(verdict.findings[0].severity, Severity::Critical);
    // Its increase is not critical before it reaches what the operator called critical; 19 of 20 pass.
    settings["metrics"][0]["critical_increase_bp"] = json!(15_000);
    assert_eq!(said(&samples, &settings), "pass: metric-high, score-pass");
}

#[test]
fn half_of_the_metrics_without_data_void_the_score() {
    let mut settings = several(4);
    assert_eq!(said(&[SAME, SAME, SAME, NOTHING], &settings), "pass: metric-no-data, score-pass");
    let half = [SAME, SAME, NOTHING, NOTHING];
    assert_eq!(said(&half, &settings), "warn: metric-no-data, metric-no-data, score-no-data");
    settings["without_data"] = json!("fail");
    assert_eq!(said(&half, &settings), "fail: metric-no-data, metric-no-data, score-no-data");
    let message = judge(&half, &settings).findings.pop().unwrap().message;
    assert_eq!(message, "the score is 0 %, because 2 of 4 metrics have no data");
}

#[test]
fn a_critical_metric_without_data_waits_for_it_unless_it_must_have_it() {
    let mut settings = several(3);
    settings["metrics"][2]["critical"] = json!(true);
    assert_eq!(said(&[SAME, SAME, NOTHING], &settings), "warn: metric-no-data, score-no-data");
    settings["metrics"][2]["must_have_data"] = json!(true);
    assert_eq!(said(&[SAME, SAME, NOTHING], &settings), "fail: metric-no-data, score-fail");
}

#[test]
fn a_muted_metric_is_reported_and_counts_for_nothing() {
    let mut settings = several(2);
    settings["metrics"][1]["muted"] = json!(true);
    settings["metrics"][1]["critical"] = json!(true);
    assert_eq!(said(&[SAME, HIGH], &settings), "pass: metric-high, score-pass");
    assert_eq!(said(&[SAME, NOTHING], &settings), "pass: metric-no-data, score-pass");
}

/// What it says of cohorts of these sizes that have reported nothing.
fn cohorts(treatment: u64, control: u64, settings: &Value) -> String {
    let mut queries = testing::needs::<CanaryJudge>(&testing::change(), settings).unwrap();
    let sized = |targets| Series { targets, ..series(&[]) };
    let observation =
        Observation { query: queries.remove(0), treatment: sized(treatment), control: sized(control) };
    told(&testing::judge::<CanaryJudge>(&[observation], settings, NOON).unwrap())
}

#[test]
fn before_anybody_is_treated_it_waits() {
    assert_eq!(cohorts(0, 10, &one(json!({}))), "warn: nothing-treated");
    let mut settings = one(json!({}));
    settings["without_data"] = json!("fail");
    assert_eq!(cohorts(0, 0, &settings), "warn: nothing-treated");
}

#[test]
fn when_nobody_is_left_to_compare_with_it_says_what_was_set() {
    let mut settings = one(json!({}));
    assert_eq!(cohorts(10, 0, &settings), "pass: nothing-to-compare-with");
    settings["without_control"] = json!("warn");
    assert_eq!(cohorts(10, 0, &settings), "warn: nothing-to-compare-with");
    settings["without_control"] = json!("fail");
    assert_eq!(cohorts(10, 0, &settings), "fail: nothing-to-compare-with");
}

#[test]
fn findings_say_what_was_seen() {
    let verdict = judge(&[HIGH], &one(json!({ "critical": true })));
    let finding = &verdict.findings[0];
    assert_eq!(finding.subject, "latency_ms");
    assert_eq!(
        finding.message,
        "`latency_ms` is high: shifted by 8 to 22, probably 16; its mean is 1.45 times that of control (12 samples of \
         treatment and 10 of control); it is critical"
    );
    let verdict = judge(&[LOW], &one(json!({ "effect_size": "cles" })));
    assert_eq!(
        verdict.findings[0].message,
        "`latency_ms` is low: shifted by -22 to -8, probably -16; the chance that a sample is above one of control is \
         0.02083 (10 samples of treatment and 12 of control)"
    );
}

#[test]
fn an_unanswered_query_is_a_fault() {
    let fault = testing::judge::<CanaryJudge>(&[], one(json!({})), NOON).unwrap_err();
    assert_eq!(fault, Fault::Evidence("the host did not answer the query `latency_ms`".into()));
}

proptest! {
    #[test]
    fn the_same_samples_in_any_order_pass(
        samples in proptest::collection::vec(-1e6..1e6f64, 1..50),
        seed in proptest::collection::vec(any::<proptest::sample::Index>(), 50),
    ) {
        let mut shuffled = samples.clone();
        for (index, other) in seed.iter().enumerate() {
            let (index, other) = (index % shuffled.len(), other.index(shuffled.len()));
            shuffled.swap(index, other);
        }
        prop_assert_eq!(said(&[(&samples, &shuffled)], &one(json!({}))), "pass: score-pass");
    }

    /// One more metric that passes never lowers the score of its group.
    #[test]
    fn more_passing_metrics_never_look_worse(passing in 1..10usize, failing in 0..10usize) {
        let score = |passing: usize| {
            let samples: Vec<_> =
                std::iter::repeat_n(SAME, passing).chain(std::iter::repeat_n(HIGH, failing)).collect();
            let settings: Settings = serde_json::from_value(several(samples.len())).unwrap();
            let judged: Vec<Judged<'_>> = settings.metrics.iter().zip(&samples)
                .map(|(metric, (treatment, control))| (metric, classify::classify(metric, treatment, control)))
                .collect();
            Score::of(&judged, &settings).bp
        };
        prop_assert!(score(passing + 1) >= score(passing));
        let share = passing as f64 / (passing + failing) as f64;
        prop_assert_eq!(score(passing), (share * 10_000.0).round() as u32);
    }
}
