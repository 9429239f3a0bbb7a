//! Plugin changes: from what somebody asks for to a plan with every step's before and after, and into force.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::{
    Active, Actor, ArtifactRef, Binding, BindingRole, Change, ChangeKind, Decision, Digest, Draft,
    Environment, GateGroup, GateMode, Manifest, PluginPlan, PluginStep, Population, Roster, Selector,
    TenantId, Timestamp, Transition,
};
use interlock_sandbox::{Plugin, types::PluginKind};
use interlock_store::Kept;
use serde::{Deserialize, Serialize};

use super::{
    acquire::acquire,
    component::knows,
    plugin::{check_settings, reference},
    propose::{self, Proposal},
    roster::{self, InUse},
};
use tracing::info;

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
pub(crate) async fn draft(app: &Arc<App>, who: &Actor, proposal: Proposal) -> Result<Draft, FlowError> {
    only_plugins(&proposal)?;
    let in_use = roster::in_use(app, &who.tenant, &proposal.environment).await?;
    let Planned { plan, artifacts } =
        plan(app, &who.tenant, &proposal.environment, &in_use.roster, proposal.plugins).await?;
    let (gates, groups) = propose::gates(app, &in_use, ChangeKind::Plugin).await?;
    let rollout = &app.config.rollout;
    let manifest = Manifest {
        v: 1,
        tenant: who.tenant.clone(),
        environment: proposal.environment,
        kind: ChangeKind::Plugin,
        title: proposal.title.trim().to_owned(),
        description: proposal.description,
        artifacts,
        selector: Selector::default(),
        population: Population {
            size: 0,
            digest: Manifest::population_digest([]),
            groups: BTreeMap::new(),
            models: BTreeMap::new(),
        },
        strategy: None,
        plugins: Some(plan),
        policies: None,
        at_once: Vec::new(),
        health: Vec::new(),
        gates,
        groups,
        bundle: app.policies.bundle().digest,
        rollback: Vec::new(),
        silent_after_ms: rollout.silent_after_ms,
        judge_every_ms: rollout.judge_every_ms,
    };
    let expires_after_ms = rollout.expires_after_ms;
    Ok(Draft { manifest, targets: Vec::new(), author: who.clone(), expires_after_ms })
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

/// A plan, and the components that it brings.
struct Planned {
    plan: PluginPlan,
    artifacts: Vec<ArtifactRef>,
}

/// The plan while it grows.
struct Planning<'a> {
    app: &'a Arc<App>,
    tenant: &'a TenantId,
    environment: &'a Environment,
    roster: Roster,
    steps: Vec<PluginStep>,
    artifacts: Vec<ArtifactRef>,
    /// Where in the proposal each binding and each activation stands.
    fields: BTreeMap<String, String>,
}

async fn plan(
    app: &Arc<App>,
    tenant: &TenantId,
    environment: &Environment,
    before: &Roster,
    wishes: Vec<RosterWish>,
) -> Result<Planned, FlowError> {
    let mut planning = Planning {
        app,
        tenant,
        environment,
        roster: before.clone(),
        steps: Vec::new(),
        artifacts: Vec::new(),
        fields: BTreeMap::new(),
    };
    for (index, wish) in wishes.into_iter().enumerate() {
        planning.wish(wish, format!("/plugins/{index}")).await?;
    }
    let Planning { roster, steps, artifacts, fields, .. } = planning;
    if roster.bindings.len() > app.config.plugins.bindings_max {
        let most = app.config.plugins.bindings_max;
        return Err(FlowError::invalid(
            "/plugins",
            format!(
                "an environment has at most {most} bindings; remove some, or raise `plugins.bindings_max`"
            ),
        ));
    }
    let plan = PluginPlan { steps };
    // It does by construction; what a roster must hold to is said once, in the domain.
    before.apply(&plan).map_err(|refusal| FlowError::invalid("/plugins", refusal.to_string()))?;
    for (id, binding) in touched(&plan, &roster) {
        let name = &binding.plugin;
        let field = fields.get(&format!("binding {id}")).or_else(|| fields.get(&format!("plugin {name}")));
        let field = field.map_or("/plugins", String::as_str);
        fits(app, &roster, id, binding, field).await?;
    }
    Ok(Planned { plan, artifacts })
}

