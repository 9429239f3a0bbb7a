//! What devices do: poll, fetch, report. Called by the device edge after it has authenticated the device.

use std::collections::BTreeMap;

use interlock_domain::{
    Artifact, Assignment, AssignmentState, AssignmentTransition, Device, DeviceHealth, DeviceId,
    DeviceReport, DeviceState, Digest, Feedback, Offer, Refusal, State, TenantId, Timestamp,
};
use interlock_store::{Sample, StoreError, Write};

use crate::{App, FlowError};

/// How often a write is tried anew when somebody else was faster.
const TRIES: usize = 5;
/// Most attributes that are kept of one device.
const ATTRIBUTES_MAX: usize = 200;

/// What a poll comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Nothing to do.
    Nothing,
    /// Say which version you run.
    Report,
    /// Install this.
    Deploy {
        /// The action to answer under.
        action: u32,
        /// What it brings.
        artifact: Digest,
    },
    /// Stop this.
    Cancel {
        /// The action to stop.
        action: u32,
    },
}

/// A deployment that a device asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The action to answer under.
    pub action: u32,
    /// What to install.
    pub artifact: Artifact,
    /// How far it is.
    pub state: AssignmentState,
    /// What the device last said of it.
    pub said: String,
}

/// What proved that a device is who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Its own token.
    TargetToken,
    /// The token of a gateway that may speak for every device of the tenant.
    GatewayToken,
}

impl Proof {
    /// Its name in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Proof::TargetToken => "target-token",
            Proof::GatewayToken => "gateway-token",
        }
    }
}

/// How a device wants its attributes put together with the old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Keep the others.
    Merge,
    /// Drop the others.
    Replace,
    /// Drop these.
    Remove,
}

/// A device and what it has going on, in one look.
pub async fn look(
    app: &App,
    tenant: &TenantId,
    id: &DeviceId,
) -> Result<Option<(Device, Option<(Assignment, State)>)>, FlowError> {
    Ok(app.store.poll(tenant, id).await?)
}

