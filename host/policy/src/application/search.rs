//! Searches: which subjects, resources or actions would be allowed?

use interlock_domain::Timestamp;
use serde_json::{Map, Value};

use super::{Access, Application, Thing, Verb};

impl Application {
    /// The subjects among those that the application keeps that may do this, from the one after `after`, by id; and whether
    /// there are more than `limit`.
    pub fn subjects(
        &self,
        kind: &str,
        properties: &Map<String, Value>,
        question: (&Verb, &Thing, &Map<String, Value>),
        (after, limit): (Option<&str>, usize),
        now: Timestamp,
    ) -> (Vec<String>, bool) {
        let (action, resource, context) = question;
        self.kept_of(
            kind,
            after,
            limit,
            |id| Access {
                subject: Thing { kind: kind.to_owned(), id, properties: properties.clone() },
                action: action.clone(),
                resource: resource.clone(),
                context: context.clone(),
            },
            now,
        )
    }

    /// The resources among those that the application keeps to which this may be done.
    pub fn resources(
        &self,
        kind: &str,
        properties: &Map<String, Value>,
        question: (&Thing, &Verb, &Map<String, Value>),
        (after, limit): (Option<&str>, usize),
        now: Timestamp,
    ) -> (Vec<String>, bool) {
        let (subject, action, context) = question;
        self.kept_of(
            kind,
            after,
            limit,
            |id| Access {
                subject: subject.clone(),
                action: action.clone(),
                resource: Thing { kind: kind.to_owned(), id, properties: properties.clone() },
                context: context.clone(),
            },
            now,
        )
    }

    /// The actions that this subject may do to this resource, in the order of the schema.
    pub fn allowed_actions(
        &self,
        subject: &Thing,
        resource: &Thing,
        context: &Map<String, Value>,
        now: Timestamp,
    ) -> Vec<String> {
        let allowed = |name: &&String| {
            let access = Access {
                subject: subject.clone(),
                action: Verb { name: (*name).clone(), properties: Map::new() },
                resource: resource.clone(),
                context: context.clone(),
            };
            self.evaluate(&access, now).allowed
        };
        self.actions.keys().filter(allowed).cloned().collect()
    }

    fn kept_of(
        &self,
        kind: &str,
        after: Option<&str>,
        limit: usize,
        question: impl Fn(String) -> Access,
        now: Timestamp,
    ) -> (Vec<String>, bool) {
        let Some(name) = self.types.get(kind) else { return (Vec::new(), false) };
        let candidates = self.by_type.get(&name.to_string()).map(Vec::as_slice).unwrap_or_default();
        let mut found = Vec::new();
        for uid in candidates {
            let id = uid.id().unescaped();
            if after.is_some_and(|after| id <= after) || !self.evaluate(&question(id.to_owned()), now).allowed
            {
                continue;
            }
            if found.len() == limit {
                return (found, true);
            }
            found.push(id.to_owned());
        }
        (found, false)
    }
}
