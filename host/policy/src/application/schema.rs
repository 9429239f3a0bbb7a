//! What a schema declares, so that a question may hold more than the policies can read.
//!
//! Cedar refuses an attribute that its schema does not know. AuthZEN wants unknown fields to be ignored. So a question is
//! cut to what is declared before Cedar sees it; a policy cannot read the rest anyway.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::EntityTypeName;
use serde_json::{Map, Value};

/// The attributes of each type and the context of each action.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// By the type's full name.
    pub(super) entities: HashMap<String, Shape>,
    /// The types whose ids are listed.
    pub(super) enumerated: BTreeSet<String>,
    /// By the action's full name, `App::Action::"view"`.
    pub(super) contexts: HashMap<String, Shape>,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Named fields.
    Record(BTreeMap<String, Shape>),
    /// Several of a kind.
    Set(Box<Shape>),
    /// An entity, a number, a text, an instant: Cedar reads it as it is.
    Whole,
}

impl Declared {
    /// Reads the schema as Cedar writes it in JSON.
    pub(super) fn read(schema: &Value) -> Self {
        let mut declared = Self::default();
        let Some(namespaces) = schema.as_object() else { return declared };
        let mut common: HashMap<String, &Value> = HashMap::new();
        for (namespace, content) in namespaces {
            for (name, written) in fields(content, "commonTypes") {
                common.insert(full(namespace, name), written);
            }
        }
        for (namespace, content) in namespaces {
            let reader = Reader { namespace, common: &common };
            for (name, written) in fields(content, "entityTypes") {
                let shape = written.get("shape").map_or(Shape::none(), |shape| reader.shape(shape, 0));
                if written.get("enum").is_some() {
                    declared.enumerated.insert(full(namespace, name));
                }
                declared.entities.insert(full(namespace, name), shape);
            }
            for (name, written) in fields(content, "actions") {
                let context = written.pointer("/appliesTo/context");
                let shape = context.map_or(Shape::none(), |context| reader.shape(context, 0));
                let id = format!("{}::\"{}\"", full(namespace, "Action"), name.escape_debug());
                declared.contexts.insert(id, shape);
            }
        }
        declared
    }

    /// The attributes of a type.
    pub(super) fn of_type(&self, kind: &EntityTypeName) -> Option<&Shape> {
        self.entities.get(&kind.to_string())
    }
}

struct Reader<'a> {
    namespace: &'a str,
    common: &'a HashMap<String, &'a Value>,
}

/// Cedar allows no common type to hold itself, so this is only reached by what it refused already.
const DEPTH_MAX: usize = 64;

impl Reader<'_> {
    fn shape(&self, written: &Value, depth: usize) -> Shape {
        if depth > DEPTH_MAX {
            return Shape::Whole;
        }
        match written["type"].as_str() {
            Some("Record") => {
                let fields = fields(written, "attributes");
                Shape::Record(
                    fields.map(|(name, inner)| (name.clone(), self.shape(inner, depth + 1))).collect(),
                )
            }
            Some("Set") => Shape::Set(Box::new(self.shape(&written["element"], depth + 1))),
            Some("EntityOrCommon") => {
                let name = written["name"].as_str().unwrap_or_default();
                let found = self.common.get(&full(self.namespace, name)).or_else(|| self.common.get(name));
                found.map_or(Shape::Whole, |found| self.shape(found, depth + 1))
            }
            // A common type by its bare name.
            Some(name) => match self.common.get(&full(self.namespace, name)) {
                Some(found) => self.shape(found, depth + 1),
                None => Shape::Whole,
            },
            None => Shape::Whole,
        }
    }
}

impl Shape {
    fn none() -> Self {
        Shape::Record(BTreeMap::new())
    }

    /// Whether there is nothing that it may hold.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Shape::Record(fields) if fields.is_empty())
    }

    /// Whether it has a field of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        matches!(self, Shape::Record(fields) if fields.contains_key(name))
    }

    /// The fields that are declared, without those that are null: in JSON, null is how absence is often written.
    pub(super) fn cut(&self, given: &Map<String, Value>) -> Map<String, Value> {
        let Shape::Record(fields) = self else { return given.clone() };
        let declared = |(name, value): (&String, &Value)| {
            let shape = fields.get(name)?;
            (!value.is_null()).then(|| (name.clone(), shape.cut_value(value)))
        };
        given.iter().filter_map(declared).collect()
    }

    fn cut_value(&self, value: &Value) -> Value {
        match (self, value) {
            (Shape::Record(_), Value::Object(given)) => Value::Object(self.cut(given)),
            (Shape::Set(element), Value::Array(given)) => {
                Value::Array(given.iter().map(|value| element.cut_value(value)).collect())
            }
            _ => value.clone(),
        }
    }
}

fn full(namespace: &str, name: &str) -> String {
    if namespace.is_empty() || name.contains("::") { name.to_owned() } else { format!("{namespace}::{name}") }
}

fn fields<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use cedar_policy::SchemaFragment;
    use serde_json::json;

    use super::*;

    fn declared() -> Declared {
        let text = r#"
            namespace App {
              type Place = { ward: String, floors: Set<{ number: Long }> };
              entity Role;
              entity User in [Role] { name: String, place?: Place };
              entity Doc;
              action "read it" appliesTo { principal: User, resource: Doc, context: { place: Place, at: datetime } };
            }
            type Note = { text: String };
            entity Plain { note: Note };
        "#;
        let (fragment, _) = SchemaFragment::from_cedarschema_str(text).unwrap();
        Declared::read(&fragment.to_json_value().unwrap())
    }

    #[test]
    fn what_is_not_declared_is_cut_at_every_depth() {
        let user = &declared().entities["App::User"];
        let given = json!({
            "name": "x", "shoe_size": 44,
            "place": { "ward": "a", "colour": "red", "floors": [{ "number": 1, "door": "b" }] },
        });
        let cut = user.cut(given.as_object().unwrap());
        let expected = json!({ "name": "x", "place": { "ward": "a", "floors": [{ "number": 1 }] } });
        assert_eq!(Value::Object(cut), expected);
    }

    #[test]
    fn null_is_absence() {
        let given = json!({ "name": "x", "place": null });
        let cut = declared().entities["App::User"].cut(given.as_object().unwrap());
        assert_eq!(Value::Object(cut), json!({ "name": "x" }));
    }

    #[test]
    fn types_without_attributes_and_actions_with_odd_names_are_found() {
        let declared = declared();
        assert_eq!(declared.entities["App::Doc"], Shape::none());
        let context = &declared.contexts["App::Action::\"read it\""];
        assert!(context.has("at") && context.has("place") && !context.has("now"));
        let given = json!({ "note": { "text": "x", "by": "y" } });
        let cut = declared.entities["Plain"].cut(given.as_object().unwrap());
        assert_eq!(Value::Object(cut), json!({ "note": { "text": "x" } }));
    }
}
