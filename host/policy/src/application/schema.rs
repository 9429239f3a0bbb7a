//! What a schema declares, so that a question may hold more than the policies can read.
//!
//! Cedar refuses an attribute that its schema does not know. AuthZEN wants unknown fields to be ignored. So a question is
//! cut to what is declared before Cedar sees it; a policy cannot read the rest anyway.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cedar_policy::{EntityTypeName, RestrictedExpression};
use serde_json::{Map, Value};

/// The attributes of each type and the context of each action.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) entities: HashMap<EntityTypeName, Shape>,
    /// The types whose ids are listed.
    pub(super) enumerated: HashSet<EntityTypeName>,
    /// By the action's full name, `App::Action::"view"`.
    pub(super) contexts: HashMap<String, Shape>,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Named fields.
    Record(BTreeMap<String, Field>),
    /// Several of a kind.
    Set(Box<Shape>),
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// Yes or no.
    Flag,
    /// An entity, an instant, an address: Cedar reads it as it is.
    Whole,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    shape: Shape,
    required: bool,
}

impl Declared {
    /// Reads the schema as Cedar writes it in JSON.
    pub(super) fn read(schema: &Value) -> Self {
        let mut declared = Self::default();
        let Some(namespaces) = schema.as_object() else { return declared };
        let mut common: HashMap<String, &Value> = HashMap::new();
        let mut kinds: BTreeSet<String> = BTreeSet::new();
        for (namespace, content) in namespaces {
            for (name, written) in fields(content, "commonTypes") {
                common.insert(full(namespace, name), written);
            }
            kinds.extend(fields(content, "entityTypes").map(|(name, _)| full(namespace, name)));
        }
        for (namespace, content) in namespaces {
            let reader = Reader { namespace, common: &common, kinds: &kinds };
            for (name, written) in fields(content, "entityTypes") {
                // A name that Cedar wrote itself.
                let Ok(kind) = full(namespace, name).parse::<EntityTypeName>() else { continue };
                let shape = written.get("shape").map_or(Shape::none(), |shape| reader.shape(shape, 0));
                if written.get("enum").is_some() {
                    declared.enumerated.insert(kind.clone());
                }
                declared.entities.insert(kind, shape);
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

    /// The attributes of a type, by the text of its full name.
    pub(super) fn named(&self, kind: &str) -> Option<&Shape> {
        self.of_type(&kind.parse().ok()?)
    }

    /// The attributes of a type.
    pub(super) fn of_type(&self, kind: &EntityTypeName) -> Option<&Shape> {
        self.entities.get(kind)
    }
}

struct Reader<'a> {
    namespace: &'a str,
    common: &'a HashMap<String, &'a Value>,
    /// The types of entities.
    kinds: &'a BTreeSet<String>,
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
                let fields = fields(written, "attributes").map(|(name, inner)| {
                    let required = inner["required"].as_bool().unwrap_or(true);
                    (name.clone(), Field { shape: self.shape(inner, depth + 1), required })
                });
                Shape::Record(fields.collect())
            }
            Some("Set") => Shape::Set(Box::new(self.shape(&written["element"], depth + 1))),
            Some("EntityOrCommon") => self.named(written["name"].as_str().unwrap_or_default(), depth),
            Some(name) => self.named(name, depth),
            None => Shape::Whole,
        }
    }

    /// A common type, an entity type or one of Cedar's own, in the order in which Cedar looks.
    fn named(&self, name: &str, depth: usize) -> Shape {
        let local = full(self.namespace, name);
        if let Some(found) = self.common.get(&local).or_else(|| self.common.get(name)) {
            return self.shape(found, depth + 1);
        }
        if self.kinds.contains(&local) || self.kinds.contains(name) {
            return Shape::Whole;
        }
        match name.strip_prefix("__cedar::").unwrap_or(name) {
            "String" => Shape::Text,
            "Long" => Shape::Number,
            "Bool" | "Boolean" => Shape::Flag,
            _ => Shape::Whole,
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
            let field = fields.get(name)?;
            (!value.is_null()).then(|| (name.clone(), field.shape.cut_value(value)))
        };
        given.iter().filter_map(declared).collect()
    }

    /// The declared fields as Cedar takes them, when all that are required are there and everything is plain: texts, whole
    /// numbers, yes or no, and sets and records of such. Cedar would accept it, and would take longer to see that.
    /// Nothing when Cedar has to look for itself.
    pub(super) fn plain(&self, given: &Map<String, Value>) -> Option<Vec<(String, RestrictedExpression)>> {
        let Shape::Record(fields) = self else { return None };
        let mut plain = Vec::with_capacity(fields.len());
        for (name, field) in fields {
            match given.get(name) {
                // Cedar's own notation begins like this.
                Some(_) if name.starts_with("__") => return None,
                Some(value) if !value.is_null() => {
                    plain.push((name.clone(), field.shape.plain_value(value)?))
                }
                _ if field.required => return None,
                _ => {}
            }
        }
        Some(plain)
    }

    fn plain_value(&self, value: &Value) -> Option<RestrictedExpression> {
        match (self, value) {
            (Shape::Text, Value::String(text)) => Some(RestrictedExpression::new_string(text.clone())),
            (Shape::Number, Value::Number(number)) => Some(RestrictedExpression::new_long(number.as_i64()?)),
            (Shape::Flag, Value::Bool(flag)) => Some(RestrictedExpression::new_bool(*flag)),
            (Shape::Set(element), Value::Array(items)) => {
                let items: Option<Vec<_>> = items.iter().map(|item| element.plain_value(item)).collect();
                Some(RestrictedExpression::new_set(items?))
            }
            (Shape::Record(_), Value::Object(given)) => {
                RestrictedExpression::new_record(self.plain(given)?).ok()
            }
            _ => None,
        }
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

    fn kind(name: &str) -> EntityTypeName {
        name.parse().unwrap()
    }

    #[test]
    fn what_is_not_declared_is_cut_at_every_depth() {
        let user = &declared().entities[&kind("App::User")];
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
        let cut = declared().entities[&kind("App::User")].cut(given.as_object().unwrap());
        assert_eq!(Value::Object(cut), json!({ "name": "x" }));
    }

    #[test]
    fn types_without_attributes_and_actions_with_odd_names_are_found() {
        let declared = declared();
        assert_eq!(declared.entities[&kind("App::Doc")], Shape::none());
        let context = &declared.contexts["App::Action::\"read it\""];
        assert!(context.has("at") && context.has("place") && !context.has("now"));
        let given = json!({ "note": { "text": "x", "by": "y" } });
        let cut = declared.entities[&kind("Plain")].cut(given.as_object().unwrap());
        assert_eq!(Value::Object(cut), json!({ "note": { "text": "x" } }));
    }
}
