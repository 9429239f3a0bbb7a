//! Whether the policies of a bundle only ever let more through when a profile is complete: then profiles that demand more
//! deny more, and the two can be compared apart from the policies.

use cedar_policy::{Effect, Policy};
use serde_json::Value;

/// Why the profiles cannot be compared apart from this policy; `None` when they can.
pub(crate) fn against_the_grain(policy: &Policy) -> Option<&'static str> {
    let json = policy.to_json().ok()?;
    let conditions = json["conditions"].as_array()?;
    conditions.iter().find_map(|condition| {
        let when = condition["kind"] == "when";
        let good = when == (policy.effect() == Effect::Permit);
        walk(&condition["body"], Some(good))
    })
}

/// `good` says whether to be true here lets more through; nobody knows inside what is neither `&&`, `||` nor `!`.
fn walk(part: &Value, good: Option<bool>) -> Option<&'static str> {
    let Some(fields) = part.as_object() else {
        return part.as_array()?.iter().find_map(|each| walk(each, None));
    };
    if let Some(read) = fields.get(".")
        && read["left"]["."]["attr"] == "levels"
    {
        return match (read["attr"].as_str(), good) {
            (Some("profile" | "level"), _) => Some("it reads which profile or how many levels"),
            (Some("complete"), Some(true)) | (Some("signed" | "broken_glass"), _) => None,
            _ => Some("it may let less through when a profile is complete"),
        };
    }
    fields.iter().find_map(|(operator, inner)| match operator.as_str() {
        "&&" | "||" => inner.as_object()?.values().find_map(|each| walk(each, good)),
        "!" => walk(&inner["arg"], good.map(|good| !good)),
        // Whether there are levels at all is compared beside this.
        "has" => None,
        _ => match inner {
            Value::Object(parts) => parts.values().find_map(|each| walk(each, None)),
            other => walk(other, None),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(effect: &str, condition: &str) -> Option<&'static str> {
        let text = format!("{effect} (principal, action, resource) {condition};");
        against_the_grain(&Policy::parse(None, text).unwrap())
    }

    #[test]
    fn a_policy_that_lets_more_through_when_a_profile_is_complete_goes_with_the_grain() {
        let complete = "context.approvals has levels && context.approvals.levels.complete";
        for (effect, condition) in [
            ("forbid", format!("unless {{ {complete} || context.approvals.levels.broken_glass }}")),
            ("forbid", format!("when {{ !({complete}) }}")),
            ("permit", format!("when {{ {complete} && context.stage == 0 }}")),
            ("forbid", "when { context.approvals.levels.signed < 2 }".to_owned()),
        ] {
            assert_eq!(check(effect, &condition), None, "{effect} {condition}");
        }
    }

    #[test]
    fn one_that_turns_it_round_or_reads_which_profile_does_not() {
        for (effect, condition) in [
            ("forbid", "when { context.approvals.levels.complete }"),
            ("permit", "unless { context.approvals.levels.complete }"),
            ("permit", "when { !context.approvals.levels.complete }"),
            ("permit", "when { context.approvals.levels.complete == false }"),
            ("permit", "when { if context.approvals.levels.complete then false else true }"),
            ("permit", "when { context.approvals.levels.profile == \"x\" }"),
            ("permit", "when { context.approvals.levels.level > 1 }"),
        ] {
            assert!(check(effect, condition).is_some(), "{effect} {condition}");
        }
    }
}
