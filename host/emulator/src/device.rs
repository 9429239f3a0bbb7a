//! One device: what it runs, what it is doing, and when it wakes next.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Base, Deployment, Finished, Wire};
use crate::dice;
use crate::options::{DeviceSpec, Effect, FleetOptions};
use crate::snapshot::Tally;

/// Until the server says how often to poll.
const INTERVAL_UNKNOWN: Duration = Duration::from_secs(1);
/// However long the server stays away, a device that polls more often than this asks again within it.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// Measurements scatter by this share around what they should be.
const SCATTER: f64 = 0.1;
const HEALTHY_ERROR_RATE: f64 = 0.004;
const HEALTHY_LATENCY_MS: f64 = 42.0;

/// What all devices share.
pub(crate) struct World {
    pub(crate) options: FleetOptions,
    pub(crate) tally: Tally,
}

/// An emulated device.
pub(crate) struct Device {
    world: Arc<World>,
    wire: Wire,
    spec: DeviceSpec,
    /// The version in effect.
    version: String,
    dice: u64,
    /// Its place among all devices, from 0 up to but not 1: keeps polls apart.
    place: f64,
    phase: Phase,
    /// What is written and reported already, and takes effect with the reboot that is still to come.
    boots_into: Option<(Job, Instant)>,
    interval: Duration,
    next_poll: Instant,
    next_telemetry: Option<Instant>,
    polls_failed_in_a_row: u32,
    samples: u64,
}

enum Phase {
    Idle,
    /// Still polls, because the deployment may be cancelled.
    Installing {
        job: Job,
        until: Instant,
    },
    /// Gone.
    Rebooting {
        job: Job,
        until: Instant,
        /// The server has heard of the success before.
        reported: bool,
    },
    /// The end is known here and still has to be told.
    Reporting {
        job: Job,
        finished: Finished,
        detail: String,
    },
    /// Never heard of again.
    Silent,
}

#[derive(Clone)]
struct Job {
    action: String,
    version: String,
}

impl Device {
    pub(crate) fn new(world: &Arc<World>, wire: Wire, spec: DeviceSpec, place: f64, now: Instant) -> Self {
        let options = &world.options;
        let interval = options.poll_ms.map_or(INTERVAL_UNKNOWN, millis);
        Self {
            version: spec.version.clone(),
            dice: dice::of_device(options.seed, &spec.id),
            place,
            phase: Phase::Idle,
            boots_into: None,
            interval,
            next_poll: now + interval.mul_f64(place),
            next_telemetry: options.telemetry_ms.map(|ms| now + millis(ms).mul_f64(place)),
            polls_failed_in_a_row: 0,
            samples: 0,
            world: Arc::clone(world),
            wire,
            spec,
        }
    }

    /// When it wakes next; never when it has fallen silent.
    pub(crate) fn due(&self) -> Option<Instant> {
        let awake = self.next_telemetry.map_or(self.next_poll, |telemetry| telemetry.min(self.next_poll));
        let awake = self.boots_into.as_ref().map_or(awake, |(_, at)| awake.min(*at));
        match &self.phase {
            Phase::Idle | Phase::Reporting { .. } => Some(awake),
            Phase::Installing { until, .. } => Some(awake.min(*until)),
            Phase::Rebooting { until, .. } => Some(*until),
            Phase::Silent => None,
        }
    }

    /// Does everything that is due.
    pub(crate) async fn wake(&mut self) {
        if self.world.options.has_effect(&self.spec, &self.version, &Effect::Silent) {
            return self.fall_silent();
        }
        self.pass_deadline().await;
        if matches!(self.phase, Phase::Rebooting { .. } | Phase::Silent) {
            return;
        }
        if self.next_poll <= Instant::now() {
            self.poll().await;
        }
        if matches!(self.phase, Phase::Rebooting { .. } | Phase::Silent) {
            return;
        }
        if let Some(due) = self.next_telemetry.filter(|due| *due <= Instant::now()) {
            self.send_telemetry().await;
            let every = self.world.options.telemetry_ms.map_or(self.interval, millis);
            self.next_telemetry = Some(next_tick(due, every, Instant::now()));
        }
    }

    /// What ends by itself: an installation, a reboot.
    async fn pass_deadline(&mut self) {
        let now = Instant::now();
        if let Some((job, _)) = self.boots_into.take_if(|(_, at)| *at <= now) {
            // Whatever it was at is lost with it.
            return self.reboot(job, true);
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Installing { job, until } if until <= now => self.finish_install(job).await,
            Phase::Rebooting { job, until, reported } if until <= now => self.start_up(job, reported),
            phase => self.phase = phase,
        }
    }