impl Planning<'_> {
    async fn wish(&mut self, wish: RosterWish, field: String) -> Result<(), FlowError> {
        match wish {
            RosterWish::Activate(wish) => self.activate(wish, format!("{field}/activate")).await,
            RosterWish::Deactivate(name) => self.deactivate(name, format!("{field}/deactivate")),
            RosterWish::Bind(wish) => self.bind(wish, format!("{field}/bind")).await,
            RosterWish::Unbind(id) => {
                let from = self.roster.bindings.get(&id).cloned();
                let from = from.ok_or_else(|| self.nothing(format!("{field}/unbind"), "binding", &id))?;
                self.step(PluginStep::Unbind { id, from }, &field)
            }
            RosterWish::Grant(wish) => self.grant(wish, format!("{field}/grant")),
            RosterWish::Group(GroupWish { name, expression, mode }) => {
                let from = self.roster.groups.get(&name).cloned();
                let mode = mode.or(from.as_ref().map(|group| group.mode)).unwrap_or(GateMode::Enforce);
                let to = GateGroup { expression, mode };
                if from.as_ref() == Some(&to) {
                    return Err(FlowError::invalid(
                        format!("{field}/group"),
                        format!("gate group `{name}` is so already"),
                    ));
                }
                self.step(PluginStep::Group { name, from, to }, &field)
            }
            RosterWish::Ungroup(name) => {
                let from = self.roster.groups.get(&name).cloned();
                let from =
                    from.ok_or_else(|| self.nothing(format!("{field}/ungroup"), "gate group", &name))?;
                self.step(PluginStep::Ungroup { name, from }, &field)
            }
        }
    }

    fn step(&mut self, step: PluginStep, field: &str) -> Result<(), FlowError> {
        self.roster.step(&step).map_err(|refusal| FlowError::invalid(field, refusal.to_string()))?;
        self.steps.push(step);
        Ok(())
    }

    fn nothing(&self, field: String, what: &str, name: &str) -> FlowError {
        let name: String = name.chars().take(80).collect();
        let environment = self.environment;
        FlowError::invalid(
            field,
            format!(
                "there is no {what} `{name}` in `{environment}`; see `interlock plugin roster --environment {environment}`"
            ),
        )
    }

    /// A component comes into use only when it loads and says what it is.
    async fn activate(&mut self, wish: ComponentWish, field: String) -> Result<(), FlowError> {
        let (plugin, size_bytes) = component(self.app, self.tenant, &wish, &field).await?;
        let to = reference(&plugin);
        let from = self.roster.plugins.get(&to.name).map(|active| active.plugin.clone());
        if from.as_ref() == Some(&to) {
            let environment = self.environment;
            return Err(FlowError::invalid(
                field,
                format!("plugin `{}` is active in `{environment}` with this digest already", to.name),
            ));
        }
        let (name, version, digest) = (to.name.clone(), to.version.clone(), to.digest);
        self.artifacts.push(ArtifactRef { name: name.clone(), version, digest, size_bytes });
        self.fields.insert(format!("plugin {name}"), field.clone());
        self.step(PluginStep::Activate { name, from, to }, &field)
    }

    fn deactivate(&mut self, name: String, field: String) -> Result<(), FlowError> {
        let Some(Active { plugin: from, granted }) = self.roster.plugins.get(&name).cloned() else {
            return Err(self.nothing(field, "active plugin", &name));
        };
        if !granted.is_empty() {
            let grant = PluginStep::Grant { plugin: name.clone(), from: granted, to: Default::default() };
            self.step(grant, &field)?;
        }
        self.step(PluginStep::Deactivate { name, from }, &field)
    }

    async fn bind(&mut self, wish: BindingWish, field: String) -> Result<(), FlowError> {
        let BindingWish { id, plugin, settings, mode, kinds, group } = wish;
        let Some(id) = id.or_else(|| plugin.clone()) else {
            return Err(FlowError::invalid(
                field,
                "name the binding by `id`, or the plugin to bind by `plugin`",
            ));
        };
        let from = self.roster.bindings.get(&id).cloned();
        let Some(name) = plugin.or_else(|| from.as_ref().map(|from| from.plugin.clone())) else {
            return Err(FlowError::invalid(
                format!("{field}/plugin"),
                format!("there is no binding `{id}` yet; say which plugin it binds"),
            ));
        };
        let Some((_, plugin)) = roster::active(self.app, &self.roster, &name).await? else {
            return Err(FlowError::invalid(
                format!("{field}/plugin"),
                format!(
                    "plugin `{name}` is not active in `{}`; activate it before this, in the same change or another",
                    self.environment
                ),
            ));
        };
        let plugin = plugin.map_err(|detail| FlowError::Plugin { plugin: name.clone(), detail })?;
        let was = |keep: fn(&Binding) -> Option<String>| from.as_ref().and_then(keep);
        let to = Binding {
            plugin: name,
            role: role(plugin.kind()),
            settings: settings
                .or_else(|| from.as_ref().map(|from| from.settings.clone()))
                .unwrap_or_else(|| serde_json::json!({})),
            mode: mode.or(from.as_ref().map(|from| from.mode)).unwrap_or(GateMode::Enforce),
            kinds: kinds
                .map(|kinds| kinds.into_iter().collect())
                .or_else(|| from.as_ref().map(|from| from.kinds.clone()))
                .unwrap_or_else(|| [ChangeKind::Release].into()),
            group: group.or_else(|| was(|from| from.group.clone())).filter(|group| !group.is_empty()),
        };
        if from.as_ref() == Some(&to) {
            return Err(FlowError::invalid(field, format!("binding `{id}` is so already")));
        }
        self.fields.insert(format!("binding {id}"), field.clone());
        self.step(PluginStep::Bind { id, from, to }, &field)
    }

    fn grant(&mut self, wish: GrantWish, field: String) -> Result<(), FlowError> {
        let GrantWish { plugin, sources } = wish;
        let Some(active) = self.roster.plugins.get(&plugin) else {
            return Err(self.nothing(format!("{field}/plugin"), "active plugin", &plugin));
        };
        if let Some(at) = sources.iter().position(|source| !is_source(source)) {
            return Err(FlowError::invalid(
                format!("{field}/sources/{at}"),
                "a source is 1 to 80 lower-case letters, digits, `-`, `_` and `.`",
            ));
        }
        let (from, to) = (active.granted.clone(), sources.into_iter().collect());
        if from == to {
            return Err(FlowError::invalid(
                field,
                format!("plugin `{plugin}` has exactly these grants already"),
            ));
        }
        self.step(PluginStep::Grant { plugin, from, to }, &field)
    }
}

