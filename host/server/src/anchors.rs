//! Anchors: others who come to know of each log's checkpoint from time to time, so that a log that is written anew, by somebody who
//! holds all that is here, contradicts what they know.
//!
//! One interface, four kinds. Each anchor is asked by itself and tried again after a while; one that fails keeps no other waiting, and
//! the log goes on without any. What it gives back is verified, and kept with the checkpoint that it is about.

mod git;
mod stellar;
mod timestamp;
mod webhook;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use interlock_domain::{Digest, Timestamp};
use interlock_store::{Anchored, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use self::{git::Repository, stellar::Account, timestamp::Authority, webhook::Receiver};
use crate::{
    App, StartError,
    config::{AnchorKind, Ledger, LedgerAnchor},
    flow::Elsewhere,
    rounds::rounds,
};

/// How often it is looked whether something is to be anchored.
const LOOK: Duration = Duration::from_secs(10);
/// How long a replica that anchors may be silent before another one does.
const LEASE_MS: u64 = 300_000;

/// The anchors of this server's logs.
#[derive(Debug)]
pub(crate) struct Anchors {
    each: Vec<Anchor>,
}

#[derive(Debug)]
struct Anchor {
    config: LedgerAnchor,
    outside: Outside,
    /// When each log was tried last without success, and why that came to nothing; of all of them under no name.
    failed: Mutex<BTreeMap<String, (Timestamp, String)>>,
}

#[derive(Debug)]
enum Outside {
    Timestamp(Box<Authority>),
    Git(Repository),
    Webhook(Box<Receiver>),
    Stellar(Box<Account>),
}

/// A checkpoint that is to be known outside.
#[derive(Debug)]
struct Known<'a> {
    origin: &'a str,
    log: &'a str,
    size: u64,
    note: &'a str,
    digest: Digest,
    now: Timestamp,
    id: Uuid,
}

/// What came of it.
#[derive(Debug)]
struct Proof {
    reference: String,
    proof: Vec<u8>,
}

/// How it is with an anchor.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// How long ago it came to know of a log last, of the log that has waited longest; absent when of one it never did.
    pub(crate) age_ms: Option<i64>,
    pub(crate) is_late: bool,
    pub(crate) failed: bool,
}

impl Anchors {
    pub(crate) fn open(config: &Ledger) -> Result<Self, StartError> {
        let each = config.anchors.iter().map(|config| {
            let named =
                |error: String| StartError::Copy(format!("anchor `{}` of the ledger: {error}", config.name));
            let outside = match config.kind {
                AnchorKind::Timestamp => {
                    Outside::Timestamp(Box::new(Authority::open(config).map_err(named)?))
                }
                AnchorKind::Git => Outside::Git(Repository::new(config)),
                AnchorKind::Webhook => Outside::Webhook(Box::new(Receiver::open(config).map_err(named)?)),
                AnchorKind::Stellar => Outside::Stellar(Box::new(Account::open(config).map_err(named)?)),
            };
            Ok(Anchor { config: config.clone(), outside, failed: Mutex::default() })
        });
        Ok(Self { each: each.collect::<Result<_, StartError>>()? })
    }

    /// How it is with each.
    pub(crate) async fn standing(&self, app: &App) -> Result<Vec<Standing>, StoreError> {
        let now = app.clock.now();
        let mut standing = Vec::new();
        for anchor in &self.each {
            let oldest = app.store.oldest_anchored(&anchor.config.name).await?;
            let age_ms = oldest.map(|at| now.millis_since(at));
            let late_ms = i64::try_from(anchor.config.every_ms).unwrap_or(i64::MAX).saturating_mul(2);
            standing.push(Standing {
                name: anchor.config.name.clone(),
                kind: anchor.config.kind.as_str(),
                age_ms,
                is_late: age_ms.is_some_and(|age| age > late_ms),
                failed: !anchor.failed().is_empty(),
            });
        }
        Ok(standing)
    }

    /// How it is with each for one log, and what keeps it.
    pub(crate) async fn of_log(&self, app: &App, log: &str) -> Result<Vec<Elsewhere>, StoreError> {
        let mut found = Vec::new();
        for anchor in &self.each {
            let newest = app.store.newest_anchored(log, &anchor.config.name).await?;
            let mut failed = anchor.failed();
            found.push(Elsewhere {
                name: anchor.config.name.clone(),
                entries: newest.map_or(0, |(size, _)| size),
                at: newest.map(|(_, at)| at),
                failure: failed.remove(log).or(failed.remove("")).map(|(_, why)| why),
            });
        }
        Ok(found)
    }
}

/// Anchors until it is told to stop.
pub(crate) async fn run(app: Arc<App>, holder: String, stop: CancellationToken) {
    if app.anchors.each.is_empty() {
        return;
    }
    rounds(&stop, LOOK, || round(&app, &holder)).await;
}

