//! From what somebody wants of a roster to steps, each with before and after.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::{
    Active, Actor, ArtifactRef, Binding, ChangeKind, Digest, Environment, GateGroup, GateMode, PluginPlan,
    PluginStep, Roster, TenantId,
};
use interlock_sandbox::Plugin;
use interlock_store::{Kept, Note};

use super::{
    super::{
        acquire::{Acquired, acquire, still_vouched},
        component::knows,
        plugin::reference,
        roster,
    },
    BindingWish, ComponentWish, GrantWish, GroupWish, RosterWish, fits, role, touched,
};
use crate::{App, FlowError};

/// A plan, and the components that it brings.
pub(super) struct Planned {
    pub(super) plan: PluginPlan,
    pub(super) artifacts: Vec<ArtifactRef>,
    /// What was pulled for it: on record with the proposal.
    pub(super) pulled: Vec<Note>,
}

/// The plan while it grows.
struct Planning<'a> {
    app: &'a Arc<App>,
    who: &'a Actor,
    environment: &'a Environment,
    roster: Roster,
    steps: Vec<PluginStep>,
    artifacts: Vec<ArtifactRef>,
    signers: BTreeMap<Digest, BTreeMap<String, String>>,
    pulled: Vec<Note>,
    /// Where in the proposal each binding and each activation stands.
    fields: BTreeMap<String, String>,
}

pub(super) async fn plan(
    app: &Arc<App>,
    who: &Actor,
    environment: &Environment,
    before: &Roster,
    wishes: Vec<RosterWish>,
) -> Result<Planned, FlowError> {
    let mut planning = Planning {
        app,
        who,
        environment,
        roster: before.clone(),
        signers: BTreeMap::new(),
        pulled: Vec::new(),
        steps: Vec::new(),
        artifacts: Vec::new(),
        fields: BTreeMap::new(),
    };
    for (index, wish) in wishes.into_iter().enumerate() {
        planning.wish(wish, format!("/plugins/{index}")).await?;
    }
    let Planning { roster, steps, artifacts, signers, pulled, fields, .. } = planning;
    if roster.bindings.len() > app.config.plugins.bindings_max {
        let most = app.config.plugins.bindings_max;
        return Err(FlowError::invalid(
            "/plugins",
            format!(
                "an environment has at most {most} bindings; remove some, or raise `plugins.bindings_max`"
            ),
        ));
    }
    let plan = PluginPlan { steps, signers };
    // It does by construction; what a roster must hold to is said once, in the domain.
    before.apply(&plan).map_err(|refusal| FlowError::invalid("/plugins", refusal.to_string()))?;
    for (id, binding) in touched(&plan, &roster) {
        let name = &binding.plugin;
        let field = fields.get(&format!("binding {id}")).or_else(|| fields.get(&format!("plugin {name}")));
        let field = field.map_or("/plugins", String::as_str);
        fits(app, &roster, id, binding, field).await?;
    }
    Ok(Planned { plan, artifacts, pulled })
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
        let Found { plugin, size_bytes, signers, pulled } =
            component(self.app, &self.who.tenant, &wish, &field).await?;
        self.pulled.extend(pulled);
        let to = reference(&plugin);
        let from = self.roster.plugins.get(&to.name).map(|active| active.plugin.clone());
        if from.as_ref() == Some(&to) {
            let environment = self.environment;
            return Err(FlowError::invalid(
                field,
                format!("plugin `{}` is active in `{environment}` with this digest already", to.name),
            ));
        }
        if let Some(from) = from.as_ref().filter(|from| !wish.older && is_older(&to.version, &from.version)) {
            return Err(FlowError::invalid(
                field,
                format!(
                    "`{}` {} is older than {}, which is active; `interlock plugin back` goes back to what was there, and \
                     `older` (`--older`) says that it is meant",
                    to.name, to.version, from.version
                ),
            ));
        }
        let (name, version, digest) = (to.name.clone(), to.version.clone(), to.digest);
        self.artifacts.push(ArtifactRef { name: name.clone(), version, digest, size_bytes });
        if !signers.is_empty() {
            self.signers.insert(digest, signers);
        }
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

/// As Semantic Versioning orders them. What is no such version is neither older nor newer.
fn is_older(version: &str, than: &str) -> bool {
    match (semver::Version::parse(version), semver::Version::parse(than)) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}

fn is_source(text: &str) -> bool {
    let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    (1..=80).contains(&text.len()) && text.bytes().all(fits)
}

/// A component that loads and passed its smoke test.
struct Found {
    plugin: Arc<Plugin>,
    size_bytes: u64,
    /// Who vouches for it.
    signers: BTreeMap<String, String>,
    /// Where it came from, when it was pulled just now.
    pulled: Option<Note>,
}

async fn component(
    app: &Arc<App>,
    tenant: &TenantId,
    wish: &ComponentWish,
    field: &str,
) -> Result<Found, FlowError> {
    match (&wish.digest, &wish.reference) {
        (Some(digest), None) => {
            let known = knows(app, tenant, digest).await?;
            let Some(wasm) = app.store.kept(Kept::Plugin, digest).await?.filter(|_| known) else {
                return Err(FlowError::invalid(
                    format!("{field}/digest"),
                    format!("no component `{digest}` is kept here; push it first, or give its `reference`"),
                ));
            };
            let signers = still_vouched(app, *digest, &format!("{field}/digest")).await?;
            let size_bytes = wasm.len() as u64;
            let plugin = app.sandbox.install_registered(*digest, wasm).await?;
            Ok(Found { plugin, size_bytes, signers, pulled: None })
        }
        (None, Some(reference)) => {
            // Boxed: what a pull holds is large, and every proposal would carry it.
            let acquired = Box::pin(acquire(app, reference, &format!("{field}/reference"))).await?;
            let note = Note {
                kind: "plugin.pulled",
                object_kind: "plugin",
                object_id: acquired.plugin.digest().to_string(),
                payload: serde_json::json!({
                    "name": acquired.plugin.description().name, "version": acquired.plugin.description().version,
                    "digest": acquired.plugin.digest(), "size_bytes": acquired.size_bytes,
                    "reference": reference, "signers": acquired.signers,
                }),
            };
            let Acquired { plugin, size_bytes, signers } = acquired;
            Ok(Found { plugin, size_bytes, signers, pulled: Some(note) })
        }
        _ => Err(FlowError::invalid(field, "give either `digest` or `reference`")),
    }
}
