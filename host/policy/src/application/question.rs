//! A question in AuthZEN's shape. Its parts are shared: the questions of a batch, and those of a search, differ in little.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Somebody or something: a subject or a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// What kind of thing, by the application's name for it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which one.
    pub id: String,
    /// What the asking program says of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verb {
    /// By the application's name for it.
    pub name: String,
    /// What the asking program says of it; policies see it as `context.action` when their schema declares that.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

/// May this subject do this to that resource, under these circumstances?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Who would do it.
    pub subject: Arc<Thing>,
    /// What they would do.
    pub action: Arc<Verb>,
    /// To what.
    pub resource: Arc<Thing>,
    /// Under which circumstances.
    #[serde(default, skip_serializing_if = "nothing")]
    pub context: Arc<Map<String, Value>>,
}

impl Access {
    /// The question as it is written, made of its own parts where nobody else has them.
    pub fn into_value(self) -> Value {
        let thing = |thing: Arc<Thing>| {
            let Thing { kind, id, properties } = Arc::unwrap_or_clone(thing);
            object([("type", Some(kind.into())), ("id", Some(id.into())), ("properties", filled(properties))])
        };
        let Verb { name, properties } = Arc::unwrap_or_clone(self.action);
        object([
            ("subject", Some(thing(self.subject))),
            ("action", Some(object([("name", Some(name.into())), ("properties", filled(properties))]))),
            ("resource", Some(thing(self.resource))),
            ("context", filled(Arc::unwrap_or_clone(self.context))),
        ])
    }
}

fn filled(fields: Map<String, Value>) -> Option<Value> {
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Who may do it?
    Subject,
    /// To what may it be done?
    Resource,
    /// What may be done?
    Action,
}

/// Which subjects, resources or actions would be allowed? The id of what is searched for means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// What is searched for.
    pub search: Wanted,
    /// Who would do it.
    pub subject: Arc<Thing>,
    /// What they would do; nothing in a search for actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Arc<Verb>>,
    /// To what.
    pub resource: Arc<Thing>,
    /// Under which circumstances.
    #[serde(default, skip_serializing_if = "nothing")]
    pub context: Arc<Map<String, Value>>,
}

/// Serde passes what it has: the shared one.
fn nothing(fields: &Arc<Map<String, Value>>) -> bool {
    fields.is_empty()
}

impl Search {
    /// The question about one candidate.
    pub(super) fn about(&self, candidate: &str) -> Access {
        let named = |thing: &Arc<Thing>, wanted: Wanted| match self.search == wanted {
            true => Arc::new(Thing { id: candidate.to_owned(), ..Thing::clone(thing) }),
            false => Arc::clone(thing),
        };
        let action = match (&self.action, self.search) {
            (Some(action), Wanted::Subject | Wanted::Resource) => Arc::clone(action),
            _ => Arc::new(Verb { name: candidate.to_owned(), properties: Map::new() }),
        };
        Access {
            subject: named(&self.subject, Wanted::Subject),
            action,
            resource: named(&self.resource, Wanted::Resource),
            context: Arc::clone(&self.context),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_written_as_it_is_read() {
        for properties in [json!({}), json!({ "ward": "icu", "deep": { "list": [1, null] } })] {
            for context in [json!({}), json!({ "at": 3 })] {
                let thing = json!({ "type": "user", "id": "ana", "properties": properties });
                let written = json!({
                    "subject": thing, "action": { "name": "read", "properties": properties },
                    "resource": thing, "context": context,
                });
                let access: Access = serde_json::from_value(written).unwrap();
                assert_eq!(access.clone().into_value(), json!(access));
                let shared = access.clone();
                assert_eq!(access.into_value(), json!(shared));
            }
        }
    }
}
