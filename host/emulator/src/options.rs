//! What to emulate.

use reqwest::Url;

use crate::dice;

/// Shares are in basis points.
const WHOLE_BP: u64 = 10_000;

/// A fleet. It has no `Debug`, because it holds tokens.
#[derive(Clone)]
pub struct FleetOptions {
    /// Where the devices' server is, such as `http://127.0.0.1:8080`.
    pub server: Url,
    /// Whose devices they are.
    pub tenant: String,
    /// The devices.
    pub devices: Vec<DeviceSpec>,
    /// What devices without a token of their own show.
    pub gateway_token: Option<String>,
    /// How often each device polls; as often as the server says when absent.
    pub poll_ms: Option<u64>,
    /// How often each device sends measurements; never when absent.
    pub telemetry_ms: Option<u64>,
    /// Who misbehaves, and how. When several effects of a kind apply, the first counts.
    pub behaviours: Vec<Behaviour>,
    /// How long an installation takes.
    pub install_ms: u64,
    /// How long a device is gone afterwards.
    pub reboot_ms: u64,
    /// Whether artifacts are downloaded and checked; otherwise they are taken as read.
    pub download: bool,
    /// Everything that is left to chance hangs on it.
    pub seed: u64,
}

/// One device.
#[derive(Clone, Default)]
pub struct DeviceSpec {
    /// As it names itself.
    pub id: String,
    /// Its own token.
    pub token: Option<String>,
    /// The firmware that it starts with.
    pub version: String,
    /// Where it stands.
    pub site: String,
}

/// A share of the devices, and how they misbehave.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// Only while installing or running this version; always when absent.
    pub version: Option<String>,
    /// Only at this site; everywhere when absent.
    pub site: Option<String>,
    /// Of how many devices, in basis points. A device that is in a small share is in every larger one.
    pub share_bp: u32,
    /// How.
    pub effect: Effect,
}

/// A way to misbehave, or to behave as other clients than SWUpdate do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The installation fails, and the device says so.
    FailInstall,
    /// The download fails, and the device says so.
    FailDownload,
    /// The device is heard of no more: from when it fetches the version, or from the start if it runs it.
    Silent,
    /// It measures about this latency.
    SlowLatencyMs(u64),
    /// It measures about this share of errors.
    ErrorRate(f64),
    /// It says success and keeps the old version.
    LieAboutSuccess,
    /// It says success as soon as the version is written, goes on with the old one for so many milliseconds, and only then
    /// reboots: rauc-hawkbit-updater does so. It reports the old version until then, and says nothing more of the
    /// deployment afterwards.
    RebootsAfterMs(u64),
    /// Told to stop while it installs the version, it says that it is too late and goes on, as rauc-hawkbit-updater does.
    RejectsCancelWhileInstalling,
    /// Asked for its data while it runs the version, it says how it is and nothing else: no version, no site.
    ReportsHealthOnly,
}

impl FleetOptions {
    /// A fleet without devices that behaves well and quickly: polls each second, measures every five, installs and
    /// reboots in a second each.
    #[must_use]
    pub fn new(server: Url, tenant: impl Into<String>) -> Self {
        Self {
            server,
            tenant: tenant.into(),
            devices: Vec::new(),
            gateway_token: None,
            poll_ms: Some(1_000),
            telemetry_ms: Some(5_000),
            behaviours: Vec::new(),
            install_ms: 1_000,
            reboot_ms: 1_000,
            download: false,
            seed: 0,
        }
    }

    /// The effects on a device while it installs or runs a version, in order.
    pub(crate) fn effects<'a>(
        &'a self,
        device: &'a DeviceSpec,
        version: &'a str,
    ) -> impl Iterator<Item = &'a Effect> {
        let rank = dice::of_device(self.seed, &device.id) % WHOLE_BP;
        self.behaviours.iter().filter_map(move |behaviour| {
            let applies = rank < u64::from(behaviour.share_bp)
                && behaviour.version.as_deref().is_none_or(|only| only == version)
                && behaviour.site.as_deref().is_none_or(|only| only == device.site);
            applies.then_some(&behaviour.effect)
        })
    }

    pub(crate) fn has_effect(&self, device: &DeviceSpec, version: &str, effect: &Effect) -> bool {
        self.effects(device, version).any(|applies| applies == effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(behaviour: Behaviour) -> FleetOptions {
        let site = |i| if i % 2 == 0 { "north" } else { "south" };
        let devices = (0..1_000).map(|i| DeviceSpec {
            id: format!("pump-{i:04}"),
            site: site(i).to_owned(),
            ..DeviceSpec::default()
        });
        FleetOptions {
            devices: devices.collect(),
            behaviours: vec![behaviour],
            ..FleetOptions::new("http://localhost".parse().unwrap(), "mercy")
        }
    }

    fn affected(options: &FleetOptions, version: &str) -> Vec<String> {
        let silent = |device: &&DeviceSpec| options.has_effect(device, version, &Effect::Silent);
        options.devices.iter().filter(silent).map(|device| device.id.clone()).collect()
    }

    fn silent(share_bp: u32) -> Behaviour {
        Behaviour { version: None, site: None, share_bp, effect: Effect::Silent }
    }

    #[test]
    fn a_share_is_about_as_large_as_asked_for_and_the_same_every_time() {
        let five_percent = fleet(silent(500));
        let chosen = affected(&five_percent, "1.0");
        assert!((30..70).contains(&chosen.len()), "{}", chosen.len());
        assert_eq!(chosen, affected(&fleet(silent(500)), "1.0"));
        let other_seed = FleetOptions { seed: 1, ..five_percent };
        assert_ne!(chosen, affected(&other_seed, "1.0"));
        assert_eq!(affected(&fleet(silent(10_000)), "1.0").len(), 1_000);
        assert_eq!(affected(&fleet(silent(0)), "1.0").len(), 0);
    }

    #[test]
    fn a_larger_share_holds_every_smaller_one() {
        let (small, large) = (affected(&fleet(silent(500)), "1.0"), affected(&fleet(silent(2_000)), "1.0"));
        assert!(small.iter().all(|id| large.contains(id)));
    }

    #[test]
    fn a_behaviour_keeps_to_its_version_and_site() {
        let behaviour =
            Behaviour { version: Some("2.0".into()), site: Some("north".into()), ..silent(10_000) };
        let options = fleet(behaviour);
        assert_eq!(affected(&options, "1.0").len(), 0);
        assert_eq!(affected(&options, "2.0").len(), 500);
        assert!(affected(&options, "2.0").iter().all(|id| id.ends_with(['0', '2', '4', '6', '8'])));
    }
}
