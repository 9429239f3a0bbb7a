//! The registry: devices and groups, as operators keep them.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use interlock_domain::{
    Action, Actor, Device, DeviceHealth, DeviceId, DeviceState, Environment, Group, GroupName, Timestamp,
};
use interlock_store::{DeviceFilter, Page, Write};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    ask::{may_read, permit},
    change::tenant,
    sight::{Sight, place},
};
use crate::{App, FlowError};

/// Most labels of a device.
const LABELS_MAX: usize = 64;
/// Longest label, model, revision, site, firmware version or token.
const TEXT_MAX: usize = 128;
/// Shortest token that somebody may choose: a shorter one could be guessed.
const TOKEN_MIN: usize = 16;

/// A device to be registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// As the device names itself.
    #[schema(value_type = String, example = "pump-0001")]
    pub id: DeviceId,
    /// In which environment.
    #[schema(value_type = String, example = "production")]
    pub environment: Environment,
    /// Hardware model.
    #[schema(example = "pump-x2")]
    pub model: String,
    /// Hardware revision.
    #[serde(default)]
    pub hardware_revision: String,
    /// Where it stands.
    #[serde(default)]
    #[schema(example = "north")]
    pub site: String,
    /// Free labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The groups that it is in. They must exist.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<GroupName>,
    /// The token it polls with: 16 to 128 printable ASCII characters without a space. One is made when absent. Only its
    /// hash is kept.
    #[serde(default)]
    pub token: Option<String>,
    /// The firmware that it runs, when that is known before it first reports; at most 128 characters.
    #[serde(default)]
    pub firmware: Option<String>,
}

/// A registered device and, this once, its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The device.
    pub device: Device,
    /// Its token; it cannot be read again.
    pub token: String,
}

/// What may be altered of a device. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicePatch {
    /// In which environment.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub environment: Option<Environment>,
    /// Hardware model.
    #[serde(default)]
    pub model: Option<String>,
    /// Hardware revision.
    #[serde(default)]
    pub hardware_revision: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub site: Option<String>,
    /// Free labels, all of them.
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    /// Its groups, all of them.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    pub groups: Option<Vec<GroupName>>,
}

/// Registers one device.
pub async fn register(app: &App, who: &Actor, registration: Registration) -> Result<Registered, FlowError> {
    let registered = register_all(app, who, vec![registration]).await;
    // The caller sent one device, not a list of one.
    let mut registered = registered.map_err(|error| match error {
        FlowError::Invalid { field, detail } => FlowError::Invalid {
            field: field.strip_prefix("/0").map_or(field.clone(), str::to_owned),
            detail,
        },
        error => error,
    })?;
    registered.pop().ok_or_else(|| FlowError::invalid("", "nothing was registered"))
}

/// Registers many devices: all of them or none.
pub async fn register_all(
    app: &App,
    who: &Actor,
    registrations: Vec<Registration>,
) -> Result<Vec<Registered>, FlowError> {
    let now = app.clock.now();
    let environments: BTreeSet<&Environment> =
        registrations.iter().map(|registration| &registration.environment).collect();
    let mut writes = Vec::new();
    for environment in environments {
        let place = place(who, environment);
        let (_, decision) = permit(app, who, Action::RegisterDevice, place, None, now).await?;
        writes.push(Write::Decision(Box::new(decision)));
    }
    let groups = known_groups(app, who).await?;
    let mut registered = Vec::with_capacity(registrations.len());
    for (index, registration) in registrations.into_iter().enumerate() {
        registered.push(registration.check(&format!("/{index}"), &groups)?.registered(app, who, now)?);
    }
    writes.extend(registered.iter().map(|registered| Write::Device {
        device: Box::new(registered.device.clone()),
        event: "device.registered",
        from_revision: 0,
    }));
    app.commit(who, now, writes).await?;
    Ok(registered)
}

impl Registration {
    fn check(self, at: &str, groups: &[GroupName]) -> Result<Self, FlowError> {
        check_text(&format!("{at}/model"), &self.model, 1)?;
        check_text(&format!("{at}/hardware_revision"), &self.hardware_revision, 0)?;
        check_text(&format!("{at}/site"), &self.site, 0)?;
        check_labels(&format!("{at}/labels"), &self.labels)?;
        check_groups(&format!("{at}/groups"), &self.groups, groups)?;
        if let Some(firmware) = &self.firmware {
            check_text(&format!("{at}/firmware"), firmware, 1)?;
        }
        if let Some(token) = &self.token
            && !(is_token(token) && token.len() >= TOKEN_MIN)
        {
            let detail = "a token has 16 to 128 printable ASCII characters and no space";
            return Err(FlowError::invalid(format!("{at}/token"), detail));
        }
        Ok(self)
    }

