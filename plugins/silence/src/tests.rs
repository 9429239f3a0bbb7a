use interlock_plugin_sdk::testing::{self, NOON};
use serde_json::{Value, json};

use super::*;

/// Of 100 exposed targets so many are silent; treated and control targets made so many reports.
fn judge(silent: f64, reports: (u64, u64), settings: Value) -> Verdict {
    let queries = testing::needs::<Silence>(&testing::change(), &settings).unwrap();
    let observations: Vec<Observation> = queries
        .into_iter()
        .map(|query| {
            let (treatment, control) = match query.id.as_str() {
                EXPOSED => (series(100, 1, Some(100.0)), series(100, 1, Some(0.0))),
                SILENT => (series(100, 1, Some(silent)), series(100, 1, Some(0.0))),
                _ => (series(100, reports.0, None), series(100, reports.1, None)),
            };
            Observation { query, treatment, control }
        })
        .collect();
    testing::judge::<Silence>(&observations, settings, NOON).unwrap()
}

fn series(targets: u64, samples: u64, value: Option<f64>) -> Series {
    Series { targets, samples, value, raw: Vec::new() }
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn it_counts_targets_and_reports() {
    let queries = testing::needs::<Silence>(&testing::change(), json!({ "window_secs": 60 })).unwrap();
    let asked: Vec<_> = queries.iter().map(|query| (query.metric.as_str(), query.aggregation)).collect();
    assert_eq!(
        asked,
        [
            ("interlock.exposed", Aggregation::Sum),
            ("interlock.silent", Aggregation::Sum),
            ("error_rate", Aggregation::Count)
        ]
    );
    assert_eq!(queries[2].window, 60_000);
}

#[test]
fn targets_that_talk_as_usual_pass() {
    assert_eq!(judge(0.0, (1_000, 1_000), json!({})), Verdict::pass());
}

#[test]
fn silent_targets_warn_and_then_fail() {
    assert_eq!(codes(&judge(1.0, (1_000, 1_000), json!({}))), ["silence-warning"]);
    let failing = judge(5.0, (1_000, 1_000), json!({}));
    assert_eq!(
        failing.findings[0].message,
        "5 of 100 exposed targets are silent; it is critical from 5 % on"
    );
    assert_eq!(failing.outcome, Outcome::Fail);
}

#[test]
fn a_metric_that_treated_targets_report_half_as_often_fails() {
    assert_eq!(judge(0.0, (500, 1_000), json!({})), Verdict::pass());
    let quiet = judge(0.0, (499, 1_000), json!({}));
    assert_eq!(quiet.findings[0].code, "metric-falls-silent");
    assert_eq!(quiet.findings[0].subject, "error_rate");
}

#[test]
fn a_control_that_hardly_talks_is_nothing_to_compare_with() {
    assert_eq!(judge(0.0, (0, 19), json!({})), Verdict::pass());
    assert_eq!(codes(&judge(0.0, (0, 20), json!({}))), ["metric-falls-silent"]);
}

#[test]
fn a_count_that_is_no_number_fails() {
    assert_eq!(codes(&judge(f64::NAN, (1, 1), json!({}))), ["silence-not-a-number"]);
}

#[test]
fn settings_are_checked_by_their_path() {
    let wrong = json!({ "silent_warning_bp": 600, "metrics": [""], "min_reports_bp": 10_001 });
    let paths: Vec<String> =
        testing::check_settings::<Silence>(wrong).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["/silent_warning_bp", "/min_reports_bp", "/metrics/0"]);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<Silence>(example), []);
}
