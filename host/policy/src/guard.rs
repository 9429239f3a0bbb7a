//! What a policy looks at before all else: `when { principal.role == "nurse" && … }`.
//!
//! Cedar evaluates a conjunction from the left and ends with the first part that is not true. So a policy whose condition
//! begins with such a comparison neither matches nor errs where the attribute is another text, whatever comes after it.

use cedar_policy::{Entities, EntityUid, EvalResult, Policy, Request};
use serde_json::Value;

/// Whose attribute it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    Principal,
    Resource,
}

/// An attribute that has to be one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Looked {
    whose: Whose,
    attribute: String,
}

impl Looked {
    /// What the policy looks at first, and what it has to be.
    pub(crate) fn first(policy: &Policy) -> Option<(Self, String)> {
        let written = policy.to_json().ok()?;
        let first = written.get("conditions")?.get(0)?;
        if first.get("kind")? != "when" {
            return None;
        }
        let mut parts = Vec::new();
        conjuncts(first.get("body")?, &mut parts);
        // Whether an attribute is there can be asked without erring.
        let part = parts.into_iter().find(|part| attribute(part.get("has")).is_none())?;
        let sides = part.get("==")?;
        let (left, right) = (sides.get("left")?, sides.get("right")?);
        [(left, right), (right, left)].into_iter().find_map(|(one, other)| {
            let looked = attribute(one.get("."))?;
            Some((looked, other.get("Value")?.as_str()?.to_owned()))
        })
    }

    /// What it is of this question; nothing where it is no text, or nobody knows it.
    pub(crate) fn found(&self, request: &Request, entities: &Entities) -> Option<String> {
        let uid: &EntityUid = match self.whose {
            Whose::Principal => request.principal()?,
            Whose::Resource => request.resource()?,
        };
        match entities.get(uid)?.attr(&self.attribute)? {
            Ok(EvalResult::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// The parts of a conjunction in the order in which they are evaluated.
fn conjuncts<'a>(written: &'a Value, parts: &mut Vec<&'a Value>) {
    match written.get("&&").map(|sides| (sides.get("left"), sides.get("right"))) {
        Some((Some(left), Some(right))) => {
            conjuncts(left, parts);
            conjuncts(right, parts);
        }
        _ => parts.push(written),
    }
}

/// An attribute of the principal or the resource itself.
fn attribute(written: Option<&Value>) -> Option<Looked> {
    let written = written?;
    let whose = match written.get("left")?.get("Var")?.as_str()? {
        "principal" => Whose::Principal,
        "resource" => Whose::Resource,
        _ => return None,
    };
    Some(Looked { whose, attribute: written.get("attr")?.as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    fn first(conditions: &str) -> Option<(Whose, String, String)> {
        let policy =
            Policy::from_str(&format!("permit (principal, action, resource) {conditions};")).unwrap();
        Looked::first(&policy).map(|(looked, text)| (looked.whose, looked.attribute, text))
    }

    #[test]
    fn what_stands_first_is_found_whichever_way_it_is_written() {
        let role = Some((Whose::Principal, "role".to_owned(), "a".to_owned()));
        for same in [
            r#"when { principal.role == "a" }"#,
            r#"when { "a" == principal.role && resource.ward == "b" }"#,
            r#"when { principal has role && principal.role == "a" && resource.ward == "b" }"#,
            r#"when { resource has ward && (principal.role == "a" && context.x == 1) } unless { context.y }"#,
            r#"when { principal.role == "a" } when { principal.nothing }"#,
        ] {
            assert_eq!(first(same), role, "{same}");
        }
        let ward = Some((Whose::Resource, "ward".to_owned(), "b".to_owned()));
        assert_eq!(first(r#"when { resource.ward == "b" }"#), ward);
    }

    #[test]
    fn what_may_err_or_match_otherwise_is_none() {
        for none in [
            "",
            "when { true }",
            r#"unless { principal.role == "a" }"#,
            r#"when { principal.role != "a" }"#,
            r#"when { principal.role == "a" || resource.ward == "b" }"#,
            r#"when { principal.age > 3 && principal.role == "a" }"#,
            r#"when { principal.place.ward == "a" }"#,
            r#"when { principal.role == resource.role }"#,
            "when { principal.age == 3 }",
            r#"when { context.role == "a" }"#,
            r#"when { !(principal.role == "a") }"#,
            r#"unless { context.x } when { principal.role == "a" }"#,
        ] {
            assert_eq!(first(none), None, "{none}");
        }
    }
}
