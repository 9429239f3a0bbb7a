use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::{Value, json};

use super::*;

/// What treatment and control show of one metric.
#[derive(Clone, Copy)]
struct Seen(Option<f64>, Option<f64>);

/// Everything is well: accuracy as that of the control, few errors, fast, no drift, good data.
const WELL: [(&str, Seen); 5] = [
    ("accuracy", Seen(Some(0.92), Some(0.92))),
    ("error_rate", Seen(Some(0.002), Some(0.002))),
    ("latency_ms", Seen(Some(120.0), Some(118.0))),
    ("drift", Seen(Some(0.03), Some(0.03))),
    ("data_quality", Seen(Some(0.99), Some(0.99))),
];

/// What it says when one metric is not as in [`WELL`].
fn judge(metric: &str, seen: Seen, settings: &Value) -> Verdict {
    let series = |value: Option<f64>| {
        let samples = if value.is_some() { 30 } else { 0 };
        Series { targets: 10, samples, value, raw: Vec::new() }
    };
    let observations: Vec<Observation> = testing::needs::<ValidationTests>(&testing::change(), settings)
        .unwrap()
        .into_iter()
        .map(|query| {
            let usual = WELL.iter().find(|(name, _)| *name == query.metric).unwrap().1;
            let Seen(treatment, control) = if query.metric == metric { seen } else { usual };
            Observation { query, treatment: series(treatment), control: series(control) }
        })
        .collect();
    testing::judge::<ValidationTests>(&observations, settings, NOON).unwrap()
}

/// The codes of the tests that do not pass.
fn failing(metric: &str, treatment: f64, control: f64) -> String {
    let verdict = judge(metric, Seen(Some(treatment), Some(control)), &json!({}));
    let codes = verdict.findings.iter().map(|finding| finding.code.as_str());
    codes.filter(|code| !code.ends_with("-pass")).collect::<Vec<_>>().join(", ")
}

/// The message of one finding.
fn message(code: &str, verdict: &Verdict) -> String {
    verdict.findings.iter().find(|finding| finding.code == code).unwrap().message.clone()
}

fn well() -> Verdict {
    judge("", Seen(None, None), &json!({}))
}

#[test]
fn every_test_is_reported_with_score_threshold_and_result() {
    let verdict = well();
    assert_eq!(verdict.outcome, Outcome::Pass);
    let told: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| (finding.code.as_str(), finding.message.as_str(), finding.subject.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("minimum-accuracy-pass", "minimum-accuracy: pass, 92 %; at least 85 % is needed", "accuracy"),
            (
                "accuracy-drop-pass",
                "accuracy-drop: pass, 0 %; it warns from 2 % and fails from 5 % on",
                "accuracy"
            ),
            (
                "maximum-error-rate-pass",
                "maximum-error-rate: pass, 0.2 %; at most 5 % is allowed",
                "error_rate"
            ),
            (
                "error-rate-pass",
                "error-rate: pass, 0.2 %; it warns from 1 % and fails from 2 % on",
                "error_rate"
            ),
            (
                "latency-pass",
                "latency: pass, 120 ms; it warns from 200 ms and fails from 500 ms on",
                "latency_ms"
            ),
            ("drift-pass", "drift: pass, 3 %; at most 10 % is allowed", "drift"),
            ("data-quality-pass", "data-quality: pass, 99 %; at least 95 % is needed", "data_quality"),
        ]
    );
}

#[test]
fn accuracy_has_a_floor() {
    assert_eq!(failing("accuracy", 0.85, 0.85), "");
    assert_eq!(failing("accuracy", 0.8499, 0.8499), "minimum-accuracy-fail");
}

#[test]
fn accuracy_may_not_drop_from_that_of_the_control() {
    // Of 0.96, 2 % are 0.0192 and 5 % are 0.048.
    assert_eq!(failing("accuracy", 0.941, 0.96), "");
    assert_eq!(failing("accuracy", 0.940, 0.96), "accuracy-drop-warning");
    assert_eq!(failing("accuracy", 0.913, 0.96), "accuracy-drop-warning");
    assert_eq!(failing("accuracy", 0.911, 0.96), "accuracy-drop-fail");
    assert_eq!(failing("accuracy", 0.99, 0.96), "");
}

#[test]
fn a_drop_says_how_far() {
    let verdict = judge("accuracy", Seen(Some(0.864), Some(0.96)), &json!({}));
    let told = "accuracy-drop: fail, 10 %; it warns from 2 % and fails from 5 % on";
    assert_eq!((verdict.outcome, message("accuracy-drop-fail", &verdict)), (Outcome::Fail, told.to_owned()));
}

#[test]
fn errors_have_two_levels_and_a_ceiling() {
    assert_eq!(failing("error_rate", 0.0099, 0.0), "");
    assert_eq!(failing("error_rate", 0.01, 0.0), "error-rate-warning");
    assert_eq!(failing("error_rate", 0.02, 0.0), "error-rate-fail");
    assert_eq!(failing("error_rate", 0.05, 0.0), "error-rate-fail");
    assert_eq!(failing("error_rate", 0.0501, 0.0), "maximum-error-rate-fail, error-rate-fail");
}

#[test]
fn latency_has_two_levels() {
    assert_eq!(failing("latency_ms", 199.9, 0.0), "");
    assert_eq!(failing("latency_ms", 200.0, 0.0), "latency-warning");
    assert_eq!(failing("latency_ms", 500.0, 0.0), "latency-fail");
}

