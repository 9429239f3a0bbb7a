//! Which schema a key has.

use std::collections::BTreeMap;

use interlock_plugin_sdk::Fault;
use serde_json::Value;

use crate::read::{self, Objection};
use crate::schema::Schema;
use crate::settings::Settings;

/// The schemas of the settings, read when they are first used: most changes touch a few keys of many.
pub(crate) struct Schemas<'a> {
    written: &'a BTreeMap<String, Value>,
    read: BTreeMap<&'a str, Schema>,
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self { written: &settings.schemas, read: BTreeMap::new() }
    }

    /// The pattern whose schema `key` has: the key itself, otherwise the longest prefix.
    pub(crate) fn pattern(&self, key: &str) -> Option<&'a str> {
        let matching = self.written.keys().map(String::as_str).filter(|pattern| matches(pattern, key));
        matching.max_by_key(|pattern| (*pattern == key, pattern.len()))
    }

    /// The schema under `pattern`.
    pub(crate) fn schema(&mut self, pattern: &'a str) -> Result<&Schema, Fault> {
        if !self.read.contains_key(pattern) {
            let written = self.written.get(pattern).unwrap_or(&Value::Bool(false));
            let schema = read::read(written).map_err(|objections| refused(pattern, &objections))?;
            self.read.insert(pattern, schema);
        }
        self.read.get(pattern).ok_or_else(|| Fault::internal("a schema that was read is missing"))
    }
}

fn refused(pattern: &str, objections: &[Objection]) -> Fault {
    let all: Vec<String> =
        objections.iter().map(|objection| format!("`{}`: {}", objection.at, objection.why)).collect();
    Fault::Settings(format!("the schema of `{pattern}` is none: {}", all.join("; ")))
}

/// `alarm.*` matches every key below `alarm.`, and `*` every key.
fn matches(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => key.len() > prefix.len() && key.starts_with(prefix),
        None => pattern == key,
    }
}
