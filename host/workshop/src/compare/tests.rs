use interlock_sandbox::types::{Aggregation, Exposure};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_000_000;

fn check(expect: Value, asked: &Asked) -> String {
    differences(&serde_json::from_value(expect).unwrap(), asked, NOW).join("; ")
}

#[test]
fn a_directive_is_compared_with_its_details() {
    let asked = |directive| Asked { directive: Some(directive), ..Asked::default() };
    let wait = asked(Directive::Wait(NOW + 60_000));
    assert_eq!(check(json!({ "directive": "wait", "until": "in 1m" }), &wait), "");
    let late = check(json!({ "directive": "wait", "until": "in 2m" }), &wait);
    assert_eq!(late, "the directive is `wait` until 1970-01-01T00:17:40Z");
    let back = asked(Directive::RollBack("3 of 41 failed".into()));
    assert_eq!(check(json!({ "directive": "roll_back", "reason": "3 of 41" }), &back), "");
    assert!(check(json!({ "directive": "roll_back", "reason": "4 of 41" }), &back).contains("3 of 41"));
    assert!(check(json!({ "directive": "pause" }), &back).contains("`roll_back`"));
    let enter = asked(Directive::EnterStage(1));
    assert!(check(json!({ "directive": "enter_stage", "stage": 2 }), &enter).contains("`enter_stage` 1"));
}

#[test]
fn a_plan_is_compared_stage_by_stage_and_as_a_whole() {
    let stage = |name: &str| Stage { name: name.into(), exposure: Exposure::PercentBp(500), hold_ms: 60_000 };
    let asked = Asked { stages: Some(vec![stage("a"), stage("b")]), ..Asked::default() };
    let expect = |stages: Value| check(json!({ "stages": stages }), &asked);
    assert_eq!(expect(json!(["a", { "exposure": { "percent_bp": 500 }, "hold": "1m" }])), "");
    assert!(expect(json!(["a", { "hold": "2m" }])).starts_with("stage 1 is `b`"));
    assert!(expect(json!(["a"])).starts_with("expected 1 stages, found 2"));
}

#[test]
fn queries_are_compared_in_any_order() {
    let query =
        |id: &str| Query { id: id.into(), metric: id.into(), window_ms: 1000, aggregation: Aggregation::Sum };
    let asked = Asked { queries: Some(vec![query("a"), query("b")]), ..Asked::default() };
    let expect = |queries: Value| check(json!({ "queries": queries }), &asked);
    assert_eq!(expect(json!(["b", { "id": "a", "window": "1s", "aggregation": "sum" }])), "");
    assert!(expect(json!(["b", { "id": "a", "aggregation": "p95" }])).contains("as sum"));
    assert!(expect(json!(["b"])).starts_with("expected 1 queries, found 2"));
    assert!(expect(json!(["b", "c"])).contains("query `c` is not as expected; found `a`, `b`"));
}