fn is_source(text: &str) -> bool {
    let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    (1..=80).contains(&text.len()) && text.bytes().all(fits)
}

/// What a plugin is bound as.
fn role(kind: PluginKind) -> BindingRole {
    match kind {
        PluginKind::ComplianceGate => BindingRole::Gate,
        PluginKind::HealthCheck => BindingRole::Health,
        PluginKind::RolloutStrategy => BindingRole::Strategy,
    }
}

/// A component that loads and passed its smoke test, and its size.
async fn component(
    app: &Arc<App>,
    tenant: &TenantId,
    wish: &ComponentWish,
    field: &str,
) -> Result<(Arc<Plugin>, u64), FlowError> {
    match (&wish.digest, &wish.reference) {
        (Some(digest), None) => {
            let known = knows(app, tenant, digest).await?;
            let Some(wasm) = app.store.kept(Kept::Plugin, digest).await?.filter(|_| known) else {
                return Err(FlowError::invalid(
                    format!("{field}/digest"),
                    format!("no component `{digest}` is kept here; push it first, or give its `reference`"),
                ));
            };
            let size = wasm.len() as u64;
            Ok((app.sandbox.install_registered(*digest, wasm).await?, size))
        }
        (None, Some(reference)) => {
            // Boxed: what a pull holds is large, and every proposal would carry it.
            let acquired = Box::pin(acquire(app, reference, &format!("{field}/reference"))).await?;
            let (plugin, signers) = (&acquired.plugin.description().name, acquired.signers.keys());
            info!(plugin, reference, signers = ?signers.collect::<Vec<_>>(), "plugin pulled");
            Ok((acquired.plugin, acquired.size_bytes))
        }
        _ => Err(FlowError::invalid(field, "give either `digest` or `reference`")),
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
    for (id, binding) in touched(plan, &next) {
        match fits(app, &next, id, binding, "").await {
            Err(error @ FlowError::Store(_)) => return Err(error),
            Err(error) => return Ok(Some(error.to_string())),
            Ok(()) => {}
        }
    }
    Ok(None)
}
