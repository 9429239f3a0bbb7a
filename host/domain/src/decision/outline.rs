//! What a recorded decision is found by, read from its text without the rest of it.

use std::borrow::Cow;

use interlock_ledger::Digest;
use serde::Deserialize;

use super::{Decision, DecisionOutcome, Tag};
use crate::{DecisionId, TenantId, Timestamp};

/// The outline of a recorded decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its id.
    pub id: DecisionId,
    /// In which tenant.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// What it came to.
    pub outcome: DecisionOutcome,
    /// What it is found by, sorted.
    pub tags: Vec<Tag>,
}

impl Outline {
    /// Reads it. Of answers to an application's questions, of which there are thousands a second, the rest is passed over.
    ///
    /// # Errors
    /// When the text is no decision.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        match serde_json::from_str::<Written<'_>>(text) {
            Ok(written) if written.subject.kind == "access" => Ok(written.outline()),
            // Something else, or with something in it that is masked.
            _ => serde_json::from_str::<Decision>(text).map(Self::from),
        }
    }
}

impl From<Decision> for Outline {
    fn from(decision: Decision) -> Self {
        let tags = decision.tags();
        let Decision { id, tenant, at, outcome, .. } = decision;
        Self { id, tenant, at, outcome, tags }
    }
}

#[derive(Deserialize)]
struct Written<'a> {
    id: DecisionId,
    tenant: TenantId,
    at: Timestamp,
    outcome: DecisionOutcome,
    #[serde(borrow)]
    subject: Subject<'a>,
}

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    request: Request<'a>,
    answer: Option<Answer>,
}

#[derive(Default, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    subject: Option<Thing<'a>>,
    #[serde(borrow)]
    resource: Option<Thing<'a>>,
    #[serde(borrow)]
    action: Option<Verb<'a>>,
}

#[derive(Deserialize)]
struct Thing<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Verb<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Answer {
    determining: Vec<Policy>,
    bundle: Digest,
}

#[derive(Deserialize)]
struct Policy {
    id: String,
}

impl Written<'_> {
    fn outline(self) -> Outline {
        let Subject { request, answer, .. } = self.subject;
        let named = |thing: Thing<'_>| format!("{}:{}", thing.kind, thing.id);
        let mut tags: Vec<Tag> = answer.map_or_else(Vec::new, |answer| {
            let policies = answer.determining.into_iter().map(|policy| Tag::Policy(policy.id));
            policies.chain([Tag::Bundle(answer.bundle.to_string())]).collect()
        });
        tags.extend(request.subject.map(|thing| Tag::Principal(named(thing))));
        tags.extend(request.resource.map(|thing| Tag::Resource(named(thing))));
        tags.extend(request.action.map(|verb| Tag::Action(verb.name.into_owned())));
        tags.sort_unstable();
        tags.dedup();
        Outline { id: self.id, tenant: self.tenant, at: self.at, outcome: self.outcome, tags }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn recorded(request: &Value, determining: &Value) -> String {
        let (digest, nil) = (Digest::of("x"), uuid::Uuid::nil());
        json!({
            "id": DecisionId::new(nil), "tenant": "mercy", "change": null, "at": "2026-11-20T12:00:00.000Z",
            "outcome": "allow",
            "subject": {
                "type": "access", "application": "ehr", "account": crate::AccountId::new(nil), "request": request,
                "answer": {
                    "allowed": true, "determining": determining, "errors": [], "monitored": [], "bundle": digest,
                },
            },
            "elapsed_us": 3,
        })
        .to_string()
    }

    #[test]
    fn an_outline_says_what_the_whole_decision_says() {
        let thing =
            |id: &str| json!({ "type": "user", "id": id, "properties": { "id": "other", "deep": [{}] } });
        let policy = |id: &str| json!({ "id": id, "effect": "permit", "reason": "because" });
        for request in [
            json!({ "subject": thing("ana"), "action": { "name": "read" }, "resource": thing("a\"b\n\u{e9}") }),
            json!({ "search": "action", "subject": thing("ana"), "resource": thing("7"), "after": null }),
            json!({ "subject": thing("ana"), "action": { "name": "read" }, "shared": { "resource": Digest::of("y") } }),
            json!({ "subject": "(masked)", "action": { "name": "read" }, "resource": thing("7") }),
            json!({ "subject": { "type": "user", "id": "(masked)" }, "action": "(masked)", "resource": null }),
            json!({ "subject": { "type": "user" }, "action": { "name": "read" }, "resource": thing("7") }),
            json!({}),
            json!("(masked)"),
        ] {
            let text = recorded(&request, &json!([policy("one"), policy("two"), policy("one")]));
            let whole: Decision = serde_json::from_str(&text).unwrap();
            assert_eq!(Outline::read(&text).unwrap(), Outline::from(whole), "{request}");
        }
    }

    #[test]
    fn what_is_no_decision_is_refused() {
        for text in ["", "{}", "[]", r#"{"id": "dec_1"}"#] {
            assert!(Outline::read(text).is_err(), "{text}");
        }
    }
}
