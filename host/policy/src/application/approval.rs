//! What the policies see of an approval: a fact of the host, and never what a question says.

use std::sync::Arc;

use interlock_domain::{PersonId, Timestamp};
use serde_json::{Map, Value, json};

use super::{Access, Application, Search, Verb};

/// The name under which a context declares it.
pub const APPROVAL: &str = "approval";

/// An approval that the host has verified for exactly this question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The request that was approved.
    pub id: String,
    /// The first instant at which it does not hold any more.
    pub until: Timestamp,
    /// Who approved.
    pub by: PersonId,
}

impl Application {
    /// Whether the policies of this action can ask for an approval: its context declares `approval`.
    pub fn takes_approval(&self, verb: &Verb) -> bool {
        self.context_of(verb).is_some_and(|shape| shape.has(APPROVAL))
    }

    /// The question without any word on approvals, and what it said.
    pub fn without_approval(access: &Access) -> (Access, Option<Value>) {
        if !access.context.contains_key(APPROVAL) {
            return (access.clone(), None);
        }
        let mut context = Map::clone(&access.context);
        let said = context.remove(APPROVAL);
        (Access { context: Arc::new(context), ..access.clone() }, said)
    }

    /// A search is never answered by approvals: each is about one question.
    pub fn search_without_approval(search: Search) -> Search {
        if !search.context.contains_key(APPROVAL) {
            return search;
        }
        let mut context = Map::clone(&search.context);
        context.remove(APPROVAL);
        Search { context: Arc::new(context), ..search }
    }

    /// The question with an approval, as far as the action's context declares its parts: `id`, `approved_until`, `approver`.
    pub fn with_approval(&self, access: &Access, approved: &Approved) -> Access {
        let Some(shape) = self.context_of(&access.action) else { return access.clone() };
        let until = json!({ "__extn": { "fn": "datetime", "arg": approved.until.to_string() } });
        let fact = json!({ "id": approved.id, "approved_until": until, "approver": approved.by });
        let mut context = Map::clone(&access.context);
        context.insert(APPROVAL.to_owned(), fact);
        Access { context: Arc::new(shape.cut(&context)), ..access.clone() }
    }
}
