//! A settings schema as a table.

use serde::Serialize;
use serde_json::Value;

/// How deep a schema is looked into. Deeper settings are shown as `object`.
const DEPTH_MAX: usize = 6;
/// Lines of the table; a schema with more is shortened rather than printed for minutes.
const ROWS_MAX: usize = 500;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `windows[].from`
    pub name: String,
    /// `integer`, `list of string`, `"wait" | "pause"`.
    pub kind: String,
    /// As JSON; absent when it must be given or has none.
    pub default: Option<String>,
    /// Whether settings without it do not fit.
    pub required: bool,
    /// `1 to 10000`, `at most 7 items`.
    pub range: String,
    /// What it means, on one line.
    pub meaning: String,
}

/// The settings that a JSON Schema (draft 2020-12) describes, in its order.
#[must_use]
pub fn settings(schema: &Value) -> Vec<Setting> {
    let mut table = Table { root: schema, rows: Vec::new() };
    table.object(schema, "", 0);
    table.rows
}

struct Table<'a> {
    root: &'a Value,
    rows: Vec<Setting>,
}

impl<'a> Table<'a> {
    fn object(&mut self, schema: &'a Value, prefix: &str, depth: usize) {
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (name, property) in properties {
            if depth >= DEPTH_MAX || self.rows.len() >= ROWS_MAX {
                return;
            }
            let required = required.iter().any(|required| required == name);
            let name = format!("{prefix}{name}");
            // Two forms of an object often have a name in common.
            if self.rows.iter().all(|row| row.name != name) {
                self.setting(property, &name, required, depth);
            }
        }
    }

    /// What an object may hold under names that the schema does not know, and in each of its forms.
    fn variants(&mut self, inner: &'a Value, name: &str, depth: usize) {
        if let Some(values) = inner.get("additionalProperties").filter(|values| values.is_object()) {
            self.setting(values, &format!("{name}.*"), false, depth + 1);
        }
        let forms = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| inner.get(*key)?.as_array());
        for form in forms.flatten() {
            let form = self.resolved(form);
            self.object(form, &format!("{name}."), depth + 1);
        }
    }

    fn setting(&mut self, property: &'a Value, name: &str, required: bool, depth: usize) {
        let inner = self.resolved(property);
        let meaning =
            text(property, "description").or_else(|| text(inner, "description")).unwrap_or_default();
        self.rows.push(Setting {
            name: name.to_owned(),
            kind: self.kind(property),
            default: property.get("default").or_else(|| inner.get("default")).map(Value::to_string),
            required,
            range: range(inner),
            meaning: meaning.split_whitespace().collect::<Vec<_>>().join(" "),
        });
        if depth >= DEPTH_MAX || self.rows.len() >= ROWS_MAX {
            return;
        }
        self.object(inner, &format!("{name}."), depth + 1);
        self.variants(inner, name, depth);
        if let Some(items) = inner.get("items") {
            let items = self.resolved(items);
            self.object(items, &format!("{name}[]."), depth + 1);
        }
    }

    fn kind(&self, schema: &'a Value) -> String {
        let inner = self.resolved(schema);
        let choices = inner.get("enum").and_then(Value::as_array).cloned().unwrap_or_else(|| {
            let branches = inner.get("oneOf").and_then(Value::as_array).into_iter().flatten();
            // All of them, or it is a form among others.
            branches.map(|branch| branch.get("const").cloned()).collect::<Option<_>>().unwrap_or_default()
        });
        if !choices.is_empty() {
            return choices.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
        }
        let names = match inner.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ if ["oneOf", "anyOf"].iter().any(|key| inner.get(*key).is_some()) => {
                let forms = ["oneOf", "anyOf"].iter().filter_map(|key| inner.get(*key)?.as_array()).flatten();
                let mut kinds: Vec<String> = forms.map(|form| self.kind_of_form(form)).collect();
                kinds.dedup();
                return kinds.join(" or ");
            }
            _ => return "any".to_owned(),
        };
        let named = |name: &str| match (name, inner.get("items")) {
            ("array", Some(items)) => format!("list of {}", self.kind(items)),
            ("array", None) => "list".to_owned(),
            (other, _) => other.to_owned(),
        };
        // An absent setting and `null` mean the same.
        names.into_iter().filter(|name| *name != "null").map(named).collect::<Vec<_>>().join(" or ")
    }

    /// Of one form of several: not deeper, because a form may lead back to where it stands.
    fn kind_of_form(&self, form: &'a Value) -> String {
        let form = self.resolved(form);
        let choice = form.get("const").map(Value::to_string);
        choice.or_else(|| text(form, "type").map(str::to_owned)).unwrap_or_else(|| "any".to_owned())
    }

    /// Past references into the document, and past `anyOf` of something and `null`.
    fn resolved(&self, mut schema: &'a Value) -> &'a Value {
        // A reference may lead to itself.
        for _ in 0..DEPTH_MAX {
            let pointer = text(schema, "$ref").and_then(|reference| reference.strip_prefix('#'));
            let branches = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array());
            let mut real =
                branches.into_iter().flatten().filter(|branch| text(branch, "type") != Some("null"));
            schema = match (pointer, real.next(), real.next()) {
                (Some(pointer), _, _) => match self.root.pointer(pointer) {
                    Some(target) => target,
                    None => return schema,
                },
                (None, Some(only), None) => only,
                _ => return schema,
            };
        }
        schema
    }
}

