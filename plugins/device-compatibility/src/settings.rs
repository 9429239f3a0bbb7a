//! What an operator sets for the gate.

use interlock_plugin_sdk::prelude::*;

use crate::rules::Rule;

const DEVICES_MAX: usize = 1_000;

/// What an operator sets for the gate.
#[settings(check = Settings::check)]
pub struct Settings {
    /// What every artifact of a release may go to, on top of what its own document says. Empty leaves it to the document.
    #[default]
    #[schemars(length(max = 1000))]
    pub devices: Vec<DeviceSettings>,
    /// Whether the artifact's own document `compatibility` is read.
    #[default(Document::IfPresent)]
    pub document: Document,
    /// What an unknown hardware revision or version is, where it matters.
    #[default(OnUnknown::Fail)]
    pub on_unknown: OnUnknown,
}

/// Devices that an artifact runs on.
#[settings]
pub struct DeviceSettings {
    /// The model, as devices report it.
    pub model: String,
    /// The hardware revisions, as devices report them. Left out, every one.
    #[default]
    pub hardware_revisions: Option<Vec<String>>,
    /// The lowest version that devices may run now.
    #[default]
    pub minimum_version: Option<String>,
    /// The highest version that devices may run now.
    #[default]
    pub maximum_version: Option<String>,
}

/// Whether the artifact's own document is read.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum Document {
    /// It must be there.
    Required,
    /// It counts where it is there; without it the settings alone count.
    IfPresent,
    /// It is not read.
    Ignored,
}

/// What an unknown fact is.
#[settings]
#[derive(Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// It fails.
    Fail,
    /// It warns.
    Warn,
}

impl Settings {
    /// The devices of the settings, with versions that can be compared.
    pub(crate) fn rules(&self) -> Result<Vec<Rule>, Fault> {
        self.devices.iter().map(Rule::read).collect::<Result<_, String>>().map_err(Fault::Settings)
    }

    fn check(&self) -> Vec<SettingsProblem> {
        let mut problems = Vec::new();
        if self.devices.len() > DEVICES_MAX {
            problems.push(SettingsProblem::at("/devices", format!("name at most {DEVICES_MAX}")));
        }
        if self.devices.is_empty() && self.document == Document::Ignored {
            let message =
                "name the devices here, or let the artifact's document count: nothing would be left";
            problems.push(SettingsProblem::at("/devices", message));
        }
        for (index, devices) in self.devices.iter().enumerate() {
            let at = |field: &str| format!("/devices/{index}/{field}");
            if devices.model.trim().is_empty() {
                problems.push(SettingsProblem::at(at("model"), "name a model as devices report it"));
            }
            if devices.hardware_revisions.as_ref().is_some_and(Vec::is_empty) {
                let message = "name a revision, or leave this out for all of them";
                problems.push(SettingsProblem::at(at("hardware_revisions"), message));
            }
            let versions = [
                ("minimum_version", &devices.minimum_version),
                ("maximum_version", &devices.maximum_version),
            ];
            for (field, version) in versions {
                let read = version.as_deref().map(crate::version::Version::read);
                if let Some(Err(why)) = read {
                    problems.push(SettingsProblem::at(at(field), why));
                }
            }
        }
        problems
    }
}
