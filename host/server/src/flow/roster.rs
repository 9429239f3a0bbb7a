//! Rosters: what an environment uses of plugins, and getting that ready.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use interlock_domain::{
    Action, Active, Actor, Binding, BindingRole, ChangeKind, Digest, Environment, Facts, GateMode, PluginRef,
    Principal, Question, Resource, Roster, RosterRecord, Standing, TenantId,
};
use interlock_sandbox::{InstallError, Plugin, types::PluginKind};
use interlock_store::Kept;
use tracing::{info, warn};

use super::{
    acquire::signers,
    ask::{ask, may_read},
    change::tenant,
    plugin::reference,
};
use crate::{App, Config, FlowError, rosters::Unloaded};

/// The id of the binding that `rollout.strategy` stands for.
pub(crate) const STRATEGY: &str = "strategy";

/// What an environment uses.
pub struct InUse {
    /// What it is.
    pub roster: Roster,
    /// As it is kept; absent while the environment has what is configured.
    pub record: Option<RosterRecord>,
}

impl InUse {
    /// As a change meets it.
    pub(crate) fn standing(&self) -> Standing<'_> {
        Standing { roster: &self.roster, revision: self.record.as_ref().map_or(0, |record| record.revision) }
    }
}

/// What an environment uses now. Read from the store each time: a replica that has not heard of a change yet must not
/// decide by what was before it.
pub(crate) async fn in_use(
    app: &App,
    tenant: &TenantId,
    environment: &Environment,
) -> Result<InUse, FlowError> {
    let record = app.store.roster(tenant, environment).await?;
    let roster = record.as_ref().map_or_else(|| configured(app, environment), |record| record.roster.clone());
    Ok(InUse { roster, record })
}

/// What an environment uses, for somebody who may read it.
pub async fn show(app: &App, who: &Actor, environment: &Environment) -> Result<InUse, FlowError> {
    may_see(app, who, environment).await?;
    in_use(app, &who.tenant, environment).await
}

/// Whoever may read the plugins of the tenant, or the changes of the environment: those are what its roster was made of.
async fn may_see(app: &App, who: &Actor, environment: &Environment) -> Result<(), FlowError> {
    let there = Resource::Environment {
        tenant: who.tenant.clone(),
        environment: environment.clone(),
        change_kind: None,
    };
    match may_read(app, who, Action::ReadPlugin, tenant(who)).await {
        Err(FlowError::Denied { .. }) => may_read(app, who, Action::ReadChange, there).await,
        answered => answered,
    }
}

/// What is configured for an environment: the plugins of the server's folder, with the bindings of `interlock.toml`.
fn configured(app: &App, environment: &Environment) -> Roster {
    let mut roster = bound_by(&app.config, environment.as_str());
    for (slot, plugin) in app.sandbox.shelf().slots() {
        // The slots of rosters have a place before the name.
        if !slot.contains('/') {
            roster.plugins.insert(slot, Active { plugin: reference(&plugin), granted: BTreeSet::new() });
        }
    }
    roster
}

/// The bindings and groups that the configuration gives to an environment.
pub(crate) fn bound_by(config: &Config, environment: &str) -> Roster {
    let here = |environments: &[String]| {
        environments.is_empty() || environments.iter().any(|name| name == environment)
    };
    let mut roster = Roster::default();
    for gate in config.gates.iter().filter(|gate| here(&gate.environments)) {
        roster.bindings.insert(
            gate.called().to_owned(),
            Binding {
                plugin: gate.plugin.clone(),
                role: BindingRole::Gate,
                settings: gate.settings.clone(),
                mode: gate.mode,
                kinds: gate.kinds.iter().copied().collect(),
                group: gate.group.clone(),
            },
        );
    }
    let release = || BTreeSet::from([ChangeKind::Release]);
    for health in &config.health {
        roster.bindings.insert(
            health.called().to_owned(),
            Binding {
                plugin: health.plugin.clone(),
                role: BindingRole::Health,
                settings: health.settings.clone(),
                mode: health.mode,
                kinds: release(),
                group: None,
            },
        );
    }
    roster.bindings.insert(
        STRATEGY.to_owned(),
        Binding {
            plugin: config.rollout.strategy.clone(),
            role: BindingRole::Strategy,
            settings: serde_json::json!({}),
            mode: GateMode::Enforce,
            kinds: release(),
            group: None,
        },
    );
    for group in config.groups.iter().filter(|group| here(&group.environments)) {
        let judged = interlock_domain::GateGroup { expression: group.expression.clone(), mode: group.mode };
        roster.groups.insert(group.name.clone(), judged);
    }
    roster
}

/// A component that can be called: off the shelf, or as it was kept. The inner error says why it cannot.
pub(crate) async fn ready(app: &App, digest: &Digest) -> Result<Result<Arc<Plugin>, String>, FlowError> {
    if let Some(plugin) = app.sandbox.shelf().get(digest) {
        return Ok(Ok(plugin));
    }
    let now = app.clock.now();
    if let Some(reason) = app.rosters.reason(digest, now) {
        return Ok(Err(reason));
    }
    let loaded = match app.store.kept(Kept::Plugin, digest).await? {
        None => Err("it is not kept".to_owned()),
        Some(wasm) => match app.sandbox.install_registered(*digest, wasm).await {
            // Not its fault, so it is tried again when it is next asked for.
            Err(error) if is_passing(&error) => return Ok(Err(error.to_string())),
            installed => installed.map_err(|error| error.to_string()),
        },
    };
    match &loaded {
        Ok(_) => app.rosters.mended(digest),
        Err(reason) => app.rosters.broke(*digest, reason.clone(), now),
    }
    Ok(loaded)
}

