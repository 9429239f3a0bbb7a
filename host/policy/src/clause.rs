//! Policies as Cedar's own JSON, which is where their parts can be reached: scope, conditions, and what is joined in them.

use cedar_policy::Policy;
use serde_json::{Map, Value, json};

/// The policy as JSON; null when it cannot be written so, which a parsed policy always can.
pub fn json_of(policy: &Policy) -> Value {
    policy.to_json().unwrap_or_default()
}

/// The conditions: `when` or `unless`, and what must hold.
pub fn conditions(json: &Value) -> Vec<(&str, &Value)> {
    let conditions = json["conditions"].as_array().into_iter().flatten();
    conditions.filter_map(|each| Some((each["kind"].as_str()?, each.get("body")?))).collect()
}

/// What is joined by `&&`, left to right.
pub fn conjuncts(expression: &Value) -> Vec<&Value> {
    match expression.get("&&") {
        Some(both) => [conjuncts(&both["left"]), conjuncts(&both["right"])].concat(),
        None => vec![expression],
    }
}

/// True when any part of the expression is one of these.
pub fn any(expression: &Value, is: &dyn Fn(&Map<String, Value>) -> bool) -> bool {
    match expression {
        Value::Object(fields) => is(fields) || fields.values().any(|part| any(part, is)),
        Value::Array(parts) => parts.iter().any(|part| any(part, is)),
        _ => false,
    }
}

/// A policy of one condition: what Cedar needs to evaluate an expression.
pub fn alone(expression: &Value) -> Option<Policy> {
    with(&json!({}), &[("when", expression)])
}

/// A policy of the scope of another, and these conditions.
pub fn with(scope: &Value, conditions: &[(&str, &Value)]) -> Option<Policy> {
    let part = |name: &str| scope.get(name).cloned().unwrap_or_else(|| json!({ "op": "All" }));
    let conditions: Vec<Value> =
        conditions.iter().map(|(kind, body)| json!({ "kind": kind, "body": body })).collect();
    let policy = json!({
        "effect": "permit",
        "principal": part("principal"), "action": part("action"), "resource": part("resource"),
        "conditions": conditions,
    });
    Policy::from_json(None, policy).ok()
}

/// An expression as an author would write it, on one line.
pub fn text(expression: &Value) -> String {
    let whole = alone(expression).and_then(|policy| policy.to_cedar()).unwrap_or_default();
    let inner = whole.split_once("when {").map_or("", |(_, rest)| rest);
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    inner.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One part of a scope as an author would write it: `principal in Interlock::Role::"qa"`.
pub fn scope_text(name: &str, part: &Value) -> String {
    let entity = |value: &Value| {
        format!(
            "{}::{}",
            value["type"].as_str().unwrap_or_default(),
            Value::from(value["id"].as_str().unwrap_or_default())
        )
    };
    match part["op"].as_str() {
        Some("==") => format!("{name} == {}", entity(&part["entity"])),
        Some("in") => match part["entities"].as_array() {
            Some(all) => format!("{name} in [{}]", all.iter().map(entity).collect::<Vec<_>>().join(", ")),
            None => format!("{name} in {}", entity(&part["entity"])),
        },
        Some("is") => {
            let within = match part.get("in") {
                Some(within) => format!(" in {}", entity(&within["entity"])),
                None => String::new(),
            };
            format!("{name} is {}{within}", part["entity_type"].as_str().unwrap_or_default())
        }
        _ => name.to_owned(),
    }
}

/// The ids of the actions that the scope names; nothing when it takes every action.
pub fn actions(json: &Value) -> Option<Vec<String>> {
    let scope = &json["action"];
    let one = scope.get("entity").into_iter();
    let many = scope["entities"].as_array().into_iter().flatten();
    let ids: Vec<String> =
        one.chain(many).filter_map(|entity| Some(entity["id"].as_str()?.to_owned())).collect();
    (scope["op"] != "All").then_some(ids)
}
