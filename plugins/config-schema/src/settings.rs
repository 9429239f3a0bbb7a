//! What an operator sets for the gate.

use std::collections::BTreeMap;

use interlock_plugin_sdk::prelude::*;
use serde_json::Value;

use crate::read;

/// More schemas than this would use up a call's fuel before the first value is looked at.
const SCHEMAS_MAX: usize = 500;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// A JSON Schema (draft 2020-12) for each key: the key itself, `prefix.*` for every key below a prefix, or `*` for all
    /// others. A key has one schema: its own, otherwise that of the longest prefix.
    #[schemars(length(min = 1, max = 500))]
    pub schemas: BTreeMap<String, Value>,
    /// Accept keys that no schema describes.
    #[default(false)]
    pub allow_unknown_keys: bool,
    /// Also validate the configuration that comes with each artifact of a release.
    #[default(false)]
    pub check_releases: bool,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        if self.schemas.is_empty() || self.schemas.len() > SCHEMAS_MAX {
            problems.push(SettingsProblem::at("/schemas", format!("describe from 1 to {SCHEMAS_MAX} keys")));
        }
        for (pattern, schema) in &self.schemas {
            let path = read::below("/schemas", pattern);
            let prefix = pattern.strip_suffix('*').unwrap_or(pattern);
            if pattern.trim().is_empty() {
                problems.push(SettingsProblem::at(path, "name a key, or a prefix such as `alarm.*`"));
            } else if prefix.contains('*')
                || (prefix != pattern && !(prefix.is_empty() || prefix.ends_with('.')))
            {
                let message = "a star stands at the end, after a dot or alone: `alarm.*` or `*`";
                problems.push(SettingsProblem::at(path, message));
            } else if let Err(objections) = read::read(schema) {
                problems.extend(
                    objections.into_iter().map(|objection| {
                        SettingsProblem::at(format!("{path}{}", objection.at), objection.why)
                    }),
                );
            }
        }
        problems
    }
}
