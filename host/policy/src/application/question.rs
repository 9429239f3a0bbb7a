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
