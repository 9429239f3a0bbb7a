//! Devices, groups, and the selectors that choose among them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DeviceId, Environment, GroupName, TenantId, Timestamp};

/// Whether a device takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// In service.
    Active,
    /// Out of service for good; its token no longer works.
    Retired,
}

/// What a device last said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceHealth {
    /// It never said.
    Unknown,
    /// All well.
    Ok,
    /// Works, with limits.
    Degraded,
    /// Does not work safely.
    Critical,
}

impl DeviceHealth {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            DeviceHealth::Unknown => "unknown",
            DeviceHealth::Ok => "ok",
            DeviceHealth::Degraded => "degraded",
            DeviceHealth::Critical => "critical",
        }
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// As it names itself.
    pub id: DeviceId,
    /// Whose it is.
    pub tenant: TenantId,
    /// In which environment.
    pub environment: Environment,
    /// Hardware model.
    pub model: String,
    /// Hardware revision.
    pub hardware_revision: String,
    /// Where it stands.
    pub site: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// The groups it is in, sorted.
    pub groups: Vec<GroupName>,
    /// Whether it takes part.
    pub state: DeviceState,
    /// The firmware version that it last reported.
    pub firmware: Option<String>,
    /// What it last said of itself.
    pub health: DeviceHealth,
    /// What else it reported.
    pub attributes: BTreeMap<String, String>,
    /// SHA-256 of its token, hexadecimal; without one only a gateway may speak for it.
    pub token_sha256: Option<String>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Rises with every write.
    pub revision: u64,
}

/// A named group of devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: GroupName,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Chooses devices: all conditions that are given must hold. An empty selector chooses nobody, so that a
/// forgotten condition cannot reach a whole fleet; `all` says it on purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Every device of the environment.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// In any of these groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceId>,
    /// Of this model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Of this hardware revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_revision: Option<String>,
    /// At one of these sites.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// With all of these labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Selector {
    /// True when it says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Selector::default()
    }

    /// Whether it chooses this device. Retired devices are never chosen.
    pub fn chooses(&self, device: &Device) -> bool {
        if device.state == DeviceState::Retired || self.is_empty() {
            return false;
        }
        (self.groups.is_empty() || self.groups.iter().any(|group| device.groups.contains(group)))
            && (self.devices.is_empty() || self.devices.contains(&device.id))
            && self.model.as_ref().is_none_or(|model| *model == device.model)
            && self.hardware_revision.as_ref().is_none_or(|revision| *revision == device.hardware_revision)
            && (self.sites.is_empty() || self.sites.contains(&device.site))
            && self.labels.iter().all(|(key, value)| device.labels.get(key) == Some(value))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn pump(id: &str) -> Device {
        Device {
            id: id.parse().unwrap(),
            tenant: "mercy".parse().unwrap(),
            environment: "production".parse().unwrap(),
            model: "pump-x2".to_owned(),
            hardware_revision: "b".to_owned(),
            site: "north".to_owned(),
            labels: BTreeMap::from([("ward".to_owned(), "icu".to_owned())]),
            groups: vec!["canaries".parse().unwrap()],
            state: DeviceState::Active,
            firmware: Some("1.0".to_owned()),
            health: DeviceHealth::Ok,
            attributes: BTreeMap::new(),
            token_sha256: None,
            registered_at: Timestamp::from_millis(0),
            revision: 1,
        }
    }

    #[test]
    fn an_empty_selector_chooses_nobody() {
        assert!(!Selector::default().chooses(&pump("p1")));
        assert!(Selector { all: true, ..Selector::default() }.chooses(&pump("p1")));
    }

    #[test]
    fn every_given_condition_must_hold() {
        let selector: Selector =
            serde_json::from_str(r#"{"model":"pump-x2","sites":["north"],"labels":{"ward":"icu"}}"#).unwrap();
        assert!(selector.chooses(&pump("p1")));
        let elsewhere = Device { site: "south".to_owned(), ..pump("p1") };
        assert!(!selector.chooses(&elsewhere));
    }

    #[test]
    fn a_retired_device_is_never_chosen() {
        let retired = Device { state: DeviceState::Retired, ..pump("p1") };
        assert!(!Selector { all: true, ..Selector::default() }.chooses(&retired));
    }

    #[test]
    fn an_unknown_condition_is_refused() {
        assert!(serde_json::from_str::<Selector>(r#"{"modell":"pump-x2"}"#).is_err());
    }
}
