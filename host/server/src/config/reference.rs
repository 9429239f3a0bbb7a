//! The documented table of every key, made from the code so that it cannot lag behind it.

use std::fmt::Write as _;

use schemars::schema_for;
use serde_json::Value;

use super::Config;

/// `docs/configuration.md`.
pub fn reference() -> String {
    let schema = schema_for!(Config);
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut page = String::from(HEAD);
    let root =
        Node { schema: schema.as_value(), definitions: schema.get("$defs"), defaults: Some(&defaults) };
    root.sections(&mut page);
    page
}

const HEAD: &str = "# Configuration

The server reads `interlock.toml` (`--config`), then environment variables, then flags; the later wins. A variable is named after its
key: `INTERLOCK__SERVER__LISTEN` is `listen` in `[server]`. An unknown key is refused by name. `interlock serve --check` prints what came of
it, with secrets masked. Durations are milliseconds, sizes are bytes.

This page is generated from the code; a test compares the two.
";

/// A place in the schema, with the defaults that belong to it.
struct Node<'a> {
    schema: &'a Value,
    definitions: Option<&'a Value>,
    defaults: Option<&'a Value>,
}

impl<'a> Node<'a> {
    /// One section a table of the file.
    fn sections(&self, page: &mut String) {
        for (name, property) in properties(self.schema) {
            let section = self.child(name, property);
            let heading = if is_list(property) { format!("[[{name}]]") } else { format!("[{name}]") };
            // Writing into a string cannot fail.
            let _ = write!(page, "\n## `{heading}`\n\n{}\n\n", description(property, section.schema));
            let _ = writeln!(page, "| key | default | meaning |\n|---|---|---|");
            section.rows("", page);
            if is_list(property)
                && let Some(entries) = self.defaults.and_then(|values| values.get(name))
            {
                section.list_default(name, entries, page);
            }
        }
    }

    fn rows(&self, prefix: &str, page: &mut String) {
        for (name, property) in properties(self.schema) {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let field = self.child(name, property);
            if properties(field.schema).next().is_some() {
                field.rows(&key, page);
                continue;
            }
            // An entry of a list has no values yet, but what its keys are when they are absent stands in the schema.
            let default = match field.defaults.or_else(|| property.get("default")) {
                Some(Value::Null) => String::new(),
                Some(Value::String(text)) if text.is_empty() => String::new(),
                Some(value) => format!("`{value}`"),
                None => String::new(),
            };
            let _ = writeln!(page, "| `{key}` | {default} | {} |", description(property, field.schema));
        }
    }

    /// What a list of such entries holds when the file has none, as one would write it there.
    fn list_default(&self, name: &str, entries: &Value, page: &mut String) {
        if entries.as_array().is_some_and(Vec::is_empty) {
            return;
        }
        let mut entries = entries.clone();
        for entry in entries.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            let usual = |key: &String| self.schema.pointer(&format!("/properties/{key}/default"));
            entry.retain(|key, value| usual(key) != Some(value));
        }
        let list = std::collections::BTreeMap::from([(name, entries)]);
        let _ = write!(
            page,
            "\nWithout any, these apply. Entries of your own replace all of them, so write down those that you want to \
             keep; `{name} = []` is none at all.\n\n```toml\n{}```\n",
            toml::to_string(&list).unwrap_or_default()
        );
    }

    /// A field, with references followed and lists taken for their items.
    fn child(&self, name: &str, property: &'a Value) -> Node<'a> {
        let items = property.get("items").unwrap_or(property);
        let reference = items.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        let schema = reference.and_then(|name| self.definitions?.get(name)).unwrap_or(items);
        let defaults =
            if is_list(property) { None } else { self.defaults.and_then(|values| values.get(name)) };
        Node { schema, definitions: self.definitions, defaults }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn is_list(property: &Value) -> bool {
    property.get("items").is_some()
}

/// What the field's own comment says, or that of its type.
fn description(property: &Value, schema: &Value) -> String {
    let text = |value: &Value| value.get("description").and_then(Value::as_str).map(str::to_owned);
    text(property).or_else(|| text(schema)).unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_page_is_what_the_code_says() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("INTERLOCK_UPDATE").is_some() {
            std::fs::write(&path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(page, reference(), "run the tests with INTERLOCK_UPDATE=1 to write it anew");
    }

    /// The page's own lists, read as a configuration, are the defaults.
    #[test]
    fn lists_are_shown_with_what_they_hold_by_default() {
        let page = reference();
        let shown: String =
            page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        let shown: Config = toml::from_str(&shown).unwrap();
        let json = |config: &Config| serde_json::to_value((&config.gates, &config.health)).unwrap();
        assert_eq!(json(&shown), json(&Config::default()));
        assert!(!shown.gates.is_empty() && !shown.health.is_empty());
    }

    #[test]
    fn every_key_has_a_meaning() {
        for row in reference().lines().filter(|line| line.starts_with("| `")) {
            assert!(!row.ends_with("|  |"), "{row}");
        }
    }
}
