//! The gates, gate groups and health checks of an environment without a `plugin` change.

use interlock_domain::{ChangeKind, GateMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};
use crate::flow::roster::{STRATEGY, bound_by};

/// A gate.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The id of its binding; the plugin's name when empty.
    #[serde(default)]
    pub id: String,
    /// The plugin's name.
    pub plugin: String,
    /// Its settings.
    #[serde(default = "empty_object")]
    pub settings: serde_json::Value,
    /// Whether it blocks.
    #[serde(default = "enforce")]
    #[schemars(with = "String")]
    pub mode: GateMode,
    /// The environments it is bound in; all when empty.
    #[serde(default)]
    pub environments: Vec<String>,
    /// The kinds of change that it judges.
    #[serde(default = "releases")]
    #[schemars(with = "Vec<String>")]
    pub kinds: Vec<ChangeKind>,
    /// The gate group that it is a member of; its verdict counts in there, and not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Gate {
    /// A gate as a configuration that names only the plugin has it.
    pub fn named(plugin: &str) -> Self {
        Self {
            id: String::new(),
            plugin: plugin.to_owned(),
            settings: empty_object(),
            mode: GateMode::Enforce,
            environments: Vec::new(),
            kinds: releases(),
            group: None,
        }
    }

    /// The id of its binding.
    pub(crate) fn called(&self) -> &str {
        if self.id.is_empty() { &self.plugin } else { &self.id }
    }
}

/// A gate group: its members judge as one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// A boolean expression over the ids of its members: `&&`, `||`, `!`, parentheses, or `and`, `or`, `not`.
    pub expression: String,
    /// Whether it blocks.
    #[serde(default = "enforce")]
    #[schemars(with = "String")]
    pub mode: GateMode,
    /// The environments it judges in; all when empty.
    #[serde(default)]
    pub environments: Vec<String>,
}

/// A health check that watches every rollout.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The id of its binding; the plugin's name when empty.
    #[serde(default)]
    pub id: String,
    /// The plugin's name.
    pub plugin: String,
    /// Its settings.
    #[serde(default = "empty_object")]
    pub settings: serde_json::Value,
    /// Whether what it says counts: `monitor` is recorded, and leads to nothing.
    #[serde(default = "enforce")]
    #[schemars(with = "String")]
    pub mode: GateMode,
}

impl Health {
    /// A health check as a configuration that names only the plugin has it.
    pub fn named(plugin: &str) -> Self {
        Self {
            id: String::new(),
            plugin: plugin.to_owned(),
            settings: empty_object(),
            mode: GateMode::Enforce,
        }
    }

    /// The id of its binding.
    pub(crate) fn called(&self) -> &str {
        if self.id.is_empty() { &self.plugin } else { &self.id }
    }
}

fn releases() -> Vec<ChangeKind> {
    vec![ChangeKind::Release]
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

fn enforce() -> GateMode {
    GateMode::Enforce
}

impl Config {
    /// In every environment that is named, and in any other, the bindings have ids of their own and groups hold together.
    pub(super) fn check_bindings(&self) -> Result<(), ConfigError> {
        let senseless = |detail| ConfigError::Senseless { key: "gates", detail };
        let mut environments: Vec<&str> = vec!["*"];
        environments.extend(self.gates.iter().flat_map(|gate| &gate.environments).map(String::as_str));
        environments.extend(self.groups.iter().flat_map(|group| &group.environments).map(String::as_str));
        for environment in environments {
            let here = |names: &[String]| names.is_empty() || names.iter().any(|name| name == environment);
            let gates = self.gates.iter().filter(|gate| here(&gate.environments)).map(Gate::called);
            let mut ids: Vec<&str> =
                gates.chain(self.health.iter().map(Health::called)).chain([STRATEGY]).collect();
            ids.sort_unstable();
            if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
                let id = twice[0];
                return Err(senseless(format!(
                    "two bindings are called `{id}`; give one of them another `id`"
                )));
            }
            let mut roster = bound_by(self, environment);
            // Which plugins there are is seen when they are installed.
            for name in roster.bindings.values().map(|binding| binding.plugin.clone()).collect::<Vec<_>>() {
                let digest = interlock_domain::Digest::of("any");
                let plugin =
                    interlock_domain::PluginRef { name: name.clone(), version: String::new(), digest };
                let active = interlock_domain::Active { plugin, granted: std::collections::BTreeSet::new() };
                roster.plugins.insert(name, active);
            }
            if let Some(fault) = roster.faults().into_iter().next() {
                return Err(senseless(fault));
            }
        }
        Ok(())
    }
}
