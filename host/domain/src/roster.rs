//! Rosters: which plugins an environment uses, and for what. A `plugin` change takes one roster to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    ChangeId, ChangeKind, Environment, Expression, GateBinding, GateGroup, GateMode, GroupBinding,
    PluginPlan, PluginRef, PluginStep, Refusal, TenantId, Timestamp, expression,
};

/// What a bound plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingRole {
    /// It judges changes.
    Gate,
    /// It watches rollouts.
    Health,
    /// It leads the rollouts of changes that name no other strategy.
    Strategy,
}

impl BindingRole {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            BindingRole::Gate => "gate",
            BindingRole::Health => "health",
            BindingRole::Strategy => "strategy",
        }
    }
}

impl fmt::Display for BindingRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A plugin that is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Which, exactly.
    pub plugin: PluginRef,
    /// The evidence sources that it may read, beside what the policies give it by name.
    pub granted: BTreeSet<String>,
}

/// What a plugin is used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The plugin's name: whichever digest is active under it.
    pub plugin: String,
    /// What it is for.
    pub role: BindingRole,
    /// Its settings.
    pub settings: serde_json::Value,
    /// Whether what it says counts, or is only recorded.
    pub mode: GateMode,
    /// The kinds of change that it is asked about.
    pub kinds: BTreeSet<ChangeKind>,
    /// The gate group that it is a member of, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Which plugins an environment uses, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The active plugins by name.
    pub plugins: BTreeMap<String, Active>,
    /// What they are used for, by id.
    pub bindings: BTreeMap<String, Binding>,
    /// The gate groups by name.
    pub groups: BTreeMap<String, GateGroup>,
}

/// The checks that one roster takes away from another, or makes count for less.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weakened {
    /// Ids of bindings.
    pub bindings: BTreeSet<String>,
    /// Names of gate groups.
    pub groups: BTreeSet<String>,
}

impl Weakened {
    /// Has the gates that a plan weakens say what they think of it, and not stop it: a gate that refuses its own removal
    /// could not be removed, nor one that no longer loads be mended. That it weakens is for persons to answer to.
    pub fn spare(&self, gates: &mut [GateBinding], groups: &mut [GroupBinding]) {
        for gate in gates.iter_mut().filter(|gate| self.bindings.contains(gate.called())) {
            gate.mode = GateMode::Monitor;
            for group in groups.iter_mut().filter(|group| Some(&group.name) == gate.group.as_ref()) {
                group.mode = GateMode::Monitor;
            }
        }
        for group in groups.iter_mut().filter(|group| self.groups.contains(&group.name)) {
            group.mode = GateMode::Monitor;
        }
    }
}

/// A roster as it is kept: the row of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterRecord {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Of which environment.
    pub environment: Environment,
    /// Rises with every change; the first is 1.
    pub revision: u64,
    /// The change that made it so.
    pub change: ChangeId,
    /// Whether that change was rolled back with this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
    /// When.
    pub at: Timestamp,
    /// What it holds.
    pub roster: Roster,
}

impl Roster {
    /// The roster after a plan. Refused when a step is not made for what this roster holds, or when the result has
    /// a fault that this roster has not.
    pub fn apply(&self, plan: &PluginPlan) -> Result<Roster, Refusal> {
        let mut next = self.clone();
        for step in &plan.steps {
            next.step(step)?;
        }
        let before = self.faults();
        match next.faults().into_iter().find(|fault| !before.contains(fault)) {
            Some(fault) => Err(Refusal::BadRoster(fault)),
            None => Ok(next),
        }
    }

    /// The roster before a plan that was applied.
    pub fn undo(&self, plan: &PluginPlan) -> Result<Roster, Refusal> {
        self.apply(&plan.undone())
    }