/// A device.
pub async fn device(app: &App, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>, FlowError> {
    Ok(app.store.device(tenant, id).await?)
}

/// Registers a device of which nothing is known but that a gateway speaks for it. It belongs to no real environment
/// until somebody puts it into one, so that no release reaches it by accident.
pub async fn enroll(app: &App, tenant: &TenantId, id: &DeviceId) -> Result<Device, FlowError> {
    let now = app.clock.now();
    let device = Device {
        id: id.clone(),
        tenant: tenant.clone(),
        environment: app.config.devices.gateway_environment.clone(),
        model: "unknown".to_owned(),
        hardware_revision: String::new(),
        site: String::new(),
        labels: BTreeMap::new(),
        groups: Vec::new(),
        state: DeviceState::Active,
        firmware: None,
        health: DeviceHealth::Unknown,
        attributes: BTreeMap::new(),
        token_sha256: None,
        registered_at: now,
        revision: 1,
    };
    let write =
        Write::Device { device: Box::new(device.clone()), event: "device.registered", from_revision: 0 };
    match app.commit_as_host(tenant, now, None, vec![write]).await {
        Ok(_) => Ok(device),
        // Two polls at once: the other one was faster.
        Err(FlowError::Store(StoreError::AlreadyExists { .. })) => {
            let found = app.store.device(tenant, id).await?;
            found.ok_or_else(|| FlowError::NotFound { what: "device", id: id.to_string() })
        }
        Err(error) => Err(error),
    }
}

/// What there is to do for a device. A device that never reported is asked first, and only that: some clients take
/// one thing at a time.
pub fn poll(device: &Device, live: Option<&(Assignment, State)>) -> Poll {
    if device.firmware.is_none() {
        return Poll::Report;
    }
    let Some((assignment, state)) = live else { return Poll::Nothing };
    match assignment.offer(*state == State::Paused) {
        Offer::Nothing => Poll::Nothing,
        Offer::Report => Poll::Report,
        Offer::Deploy { action, artifact } => Poll::Deploy { action, artifact },
        Offer::Cancel { action } => Poll::Cancel { action },
    }
}

/// The device fetches what it was offered.
pub async fn deployment(app: &App, device: &Device, action: u32) -> Result<Deployment, FlowError> {
    let (assignment, state) = live(app, device, action).await?;
    let gone = || FlowError::NotFound { what: "action", id: action.to_string() };
    let Offer::Deploy { action: offered, artifact } = assignment.offer(state == State::Paused) else {
        return Err(gone());
    };
    if offered != action {
        return Err(gone());
    }
    let artifact = artifact_of(app, &assignment, &artifact).await?;
    Ok(Deployment { action, artifact, state: assignment.state, said: assignment.detail })
}

/// What the device installed last, when it was under this action.
pub async fn installed(app: &App, device: &Device, action: u32) -> Result<Deployment, FlowError> {
    let concerned = app.store.concerned_assignment(&device.tenant, &device.id).await?;
    let installed = concerned.and_then(|(assignment, _)| Some((brought(&assignment)?, assignment)));
    match installed {
        Some(((under, artifact), assignment)) if under == action => {
            let artifact = artifact_of(app, &assignment, &artifact).await?;
            Ok(Deployment { action, artifact, state: assignment.state, said: assignment.detail })
        }
        _ => Err(FlowError::NotFound { what: "action", id: action.to_string() }),
    }
}

/// Whether the device is asked to stop this action just now.
pub async fn cancellation(app: &App, device: &Device, action: u32) -> Result<(), FlowError> {
    let (assignment, state) = live(app, device, action).await?;
    match assignment.offer(state == State::Paused) {
        Offer::Cancel { action: offered } if offered == action => Ok(()),
        _ => Err(FlowError::NotFound { what: "action", id: action.to_string() }),
    }
}

/// An artifact that is offered to this device just now: no device may fetch what is not meant for it.
pub async fn offered_artifact(app: &App, device: &Device, digest: &Digest) -> Result<Artifact, FlowError> {
    let live = app.store.live_assignment(&device.tenant, &device.id).await?;
    let offered = live.filter(|(assignment, state)| {
        matches!(assignment.offer(*state == State::Paused), Offer::Deploy { artifact, .. } if artifact == *digest)
    });
    let Some((assignment, _)) = offered else {
        return Err(FlowError::NotFound { what: "artifact", id: digest.to_string() });
    };
    artifact_of(app, &assignment, digest).await
}

/// An artifact that is offered to this device or was the last that it installed.
pub async fn known_artifact(app: &App, device: &Device, digest: &Digest) -> Result<Artifact, FlowError> {
    let concerned = app.store.concerned_assignment(&device.tenant, &device.id).await?;
    match concerned.and_then(|(assignment, _)| Some((brought(&assignment)?, assignment))) {
        Some(((_, artifact), assignment)) if artifact == *digest => {
            artifact_of(app, &assignment, digest).await
        }
        _ => offered_artifact(app, device, digest).await,
    }
}

/// The device began to fetch its artifact.
pub async fn fetched(app: &App, device: &Device, proof: Proof) -> Result<(), FlowError> {
    retried(app, device, proof, |assignment, now| Ok(assignment.fetched(now))).await
}

/// The device says how a deployment goes.
pub async fn feedback(
    app: &App,
    device: &Device,
    proof: Proof,
    action: u32,
    feedback: &Feedback,
) -> Result<(), FlowError> {
    live(app, device, action).await?;
    retried(app, device, proof, |assignment, now| assignment.feedback(action, feedback, now)).await
}

/// The device says how a cancellation goes.
pub async fn cancel_feedback(
    app: &App,
    device: &Device,
    proof: Proof,
    action: u32,
    feedback: &Feedback,
) -> Result<(), FlowError> {
    live(app, device, action).await?;
    retried(app, device, proof, |assignment, now| assignment.cancel_feedback(action, feedback, now)).await
}

/// The device says what it is: the version that it runs, its health, and whatever else.
pub async fn report(
    app: &App,
    device: &Device,
    proof: Proof,
    merge: Merge,
    data: &BTreeMap<String, String>,
) -> Result<(), FlowError> {
    let mut tries = 0;
    loop {
        let now = app.clock.now();
        let Some(before) = app.store.device(&device.tenant, &device.id).await? else {
            return Err(FlowError::NotFound { what: "device", id: device.id.to_string() });
        };
        let after = reported(app, &before, merge, data);
        if after.attributes.len() > ATTRIBUTES_MAX {
            let detail = format!("a device has at most {ATTRIBUTES_MAX} attributes; remove or replace some");
            return Err(FlowError::invalid("/data", detail));
        }
        let mut writes = Vec::new();
        if after != before {
            let from_revision = before.revision;
            let after = Device { revision: from_revision + 1, ..after.clone() };
            writes.push(Write::Device { device: Box::new(after), event: "device.reported", from_revision });
        }
        if let Some((assignment, _)) = app.store.concerned_assignment(&device.tenant, &device.id).await?
            && let Some(transition) = assignment.reported(&said(app, merge, data), now)
        {
            observe(&transition);
            writes.push(Write::Assignment(transition));
        }
        if writes.is_empty() {
            return Ok(());
        }
        match app.commit_as_device(&after, proof, now, writes).await {
            Err(FlowError::Store(StoreError::Conflict { .. })) if tries < TRIES => tries += 1,
            done => {
                app.devices_changed(&device.tenant, &device.id);
                app.wake();
                return done;
            }
        }
    }
}

/// The device sends measurements. They are not ledgered; the verdicts drawn from them are.
pub async fn telemetry(app: &App, device: &Device, samples: Vec<(String, f64)>) -> Result<(), FlowError> {
    let at = app.clock.now();
    let samples: Vec<Sample> = samples
        .into_iter()
        .map(|(metric, value)| Sample {
            tenant: device.tenant.clone(),
            device: device.id.clone(),
            metric,
            at,
            value,
        })
        .collect();
    Ok(app.store.put_samples(&samples).await?)
}

/// What a report says of version and health. What it leaves out, or takes back, says nothing.
fn said<'a>(app: &App, merge: Merge, data: &'a BTreeMap<String, String>) -> DeviceReport<'a> {
    let settings = &app.config.devices;
    let given = |attribute: &str| data.get(attribute).filter(|_| merge != Merge::Remove);
    DeviceReport {
        version: given(&settings.version_attribute).map(String::as_str),
        health: given(&settings.health_attribute).map(|health| health_of(health)),
        restart_ms: i64::try_from(settings.restart_ms).unwrap_or(i64::MAX),
    }
}

