use serde_json::{Value, json};

use super::{one, several, weighed};
use crate::CanaryJudge;
use interlock_plugin_sdk::testing;

fn refused(settings: Value) -> Vec<String> {
    testing::check_settings::<CanaryJudge>(settings).into_iter().map(|problem| problem.path).collect()
}

#[test]
fn a_metric_is_refused_at_its_path() {
    let metric = |metric: Value| refused(one(metric));
    assert_eq!(refused(several(2)), Vec::<String>::new());
    assert_eq!(refused(json!({})), [""]);
    assert_eq!(refused(several(0)), ["/metrics"]);
    assert_eq!(refused(several(26)), ["/metrics", "/samples_max"]);
    assert_eq!(metric(json!({ "name": " " })), ["/metrics/0/name"]);
    assert_eq!(refused(json!({ "metrics": [{ "name": "a" }, { "name": "a" }] })), ["/metrics/1/name"]);
    assert_eq!(metric(json!({ "muted": true })), ["/metrics"]);
    assert_eq!(metric(json!({ "direction": "up" })), ["/metrics/0/direction"]);
    assert_eq!(metric(json!({ "groups": [] })), ["/metrics/0/groups"]);
    assert_eq!(metric(json!({ "groups": ["a", "", "a"] })), ["/metrics/0/groups/1", "/metrics/0/groups/2"]);
}

#[test]
fn a_limit_on_the_wrong_side_of_no_difference_is_refused() {
    let metric = |metric: Value| refused(one(metric));
    // 500 is a slip for 10500.
    assert_eq!(metric(json!({ "allowed_increase_bp": 500 })), ["/metrics/0/allowed_increase_bp"]);
    assert_eq!(metric(json!({ "allowed_decrease_bp": 10_001 })), ["/metrics/0/allowed_decrease_bp"]);
    assert_eq!(
        metric(json!({ "effect_size": "cles", "allowed_increase_bp": 10_001, "allowed_decrease_bp": 5_001 })),
        ["/metrics/0/allowed_increase_bp", "/metrics/0/allowed_decrease_bp"]
    );
    assert_eq!(metric(json!({ "critical_increase_bp": 20_000 })), ["/metrics/0/critical_increase_bp"]);
    assert_eq!(metric(json!({ "allowed_increase_bp": 1.5 })), ["/metrics/0/allowed_increase_bp"]);
}

#[test]
fn scores_and_weights_are_refused_at_their_path() {
    let with = |field: &str, value: Value| {
        let mut settings = several(2);
        settings[field] = value;
        refused(settings)
    };
    assert_eq!(with("pass_bp", json!(10_001)), ["/pass_bp"]);
    assert_eq!(with("marginal_bp", json!(9_501)), ["/marginal_bp"]);
    assert_eq!(with("window_secs", json!(0)), ["/window_secs"]);
    assert_eq!(with("samples_max", json!(9)), ["/samples_max"]);
    assert_eq!(with("samples_max", json!(5_000)), Vec::<String>::new());
    assert_eq!(refused(several(20)), Vec::<String>::new());
    let problems = testing::check_settings::<CanaryJudge>(several(25));
    let message = "25 metrics may have 400 samples each";
    assert_eq!(problems, [interlock_plugin_sdk::SettingsProblem::at("/samples_max", message)]);
    assert_eq!(with("group_weights_bp", json!({ "a/b": 100 })), ["/group_weights_bp/a~1b"]);
    assert_eq!(with("group_weights_bp", json!({ "all": 9_000 })), ["/group_weights_bp"]);
    assert_eq!(with("group_weights_bp", json!({ "all": 10_001 })), ["/group_weights_bp"]);
    let mut settings = weighed();
    settings["group_weights_bp"] = json!({ "errors": 10_000 });
    assert_eq!(refused(settings), ["/group_weights_bp"]);
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../../README.md"));
    assert_eq!(testing::check_settings::<CanaryJudge>(example), []);
}
