//! What a `plugin` change does to a roster, step by step, each with before and after.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Binding, GateGroup, GateMode, PluginRef};

/// The steps of a `plugin` change, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginPlan {
    /// At least one.
    pub steps: Vec<PluginStep>,
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

    /// True when a check goes away by this, or counts for less. Whether other settings, or another digest under the
    /// same name, are laxer cannot be seen from here; and of an enforced group's other expression it is assumed.
    fn weakens(&self) -> bool {
        match self {
            PluginStep::Activate { .. } | PluginStep::Deactivate { .. } | PluginStep::Grant { .. } => false,
            PluginStep::Bind { from, to, .. } => {
                from.as_ref().is_some_and(|from| from.is_weakened_by(Some(to)))
            }
            PluginStep::Unbind { from, .. } => from.is_weakened_by(None),
            PluginStep::Group { from, to, .. } => from.as_ref().is_some_and(|from| {
                from.mode == GateMode::Enforce
                    && (to.mode == GateMode::Monitor || to.expression != from.expression)
            }),
            PluginStep::Ungroup { from, .. } => from.mode == GateMode::Enforce,
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
        PluginPlan { steps: self.steps.iter().rev().map(PluginStep::undone).collect() }
    }

    /// True when any step takes a check away or makes it count for less, whatever another step adds.
    pub fn weakens(&self) -> bool {
        self.steps.iter().any(PluginStep::weakens)
    }
}
