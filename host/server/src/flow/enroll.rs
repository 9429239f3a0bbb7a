//! Plugin changes: from what somebody asks for to a plan with every step's before and after, and into force.

use std::sync::Arc;

use interlock_domain::{
    Actor, Binding, BindingRole, Change, ChangeKind, Decision, Digest, Draft, GateMode, Manifest, PluginPlan,
    PluginStep, Roster, Timestamp, Transition,
};
use interlock_sandbox::types::PluginKind;
use interlock_store::Write;
use serde::{Deserialize, Serialize};

mod planning;

use planning::{Planned, plan};

use super::{
    acquire::still_vouched,
    levels,
    plugin::check_settings,
    propose::{self, Proposal},
    roster::{self, InUse, is_passing},
};
use crate::{App, FlowError};

/// One thing that a `plugin` change should do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RosterWish {
    /// Bring a component into use under the name that it gives itself.
    Activate(ComponentWish),
    /// Take a name out of use, with what was granted to it.
    #[schema(value_type = String)]
    Deactivate(String),
    /// Bind a plugin, or alter a binding: what is left out stays as it is.
    Bind(BindingWish),
    /// Remove the binding of this id.
    #[schema(value_type = String)]
    Unbind(String),
    /// Have a plugin read exactly these evidence sources, beside what the policies give it by name.
    Grant(GrantWish),
    /// Make a gate group, or alter one.
    Group(GroupWish),
    /// Remove the gate group of this name.
    #[schema(value_type = String)]
    Ungroup(String),
}

/// A component: by digest, when it was pushed here before, or by where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentWish {
    /// SHA-256 of a component that the server keeps.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// `HOST/REPOSITORY@sha256:…` in a registry.
    #[serde(default)]
    #[schema(example = "registry.example/plugins/size-limit@sha256:…")]
    pub reference: Option<String>,
    /// It may be of an older version than what is active: that is on purpose.
    #[serde(default)]
    pub older: bool,
}

/// A binding. What is left out stays as it is; of a new binding, it is the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingWish {
    /// Its id; the plugin's name when left out.
    #[serde(default)]
    pub id: Option<String>,
    /// The plugin's name. What it is bound as follows from what it is.
    #[serde(default)]
    pub plugin: Option<String>,
    /// Its settings; `{}` by default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<serde_json::Value>,
    /// `enforce` (the default) or `monitor`: recorded, and leads to nothing.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub mode: Option<GateMode>,
    /// The kinds of change that a gate judges; releases by default.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub kinds: Option<Vec<ChangeKind>>,
    /// The gate group that it is a member of; none by default, and none when empty.
    #[serde(default)]
    pub group: Option<String>,
}

/// Evidence sources of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantWish {
    /// The plugin's name.
    pub plugin: String,
    /// All that it may read; an empty list takes everything back.
    pub sources: Vec<String>,
}

/// A gate group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupWish {
    /// Its name.
    pub name: String,
    /// A boolean expression over the ids of its members.
    #[schema(example = "signature && (maintenance-window || !freeze)")]
    pub expression: String,
    /// `enforce` (the default) or `monitor`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub mode: Option<GateMode>,
}

/// Resolves a proposal of a `plugin` change.
pub(crate) async fn draft(
    app: &Arc<App>,
    who: &Actor,
    proposal: Proposal,
) -> Result<(Draft, Vec<Write>), FlowError> {
    only_plugins(&proposal)?;
    let in_use = roster::in_use(app, &who.tenant, &proposal.environment).await?;
    let Planned { plan, artifacts, pulled } =
        plan(app, who, &proposal.environment, &in_use.roster, proposal.plugins.clone()).await?;
    let (mut gates, mut groups) = propose::gates(app, &in_use, ChangeKind::Plugin).await?;
    // What fits was seen when it was planned.
    if let Ok(after) = in_use.roster.apply(&plan) {
        in_use.roster.weakened_by(&after).spare(&mut gates, &mut groups);
    }
    let manifest = Manifest {
        artifacts,
        plugins: Some(plan),
        ..propose::without_targets(app, who, &proposal, (gates, groups))
    };
    let expires_after_ms = levels::expires_after_ms(app, manifest.kind, &manifest.environment);
    let draft = Draft { manifest, targets: Vec::new(), author: who.clone(), expires_after_ms };
    Ok((draft, pulled.into_iter().map(Write::Note).collect()))
}