    /// Takes one step, without looking at how the result holds together.
    pub fn step(&mut self, step: &PluginStep) -> Result<(), Refusal> {
        match step {
            PluginStep::Activate { name, from, to } => {
                let found = self.plugins.get(name).map(|active| &active.plugin);
                expect("plugin", name, from.as_ref(), found, |plugin| plugin.digest.to_string())?;
                let granted = self.plugins.remove(name).map(|active| active.granted).unwrap_or_default();
                self.plugins.insert(name.clone(), Active { plugin: to.clone(), granted });
            }
            PluginStep::Deactivate { name, from } => {
                let found = self.plugins.get(name).map(|active| &active.plugin);
                expect("plugin", name, Some(from), found, |plugin| plugin.digest.to_string())?;
                if self.plugins.get(name).is_some_and(|active| !active.granted.is_empty()) {
                    return Err(Refusal::BadRoster(format!(
                        "plugin `{name}` still has evidence sources; take them away first"
                    )));
                }
                self.plugins.remove(name);
            }
            PluginStep::Bind { id, from, to } => {
                expect("binding", id, from.as_ref(), self.bindings.get(id), said)?;
                self.bindings.insert(id.clone(), to.clone());
            }
            PluginStep::Unbind { id, from } => {
                expect("binding", id, Some(from), self.bindings.get(id), said)?;
                self.bindings.remove(id);
            }
            PluginStep::Grant { plugin, from, to } => {
                let found = self.plugins.get(plugin).map(|active| &active.granted);
                expect("the grants of", plugin, Some(from), found, |sources| {
                    format!("[{}]", sources.iter().cloned().collect::<Vec<_>>().join(", "))
                })?;
                if let Some(active) = self.plugins.get_mut(plugin) {
                    active.granted.clone_from(to);
                }
            }
            PluginStep::Group { name, from, to } => {
                expect("gate group", name, from.as_ref(), self.groups.get(name), said)?;
                self.groups.insert(name.clone(), to.clone());
            }
            PluginStep::Ungroup { name, from } => {
                expect("gate group", name, Some(from), self.groups.get(name), said)?;
                self.groups.remove(name);
            }
        }
        Ok(())
    }

    /// The checks that count here and are not there in another roster as they are here, or may count for less: gone, only
    /// monitored, or bound to fewer kinds of change; another component, or other settings, and whether those are laxer
    /// cannot be seen from here; a group that counts for less, or judges by another expression. A check that is only
    /// monitored here, or that is new there, is none.
    pub fn weakened_by(&self, after: &Roster) -> Weakened {
        let bindings = self.bindings.iter().filter(|(id, was)| {
            self.counts(was) && after.bindings.get(*id).is_none_or(|is| !after.keeps(self, was, is))
        });
        let groups = self.groups.iter().filter(|(name, was)| {
            let same = |is: &GateGroup| is.mode == GateMode::Enforce && is.expression == was.expression;
            was.mode == GateMode::Enforce && !after.groups.get(*name).is_some_and(same)
        });
        Weakened {
            bindings: bindings.map(|(id, _)| id.clone()).collect(),
            groups: groups.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// True when another roster weakens any check of this one.
    pub fn is_weakened_by(&self, after: &Roster) -> bool {
        self.weakened_by(after) != Weakened::default()
    }

    /// Whether what a binding says leads to anything.
    fn counts(&self, binding: &Binding) -> bool {
        match binding.group.as_ref().and_then(|group| self.groups.get(group)) {
            Some(group) => group.mode == GateMode::Enforce,
            None => binding.mode == GateMode::Enforce,
        }
    }

    /// Whether a binding of this roster asks for as much as it did in the one before.
    fn keeps(&self, before: &Roster, was: &Binding, is: &Binding) -> bool {
        let component = |roster: &Roster| roster.plugins.get(&was.plugin).map(|active| active.plugin.digest);
        // Out of its group it judges by itself, which is as much or more.
        let alone = is.group.is_none() && is.mode == GateMode::Enforce;
        is.plugin == was.plugin
            && component(before) == component(self)
            && is.role == was.role
            && is.settings == was.settings
            && was.kinds.is_subset(&is.kinds)
            && (alone || is.group == was.group && self.counts(is))
    }

    /// The gates that judge changes of a kind, by id.
    pub fn gates(&self, kind: ChangeKind) -> impl Iterator<Item = (&str, &Binding)> {
        self.bound(BindingRole::Gate).filter(move |(_, binding)| binding.kinds.contains(&kind))
    }

    /// The bindings of a role, by id.
    pub fn bound(&self, role: BindingRole) -> impl Iterator<Item = (&str, &Binding)> {
        let bindings = self.bindings.iter().filter(move |(_, binding)| binding.role == role);
        bindings.map(|(id, binding)| (id.as_str(), binding))
    }

    /// What does not hold together.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (id, binding) in &self.bindings {
            self.binding_faults(id, binding, &mut faults);
        }
        if self.bound(BindingRole::Strategy).count() > 1 {
            faults.push("two strategies are bound, but one leads; unbind the other".to_owned());
        }
        for (name, group) in &self.groups {
            faults.extend(self.group_faults(name, group));
        }
        faults
    }

