//! By what a decision is found: who asked, for what, about what, and which policies of which bundle decided.

use serde_json::Value;

use super::{Decision, DecisionSubject};
use crate::{Answer, Principal};

/// One thing by which decisions are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// Who it was about: an account, its person, a plugin; of an application's question its subject, as `type:id`.
    Principal(String),
    /// What it was about: an id; of an application's question `type:id`.
    Resource(String),
    /// What was to be done.
    Action(String),
    /// A policy that decided.
    Policy(String),
    /// The bundle or application that was asked.
    Bundle(String),
}

impl Tag {
    /// As it stands in an index.
    pub fn as_text(&self) -> String {
        match self {
            Tag::Principal(id) => format!("principal={id}"),
            Tag::Resource(id) => format!("resource={id}"),
            Tag::Action(name) => format!("action={name}"),
            Tag::Policy(id) => format!("policy={id}"),
            Tag::Bundle(digest) => format!("bundle={digest}"),
        }
    }
}

impl Decision {
    /// All that it is found by, sorted; nothing of a plugin's answer.
    pub fn tags(&self) -> Vec<Tag> {
        let mut tags = match &self.subject {
            DecisionSubject::Policy { question, answer } => {
                let mut tags = of_answer(answer);
                tags.push(Tag::Action(question.action.to_string()));
                tags.push(Tag::Resource(question.resource.id()));
                match &question.principal {
                    Principal::Actor(actor) => {
                        tags.push(Tag::Principal(actor.account.to_string()));
                        tags.push(Tag::Principal(actor.person.to_string()));
                    }
                    Principal::Plugin { name, .. } => tags.push(Tag::Principal(name.clone())),
                }
                tags
            }
            DecisionSubject::Access { request, answer, .. } => {
                let mut tags = of_answer(answer);
                tags.extend(thing(&request["subject"]).map(Tag::Principal));
                tags.extend(thing(&request["resource"]).map(Tag::Resource));
                tags.extend(request["action"]["name"].as_str().map(|name| Tag::Action(name.to_owned())));
                tags
            }
            DecisionSubject::Gate { .. } | DecisionSubject::Plugin { .. } => Vec::new(),
        };
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

fn of_answer(answer: &Answer) -> Vec<Tag> {
    let policies = answer.determining.iter().map(|policy| Tag::Policy(policy.id.clone()));
    policies.chain([Tag::Bundle(answer.bundle.to_string())]).collect()
}

/// What a search looks for has no id.
fn thing(value: &Value) -> Option<String> {
    Some(format!("{}:{}", value["type"].as_str()?, value["id"].as_str()?))
}
