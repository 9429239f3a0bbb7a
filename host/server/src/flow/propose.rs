//! Propose: may this person propose this here? Then the manifest is built and its digest fixed.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::{
    Action, Actor, Artifact, ArtifactRef, AtOnce, Binding, BindingRole, Change, ChangeId, ChangeKind,
    Decision, Device, DeviceId, Draft, Environment, GateBinding, GateMode, GroupBinding, HealthBinding,
    Manifest, Permit, PluginRef, Population, Resource, RollbackTarget, Roster, Selector, StrategyBinding,
    Timestamp, Transition,
};
use interlock_sandbox::types::{PluginKind, Request, Response};
use interlock_store::Write;
use serde::{Deserialize, Serialize};

use super::{
    adopt,
    adopt::PolicyWish,
    anew::commit_anew,
    ask::permit,
    convert, document, enroll,
    enroll::RosterWish,
    evidence::verified_way_back,
    levels,
    plugin::{Answered, Asking, Failed, call, check_settings, named, reference},
    roster::{self, InUse},
};
use crate::{App, FlowError};

/// An artifact by name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactWish {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A plugin by name, with settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginWish {
    /// Its name.
    pub plugin: String,
    /// Its settings; the plugin's defaults when absent.
    #[serde(default = "empty_object")]
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

/// What somebody asks for: a release to be rolled out, other plugins to be used, or other policies to be in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// What it moves: `release` (the default), `plugin` or `policy`.
    #[serde(default = "release")]
    #[schema(value_type = String, example = "release")]
    pub kind: ChangeKind,
    /// In which environment.
    #[schema(value_type = String, example = "production")]
    pub environment: Environment,
    /// One line for people.
    #[schema(example = "Pump firmware 2.0: fixes the occlusion alarm")]
    pub title: String,
    /// What brings it about.
    #[serde(default)]
    pub description: String,
    /// What a release brings: one artifact, for now.
    #[serde(default)]
    pub artifacts: Vec<ArtifactWish>,
    /// Whom a release is meant for.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub selector: Selector,
    /// What a `plugin` change does, in this order.
    #[serde(default)]
    pub plugins: Vec<RosterWish>,
    /// What a `policy` change puts in force.
    #[serde(default)]
    pub policies: Option<PolicyWish>,
    /// How a release gets there; the strategy that is bound in the environment when absent.
    #[serde(default)]
    pub strategy: Option<PluginWish>,
    /// How many of a site or group are on their way at once, besides what the operator configured; what lets fewer go
    /// counts.
    #[serde(default)]
    #[schema(value_type = Vec<Object>, example = json!([{ "of": "group:pair-", "targets": 1 }]))]
    pub at_once: Vec<AtOnce>,
    /// What watches a release besides the health checks that are bound in the environment, which always do.
    #[serde(default)]
    pub health: Vec<PluginWish>,
    /// A target that shows no progress for so long counts as failed.
    #[serde(default)]
    pub silent_after_ms: Option<u64>,
    /// How often health is judged.
    #[serde(default)]
    pub judge_every_ms: Option<u64>,
}

fn release() -> ChangeKind {
    ChangeKind::Release
}

/// Proposes a change.
pub async fn propose(app: &Arc<App>, who: &Actor, proposal: Proposal) -> Result<Change, FlowError> {
    let now = app.clock.now();
    let (permit, decision) = may_propose(app, who, &proposal, None, now).await?;
    let id = ChangeId::new(app.clock.uuid());
    let (draft, besides) = draft(app, who, &id, proposal, now).await?;
    let transition = Change::propose(draft, id, &permit, now)?;
    let change = transition.change.clone();
    app.commit(who, now, writes(decision, besides, transition)).await?;
    metrics::counter!("deployments_initiated_total", "tenant" => who.tenant.to_string()).increment(1);
    app.wake();
    Ok(change)
}

/// Changes what a waiting change would do. Approvals and verdicts of the old digest no longer count.
pub async fn revise(
    app: &Arc<App>,
    who: &Actor,
    id: &ChangeId,
    revision: Option<u64>,
    proposal: Proposal,
) -> Result<Change, FlowError> {
    let proposal = &proposal;
    let revised = commit_anew(app, who, |now| async move {
        let change = super::change::load(app, &who.tenant, id).await?;
        super::change::expect_revision(&change, revision)?;
        let (permit, decision) = may_propose(app, who, proposal, Some(id), now).await?;
        let (draft, besides) = draft(app, who, id, proposal.clone(), now).await?;
        let transition = change.revise(draft, &permit, now)?;
        let revised = transition.change.clone();
        Ok((writes(decision, besides, transition), revised))
    })
    .await?;
    app.wake();
    Ok(revised)
}