/// Whether it is the host that could not do it just now, and not the component that cannot be used.
pub(super) fn is_passing(error: &InstallError) -> bool {
    use InstallError as E;
    matches!(error, E::CompilerBusy { .. } | E::CompilerFailed { .. } | E::Host { .. })
}

/// The plugin that is active under a name. The inner error says why it does not load.
pub(crate) async fn active(
    app: &App,
    roster: &Roster,
    name: &str,
) -> Result<Option<(PluginRef, Result<Arc<Plugin>, String>)>, FlowError> {
    let Some(active) = roster.plugins.get(name) else { return Ok(None) };
    Ok(Some((active.plugin.clone(), ready(app, &active.plugin.digest).await?)))
}

/// The slot of the shelf for a plugin of an environment.
fn slots(tenant: &TenantId, environment: &Environment) -> String {
    format!("{tenant}/{environment}/")
}

/// Has the shelf follow the rosters: what is new there is loaded, then swapped in, all of an environment at once. A plugin
/// that does not load takes down what it judges, and nothing else.
pub(crate) async fn follow(app: &App) -> Result<(), FlowError> {
    let _turn = app.rosters.turn.lock().await;
    for (tenant, environment, revision) in app.store.roster_revisions().await? {
        let place = (tenant, environment);
        if app.rosters.follows(&place, revision, app.clock.now()) {
            continue;
        }
        let (tenant, environment) = &place;
        let Some(record) = app.store.roster(tenant, environment).await? else { continue };
        let (mut loaded, mut unloaded) = (Vec::new(), Vec::new());
        for (name, active) in &record.roster.plugins {
            let digest = active.plugin.digest;
            match ready(app, &digest).await? {
                Ok(plugin) => loaded.push((name.clone(), plugin)),
                Err(reason) => {
                    warn!(%tenant, %environment, plugin = name, %digest, reason, "plugin does not load");
                    unloaded.push(Unloaded {
                        tenant: tenant.clone(),
                        environment: environment.clone(),
                        plugin: name.clone(),
                        digest,
                        reason,
                    });
                }
            }
        }
        app.sandbox.shelf().bind_all(&slots(tenant, environment), &loaded);
        info!(%tenant, %environment, revision = record.revision, plugins = loaded.len(), "roster followed");
        let digests = record.roster.plugins.values().map(|active| active.plugin.digest).collect();
        app.rosters.followed(place, record.revision, digests, unloaded);
    }
    Ok(())
}

/// As [`follow`], where the change is done already whatever comes of this: the next tick tries again.
pub(crate) async fn follow_soon(app: &App) {
    if let Err(error) = follow(app).await {
        warn!(%error, "the shelf could not follow the rosters; it is tried again at the next tick");
    }
}

/// An active plugin, with what it declares, may read and may not.
pub struct Seen {
    pub(crate) plugin: PluginRef,
    pub(crate) kind: Option<PluginKind>,
    pub(crate) unloaded: Option<String>,
    pub(crate) declared: Vec<String>,
    pub(crate) granted: Vec<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) signers: BTreeMap<String, String>,
}

/// What can be said of an active plugin. Cedar is asked about each source that it declares, as it will be when the plugin
/// asks for one.
pub async fn seen(app: &App, who: &Actor, roster: &Roster, name: &str) -> Result<Option<Seen>, FlowError> {
    let Some((plugin, found)) = active(app, roster, name).await? else { return Ok(None) };
    let by_roster = roster.plugins.get(name).map(|active| active.granted.clone()).unwrap_or_default();
    let declared: Vec<String> =
        found.iter().flat_map(|found| found.description().evidence_sources.clone()).collect();
    let may = |source: &String| {
        let question = Question {
            principal: Principal::Plugin {
                tenant: who.tenant.clone(),
                name: name.to_owned(),
                digest: plugin.digest,
                granted: by_roster.clone(),
            },
            action: Action::ReadEvidence,
            resource: Resource::EvidenceSource { tenant: who.tenant.clone(), name: source.clone() },
            facts: Facts::None,
            now: app.clock.now(),
            freshness: None,
        };
        ask(app, None, question).permit().is_some()
    };
    let (mut granted, missing): (Vec<String>, Vec<String>) = declared.iter().cloned().partition(may);
    // What is granted and never asked for is shown too: it can be taken back.
    granted.extend(by_roster.iter().filter(|source| !declared.contains(source)).cloned());
    Ok(Some(Seen {
        kind: found.as_ref().ok().map(|found| found.kind()),
        unloaded: found.err(),
        declared,
        granted,
        missing,
        signers: signers(app, plugin.digest).await?,
        plugin,
    }))
}
