//! Systems outside that are told all that happens: syslog over TCP and TLS, for SIEMs.
//!
//! Each has a task of its own, so that a slow one keeps nobody waiting, and one replica at a time tells it. **Invariant:** a
//! cursor moves only once what is before it has arrived; so everything is told, in the order of each log, at least once. What
//! is told twice is seen by `log` and `idx`, which every message carries.

mod line;
mod told;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use interlock_domain::Timestamp;
use interlock_siem::{Source, framed, message};
use interlock_store::Lease;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::line::{Line, Tls};
use crate::{
    App, StartError,
    config::{Address, Begin, Confirm, Sink},
};

/// Entries that are read, sent and counted together.
const READ: u32 = 128;
/// Entries of one round, which ends with what was sent being confirmed.
const ROUND_MAX: u64 = 2_048;
/// How long one replica tells a sink before another may. Renewed before each part.
const LEASE_MS: u64 = 60_000;
/// How long to wait behind a failure: doubled with each, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Behind this it is looked again, also when no log grew: another replica may have gone.
const IDLE: Duration = Duration::from_secs(10);

/// The systems outside, and how it is with each.
#[derive(Debug)]
pub(crate) struct Sinks(Vec<Each>);

#[derive(Debug)]
struct Each {
    sink: Sink,
    address: Address,
    tls: Option<Tls>,
    how: Mutex<How>,
}

/// How it is with a sink, as this replica knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct How {
    /// When something was told and confirmed last.
    pub(crate) told_at: Option<Timestamp>,
    /// How many entries it was not told of yet, when that was last looked at.
    pub(crate) behind: u64,
    /// Why the last round came to nothing.
    pub(crate) failure: Option<String>,
}

impl Sinks {
    pub(crate) fn open(config: &[Sink]) -> Result<Self, StartError> {
        let each = config.iter().map(|sink| {
            let wrong = |detail| crate::ConfigError::Senseless { key: "sinks", detail };
            let address = sink.address().map_err(wrong)?;
            let tls = address.tls.then(|| Tls::open(sink)).transpose();
            let tls = tls.map_err(|why| wrong(format!("sink `{}`: {why}", sink.name)))?;
            Ok(Each { sink: sink.clone(), address, tls, how: Mutex::default() })
        });
        each.collect::<Result<_, StartError>>().map(Self)
    }

    /// How it is with each, by name.
    pub(crate) fn how(&self) -> impl Iterator<Item = (&str, How)> {
        self.0.iter().map(|each| (each.sink.name.as_str(), each.known().clone()))
    }
}

impl Each {
    fn known(&self) -> std::sync::MutexGuard<'_, How> {
        self.how.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self) -> String {
        format!("sink/{}", self.sink.name)
    }
}

/// Tells all of them until it is told to stop.
pub(crate) async fn run(app: Arc<App>, holder: String, stop: CancellationToken) {
    join_all(app.sinks.0.iter().map(|each| follow(&app, each, &holder, &stop))).await;
}

/// One round for each: what is there by now is told.
#[cfg(feature = "testing")]
pub(crate) async fn once(app: &App, holder: &str) {
    join_all(app.sinks.0.iter().map(|each| round(app, each, holder))).await;
}