fn writes(permitted: Decision, besides: Vec<Write>, transition: Transition) -> Vec<Write> {
    let mut writes = vec![Write::Decision(Box::new(permitted))];
    writes.extend(besides);
    writes.push(Write::Change(Box::new(transition)));
    writes
}

async fn may_propose(
    app: &App,
    who: &Actor,
    proposal: &Proposal,
    change: Option<&ChangeId>,
    now: Timestamp,
) -> Result<(Permit, Decision), FlowError> {
    let place = Resource::Environment {
        tenant: who.tenant.clone(),
        environment: proposal.environment.clone(),
        change_kind: Some(proposal.kind),
    };
    permit(app, who, Action::ProposeChange, place, change, now).await
}

/// Resolves a proposal: artifacts, population, way back, plugins, and the plan that approvers will see; with what else is on
/// record of how it came about.
async fn draft(
    app: &Arc<App>,
    who: &Actor,
    id: &ChangeId,
    proposal: Proposal,
    now: Timestamp,
) -> Result<(Draft, Vec<Write>), FlowError> {
    if proposal.title.trim().is_empty() || proposal.title.len() > 200 {
        return Err(FlowError::invalid("/title", "the title has 1 to 200 characters"));
    }
    if proposal.description.len() > 10_000 {
        return Err(FlowError::invalid("/description", "the description has at most 10,000 characters"));
    }
    match proposal.kind {
        ChangeKind::Release => {}
        ChangeKind::Plugin => return enroll::draft(app, who, proposal).await,
        ChangeKind::Policy => return Ok((adopt::draft(app, who, proposal).await?, Vec::new())),
        ChangeKind::Config | ChangeKind::Tenant => {
            let detail = format!(
                "changes of kind `{}` cannot be proposed yet; propose a `release`, a `plugin` or a `policy` change",
                proposal.kind
            );
            return Err(FlowError::invalid("/kind", detail));
        }
    }
    if !proposal.plugins.is_empty() {
        return Err(FlowError::invalid(
            "/plugins",
            "only a change of kind `plugin` alters what plugins are used",
        ));
    }
    if proposal.policies.is_some() {
        return Err(FlowError::invalid("/policies", "only a change of kind `policy` puts policies in force"));
    }
    let in_use = roster::in_use(app, &who.tenant, &proposal.environment).await?;
    let artifact = artifact(app, who, &proposal.artifacts).await?;
    let devices = population(app, who, &proposal).await?;
    let wish = strategy(&in_use.roster, proposal.strategy)?;
    let strategy =
        named(app, &in_use.roster, &wish.plugin, PluginKind::RolloutStrategy, "/strategy/plugin").await?;
    check_settings(&strategy, &wish.settings, "/strategy/settings").await?;

    let rollout = &app.config.rollout;
    let targets: Vec<DeviceId> = devices.iter().map(|device| device.id.clone()).collect();
    let (gates, gate_groups) = gates(app, &in_use, ChangeKind::Release).await?;
    let mut manifest = Manifest {
        v: 1,
        tenant: who.tenant.clone(),
        environment: proposal.environment.clone(),
        kind: ChangeKind::Release,
        title: proposal.title.trim().to_owned(),
        description: proposal.description,
        artifacts: vec![ArtifactRef {
            name: artifact.name.clone(),
            version: artifact.version.clone(),
            digest: artifact.digest,
            size_bytes: artifact.size_bytes,
        }],
        documents: document::about(app, &who.tenant, &artifact.digest).await?,
        selector: proposal.selector,
        population: Population {
            size: targets.len() as u64,
            digest: Manifest::population_digest(&targets),
            groups: groups(&devices),
            models: models(&devices),
        },
        strategy: None,
        plugins: None,
        policies: None,
        at_once: at_once(app, &proposal.at_once)?,
        health: health(app, &in_use, proposal.health).await?,
        gates,
        groups: gate_groups,
        bundle: app.policies.bundle().digest,
        rollback: way_back(app, who, &artifact, &devices, now).await?,
        silent_after_ms: bounded(
            "/silent_after_ms",
            proposal.silent_after_ms,
            rollout.silent_after_ms,
            rollout.silent_after_ms_min,
            rollout.silent_after_ms_max,
        )?,
        judge_every_ms: bounded(
            "/judge_every_ms",
            proposal.judge_every_ms,
            rollout.judge_every_ms,
            rollout.judge_every_ms_min,
            rollout.judge_every_ms_max,
        )?,
    };
    let mut binding =
        StrategyBinding { plugin: reference(&strategy), settings: wish.settings, plan: Vec::new() };
    manifest.strategy = Some(binding.clone());
    let (plan, planned) = plan(app, who, id, &manifest, &binding, now).await?;
    binding.plan = plan;
    manifest.strategy = Some(binding);
    let expires_after_ms = levels::expires_after_ms(app, manifest.kind, &manifest.environment);
    let draft = Draft {
        targets: interlock_domain::rank(id, targets),
        manifest,
        author: who.clone(),
        expires_after_ms,
    };
    Ok((draft, vec![Write::Decision(Box::new(planned))]))
}