/// Has every anchor know of every log, where it is time.
pub(crate) async fn round(app: &App, holder: &str) {
    join_all(app.anchors.each.iter().map(|anchor| anchor.round(app, holder))).await;
}

impl Anchor {
    async fn round(&self, app: &App, holder: &str) {
        let logs = match self.logs(app, holder).await {
            Ok(logs) => logs,
            Err(error) => return self.note("", app.clock.now(), Err(error.to_string())),
        };
        self.note("", app.clock.now(), Ok(()));
        for log in logs {
            let now = app.clock.now();
            let retry_ms = i64::try_from(self.config.retry_ms).unwrap_or(i64::MAX);
            if self.failed().get(&log).is_some_and(|(at, _)| now.millis_since(*at) < retry_ms) {
                continue;
            }
            let done = self.log(app, &log, now).await;
            self.note(&log, now, done);
        }
    }

    /// The logs, unless another replica anchors.
    async fn logs(&self, app: &App, holder: &str) -> Result<Vec<String>, StoreError> {
        let name = format!("ledger/anchor/{}", self.config.name);
        if app.store.acquire(&name, holder, LEASE_MS, app.clock.now()).await?.is_none() {
            return Ok(Vec::new());
        }
        app.store.logs().await
    }

    /// One log, when its time has come.
    async fn log(&self, app: &App, log: &str, now: Timestamp) -> Result<(), String> {
        let text = |error: StoreError| error.to_string();
        let newest = app.store.newest_anchored(log, &self.config.name).await.map_err(text)?;
        let every_ms = i64::try_from(self.config.every_ms).unwrap_or(i64::MAX);
        // By the calendar rather than by how long ago: what is daily is once a day.
        let turn = |at: Timestamp| at.as_millis().div_euclid(every_ms);
        if newest.is_some_and(|(_, at)| turn(at) >= turn(now)) {
            return Ok(());
        }
        let Some(signed) = app.store.signed(log).await.map_err(text)? else { return Ok(()) };
        if newest.is_some_and(|(size, _)| size >= signed.size) {
            return Ok(());
        }
        let origin = app.store.options().origin(log);
        let digest = Digest::of(&signed.note);
        let id = app.clock.uuid();
        let known = Known { origin: &origin, log, size: signed.size, note: &signed.note, digest, now, id };
        let limit = Duration::from_millis(self.config.timeout_ms);
        let done = tokio::time::timeout(limit, self.outside.know(&known)).await;
        let Proof { reference, proof } =
            done.map_err(|_| "it does not answer in time (`timeout_ms`)".to_owned())??;
        let anchored = Anchored {
            log: log.to_owned(),
            anchor: self.config.name.clone(),
            kind: self.config.kind.as_str().to_owned(),
            size: signed.size,
            digest,
            note: signed.note,
            reference,
            proof,
            at: now,
        };
        app.store.write_anchored(&anchored).await.map_err(text)
    }

    fn failed(&self) -> BTreeMap<String, (Timestamp, String)> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, log: &str, now: Timestamp, done: Result<(), String>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match done {
            Ok(()) => _ = failed.remove(log),
            Err(failure) => {
                let name = &self.config.name;
                warn!(anchor = name, log, failure, "a checkpoint was not anchored; it is tried again");
                metrics::counter!("ledger_anchor_failures_total", "anchor" => name.clone()).increment(1);
                failed.insert(log.to_owned(), (now, failure));
            }
        }
    }
}

impl Outside {
    async fn know(&self, known: &Known<'_>) -> Result<Proof, String> {
        match self {
            Outside::Timestamp(authority) => authority.know(known).await,
            Outside::Git(repository) => repository.know(known).await,
            Outside::Webhook(receiver) => receiver.know(known).await,
            Outside::Stellar(account) => account.know(known).await,
        }
    }
}

/// What is answered to a request, within a bound.
async fn answered(
    request: reqwest::RequestBuilder,
    bytes_max: usize,
) -> Result<(reqwest::StatusCode, Vec<u8>), String> {
    let mut answer = request.send().await.map_err(|error| reason(&error))?;
    let (status, mut bytes) = (answer.status(), Vec::new());
    while let Some(piece) = answer.chunk().await.map_err(|error| reason(&error))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > bytes_max {
            return Err("its answer is too long".to_owned());
        }
    }
    Ok((status, bytes))
}

/// A client for addresses that the operator chose: what sends it elsewhere is no answer.
fn client(config: &LedgerAnchor) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .timeout(Duration::from_millis(config.timeout_ms))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("interlock/", env!("CARGO_PKG_VERSION")))
}

/// The content of a file with a secret, which no error repeats.
fn secret(path: &std::path::Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Why it cannot be reached, in a line.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time (`timeout_ms`)".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("it cannot be reached: {cause}")
}