async fn follow(app: &App, each: &Each, holder: &str, stop: &CancellationToken) {
    let mut sizes = app.following.sizes();
    let mut pause = PAUSE;
    while !stop.is_cancelled() {
        sizes.mark_unchanged();
        let wait = match round(app, each, holder).await {
            Some(Round::More) => continue,
            Some(Round::Done) => {
                pause = PAUSE;
                IDLE
            }
            None => {
                let wait = pause;
                pause = (pause * 2).min(PAUSE_MAX);
                wait
            }
        };
        let failed = wait != IDLE;
        tokio::select! {
            () = stop.cancelled() => {}
            _ = sizes.changed(), if !failed => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// How far a round got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There is more to tell.
    More,
    /// All is told, or another replica tells it.
    Done,
}

/// One round; nothing when it failed, which is written down.
async fn round(app: &App, each: &Each, holder: &str) -> Option<Round> {
    let name = || each.sink.name.clone();
    match tell(app, each, holder).await {
        Ok(round) => {
            each.known().failure = None;
            Some(round)
        }
        Err(failure) => {
            metrics::counter!("sink_failures_total", "sink" => name()).increment(1);
            let mut how = each.known();
            if how.failure.as_ref() != Some(&failure) {
                warn!(sink = each.sink.name, failure, "a sink was not told what happened; it is tried again");
            }
            how.failure = Some(failure);
            None
        }
    }
}

async fn tell(app: &App, each: &Each, holder: &str) -> Result<Round, String> {
    let text = |error: interlock_store::StoreError| error.to_string();
    let lease = app.store.acquire(&each.lease(), holder, LEASE_MS, app.clock.now()).await.map_err(text)?;
    let Some(mut lease) = lease else { return Ok(Round::Done) };
    let sizes = app.store.sizes().await.map_err(text)?;
    let mut cursors = app.store.sink_cursors(&each.sink.name).await.map_err(text)?;
    let mut begun = BTreeMap::new();
    for (log, size) in sizes.iter().filter(|(log, _)| each.sink.takes_log(log)) {
        let next = *cursors.entry(log.clone()).or_insert_with(|| {
            let next = if each.sink.begin == Begin::Now { *size } else { 0 };
            begun.insert(log.clone(), next);
            next
        });
        behind(each, log, size.saturating_sub(next));
    }
    // Where it begins is kept at once: a first try that fails would begin later, and leave something out.
    if !begun.is_empty() {
        app.store.move_sink(&each.sink.name, &begun, &lease, app.clock.now()).await.map_err(text)?;
    }
    let mut telling = Telling { app, each, holder, line: None, told: BTreeMap::new(), entries: 0 };
    for (log, next) in &cursors {
        let size = sizes.get(log).copied().unwrap_or_default();
        telling.log(log, *next, size, &mut lease).await?;
    }
    let Telling { line, told, entries, .. } = telling;
    if let Some(line) = line {
        let confirmed = each.sink.confirm == Confirm::Written || line.ended().await?;
        if !confirmed {
            return Err("it did not close the connection in time, so nobody knows what it has read; where it never does, set \
                        `confirm = \"written\"`"
                .to_owned());
        }
    }
    if !told.is_empty() {
        app.store.move_sink(&each.sink.name, &told, &lease, app.clock.now()).await.map_err(text)?;
        each.known().told_at = Some(app.clock.now());
    }
    let mut left = 0;
    for (log, next) in &cursors {
        let size = sizes.get(log).copied().unwrap_or_default();
        let next = told.get(log).unwrap_or(next);
        left += size.saturating_sub(*next);
        behind(each, log, size.saturating_sub(*next));
    }
    each.known().behind = left;
    Ok(if left > 0 && entries > 0 { Round::More } else { Round::Done })
}

/// How many entries of a log it was not told of.
fn behind(each: &Each, log: &str, entries: u64) {
    metrics::gauge!("sink_behind_entries", "sink" => each.sink.name.clone(), "log" => log.to_owned())
        .set(entries as f64);
}

/// A round under way.
struct Telling<'a> {
    app: &'a App,
    each: &'a Each,
    holder: &'a str,
    line: Option<Line>,
    /// Up to where each log was sent.
    told: BTreeMap<String, u64>,
    entries: u64,
}

impl Telling<'_> {
    async fn log(&mut self, log: &str, mut next: u64, size: u64, lease: &mut Lease) -> Result<(), String> {
        let Sink { format, host, enterprise, name, .. } = &self.each.sink;
        let source = Source {
            host: host.clone(),
            app: "interlock".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            enterprise: *enterprise,
        };
        while next < size && self.entries < ROUND_MAX {
            let rows = self.app.store.rows(log, next, READ).await.map_err(|error| error.to_string())?;
            let Some(last) = rows.last().map(|row| row.idx) else { break };
            let (mut frames, mut messages) = (Vec::new(), 0);
            for row in &rows {
                let happenings = told::happenings(&self.app.store, log, row).await?;
                for happening in happenings.iter().filter(|one| self.each.sink.takes(&one.kind)) {
                    frames.extend(framed(&message(happening, *format, &source)));
                    messages += 1;
                }
            }
            if !frames.is_empty() {
                self.line().await?.send(&frames).await?;
                metrics::counter!("sink_messages_total", "sink" => name.clone()).increment(messages);
            }
            next = last.saturating_add(1);
            self.entries += rows.len() as u64;
            self.told.insert(log.to_owned(), next);
            let (name, now) = (self.each.lease(), self.app.clock.now());
            let renewed = self.app.store.acquire(&name, self.holder, LEASE_MS, now).await;
            *lease = renewed.map_err(|error| error.to_string())?.ok_or("another replica tells it by now")?;
        }
        Ok(())
    }

    /// The line to it, opened when something is to be said.
    async fn line(&mut self) -> Result<&mut Line, String> {
        let line = match self.line.take() {
            Some(line) => line,
            None => Line::open(&self.each.address, self.each.tls.as_ref(), self.each.sink.timeout_ms).await?,
        };
        Ok(self.line.insert(line))
    }
}