/// The manifest of a change that does what it does to the server, and reaches no target: who proposes what where, and what
/// judges it. What it does is for its kind to say.
pub(crate) fn without_targets(
    app: &App,
    who: &Actor,
    proposal: &Proposal,
    (gates, groups): (Vec<GateBinding>, Vec<GroupBinding>),
) -> Manifest {
    let rollout = &app.config.rollout;
    Manifest {
        v: 1,
        tenant: who.tenant.clone(),
        environment: proposal.environment.clone(),
        kind: proposal.kind,
        title: proposal.title.trim().to_owned(),
        description: proposal.description.clone(),
        artifacts: Vec::new(),
        documents: Vec::new(),
        selector: Selector::default(),
        population: Population {
            size: 0,
            digest: Manifest::population_digest([]),
            groups: BTreeMap::new(),
            models: BTreeMap::new(),
        },
        strategy: None,
        plugins: None,
        policies: None,
        at_once: Vec::new(),
        health: Vec::new(),
        gates,
        groups,
        bundle: app.policies.bundle().digest,
        rollback: Vec::new(),
        silent_after_ms: rollout.silent_after_ms,
        judge_every_ms: rollout.judge_every_ms,
    }
}

/// What only a release can have, if it is given.
pub(crate) fn of_a_release(proposal: &Proposal) -> Option<&'static str> {
    let given = [
        ("/artifacts", !proposal.artifacts.is_empty()),
        ("/selector", !proposal.selector.is_empty()),
        ("/strategy", proposal.strategy.is_some()),
        ("/health", !proposal.health.is_empty()),
        ("/at_once", !proposal.at_once.is_empty()),
        ("/silent_after_ms", proposal.silent_after_ms.is_some()),
        ("/judge_every_ms", proposal.judge_every_ms.is_some()),
    ];
    given.into_iter().find(|(_, given)| *given).map(|(field, _)| field)
}

/// The strategy that the author names, or the one that is bound.
fn strategy(roster: &Roster, wish: Option<PluginWish>) -> Result<PluginWish, FlowError> {
    if let Some(wish) = wish {
        return Ok(wish);
    }
    let bound = roster.bound(BindingRole::Strategy).next();
    let bound =
        bound.map(|(_, bound)| PluginWish { plugin: bound.plugin.clone(), settings: bound.settings.clone() });
    bound.ok_or_else(|| {
        FlowError::invalid(
            "/strategy",
            "no strategy is bound in this environment; name one, or have one bound",
        )
    })
}

/// What the operator and the author say of what is on its way at once.
fn at_once(app: &App, wishes: &[AtOnce]) -> Result<Vec<AtOnce>, FlowError> {
    if let Some((index, fault)) = AtOnce::fault(wishes) {
        return Err(FlowError::invalid(format!("/at_once/{index}"), fault));
    }
    let rules = AtOnce::strictest(&app.config.rollout.at_once, wishes);
    match AtOnce::fault(&rules) {
        Some((_, fault)) => Err(FlowError::invalid("/at_once", fault)),
        None => Ok(rules),
    }
}