    async fn finish_install(&mut self, job: Job) {
        if self.has_effect_on(&job.version, &Effect::FailInstall) {
            return self.fail(job, "Installation failed.").await;
        }
        for detail in ["Installed Chunk.", "All Chunks Installed."] {
            // Whether the server hears of progress changes nothing here.
            let _ = self.wire.feedback(&job.action, "proceeding", Finished::None, detail).await;
        }
        match self.reboots_after(&job.version) {
            Some(after) => {
                self.boots_into = Some((job.clone(), Instant::now() + after));
                self.succeed(job, "Software bundle installed successfully.");
                self.report().await;
            }
            None => self.reboot(job, false),
        }
    }

    fn reboot(&mut self, job: Job, reported: bool) {
        // A device boots into what was written last.
        self.boots_into = None;
        let until = Instant::now() + millis(self.world.options.reboot_ms);
        self.phase = Phase::Rebooting { job, until, reported };
    }

    fn start_up(&mut self, job: Job, reported: bool) {
        if !self.has_effect_on(&job.version, &Effect::LieAboutSuccess) {
            self.world.tally.moved(&self.version, &job.version);
            self.version.clone_from(&job.version);
        }
        if reported {
            self.phase = Phase::Idle;
        } else {
            self.succeed(job, "Update Installed.");
        }
        self.next_poll = Instant::now();
    }

    fn succeed(&mut self, job: Job, detail: &str) {
        self.world.tally.installed();
        self.phase = Phase::Reporting { job, finished: Finished::Success, detail: detail.to_owned() };
    }

    async fn poll(&mut self) {
        let due = self.next_poll;
        let base = match self.wire.base().await {
            Ok(base) => base,
            Err(_) => {
                self.world.tally.poll_failed();
                self.next_poll = Instant::now() + self.back_off();
                return;
            }
        };
        self.world.tally.polled(due.elapsed());
        self.polls_failed_in_a_row = 0;
        self.next_poll = next_tick(due, self.interval, Instant::now());
        self.adopt_interval(base.sleep);
        self.follow(base).await;
    }

    /// Follows one link, in SWUpdate's order: while it is asked for its data or told to stop, it installs nothing. What
    /// fails is tried again at the next poll, because the link is still there then.
    async fn follow(&mut self, base: Base) {
        if let Some(url) = base.cancel {
            if let Ok(action) = self.wire.cancel(url.clone()).await {
                self.follow_cancel(url, &action).await;
            }
        } else if let Some(url) = base.config_data {
            let _ = self.wire.config_data(url, self.data()).await;
        } else if let Some(url) = base.deployment {
            if matches!(self.phase, Phase::Installing { .. }) {
                return;
            }
            if let Ok(deployment) = self.wire.deployment(url).await {
                self.take_on(deployment).await;
            }
        } else if matches!(self.phase, Phase::Reporting { .. }) {
            // Nobody waits for the report any more.
            self.phase = Phase::Idle;
        }
    }

    /// Stops, unless it is one that lets nobody stop it.
    async fn follow_cancel(&mut self, url: Url, action: &str) {
        let insists = |job: &Job| {
            job.action == action && self.has_effect_on(&job.version, &Effect::RejectsCancelWhileInstalling)
        };
        match &self.phase {
            Phase::Installing { job, .. } if insists(job) => {
                // It is asked again at the next poll, so it does not matter whether this was heard.
                let _ = self.wire.cancel_rejected(url, action).await;
            }
            Phase::Reporting { job, .. } if insists(job) => self.report().await,
            _ => {
                if self.wire.cancelled(url, action).await.is_ok() {
                    self.stop(action);
                }
            }
        }
    }

    /// What it says of itself when it is asked.
    fn data(&self) -> Value {
        if self.has_effect_on(&self.version, &Effect::ReportsHealthOnly) {
            return json!({ "health": "ok" });
        }
        json!({ "firmware_version": self.version, "health": "ok", "site": self.spec.site })
    }

    fn stop(&mut self, action: &str) {
        match &self.phase {
            Phase::Installing { job, .. } | Phase::Reporting { job, .. } if job.action != action => {}
            _ => {
                self.phase = Phase::Idle;
                self.world.tally.cancelled();
            }
        }
    }