    fn registered(self, app: &App, who: &Actor, now: Timestamp) -> Result<Registered, FlowError> {
        let token = match self.token {
            Some(token) => token,
            None => app.secret()?,
        };
        let mut groups = self.groups;
        groups.sort();
        groups.dedup();
        let device = Device {
            id: self.id,
            tenant: who.tenant.clone(),
            environment: self.environment,
            model: self.model,
            hardware_revision: self.hardware_revision,
            site: self.site,
            labels: self.labels,
            groups,
            state: DeviceState::Active,
            firmware: self.firmware,
            health: DeviceHealth::Unknown,
            attributes: BTreeMap::new(),
            token_sha256: Some(token_hash(&token)),
            registered_at: now,
            revision: 1,
        };
        Ok(Registered { device, token })
    }
}

/// Whether a device or gateway can show this in its header: a token that is registered must be one that is let in.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// SHA-256 of a token, hexadecimal.
pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// A token from random bytes.
pub(crate) fn token_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One device.
pub async fn show(app: &App, who: &Actor, id: &DeviceId) -> Result<(Device, Option<Timestamp>), FlowError> {
    let device = load(app, who, id).await?;
    may_read(app, who, Action::ReadDevice, place(who, &device.environment)).await?;
    let seen = app.store.seen(&who.tenant, id).await?;
    Ok((device, seen))
}

/// The devices of the tenant, by id. What is in environments of which the reader may not read is left out.
pub async fn list(
    app: &App,
    who: &Actor,
    filter: &DeviceFilter,
    page: &Page,
) -> Result<Vec<Device>, FlowError> {
    let mut sight = Sight::of(app, who, Action::ReadDevice, filter.environment.as_ref()).await?;
    let part = |environment, page| {
        let filter = DeviceFilter { environment, ..filter.clone() };
        async move { app.store.devices(&who.tenant, &filter, &page).await }
    };
    let mut found = sight.list(page, part, |device| (&device.environment, device.id.as_str())).await?;
    found.sort_by(|one, other| one.id.cmp(&other.id));
    found.truncate(page.limit as usize);
    Ok(found)
}

/// Alters what is known of a device. Who moves it must be let go by the place that it leaves and let in by the other.
pub async fn update(
    app: &App,
    who: &Actor,
    id: &DeviceId,
    revision: Option<u64>,
    patch: DevicePatch,
) -> Result<Device, FlowError> {
    let now = app.clock.now();
    let mut device = load(app, who, id).await?;
    let questions = match &patch.environment {
        Some(there) if *there != device.environment => {
            vec![(Action::MoveDevice, &device.environment), (Action::UpdateDevice, there)]
        }
        Some(_) | None => vec![(Action::UpdateDevice, &device.environment)],
    };
    let mut decisions = Vec::new();
    for (action, environment) in questions {
        decisions.push(permit(app, who, action, place(who, environment), None, now).await?.1);
    }
    expect_revision(&device, revision)?;
    if let Some(groups) = &patch.groups {
        check_groups("/groups", groups, &known_groups(app, who).await?)?;
    }
    if let Some(labels) = &patch.labels {
        check_labels("/labels", labels)?;
    }
    let DevicePatch { environment, model, hardware_revision, site, labels, groups } = patch;
    for (field, text, min) in
        [("/model", &model, 1), ("/hardware_revision", &hardware_revision, 0), ("/site", &site, 0)]
    {
        if let Some(text) = text {
            check_text(field, text, min)?;
        }
    }
    device.environment = environment.unwrap_or(device.environment);
    device.model = model.unwrap_or(device.model);
    device.hardware_revision = hardware_revision.unwrap_or(device.hardware_revision);
    device.site = site.unwrap_or(device.site);
    device.labels = labels.unwrap_or(device.labels);
    device.groups = groups.unwrap_or(device.groups);
    device.groups.sort();
    device.groups.dedup();
    put(app, who, device, "device.updated", decisions, now).await
}

