//! What a `plugin` change does to a roster, step by step, each with before and after.

use std::collections::{BTreeMap, BTreeSet};

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{Binding, GateGroup, PluginRef};

/// The steps of a `plugin` change, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginPlan {
    /// At least one.
    pub steps: Vec<PluginStep>,
    /// Who vouched for the components that it activates when it was proposed: by plugin digest, the names under which the
    /// keys are trusted, by key id. A component for which nobody did, because the operator asks for nobody, has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signers: BTreeMap<Digest, BTreeMap<String, String>>,
}

/// One step: what the roster holds before it, and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum PluginStep {
    /// A component comes into use under its name; what was granted to that name stays granted.
    Activate {
        /// The plugin's name.
        name: String,
        /// What was in use; nothing when the name is new.
        from: Option<PluginRef>,
        /// What is in use from then on.
        to: PluginRef,
    },
    /// A name goes out of use.
    Deactivate {
        /// The plugin's name.
        name: String,
        /// What was in use.
        from: PluginRef,
    },
    /// A plugin is bound, or bound differently.
    Bind {
        /// The binding's id.
        id: String,
        /// As it was; nothing when it is new.
        from: Option<Binding>,
        /// As it is from then on.
        to: Binding,
    },
    /// A binding goes away.
    Unbind {
        /// Its id.
        id: String,
        /// As it was.
        from: Binding,
    },
    /// A plugin may read other evidence sources.
    Grant {
        /// The plugin's name.
        plugin: String,
        /// What it could read.
        from: BTreeSet<String>,
        /// What it can read from then on.
        to: BTreeSet<String>,
    },
    /// A gate group is made, or altered.
    Group {
        /// Its name.
        name: String,
        /// As it was; nothing when it is new.
        from: Option<GateGroup>,
        /// As it is from then on.
        to: GateGroup,
    },
    /// A gate group goes away.
    Ungroup {
        /// Its name.
        name: String,
        /// As it was.
        from: GateGroup,
    },
}

impl PluginStep {
    /// The step that takes this one back.
    fn undone(&self) -> PluginStep {
        match self.clone() {
            PluginStep::Activate { name, from: None, to } => PluginStep::Deactivate { name, from: to },
            PluginStep::Activate { name, from: Some(from), to } => {
                PluginStep::Activate { name, from: Some(to), to: from }
            }
            PluginStep::Deactivate { name, from } => PluginStep::Activate { name, from: None, to: from },
            PluginStep::Bind { id, from: None, to } => PluginStep::Unbind { id, from: to },
            PluginStep::Bind { id, from: Some(from), to } => {
                PluginStep::Bind { id, from: Some(to), to: from }
            }
            PluginStep::Unbind { id, from } => PluginStep::Bind { id, from: None, to: from },
            PluginStep::Grant { plugin, from, to } => PluginStep::Grant { plugin, from: to, to: from },
            PluginStep::Group { name, from: None, to } => PluginStep::Ungroup { name, from: to },
            PluginStep::Group { name, from: Some(from), to } => {
                PluginStep::Group { name, from: Some(to), to: from }
            }
            PluginStep::Ungroup { name, from } => PluginStep::Group { name, from: None, to: from },
        }
    }

    /// The name of the plugin that it is about, if it names one.
    pub fn plugin(&self) -> Option<&str> {
        match self {
            PluginStep::Activate { name, .. } | PluginStep::Deactivate { name, .. } => Some(name),
            PluginStep::Bind { to: binding, .. } | PluginStep::Unbind { from: binding, .. } => {
                Some(&binding.plugin)
            }
            PluginStep::Grant { plugin, .. } => Some(plugin),
            PluginStep::Group { .. } | PluginStep::Ungroup { .. } => None,
        }
    }
}

impl PluginPlan {
    /// The plan that takes this one back.
    pub fn undone(&self) -> PluginPlan {
        let steps = self.steps.iter().rev().map(PluginStep::undone).collect();
        PluginPlan { steps, signers: self.signers.clone() }
    }
}