    async fn take_on(&mut self, deployment: Deployment) {
        match &self.phase {
            Phase::Reporting { job, .. } if job.action == deployment.action => return self.report().await,
            _ => self.phase = Phase::Idle,
        }
        let Deployment { action, version, skip, artifacts } = deployment;
        if skip {
            // SWUpdate says success without having installed anything.
            let _ = self.wire.feedback(&action, "closed", Finished::Success, "Skipped Update.").await;
            return;
        }
        if self.has_effect_on(&version, &Effect::Silent) {
            return self.fall_silent();
        }
        let job = Job { action, version };
        let begun = self.wire.feedback(
            &job.action,
            "proceeding",
            Finished::None,
            "Installing Update Chunk Artifacts.",
        );
        if begun.await.is_err_and(|e| e.is_final()) {
            return;
        }
        if self.has_effect_on(&job.version, &Effect::FailDownload) {
            return self.fail(job, "Download failed: connection reset.").await;
        }
        if self.world.options.download {
            for artifact in &artifacts {
                if let Err(detail) = self.wire.download(artifact).await {
                    return self.fail(job, &detail).await;
                }
            }
        }
        let until = Instant::now() + millis(self.world.options.install_ms);
        self.phase = Phase::Installing { job, until };
    }

    async fn fail(&mut self, job: Job, detail: &str) {
        self.world.tally.failed();
        self.phase = Phase::Reporting { job, finished: Finished::Failure, detail: detail.to_owned() };
        self.report().await;
    }

    /// Says how it ended. Until the server has heard it, or does not want to, it is said again at every poll.
    async fn report(&mut self) {
        let Phase::Reporting { job, finished, detail } = &self.phase else { return };
        match self.wire.feedback(&job.action, "closed", *finished, detail).await {
            Err(error) if !error.is_final() => {}
            Ok(()) | Err(_) => self.phase = Phase::Idle,
        }
    }

    async fn send_telemetry(&mut self) {
        let (mut error_rate, mut latency_ms) = (None, None);
        for effect in self.world.options.effects(&self.spec, &self.version) {
            match effect {
                Effect::ErrorRate(rate) => error_rate = error_rate.or(Some(*rate)),
                Effect::SlowLatencyMs(ms) => latency_ms = latency_ms.or(Some(*ms as f64)),
                _ => {}
            }
        }
        let samples = [
            ("error_rate", self.scatter(error_rate.unwrap_or(HEALTHY_ERROR_RATE)).clamp(0.0, 1.0)),
            ("latency_ms", self.scatter(latency_ms.unwrap_or(HEALTHY_LATENCY_MS))),
        ];
        // A lost measurement is a lost measurement: devices keep none.
        let _ = self.wire.telemetry(&samples).await;
    }

    fn scatter(&mut self, value: f64) -> f64 {
        self.samples += 1;
        value * (1.0 + SCATTER * (2.0 * dice::throw(self.dice, self.samples) - 1.0))
    }

    fn fall_silent(&mut self) {
        self.phase = Phase::Silent;
        self.world.tally.fell_silent();
    }

    /// How long the device goes on with the old version after it has reported this one.
    fn reboots_after(&self, version: &str) -> Option<Duration> {
        self.world.options.effects(&self.spec, version).find_map(|effect| match effect {
            Effect::RebootsAfterMs(ms) => Some(millis(*ms)),
            _ => None,
        })
    }

    fn has_effect_on(&self, version: &str, effect: &Effect) -> bool {
        self.world.options.has_effect(&self.spec, version, effect)
    }

    /// When the server's interval changes, the devices spread over it anew.
    fn adopt_interval(&mut self, sleep: Option<Duration>) {
        if self.world.options.poll_ms.is_some() {
            return;
        }
        if let Some(sleep) = sleep.filter(|sleep| *sleep != self.interval) {
            self.interval = sleep;
            self.next_poll = Instant::now() + sleep.mul_f64(1.0 - self.place);
        }
    }

    /// Doubles with each failed poll, and scatters, so that a server that comes back is not met by all at once.
    fn back_off(&mut self) -> Duration {
        let doubled = self.interval.saturating_mul(1 << self.polls_failed_in_a_row.min(10));
        self.polls_failed_in_a_row = self.polls_failed_in_a_row.saturating_add(1);
        let throw = dice::throw(self.dice, u64::MAX - u64::from(self.polls_failed_in_a_row));
        doubled.min(BACK_OFF_MAX.max(self.interval)).mul_f64(0.5 + throw / 2.0)
    }
}

/// At least one millisecond: an interval of zero would be an endless loop.
fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms.max(1))
}

/// The next of the regular moments that is still to come; those that were missed are left out.
fn next_tick(due: Instant, every: Duration, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(due).as_micros() / every.as_micros().max(1);
    due + every.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_moments_are_left_out_and_the_rhythm_stays() {
        let start = Instant::now();
        let every = Duration::from_millis(100);
        let next = |late_ms| next_tick(start, every, start + Duration::from_millis(late_ms));
        assert_eq!(next(0), start + every);
        assert_eq!(next(99), start + every);
        assert_eq!(next(100), start + 2 * every);
        assert_eq!(next(250), start + 3 * every);
    }
}
