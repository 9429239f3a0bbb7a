//! The devices that the change goes to: evidence source `fleet`, key `population`.

use std::fmt;

use interlock_plugin_sdk::prelude::{Change, Finding};
use serde::Deserialize;

/// The population of a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Population {
    /// Groups of devices that are alike.
    pub(crate) devices: Vec<Devices>,
}

/// Devices that are alike.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Devices {
    /// Empty when the devices never said.
    #[serde(default, deserialize_with = "text")]
    pub(crate) model: String,
    /// Empty when the devices never said.
    #[serde(default, deserialize_with = "text")]
    pub(crate) hardware_revision: String,
    /// What they run now; empty when they never said.
    #[serde(default, deserialize_with = "text")]
    pub(crate) version: String,
    /// How many they are.
    pub(crate) targets: u64,
}

/// What is not there and what is null is empty.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.unwrap_or_default().trim().to_owned())
}

impl Population {
    /// The finding when these are not all the devices of the change: those that are missing were not judged.
    pub(crate) fn gap(&self, change: &Change) -> Option<Finding> {
        let known = self.devices.iter().fold(0_u64, |sum, devices| sum.saturating_add(devices.targets));
        let size = change.population.size;
        (known != size).then(|| {
            let message = format!(
                "the change goes to {size} targets, but facts are there for {known}; propose it again, or register the \
                 devices"
            );
            Finding::critical("population-differs", message).about("/population")
        })
    }
}

/// `150 of model pump-x2, revision B, running 2.0.0`.
impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |text: &str| if text.is_empty() { "unknown".to_owned() } else { format!("`{text}`") };
        let (model, revision) = (known(&self.model), known(&self.hardware_revision));
        write!(
            f,
            "{} devices of model {model}, revision {revision}, version {}",
            self.targets,
            known(&self.version)
        )
    }
}
