//! A file of cases, as it stands beside a plugin.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use interlock_sandbox::Plugin;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::case::Case;
use crate::error::WorkshopError;
use crate::input::Input;
use crate::report::{CaseResult, Report, Status};

/// The cases of one file.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The file.
    pub file: String,
    /// Whose cases they are; any plugin's when absent.
    pub plugin: Option<String>,
    /// In the order of the file.
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteDraft {
    plugin: Option<String>,
    /// What every case starts from.
    #[serde(default)]
    defaults: Map<String, Value>,
    cases: Option<Vec<Map<String, Value>>>,
}

impl Suite {
    /// Reads a `.yaml`, `.yml`, `.toml` or `.json` file.
    ///
    /// # Errors
    /// Names the file and the field that does not fit.
    pub fn read(path: &Path) -> Result<Self, WorkshopError> {
        Self::of(&path.display().to_string(), read(path)?)
    }

    /// Of what stands in a file.
    pub(crate) fn of(file: &str, whole: Value) -> Result<Self, WorkshopError> {
        let SuiteDraft { plugin, defaults, cases } = decode(file, "", whole)?;
        // Read by itself first, so that its mistakes are not looked for in a case.
        decode::<Input>(file, "defaults", Value::Object(defaults.clone()))?;
        let mut names = HashSet::new();
        let mut read = Vec::new();
        for (index, fields) in cases.unwrap_or_default().into_iter().enumerate() {
            let path = format!("cases[{index}]");
            let case = Self::case_of(file, &path, &defaults, Value::Object(fields))?;
            if !names.insert(case.name.clone()) {
                let reason = format!("`{}` stands twice", case.name);
                return Err(WorkshopError::field(file, format!("{path}.name"), reason));
            }
            read.push(case);
        }
        Ok(Self { file: file.to_owned(), plugin, cases: read })
    }

    /// One case over what every case starts from, unless it says that it stands alone.
    pub(crate) fn case_of(
        file: &str,
        path: &str,
        defaults: &Map<String, Value>,
        mut fields: Value,
    ) -> Result<Case, WorkshopError> {
        let alone = match fields.as_object_mut().and_then(|fields| fields.remove("alone")) {
            Some(alone) => decode(file, &format!("{path}.alone"), alone)?,
            None => false,
        };
        let mut whole = Value::Object(if alone { Map::new() } else { defaults.clone() });
        lay_over(&mut whole, fields);
        Case::read(file, path, whole)
    }

    /// Runs every case. A file without a case fails: it would pass whatever the plugin does.
    pub async fn run(&self, plugin: &Plugin) -> Report {
        let mut cases = Vec::new();
        let name = &plugin.description().name;
        if let Some(other) = self.plugin.as_ref().filter(|other| *other != name) {
            cases.push(failed(format!("the cases are for plugin `{other}`, this is `{name}`")));
        } else if self.cases.is_empty() {
            cases.push(failed("there is no case in it: write one under `cases`".to_owned()));
        } else {
            for case in &self.cases {
                cases.push(case.run(plugin).await);
            }
        }
        Report { file: self.file.clone(), plugin: name.clone(), digest: plugin.digest(), cases }
    }

    /// The case of this name.
    #[must_use]
    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }
}

fn failed(reason: String) -> CaseResult {
    let status = Status::Failed { differences: vec![reason] };
    CaseResult { name: "the file".to_owned(), status, cost: Default::default() }
}

/// What `above` says replaces what `below` says, and `null` takes it away (RFC 7396, JSON Merge Patch).
fn lay_over(below: &mut Value, above: Value) {
    let Value::Object(above) = above else {
        *below = above;
        return;
    };
    if !below.is_object() {
        *below = Value::Object(Map::new());
    }
    if let Value::Object(below) = below {
        for (key, value) in above {
            if value.is_null() {
                below.remove(&key);
            } else {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

/// A file by its extension, as a `T`.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, WorkshopError> {
    let text = fs::read_to_string(path)
        .map_err(|source| WorkshopError::File { path: path.display().to_string(), source })?;
    parse(path, &text)
}

/// The text of a file by the file's extension, as a `T`.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, WorkshopError> {
    let file = path.display().to_string();
    let syntax = |format, reason| WorkshopError::Syntax { file: file.clone(), format, reason };
    let value = match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => yaml(text).map_err(|reason| syntax("YAML", reason))?,
        Some("toml") => toml(text).map_err(|reason| syntax("TOML", reason))?,
        Some("json") => serde_json::from_str(text).map_err(|error| syntax("JSON", error.to_string()))?,
        _ => return Err(WorkshopError::Extension { path: file }),
    };
    decode(&file, "", value)
}

/// A value as a `T`, or the path to what does not fit. `within` is where the value stands in its file.
pub(crate) fn decode<T: DeserializeOwned>(
    file: &str,
    within: &str,
    value: Value,
) -> Result<T, WorkshopError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string();
        let path = match (within, inner.as_str()) {
            ("", ".") => "the file".to_owned(),
            ("", inner) => inner.to_owned(),
            (within, ".") => within.to_owned(),
            (within, inner) => format!("{within}.{inner}"),
        };
        WorkshopError::field(file, path, error.inner().to_string())
    })
}

/// Duplicate keys are refused, and `<<` merges.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let mut value: serde_yaml_ng::Value = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    value.apply_merge().map_err(|error| error.to_string())?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}

fn toml(text: &str) -> Result<Value, String> {
    fn json(value: toml::Value) -> Value {
        match value {
            // TOML has times of its own; here they are text like everywhere else.
            toml::Value::Datetime(at) => Value::String(at.to_string()),
            toml::Value::Array(items) => items.into_iter().map(json).collect(),
            toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
            toml::Value::String(text) => text.into(),
            toml::Value::Integer(number) => number.into(),
            toml::Value::Float(number) => number.into(),
            toml::Value::Boolean(truth) => truth.into(),
        }
    }
    toml::from_str(text).map(json).map_err(|error| error.to_string())
}
