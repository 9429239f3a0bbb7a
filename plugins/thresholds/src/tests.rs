use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::{Value, json};

use super::*;

/// What a test says that the host measured.
struct Measured {
    error_rate: (u64, Option<f64>),
    latency_ms: (u64, Option<f64>),
    control_latency_ms: (u64, Option<f64>),
    exposed: f64,
    failed: f64,
    silent: f64,
}

/// Ten exposed targets without a fault.
const WELL: Measured = Measured {
    error_rate: (30, Some(0.001)),
    latency_ms: (30, Some(80.0)),
    control_latency_ms: (300, Some(75.0)),
    exposed: 10.0,
    failed: 0.0,
    silent: 0.0,
};

fn judge(measured: &Measured, settings: Value) -> Verdict {
    let series = |(samples, value)| Series { targets: 10, samples, value, raw: Vec::new() };
    let observations: Vec<_> = testing::needs::<Thresholds>(&testing::change(), &settings)
        .unwrap()
        .into_iter()
        .map(|query| {
            let (treatment, control) = match query.id.as_str() {
                "error_rate" => (measured.error_rate, (0, None)),
                "latency_ms" => (measured.latency_ms, measured.control_latency_ms),
                "exposed" => ((1, Some(measured.exposed)), (0, None)),
                "failed" => ((1, Some(measured.failed)), (0, None)),
                _ => ((1, Some(measured.silent)), (0, None)),
            };
            Observation { query, treatment: series(treatment), control: series(control) }
        })
        .collect();
    testing::judge::<Thresholds>(&observations, settings, NOON).unwrap()
}

/// The outcome and the codes, in a form that a test reads like a sentence.
fn said(measured: &Measured, settings: Value) -> String {
    let verdict = judge(measured, settings);
    let codes: Vec<_> = verdict.findings.iter().map(|finding| finding.code.as_str()).collect();
    let outcome = match verdict.outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "warn",
        Outcome::Hold => "hold",
        Outcome::Fail => "fail",
    };
    format!("{outcome}: {}", codes.join(", "))
}

#[test]
fn it_asks_for_device_metrics_and_target_counts_in_one_window() {
    let queries = testing::needs::<Thresholds>(&testing::change(), json!({"window_secs": 60})).unwrap();
    let metrics: Vec<_> = queries.iter().map(|query| query.metric.as_str()).collect();
    let expected = ["error_rate", "latency_ms", "interlock.exposed", "interlock.failed", "interlock.silent"];
    assert_eq!(metrics, expected);
    assert!(queries.iter().all(|query| query.window == 60_000));
}

#[test]
fn a_healthy_treatment_passes_without_a_word() {
    assert_eq!(judge(&WELL, json!({})), Verdict::pass());
}

#[test]
fn each_metric_warns_and_fails_from_its_levels_on() {
    let error_rate = |value| said(&Measured { error_rate: (30, Some(value)), ..WELL }, json!({}));
    assert_eq!(error_rate(0.0099), "pass: ");
    assert_eq!(error_rate(0.01), "warn: error-rate-warning");
    assert_eq!(error_rate(0.02), "fail: error-rate-critical");

    let latency = |value| said(&Measured { latency_ms: (30, Some(value)), ..WELL }, json!({}));
    assert_eq!(latency(199.9), "pass: ");
    assert_eq!(latency(200.0), "warn: latency-warning");
    assert_eq!(latency(500.0), "fail: latency-critical");

    let failures = |failed, silent| said(&Measured { exposed: 100.0, failed, silent, ..WELL }, json!({}));
    assert_eq!(failures(1.0, 0.0), "pass: ");
    assert_eq!(failures(1.0, 1.0), "warn: failures-warning");
    assert_eq!(failures(3.0, 2.0), "fail: failures-critical");
}

#[test]
fn every_bad_metric_is_named_not_only_the_first() {
    let bad = Measured { error_rate: (30, Some(0.5)), latency_ms: (30, Some(250.0)), failed: 1.0, ..WELL };
    assert_eq!(said(&bad, json!({})), "fail: error-rate-critical, latency-warning, failures-critical");
}

#[test]
fn findings_say_what_was_seen_and_what_is_allowed() {
    let bad =
        Measured { error_rate: (30, Some(0.0312)), latency_ms: (30, Some(512.345)), failed: 1.0, ..WELL };
    let verdict = judge(&bad, json!({}));
    let messages: Vec<_> = verdict.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "error rate is 3.12 % over 30 samples; it is critical from 2 % on",
            "latency (p95) is 512.35 ms over 30 samples; it is critical from 500 ms on",
            "1 of 10 targets failed or fell silent: 10 %; it is critical from 5 % on",
        ]
    );
    assert_eq!(verdict.findings[0].subject, "error_rate");
}

#[test]
fn missing_samples_are_noted_and_fail_only_where_required() {
    let unseen = Measured { error_rate: (0, None), latency_ms: (4, Some(900.0)), ..WELL };
    assert_eq!(said(&unseen, json!({})), "pass: error-rate-no-samples, latency-few-samples");
    let required = json!({"require_samples": true});
    assert_eq!(said(&unseen, required), "fail: error-rate-no-samples, latency-few-samples");
}

#[test]
fn nobody_exposed_is_noted() {
    let unexposed = Measured { exposed: 0.0, ..WELL };
    assert_eq!(said(&unexposed, json!({})), "pass: failures-no-samples");
}

#[test]
fn a_value_that_is_not_a_number_fails() {
    let broken = Measured { error_rate: (30, Some(f64::NAN)), ..WELL };
    assert_eq!(said(&broken, json!({})), "fail: error-rate-not-a-number");
    let broken = Measured { failed: f64::INFINITY, ..WELL };
    assert_eq!(said(&broken, json!({})), "fail: failures-not-a-number");
}

#[test]
fn a_treatment_that_is_worse_than_control_fails_below_every_level() {
    let settings =
        json!({"relative_to_control_bp": 2000, "error_rate_bp": {"warning": 5000, "critical": 5000}});
    let latency = |treatment, control| {
        let measured = Measured { latency_ms: (30, Some(treatment)), control_latency_ms: control, ..WELL };
        said(&measured, settings.clone())
    };
    assert_eq!(latency(120.0, (30, Some(100.0))), "pass: error-rate-no-control");
    assert_eq!(latency(121.0, (30, Some(100.0))), "fail: error-rate-no-control, latency-worse-than-control");
    assert_eq!(latency(121.0, (30, Some(0.0))), "pass: error-rate-no-control, latency-no-control");
}

#[test]
fn an_unanswered_query_is_a_fault() {
    let fault = testing::judge::<Thresholds>(&[], json!({}), NOON).unwrap_err();
    assert_eq!(fault, Fault::Evidence("the host did not answer the query `error_rate`".into()));
}

#[test]
fn settings_are_refused_at_their_path() {
    let refused = |settings: Value| {
        let problems = testing::check_settings::<Thresholds>(settings);
        problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert_eq!(refused(json!({})), Vec::<String>::new());
    assert_eq!(refused(json!({"latency_ms": {"warning": 9, "critical": 8}})), ["/latency_ms/warning"]);
    assert_eq!(refused(json!({"latency_ms": {"warning": 9}})), ["/latency_ms"]);
    assert_eq!(refused(json!({"min_samples": 0, "window_secs": 0})), ["/min_samples", "/window_secs"]);
    assert_eq!(
        refused(json!({"error_rate_bp": {"warning": 0.5, "critical": 1}})),
        ["/error_rate_bp/warning"]
    );
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<Thresholds>(example), []);
}
