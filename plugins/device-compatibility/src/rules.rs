//! What an artifact runs on, and whether devices are that.

use std::cmp::Ordering;

use serde::Deserialize;

use crate::fleet::Devices;
use crate::settings::DeviceSettings;
use crate::version::Version;

/// The document `compatibility` of an artifact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    pub(crate) devices: Vec<DeviceSettings>,
}

/// Devices that an artifact runs on, with versions that can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    model: String,
    revisions: Option<Vec<String>>,
    minimum: Option<Version>,
    maximum: Option<Version>,
}

impl Rule {
    /// Reads what somebody wrote; the error says which version cannot be compared.
    pub(crate) fn read(written: &DeviceSettings) -> Result<Self, String> {
        let version = |text: &Option<String>| text.as_deref().map(Version::read).transpose();
        Ok(Self {
            model: written.model.clone(),
            revisions: written.hardware_revisions.clone(),
            minimum: version(&written.minimum_version)?,
            maximum: version(&written.maximum_version)?,
        })
    }

    fn fit(&self, devices: &Devices) -> Fit {
        if self.model != devices.model {
            return Fit::OtherModel;
        }
        let revision = &devices.hardware_revision;
        let mut unknown = None;
        match &self.revisions {
            Some(_) if revision.is_empty() => unknown = Some(Fit::UnknownRevision),
            Some(revisions) if !revisions.contains(revision) => return Fit::OtherRevision,
            _ => {}
        }
        if self.minimum.is_none() && self.maximum.is_none() {
            return unknown.unwrap_or(Fit::Fits);
        }
        let Ok(version) = Version::read(&devices.version) else {
            return unknown.unwrap_or(Fit::UnknownVersion);
        };
        for (limit, beyond) in [(&self.minimum, Ordering::Less), (&self.maximum, Ordering::Greater)] {
            let Some(limit) = limit else { continue };
            match version.compare(limit) {
                None => unknown = unknown.or(Some(Fit::UnknownVersion)),
                Some(order) if order == beyond && order == Ordering::Less => {
                    return Fit::TooOld(limit.to_string());
                }
                Some(order) if order == beyond => return Fit::TooNew(limit.to_string()),
                Some(_) => {}
            }
        }
        unknown.unwrap_or(Fit::Fits)
    }
}

/// How devices go with what an artifact runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    OtherModel,
    OtherRevision,
    TooOld(String),
    TooNew(String),
    UnknownRevision,
    UnknownVersion,
}

impl Fit {
    /// Whether more facts could still make it fit.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownRevision | Self::UnknownVersion)
    }

    /// How close it comes: the closest says best what is wrong.
    fn closeness(&self) -> u8 {
        match self {
            Self::OtherModel => 0,
            Self::OtherRevision => 1,
            Self::TooOld(_) | Self::TooNew(_) => 2,
            Self::UnknownRevision | Self::UnknownVersion => 3,
            Self::Fits => 4,
        }
    }
}

/// The best fit of any rule: a model may be listed several times, with other versions for another revision.
pub(crate) fn fit(rules: &[Rule], devices: &Devices) -> Fit {
    let fits = rules.iter().map(|rule| rule.fit(devices));
    fits.reduce(|best, fit| if fit.closeness() > best.closeness() { fit } else { best })
        .unwrap_or(Fit::OtherModel)
}