#[test]
fn drift_has_a_ceiling_and_data_quality_a_floor() {
    assert_eq!(failing("drift", 0.1, 0.0), "");
    assert_eq!(failing("drift", 0.1001, 0.0), "drift-fail");
    assert_eq!(failing("data_quality", 0.95, 0.0), "");
    assert_eq!(failing("data_quality", 0.9499, 0.0), "data-quality-fail");
}

#[test]
fn a_warning_warns_and_a_failed_test_fails() {
    let outcome = |value| judge("latency_ms", Seen(Some(value), None), &json!({})).outcome;
    assert_eq!(
        (outcome(150.0), outcome(250.0), outcome(600.0)),
        (Outcome::Pass, Outcome::Warn, Outcome::Fail)
    );
}

#[test]
fn a_test_without_samples_is_noted_and_fails_only_where_samples_are_required() {
    let unseen = Seen(None, Some(0.03));
    let verdict = judge("drift", unseen, &json!({}));
    assert_eq!(verdict.outcome, Outcome::Pass);
    let told = "drift: not run, 0 samples of `drift` were seen and 5 are needed";
    assert_eq!(message("drift-not-run", &verdict), told);
    assert_eq!(judge("drift", unseen, &json!({ "require_samples": true })).outcome, Outcome::Fail);
    let few = json!({ "min_samples": 31, "require_samples": true });
    assert_eq!(judge("", unseen, &few).outcome, Outcome::Fail);
}

#[test]
fn without_a_control_the_kept_baseline_counts() {
    let alone = Seen(Some(0.88), None);
    // Even where samples are required: in the last stage nobody is left in the control.
    let verdict = judge("accuracy", alone, &json!({ "require_samples": true }));
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert!(message("accuracy-drop-not-run", &verdict).contains("`baseline_accuracy_bp`"));
    let outcome = |baseline| judge("accuracy", alone, &json!({ "baseline_accuracy_bp": baseline })).outcome;
    assert_eq!(
        (outcome(8_900), outcome(9_100), outcome(9_500)),
        (Outcome::Pass, Outcome::Warn, Outcome::Fail)
    );
    // The control goes before it.
    let settings = json!({ "baseline_accuracy_bp": 9_500 });
    assert_eq!(judge("accuracy", Seen(Some(0.88), Some(0.88)), &settings).outcome, Outcome::Pass);
    assert_eq!(judge("accuracy", Seen(Some(0.88), Some(0.0)), &settings).outcome, Outcome::Fail);
}

#[test]
fn a_value_that_is_not_a_number_fails() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let verdict = judge("data_quality", Seen(Some(wrong), None), &json!({}));
        assert_eq!(
            message("data-quality-fail", &verdict),
            "data-quality: fail, `data_quality` is not a number"
        );
    }
}

#[test]
fn a_test_that_is_off_is_neither_run_nor_measured() {
    let settings = json!({
        "min_accuracy_bp": null, "accuracy_drop_bp": null, "max_error_rate_bp": null,
        "max_drift_bp": null, "min_data_quality_bp": null, "window_secs": 60
    });
    let queries = testing::needs::<ValidationTests>(&testing::change(), &settings).unwrap();
    let asked: Vec<_> =
        queries.iter().map(|query| (query.id.as_str(), query.aggregation, query.window)).collect();
    assert_eq!(asked, [("error_rate", Aggregation::Mean, 60_000), ("latency_ms", Aggregation::P95, 60_000)]);
    assert_eq!(judge("", Seen(None, None), &settings).findings.len(), 2);
}

#[test]
fn each_metric_is_asked_for_once() {
    let queries = testing::needs::<ValidationTests>(&testing::change(), json!({})).unwrap();
    let asked: Vec<_> = queries.iter().map(|query| query.metric.as_str()).collect();
    assert_eq!(asked, ["accuracy", "error_rate", "latency_ms", "drift", "data_quality"]);
}

#[test]
fn an_unanswered_query_is_a_fault() {
    let fault = testing::judge::<ValidationTests>(&[], json!({}), NOON).unwrap_err();
    assert_eq!(fault, Fault::Evidence("the host did not answer the query `accuracy`".into()));
}

#[test]
fn settings_are_refused_at_their_path() {
    let refused = |settings: Value| -> Vec<String> {
        let problems = testing::check_settings::<ValidationTests>(settings);
        problems.into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(refused(json!({})), Vec::<String>::new());
    for field in [
        "min_accuracy_bp",
        "max_error_rate_bp",
        "baseline_accuracy_bp",
        "max_drift_bp",
        "min_data_quality_bp",
    ] {
        assert_eq!(refused(json!({ field: 10_001 })), [format!("/{field}")]);
        assert_eq!(refused(json!({ field: 0.85 })), [format!("/{field}")]);
    }
    for field in ["accuracy_drop_bp", "error_rate_bp", "latency_ms"] {
        let levels = json!({ field: { "warning": 9, "critical": 8 } });
        assert_eq!(refused(levels), [format!("/{field}/warning")]);
    }
    assert_eq!(refused(json!({ "baseline_accuracy_bp": 0 })), ["/baseline_accuracy_bp"]);
    assert_eq!(refused(json!({ "min_samples": 0, "window_secs": 0 })), ["/min_samples", "/window_secs"]);
    assert_eq!(refused(json!({ "min_accuracy": 8_500 })), ["/min_accuracy"]);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<ValidationTests>(example), []);
}
