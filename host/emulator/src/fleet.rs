//! All devices together: one task that wakes whoever is due. A device that sleeps costs its state and no task.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, Url};
use thiserror::Error;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::client::Wire;
use crate::device::{Device, World};
use crate::options::{DeviceSpec, FleetOptions};
use crate::snapshot::{Snapshot, Tally};

/// Devices that may be awake at once. Others wait, and their polls' latency counts the wait.
const AWAKE_MAX: usize = 512;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest silence of the server within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How often [`run`] tells how it goes.
const TICK: Duration = Duration::from_secs(1);

/// Why a fleet cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FleetError {
    /// Nothing can be appended to this address.
    #[error("`{server}` is no server: write it like `http://127.0.0.1:8080`")]
    Server {
        /// The address given.
        server: Url,
    },
    /// A token that cannot stand in a header. The token is not repeated.
    #[error("the token of `{device}` cannot stand in a header: use printable ASCII")]
    Token {
        /// The device, or the gateway.
        device: String,
    },
    /// The HTTP client does not start.
    #[error("cannot start an HTTP client")]
    Client(#[from] reqwest::Error),
    /// The latency histogram does not start.
    #[error("cannot count latencies")]
    Histogram(#[from] hdrhistogram::CreationError),
}

/// A running fleet. Dropping it stops it at once.
pub struct Fleet {
    world: Arc<World>,
    changed: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Fleet {
    /// Starts a fleet on the current runtime.
    ///
    /// # Errors
    /// When the server's address or a token cannot be used.
    pub fn start(options: FleetOptions) -> Result<Self, FleetError> {
        let http = Client::builder()
            .user_agent(concat!("interlock-emulator/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        let tally = Tally::new(options.devices.iter().map(|device| device.version.as_str()))?;
        let world = Arc::new(World { options, tally });
        let devices = build(&world, &http)?;
        let changed = Arc::new(Notify::new());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(drive(devices, Arc::clone(&changed), stopped));
        Ok(Self { world, changed, stop: Some(stop), task })
    }

    /// The fleet just now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.world.tally.snapshot()
    }

    /// Waits until the fleet looks like this, however long that takes.
    pub async fn wait_until(&self, looks_like: impl Fn(&Snapshot) -> bool) -> Snapshot {
        loop {
            let changed = self.changed.notified();
            let snapshot = self.snapshot();
            if looks_like(&snapshot) {
                return snapshot;
            }
            changed.await;
        }
    }

    /// Stops every device where it stands and says how it went.
    pub async fn stop(mut self) -> Snapshot {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // It ends by itself; if it was ended from elsewhere, that is as good.
        let _ = (&mut self.task).await;
        self.snapshot()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs a fleet until this future is dropped, and tells each second how it goes.
///
/// # Errors
/// When the fleet cannot start.
pub async fn run(
    options: FleetOptions,
    mut on_tick: impl FnMut(&Snapshot),
) -> Result<Infallible, FleetError> {
    let fleet = Fleet::start(options)?;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        on_tick(&fleet.snapshot());
    }
}

fn build(world: &Arc<World>, http: &Client) -> Result<Vec<Device>, FleetError> {
    let options = &world.options;
    let gateway = match &options.gateway_token {
        Some(token) => Some(authorization("GatewayToken", token, "the gateway")?),
        None => None,
    };
    let now = Instant::now();
    let count = options.devices.len().max(1) as f64;
    let mut devices = Vec::with_capacity(options.devices.len());
    for (index, spec) in options.devices.iter().enumerate() {
        let authorization = match &spec.token {
            Some(token) => Some(authorization("TargetToken", token, &spec.id)?),
            None => gateway.clone(),
        };
        let wire = Wire::new(http.clone(), base(options, spec)?, authorization);
        devices.push(Device::new(world, wire, spec.clone(), index as f64 / count, now));
    }
    Ok(devices)
}

fn base(options: &FleetOptions, spec: &DeviceSpec) -> Result<Url, FleetError> {
    let mut base = options.server.clone();
    match base.path_segments_mut() {
        Ok(mut segments) => {
            segments.pop_if_empty().extend([options.tenant.as_str(), "controller", "v1", spec.id.as_str()]);
        }
        Err(()) => return Err(FleetError::Server { server: options.server.clone() }),
    }
    Ok(base)
}

fn authorization(scheme: &str, token: &str, device: &str) -> Result<HeaderValue, FleetError> {
    let mut value = HeaderValue::try_from(format!("{scheme} {token}"))
        .map_err(|_| FleetError::Token { device: device.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Wakes whoever is due until told to stop.
async fn drive(devices: Vec<Device>, changed: Arc<Notify>, mut stopped: oneshot::Receiver<()>) {
    let mut asleep = BinaryHeap::with_capacity(devices.len());
    let mut beds: Vec<Option<Box<Device>>> = Vec::with_capacity(devices.len());
    for (bed, device) in devices.into_iter().enumerate() {
        if let Some(due) = device.due() {
            asleep.push(Reverse((due, bed)));
        }
        beds.push(Some(Box::new(device)));
    }
    let mut awake = JoinSet::new();
    loop {
        let now = Instant::now();
        while awake.len() < AWAKE_MAX
            && let Some(Reverse((due, bed))) = asleep.peek().copied()
            && due <= now
        {
            asleep.pop();
            if let Some(mut device) = beds.get_mut(bed).and_then(Option::take) {
                awake.spawn(async move {
                    device.wake().await;
                    (bed, device)
                });
            }
        }
        let next = asleep.peek().map(|Reverse((due, _))| *due);
        tokio::select! {
            _ = &mut stopped => return,
            Some(done) = awake.join_next() => {
                // A device that broke stays in no bed: the others go on.
                if let Ok((bed, device)) = done {
                    if let Some(due) = device.due() {
                        asleep.push(Reverse((due, bed)));
                        beds[bed] = Some(device);
                    }
                    changed.notify_waiters();
                }
            }
            () = tokio::time::sleep_until(next.unwrap_or(now)), if next.is_some() && awake.len() < AWAKE_MAX => {}
        }
    }
}