    fn binding_faults(&self, id: &str, binding: &Binding, faults: &mut Vec<String>) {
        if !is_name(id) || expression::reserved(id) {
            faults.push(format!(
                "`{}` is no id of a binding: 1 to 63 letters, digits, `-`, `_` and `.`, and none of `and`, `or`, `not`",
                id.chars().take(80).collect::<String>()
            ));
        }
        if !self.plugins.contains_key(&binding.plugin) {
            faults.push(format!(
                "binding `{id}` needs plugin `{}`, which is not active here; activate it, or unbind `{id}`",
                binding.plugin
            ));
        }
        if binding.kinds.is_empty() {
            faults.push(format!("binding `{id}` is for no kind of change; name at least one, or unbind it"));
        }
        if binding.role != BindingRole::Gate {
            if binding.kinds.iter().any(|kind| *kind != ChangeKind::Release) {
                faults.push(format!("binding `{id}` is a {}, which is for releases alone", binding.role));
            }
            if binding.group.is_some() {
                faults.push(format!("binding `{id}` is a {}; only gates are in groups", binding.role));
            }
        }
        if binding.role == BindingRole::Strategy && binding.mode == GateMode::Monitor {
            faults.push(format!("binding `{id}` is a strategy, which leads: its mode is `enforce`"));
        }
        if let Some(group) = &binding.group {
            if !self.groups.contains_key(group) {
                faults
                    .push(format!("binding `{id}` is in group `{group}`, which does not exist; make it too"));
            }
            if binding.mode == GateMode::Monitor {
                faults.push(format!(
                    "binding `{id}` is in mode `monitor`, but the mode of group `{group}` counts for its members; \
                     take it out of the group"
                ));
            }
        }
    }

    fn group_faults(&self, name: &str, group: &GateGroup) -> Vec<String> {
        if !is_name(name) {
            let name: String = name.chars().take(80).collect();
            return vec![format!(
                "`{name}` is no name of a gate group: 1 to 63 letters, digits, `-`, `_` and `.`"
            )];
        }
        let expression: Expression = match group.expression.parse() {
            Ok(expression) => expression,
            Err(error) => {
                return vec![format!("the expression of gate group `{name}` cannot be read {error}")];
            }
        };
        let named = expression.gates();
        let mut faults = Vec::new();
        let mut kinds: Option<(&str, &BTreeSet<ChangeKind>)> = None;
        for id in &named {
            match self.bindings.get(*id) {
                Some(binding) if binding.group.as_deref() == Some(name) => match kinds {
                    Some((first, kinds)) if *kinds != binding.kinds => faults.push(format!(
                        "gate group `{name}` has members for different kinds of change: `{first}` and `{id}`"
                    )),
                    _ => kinds = kinds.or(Some((*id, &binding.kinds))),
                },
                Some(_) => faults.push(format!(
                    "the expression of gate group `{name}` names `{id}`, which is not bound into it; bind it with group \
                     `{name}`"
                )),
                None => faults.push(format!(
                    "the expression of gate group `{name}` names `{id}`, and there is no such binding"
                )),
            }
        }
        for (id, binding) in &self.bindings {
            if binding.group.as_deref() == Some(name) && !named.contains(id.as_str()) {
                faults.push(format!(
                    "binding `{id}` is in gate group `{name}`, whose expression does not name it; it would count for \
                     nothing"
                ));
            }
        }
        faults
    }
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.chars().all(expression::names)
}

fn said<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// A step is made for what the roster held when it was proposed.
fn expect<T: PartialEq>(
    what: &'static str,
    name: &str,
    expected: Option<&T>,
    found: Option<&T>,
    show: impl Fn(&T) -> String,
) -> Result<(), Refusal> {
    if expected == found {
        return Ok(());
    }
    let shown = |value: Option<&T>| value.map_or("nothing".to_owned(), &show).chars().take(500).collect();
    Err(Refusal::RosterMovedOn {
        what,
        name: name.to_owned(),
        expected: shown(expected),
        found: shown(found),
    })
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