/// What belongs to a release has no meaning here, and is not ignored silently.
fn only_plugins(proposal: &Proposal) -> Result<(), FlowError> {
    if let Some(field) = propose::of_a_release(proposal) {
        return Err(FlowError::invalid(field, "a `plugin` change reaches no target; leave it out"));
    }
    if proposal.policies.is_some() {
        return Err(FlowError::invalid("/policies", "only a change of kind `policy` puts policies in force"));
    }
    if proposal.plugins.is_empty() {
        return Err(FlowError::invalid("/plugins", "a `plugin` change does at least one thing; say what"));
    }
    Ok(())
}

/// What a plugin is bound as.
fn role(kind: PluginKind) -> BindingRole {
    match kind {
        PluginKind::ComplianceGate => BindingRole::Gate,
        PluginKind::HealthCheck => BindingRole::Health,
        PluginKind::RolloutStrategy => BindingRole::Strategy,
    }
}

/// The bindings that a plan alters, or whose plugin it replaces.
fn touched<'a>(
    plan: &'a PluginPlan,
    roster: &'a Roster,
) -> impl Iterator<Item = (&'a str, &'a Binding)> + 'a {
    let altered = |id: &str, binding: &Binding| {
        plan.steps.iter().any(|step| match step {
            PluginStep::Activate { name, .. } => *name == binding.plugin,
            PluginStep::Bind { id: bound, .. } => bound == id,
            _ => false,
        })
    };
    let bindings = roster.bindings.iter().map(|(id, binding)| (id.as_str(), binding));
    bindings.filter(move |(id, binding)| altered(id, binding))
}

/// A binding must fit the component that is active under its plugin's name: what that is, and its settings.
async fn fits(app: &App, roster: &Roster, id: &str, binding: &Binding, field: &str) -> Result<(), FlowError> {
    let Some((_, plugin)) = roster::active(app, roster, &binding.plugin).await? else { return Ok(()) };
    let plugin = plugin.map_err(|detail| FlowError::Plugin { plugin: binding.plugin.clone(), detail })?;
    if role(plugin.kind()) != binding.role {
        return Err(FlowError::invalid(
            field,
            format!(
                "`{}` becomes a {}, but `{id}` binds it as a {}; unbind `{id}` first",
                binding.plugin,
                plugin.kind(),
                binding.role
            ),
        ));
    }
    check_settings(&plugin, &binding.settings, &format!("{field}/settings")).await
}

/// Takes an answered `plugin` change into force, or says why it cannot be any more.
pub(crate) async fn admit(
    app: &Arc<App>,
    change: &Change,
    asked: &Decision,
    now: Timestamp,
) -> Result<Option<Transition>, FlowError> {
    let in_use = roster::in_use(app, change.tenant(), &change.manifest.environment).await?;
    if asked.permit().is_some()
        && let Some(reason) = unfit(app, change, &in_use).await?
    {
        return Ok(Some(change.overtaken(reason, now)?));
    }
    Ok(change.install(asked, in_use.standing(), now)?)
}

/// Why a change's components and settings do not fit any more: another change may have altered what they stand beside.
async fn unfit(app: &App, change: &Change, in_use: &InUse) -> Result<Option<String>, FlowError> {
    let Some(plan) = &change.manifest.plugins else { return Ok(None) };
    let Ok(next) = in_use.roster.apply(plan) else { return Ok(None) };
    for step in &plan.steps {
        // A signer may have been revoked since it was proposed.
        if let PluginStep::Activate { to, .. } = step
            && let Err(error) = still_vouched(app, to.digest, "").await
        {
            return told(error).map(Some);
        }
    }
    for (id, binding) in touched(plan, &next) {
        if let Err(error) = fits(app, &next, id, binding, "").await {
            return told(error).map(Some);
        }
    }
    Ok(None)
}

/// What speaks against a change; that the host itself could not look is no such thing, and is tried again.
fn told(error: FlowError) -> Result<String, FlowError> {
    match error {
        FlowError::Install(ref install) if is_passing(install) => Err(error),
        FlowError::Store(_) => Err(error),
        error => Ok(error.to_string()),
    }
}