fn health_of(word: &str) -> DeviceHealth {
    match word {
        "ok" => DeviceHealth::Ok,
        "degraded" => DeviceHealth::Degraded,
        "critical" => DeviceHealth::Critical,
        _ => DeviceHealth::Unknown,
    }
}

fn reported(app: &App, before: &Device, merge: Merge, data: &BTreeMap<String, String>) -> Device {
    let mut after = before.clone();
    match merge {
        Merge::Merge => after.attributes.extend(data.clone()),
        Merge::Replace => after.attributes.clone_from(data),
        Merge::Remove => after.attributes.retain(|key, _| !data.contains_key(key)),
    }
    let settings = &app.config.devices;
    match after.attributes.get(&settings.version_attribute) {
        Some(version) => after.firmware = Some(version.clone()),
        // It answered, without a version: asking again for ever would block its updates.
        None if after.firmware.is_none() => after.firmware = Some("unreported".to_owned()),
        None => {}
    }
    if let Some(health) = after.attributes.get(&settings.health_attribute) {
        after.health = health_of(health);
    }
    after
}

/// The live assignment that has this action, as a forward action or as the way back.
async fn live(app: &App, device: &Device, action: u32) -> Result<(Assignment, State), FlowError> {
    match app.store.live_assignment(&device.tenant, &device.id).await? {
        Some((assignment, state)) if action == assignment.action || action == assignment.restore_action() => {
            Ok((assignment, state))
        }
        _ => {
            let id = device.id.to_string();
            match app.store.had_action(device, action).await? {
                true => Err(Refusal::ActionClosed { device: id, action }.into()),
                false => Err(Refusal::NoSuchAction { device: id, action }.into()),
            }
        }
    }
}

/// The action under which the device came to what it runs, and the artifact that it came with.
fn brought(assignment: &Assignment) -> Option<(u32, Digest)> {
    match assignment.state {
        AssignmentState::Installed | AssignmentState::Verified => {
            Some((assignment.action, assignment.artifact))
        }
        AssignmentState::RolledBack => Some((assignment.restore_action(), assignment.artifact_before?)),
        _ => None,
    }
}

async fn artifact_of(app: &App, assignment: &Assignment, digest: &Digest) -> Result<Artifact, FlowError> {
    let artifact = app.store.artifact_for(assignment, digest).await?;
    artifact.ok_or_else(|| FlowError::NotFound { what: "artifact", id: digest.to_string() })
}

/// Applies a rule to the device's live assignment, anew when somebody else was faster.
async fn retried(
    app: &App,
    device: &Device,
    proof: Proof,
    rule: impl Fn(&Assignment, Timestamp) -> Result<Option<AssignmentTransition>, Refusal>,
) -> Result<(), FlowError> {
    let mut tries = 0;
    loop {
        let now = app.clock.now();
        let Some((assignment, _)) = app.store.live_assignment(&device.tenant, &device.id).await? else {
            return Ok(());
        };
        let Some(transition) = rule(&assignment, now)? else {
            return Ok(app.store.heard(&assignment, now).await?);
        };
        observe(&transition);
        match app.commit_as_device(device, proof, now, vec![Write::Assignment(transition)]).await {
            Err(FlowError::Store(StoreError::Conflict { .. })) if tries < TRIES => tries += 1,
            done => {
                app.wake();
                return done;
            }
        }
    }
}

fn observe(transition: &AssignmentTransition) {
    metrics::counter!("assignment_transitions_total", "to" => transition.event.to.as_str()).increment(1);
}