/// Takes a device out of service for good.
pub async fn retire(
    app: &App,
    who: &Actor,
    id: &DeviceId,
    revision: Option<u64>,
) -> Result<Device, FlowError> {
    let now = app.clock.now();
    let mut device = load(app, who, id).await?;
    let place = place(who, &device.environment);
    let (_, decision) = permit(app, who, Action::RetireDevice, place, None, now).await?;
    expect_revision(&device, revision)?;
    device.state = DeviceState::Retired;
    device.token_sha256 = None;
    put(app, who, device, "device.retired", vec![decision], now).await
}

async fn put(
    app: &App,
    who: &Actor,
    mut device: Device,
    event: &'static str,
    decisions: Vec<interlock_domain::Decision>,
    now: Timestamp,
) -> Result<Device, FlowError> {
    let from_revision = device.revision;
    device.revision += 1;
    let mut writes: Vec<Write> =
        decisions.into_iter().map(|decision| Write::Decision(Box::new(decision))).collect();
    writes.push(Write::Device { device: Box::new(device.clone()), event, from_revision });
    app.commit(who, now, writes).await?;
    app.devices_changed(&device.tenant, &device.id);
    Ok(device)
}

/// The groups of the tenant, by name.
pub async fn groups(app: &App, who: &Actor, page: &Page) -> Result<Vec<Group>, FlowError> {
    may_read(app, who, Action::ReadDevice, tenant(who)).await?;
    Ok(app.store.groups(&who.tenant, page).await?)
}

/// Makes a group.
pub async fn create_group(
    app: &App,
    who: &Actor,
    name: GroupName,
    description: String,
) -> Result<Group, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::ManageGroup, tenant(who), None, now).await?;
    if description.len() > 1_000 {
        return Err(FlowError::invalid("/description", "a description has at most 1,000 characters"));
    }
    let group = Group { tenant: who.tenant.clone(), name, description, created_at: now };
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), Write::Group(group.clone())]).await?;
    Ok(group)
}

/// Removes a group that no device is in.
pub async fn remove_group(app: &App, who: &Actor, name: &GroupName) -> Result<(), FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::ManageGroup, tenant(who), None, now).await?;
    if app.store.group(&who.tenant, name).await?.is_none() {
        return Err(FlowError::NotFound { what: "group", id: name.to_string() });
    }
    let filter = DeviceFilter { group: Some(name.clone()), ..DeviceFilter::default() };
    if !app.store.devices(&who.tenant, &filter, &Page { after: None, limit: 1 }).await?.is_empty() {
        return Err(FlowError::invalid(
            "/name",
            format!("group `{name}` still has devices; take them out first"),
        ));
    }
    let removed = Write::GroupRemoved { tenant: who.tenant.clone(), name: name.clone() };
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), removed]).await?;
    Ok(())
}

async fn load(app: &App, who: &Actor, id: &DeviceId) -> Result<Device, FlowError> {
    let device = app.store.device(&who.tenant, id).await?;
    device.ok_or_else(|| FlowError::NotFound { what: "device", id: id.to_string() })
}

async fn known_groups(app: &App, who: &Actor) -> Result<Vec<GroupName>, FlowError> {
    let groups = app.store.groups(&who.tenant, &Page { after: None, limit: 10_000 }).await?;
    Ok(groups.into_iter().map(|group| group.name).collect())
}

fn expect_revision(device: &Device, given: Option<u64>) -> Result<(), FlowError> {
    match given {
        Some(given) if given != device.revision => {
            Err(FlowError::Stale { id: device.id.to_string(), given, current: device.revision })
        }
        Some(_) | None => Ok(()),
    }
}

fn check_groups(at: &str, groups: &[GroupName], known: &[GroupName]) -> Result<(), FlowError> {
    match groups.iter().find(|group| !known.contains(group)) {
        Some(group) => Err(FlowError::invalid(at, format!("there is no group `{group}`; make it first"))),
        None => Ok(()),
    }
}

fn check_text(at: &str, text: &str, min: usize) -> Result<(), FlowError> {
    if text.len() < min || text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        return Err(FlowError::invalid(
            at,
            format!("must have {min} to {TEXT_MAX} characters and no control characters"),
        ));
    }
    Ok(())
}

fn check_labels(at: &str, labels: &BTreeMap<String, String>) -> Result<(), FlowError> {
    if labels.len() > LABELS_MAX {
        return Err(FlowError::invalid(at, format!("a device has at most {LABELS_MAX} labels")));
    }
    for (key, value) in labels {
        check_text(&format!("{at}/{key}"), key, 1)?;
        check_text(&format!("{at}/{key}"), value, 0)?;
    }
    Ok(())
}
