//! A question in AuthZEN's shape.

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
    pub subject: Thing,
    /// What they would do.
    pub action: Verb,
    /// To what.
    pub resource: Thing,
    /// Under which circumstances.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
}
