//! What is recorded of a question: what the policies can read of it, and no secret.

use std::sync::Arc;

use cedar_policy::{EntityId, EntityUid};
use serde_json::{Map, Value, json};

use super::{Access, Application, Search, Thing, Verb, Wanted};

/// What stands where something is masked.
pub const MASK: &str = "(masked)";
/// Beyond it, two JSON readers may read two numbers.
const EXACT: u64 = (1 << 53) - 1;

impl Application {
    /// The question without what no policy could read. It is answered the same.
    pub fn readable(&self, access: &Access) -> Access {
        Access {
            subject: Arc::new(self.readable_thing(&access.subject)),
            action: Arc::new(self.readable_verb(&access.action)),
            resource: Arc::new(self.readable_thing(&access.resource)),
            context: Arc::new(self.readable_context(&access.action, &access.context)),
        }
    }

    /// The same of a search.
    pub fn readable_search(&self, search: &Search) -> Search {
        let context = match &search.action {
            Some(action) => self.readable_context(action, &search.context),
            // Every action has a context of its own.
            None => exact(Map::clone(&search.context)),
        };
        Search {
            search: search.search,
            subject: Arc::new(self.readable_thing(&search.subject)),
            action: search.action.as_ref().map(|action| Arc::new(self.readable_verb(action))),
            resource: Arc::new(self.readable_thing(&search.resource)),
            context: Arc::new(context),
        }
    }

    /// Whether what a search finds is masked in records: the ids of subjects where those of questions are, and so on.
    pub fn hides(&self, wanted: Wanted) -> bool {
        let part = match wanted {
            Wanted::Subject => "subject",
            Wanted::Resource => "resource",
            Wanted::Action => "action",
        };
        let names = [format!("/{part}"), format!("/{part}/id"), format!("/{part}/name")];
        self.masked.iter().any(|pointer| names.contains(pointer))
    }

    /// A question as it is written into the record, and whether something is masked in it: then it cannot be asked again.
    pub fn masked(&self, mut question: Value) -> (Value, bool) {
        let mut masked = false;
        for pointer in &self.masked {
            if let Some(secret) = question.pointer_mut(pointer) {
                *secret = json!(MASK);
                masked = true;
            }
        }
        (question, masked)
    }

    fn readable_thing(&self, thing: &Thing) -> Thing {
        let properties = self.types.get(&thing.kind).map_or_else(Map::new, |kind| {
            let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(&thing.id));
            self.said(&uid, &thing.properties)
        });
        Thing { kind: thing.kind.clone(), id: thing.id.clone(), properties: exact(properties) }
    }

    fn readable_verb(&self, verb: &Verb) -> Verb {
        let seen = self.context_of(verb).is_some_and(|shape| shape.has("action"));
        let properties = if seen { exact(verb.properties.clone()) } else { Map::new() };
        Verb { name: verb.name.clone(), properties }
    }

    fn readable_context(&self, verb: &Verb, context: &Map<String, Value>) -> Map<String, Value> {
        exact(self.context_of(verb).map_or_else(Map::new, |shape| shape.cut(context)))
    }

    pub(super) fn context_of(&self, verb: &Verb) -> Option<&super::schema::Shape> {
        self.buckets.get(self.actions.get(&verb.name)?)?.context.as_ref()
    }
}

/// Cedar has no fractions, so a question that holds one where it is read is denied, as one that holds a text there. A
/// record can hold only the text.
fn exact(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name, exact_value(value))).collect()
}

fn exact_value(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none_or(|number| number.unsigned_abs() > EXACT) => {
            json!(number.to_string())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(exact_value).collect()),
        Value::Object(fields) => Value::Object(exact(fields)),
        other => other,
    }
}