async fn artifact(app: &App, who: &Actor, wishes: &[ArtifactWish]) -> Result<Artifact, FlowError> {
    let [wish] = wishes else {
        return Err(FlowError::invalid("/artifacts", "a release brings exactly one artifact"));
    };
    app.store.artifact_by_version(&who.tenant, &wish.name, &wish.version).await?.ok_or_else(|| {
        FlowError::invalid(
            "/artifacts/0",
            format!("there is no artifact `{}` of version `{}`; push it first", wish.name, wish.version),
        )
    })
}

async fn population(app: &App, who: &Actor, proposal: &Proposal) -> Result<Vec<Device>, FlowError> {
    if proposal.selector.is_empty() {
        return Err(FlowError::invalid(
            "/selector",
            "an empty selector chooses nobody; say `\"all\": true` on purpose",
        ));
    }
    let devices = app.store.devices_chosen(&who.tenant, &proposal.environment, &proposal.selector).await?;
    if devices.is_empty() {
        return Err(FlowError::invalid(
            "/selector",
            format!(
                "the selector chooses no device in environment `{}`; check model, sites, groups and labels",
                proposal.environment
            ),
        ));
    }
    if devices.len() as u64 > app.config.rollout.targets_max {
        return Err(FlowError::invalid(
            "/selector",
            format!(
                "the selector chooses {} devices, more than the {} that one change may have; choose fewer or raise \
                 `rollout.targets_max`",
                devices.len(),
                app.config.rollout.targets_max
            ),
        ));
    }
    Ok(devices)
}

fn groups(devices: &[Device]) -> BTreeMap<String, u64> {
    let mut groups = BTreeMap::new();
    for device in devices {
        if !device.site.is_empty() {
            *groups.entry(format!("site:{}", device.site)).or_insert(0) += 1;
        }
        for group in &device.groups {
            *groups.entry(format!("group:{group}")).or_insert(0) += 1;
        }
    }
    groups
}

fn models(devices: &[Device]) -> BTreeMap<String, u64> {
    let mut models = BTreeMap::new();
    for device in devices {
        *models.entry(device.model.clone()).or_insert(0) += 1;
    }
    models
}

/// What each target runs today, and the stored artifact of that version, if its signature verifies.
async fn way_back(
    app: &App,
    who: &Actor,
    artifact: &Artifact,
    devices: &[Device],
    now: Timestamp,
) -> Result<Vec<RollbackTarget>, FlowError> {
    let mut versions: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for device in devices {
        *versions.entry(device.firmware.clone()).or_insert(0) += 1;
    }
    let mut targets = Vec::with_capacity(versions.len());
    for (version, count) in versions {
        let artifact = match &version {
            Some(version) => verified_way_back(app, &who.tenant, &artifact.name, version, now).await?,
            None => None,
        };
        targets.push(RollbackTarget { version, artifact, targets: count });
    }
    Ok(targets)
}

/// The health checks that are bound watch every rollout; the author can add more, and neither leave one out nor loosen
/// it.
async fn health(app: &App, in_use: &InUse, wishes: Vec<PluginWish>) -> Result<Vec<HealthBinding>, FlowError> {
    let mut bindings: Vec<HealthBinding> = Vec::new();
    for (id, bound) in in_use.roster.bound(BindingRole::Health) {
        let plugin = bound_plugin(app, in_use, bound, PluginKind::HealthCheck, "/health").await?;
        bindings.push(HealthBinding {
            id: Some(id.to_owned()),
            plugin,
            settings: bound.settings.clone(),
            mode: bound.mode,
        });
    }
    for (index, wish) in wishes.into_iter().enumerate() {
        let field = format!("/health/{index}");
        let plugin =
            named(app, &in_use.roster, &wish.plugin, PluginKind::HealthCheck, &format!("{field}/plugin"))
                .await?;
        check_settings(&plugin, &wish.settings, &format!("{field}/settings")).await?;
        let mut bound = in_use.roster.bound(BindingRole::Health);
        if bound.any(|(_, bound)| bound.plugin == wish.plugin && bound.mode == GateMode::Enforce) {
            let detail = format!(
                "health check `{}` watches every rollout here with the operator's settings; leave it out",
                wish.plugin
            );
            return Err(FlowError::invalid(field, detail));
        }
        if bindings.iter().any(|other| other.called() == wish.plugin) {
            return Err(FlowError::invalid(field, format!("health check `{}` is named twice", wish.plugin)));
        }
        bindings.push(HealthBinding {
            id: Some(wish.plugin),
            plugin: reference(&plugin),
            settings: wish.settings,
            mode: GateMode::Enforce,
        });
    }
    Ok(bindings)
}

