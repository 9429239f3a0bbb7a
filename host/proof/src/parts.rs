//! Policies taken apart and put together again, in Cedar's own JSON.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use interlock_domain::Environment;
use serde_json::{Value, json};

/// A policy could not be put together; only a defect leads here.
pub(crate) type Misfit = Box<dyn std::error::Error + Send + Sync>;

/// An expression of Cedar as JSON.
pub(crate) fn expression(text: &str) -> Option<Value> {
    let policy =
        Policy::parse(None, format!("permit (principal, action, resource) when {{ {text} }};")).ok()?;
    policy.to_json().ok()?.pointer_mut("/conditions/0/body").map(Value::take)
}

/// A policy that asks this first: where it does not hold, the policy neither applies nor errs.
pub(crate) fn given(policy: &Policy, assumed: &Value) -> Result<Policy, Misfit> {
    let mut json = policy.to_json()?;
    if let Some(conditions) = json["conditions"].as_array_mut() {
        conditions.insert(0, json!({ "kind": "when", "body": assumed }));
    }
    again(policy, json)
}

/// The same policy as a permit: it allows what it would otherwise forbid.
pub(crate) fn permitting(policy: &Policy) -> Result<Policy, Misfit> {
    let mut json = policy.to_json()?;
    json["effect"] = json!("permit");
    again(policy, json)
}

/// What `resource.guarded` means in a bundle: `true` unless the environment is listed. So a bundle that lists another
/// environment differs from one that does not, although no policy does.
pub(crate) fn resolved(policy: &Policy, unguarded: &BTreeSet<Environment>) -> Result<Policy, Misfit> {
    let listed: Vec<Value> = unguarded.iter().map(|name| json!({ "Value": name.as_str() })).collect();
    let environment = json!({ ".": { "left": { "Var": "resource" }, "attr": "environment" } });
    let guarded = match listed.is_empty() {
        // Still about an attribute, so that a policy without `has` stays as wrong as it was.
        true => json!({ "==": { "left": environment, "right": environment } }),
        false => {
            json!({ "!": { "arg": { "contains": { "left": { "Set": listed }, "right": environment } } } })
        }
    };
    let mut json = policy.to_json()?;
    replace(&mut json["conditions"], &guarded);
    again(policy, json)
}

fn replace(part: &mut Value, guarded: &Value) {
    if part["."]["attr"] == "guarded" && part["."]["left"]["Var"] == "resource" {
        *part = guarded.clone();
        return;
    }
    match part {
        Value::Object(fields) => fields.values_mut().for_each(|each| replace(each, guarded)),
        Value::Array(each) => each.iter_mut().for_each(|each| replace(each, guarded)),
        _ => {}
    }
}

fn again(policy: &Policy, json: Value) -> Result<Policy, Misfit> {
    Ok(Policy::from_json(Some(policy.id().clone()), json)?)
}

/// The permits ask `assumed` first. Nothing more is needed: what no permit allows, no forbid changes.
pub(crate) fn set_given<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    assumed: &Value,
) -> Result<PolicySet, Misfit> {
    let mut set = PolicySet::new();
    for policy in policies {
        match policy.effect() {
            Effect::Permit => set.add(given(policy, assumed)?)?,
            Effect::Forbid => set.add(policy.clone())?,
        }
    }
    Ok(set)
}

/// A set of one.
pub(crate) fn alone(policy: Policy) -> Result<PolicySet, Misfit> {
    Ok(PolicySet::from_policies([policy])?)
}

/// Two policies that say the same, whatever they are called and why.
pub(crate) fn same(one: &Policy, other: &Policy) -> bool {
    let body = |policy: &Policy| {
        let mut json = policy.to_json().ok()?;
        json["annotations"] = Value::Null;
        Some(json)
    };
    matches!((body(one), body(other)), (Some(one), Some(other)) if one == other)
}

/// The id of a policy as its author wrote it.
pub(crate) fn id(policy: &Policy) -> String {
    AsRef::<str>::as_ref(policy.id()).to_owned()
}

/// The ids of policies, sorted.
pub(crate) fn ids<'a>(ids: impl Iterator<Item = &'a PolicyId>) -> Vec<String> {
    let mut ids: Vec<String> = ids.map(|id| AsRef::<str>::as_ref(id).to_owned()).collect();
    ids.sort();
    ids
}