fn text<'s>(schema: &'s Value, key: &str) -> Option<&'s str> {
    schema.get(key).and_then(Value::as_str)
}

/// What the schema says of size and form, in words.
fn range(schema: &Value) -> String {
    let number = |key: &str| schema.get(key).filter(|value| value.is_number()).map(Value::to_string);
    let between = |low: &str, high: &str, unit: &str| match (number(low), number(high)) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
        (Some(low), None) => Some(format!("at least {low}{unit}")),
        (None, Some(high)) => Some(format!("at most {high}{unit}")),
        (None, None) => None,
    };
    let parts = [
        between("minimum", "maximum", ""),
        number("exclusiveMinimum").map(|low| format!("above {low}")),
        number("exclusiveMaximum").map(|high| format!("below {high}")),
        between("minLength", "maxLength", " characters"),
        between("minItems", "maxItems", " items"),
        text(schema, "pattern").map(|pattern| format!("like /{pattern}/")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_setting_is_a_row_also_inside_lists_and_behind_references() {
        let rows = settings(&json!({
            "type": "object",
            "required": ["stages"],
            "properties": {
                "stages": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/Stage" } },
                "ceiling": { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "null" }], "default": null,
                    "description": "How much\n is too much." },
                "on_warning": { "$ref": "#/$defs/OnWarning", "default": "wait" },
            },
            "$defs": {
                "Stage": { "type": "object", "properties": { "percent_bp": { "type": "integer", "minimum": 1, "maximum": 10000 } } },
                "OnWarning": { "oneOf": [{ "const": "wait" }, { "const": "pause" }] },
            },
        }));
        let text: Vec<String> = rows
            .iter()
            .map(|row| {
                let default = row.default.as_deref().unwrap_or(if row.required { "required" } else { "" });
                format!("{} | {} | {default} | {} | {}", row.name, row.kind, row.range, row.meaning)
            })
            .collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        stages | list of object | required | at least 1 items | 
        stages[].percent_bp | integer |  | 1 to 10000 | 
        ceiling | integer | null | at least 0 | How much is too much.
        on_warning | "wait" | "pause" | "wait" |  |
        "#);
    }

    #[test]
    fn forms_of_an_object_and_free_names_are_rows_too() {
        let rows = settings(&json!({
            "properties": {
                "levels": { "type": "object", "additionalProperties": { "type": "integer", "maximum": 9, "description": "Of one." } },
                "when": { "oneOf": [
                    { "type": "object", "properties": { "at": { "type": "string" } } },
                    { "type": "object", "properties": { "at": { "type": "string" }, "every": { "type": "integer" } } },
                    { "const": "never" },
                ] },
            },
        }));
        let text: Vec<String> =
            rows.iter().map(|row| format!("{} | {} | {}", row.name, row.kind, row.range)).collect();
        insta::assert_snapshot!(text.join("\n"), @r#"
        levels | object | 
        levels.* | integer | at most 9
        when | object or "never" | 
        when.at | string | 
        when.every | integer |
        "#);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let rows = settings(&json!({
            "properties": { "a": { "$ref": "#/$defs/Loop" }, "b": { "$ref": "#" } },
            "$defs": { "Loop": { "$ref": "#/$defs/Loop" } },
        }));
        assert!(rows.len() < 50, "{rows:?}");
        assert!(settings(&json!(true)).is_empty());
    }
}