/// A duration that the author may choose within the operator's bounds.
fn bounded(field: &str, wish: Option<u64>, usual: u64, min: u64, max: u64) -> Result<u64, FlowError> {
    match wish {
        None => Ok(usual.clamp(min, max)),
        Some(wish) if (min..=max).contains(&wish) => Ok(wish),
        Some(wish) => Err(FlowError::invalid(
            field,
            format!("{wish} ms is outside what is allowed here: {min} to {max} ms"),
        )),
    }
}

/// The gates are the operator's, not the author's: those that are bound in the environment for this kind of change, and the
/// groups that they are in.
pub(super) async fn gates(
    app: &App,
    in_use: &InUse,
    kind: ChangeKind,
) -> Result<(Vec<GateBinding>, Vec<GroupBinding>), FlowError> {
    let mut bindings = Vec::new();
    for (id, bound) in in_use.roster.gates(kind) {
        bindings.push(GateBinding {
            id: Some(id.to_owned()),
            plugin: bound_plugin(app, in_use, bound, PluginKind::ComplianceGate, "/gates").await?,
            settings: bound.settings.clone(),
            mode: bound.mode,
            group: bound.group.clone(),
        });
    }
    let judged = in_use
        .roster
        .groups
        .iter()
        .filter(|(name, _)| bindings.iter().any(|gate: &GateBinding| gate.group.as_ref() == Some(name)));
    let groups = judged
        .map(|(name, group)| GroupBinding {
            name: name.clone(),
            expression: group.expression.clone(),
            mode: group.mode,
        })
        .collect();
    Ok((bindings, groups))
}

/// The component that a binding stands for. One that does not load is bound all the same: it denies, with its reason, and
/// takes nothing else down.
async fn bound_plugin(
    app: &App,
    in_use: &InUse,
    bound: &Binding,
    kind: PluginKind,
    field: &str,
) -> Result<PluginRef, FlowError> {
    let unusable = |detail: String| FlowError::Plugin { plugin: bound.plugin.clone(), detail };
    match roster::active(app, &in_use.roster, &bound.plugin).await? {
        None => Err(unusable(super::plugin::absent(&bound.plugin))),
        Some((reference, Err(_))) => Ok(reference),
        Some((_, Ok(plugin))) if plugin.kind() != kind => {
            Err(unusable(format!("it is a {}, not a {kind}", plugin.kind())))
        }
        Some((reference, Ok(plugin))) => {
            // A roster's settings were checked when it got them; those of the configuration never were.
            if in_use.record.is_none() {
                check_settings(&plugin, &bound.settings, field).await?;
            }
            Ok(reference)
        }
    }
}

/// Has the strategy plan its stages. It sees the digest of the manifest without a plan, since the plan is part of it.
async fn plan(
    app: &Arc<App>,
    who: &Actor,
    id: &ChangeId,
    manifest: &Manifest,
    binding: &StrategyBinding,
    now: Timestamp,
) -> Result<(Vec<interlock_domain::Stage>, Decision), FlowError> {
    let digest =
        manifest.digest().map_err(|error| FlowError::invalid("/strategy/settings", error.to_string()))?;
    let draft =
        convert::Draft { id: id.as_str(), author: who.person.as_str(), proposed_at: now, manifest, digest };
    let request = Request::Plan {
        change: Arc::new(convert::draft(&draft)),
        population: convert::population(&manifest.population),
        settings: binding.settings.to_string(),
    };
    let plugin = &binding.plugin;
    let wanted = |response| match response {
        Response::Stages(stages) => Some(convert::stages(stages)),
        _ => None,
    };
    let asking = Asking { app, tenant: &who.tenant, environment: &manifest.environment, change: id, now };
    let (decision, detail) = match call(asking, plugin, request, wanted).await {
        Ok(Answered { answer, decision }) if !answer.is_empty() => return Ok((answer, decision)),
        Ok(Answered { decision, .. }) => (decision, "it planned no stage for this change".to_owned()),
        Err(Failed { error, decision }) => (decision, error.to_string()),
    };
    // There will be no change to record it with, and whoever looks for the reason needs the call.
    app.commit(who, now, vec![Write::Decision(Box::new(decision))]).await?;
    Err(FlowError::Plugin { plugin: plugin.name.clone(), detail })
}
