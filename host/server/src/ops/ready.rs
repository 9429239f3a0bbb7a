//! Whether this replica can do its work, part by part. What belongs to a tenant is counted here; its own status (`flow/status.rs`)
//! says which and why.

use std::time::Duration;

use interlock_ledger::Digest;
use interlock_store::Journal;
use interlock_vault::envelope::Signers;
use serde::Serialize;
use tracing::warn;

use crate::{App, flow::fresh, installed::Waiting};

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Something is missing; the rest works.
    Degraded,
    /// Nothing works without it.
    Failed,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    status: Status,
    checks: Checks,
}

#[derive(Debug, Serialize)]
struct Checks {
    database: Check,
    ledger: Check,
    data_folder: Check,
    policies: Policies,
    applications: Applications,
    evidence: Evidence,
    plugins: Plugins,
    incidents: Incidents,
    trusted_keys: TrustedKeys,
    trusted_signers: TrustedKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    witnesses: Option<WitnessesFound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sinks: Option<SinksFound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copies: Option<Outside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchors: Option<Anchors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bus: Option<Check>,
}

#[derive(Debug, Serialize)]
struct WitnessesFound {
    status: Status,
    /// How many must cosign.
    quorum: usize,
    each: Vec<WitnessFound>,
}

#[derive(Debug, Serialize)]
struct WitnessFound {
    name: String,
    status: Status,
    /// How long ago it was asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_ms_ago: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Who knows of the ledger's checkpoints.
#[derive(Debug, Serialize)]
struct Anchors {
    status: Status,
    each: Vec<AnchorFound>,
}

#[derive(Debug, Serialize)]
struct AnchorFound {
    name: String,
    kind: &'static str,
    status: Status,
    /// How long ago it came to know of a log, of the one that waits longest; absent when of one it never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchored_ms_ago: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

/// What of the ledger is elsewhere.
#[derive(Debug, Serialize)]
struct Outside {
    status: Status,
    each: Vec<OutsideFound>,
}

#[derive(Debug, Serialize)]
struct OutsideFound {
    name: String,
    status: Status,
    /// Entries that it lacks, of the log with most.
    behind_entries: u64,
    /// For how long it lacks some.
    behind_ms: i64,
    /// How long ago it was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried_ms_ago: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct SinksFound {
    status: Status,
    each: Vec<SinkFound>,
}

#[derive(Debug, Serialize)]
struct SinkFound {
    name: String,
    status: Status,
    /// How many entries it was not told of yet.
    behind: u64,
    /// How long ago this replica told it something last.
    #[serde(skip_serializing_if = "Option::is_none")]
    told_ms_ago: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Debug, Serialize)]
struct Check {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Policies {
    status: Status,
    digest: Digest,
    name: String,
    revision: u64,
    policies: usize,
    denies_all: bool,
    /// How long ago they were last known to be the newest: when git was last seen with a head that keeps to the rules, or else
    /// when they came into force.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    /// Whether they are older than they may be, and permit nothing more but to stop a rollout.
    denies_for_age: bool,
    /// How it is with the policies in git, where they come from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    git: Option<FromGit>,
}

#[derive(Debug, Serialize)]
struct FromGit {
    status: Status,
    /// The newest head that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Applications {
    status: Status,
    /// How many tenants have one.
    loaded: usize,
    /// How many folders have one that was refused.
    refused: usize,
}

#[derive(Debug, Serialize)]
struct Evidence {
    status: Status,
    /// How many sources failed a tenant that asked lately.
    failing: usize,
}

#[derive(Debug, Serialize)]
struct Incidents {
    status: Status,
    /// How many nobody has reviewed.
    to_review: u64,
    /// How many of these had to be reviewed by now.
    overdue: u64,
}

#[derive(Debug, Serialize)]
struct Plugins {
    status: Status,
    loaded: Vec<Loaded>,
    refused: Vec<Refused>,
    /// Files that are not what their name stands for: a `plugin` change brings them into use.
    waiting: Vec<Waiting>,
    /// How many plugins are active in some environment and do not load: what needs them there is denied.
    unloaded: usize,
    /// Plugins that the configuration names and nobody installed: what needs them is denied.
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Loaded {
    name: String,
    version: String,
    digest: Digest,
}

#[derive(Debug, Serialize)]
struct Refused {
    file: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct TrustedKeys {
    status: Status,
    /// How many keys count now.
    keys: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

impl Readiness {
    /// True unless something failed. A degraded replica still takes requests: it denies what it cannot judge.
    pub(super) fn ready(&self) -> bool {
        self.status != Status::Failed
    }
}

/// Looks at every part. All are looked at, all are reported.
pub(super) async fn look(app: &App) -> Readiness {
    let checks = Checks {
        database: database(app).await,
        ledger: ledger(app),
        data_folder: data_folder(app).await,
        policies: policies(app).await,
        applications: applications(app),
        evidence: evidence(app),
        plugins: plugins(app),
        incidents: incidents(app).await,
        trusted_keys: trusted_keys(app),
        trusted_signers: trusted_signers(app),
        witnesses: witnesses(app),
        sinks: sinks(app),
        copies: copies(app).await,
        anchors: anchors(app).await,
        decisions: app.journal.as_ref().map(|journal| decisions(app, journal)),
        bus: app.bus.connected().map(bus),
    };
    let parts = [
        checks.database.status,
        checks.ledger.status,
        checks.data_folder.status,
        checks.policies.status,
        checks.applications.status,
        checks.evidence.status,
        checks.plugins.status,
        checks.incidents.status,
        checks.trusted_keys.status,
        checks.trusted_signers.status,
        checks.witnesses.as_ref().map_or(Status::Ok, |witnesses| witnesses.status),
        checks.sinks.as_ref().map_or(Status::Ok, |sinks| sinks.status),
        checks.copies.as_ref().map_or(Status::Ok, |copies| copies.status),
        checks.anchors.as_ref().map_or(Status::Ok, |anchors| anchors.status),
        checks.decisions.as_ref().map_or(Status::Ok, |decisions| decisions.status),
        checks.bus.as_ref().map_or(Status::Ok, |bus| bus.status),
    ];
    let status = if parts.contains(&Status::Failed) {
        Status::Failed
    } else if parts.contains(&Status::Degraded) {
        Status::Degraded
    } else {
        Status::Ok
    };
    Readiness { status, checks }
}

async fn database(app: &App) -> Check {
    match tokio::time::timeout(PATIENCE, app.store.ping()).await {
        Ok(Ok(())) => Check { status: Status::Ok, detail: None },
        Ok(Err(error)) => {
            warn!(%error, "the database does not answer");
            Check { status: Status::Failed, detail: Some("the database does not answer; the log says why") }
        }
        Err(_) => Check { status: Status::Failed, detail: Some("the database does not answer in time") },
    }
}

/// Who cosigned when asked last. Without a quorum the rest goes on, and what was signed is only not witnessed.
fn witnesses(app: &App) -> Option<WitnessesFound> {
    let now = app.clock.now();
    let each: Vec<WitnessFound> = app
        .witnesses
        .last()
        .map(|(name, last)| {
            let status = match &last {
                Some(last) if last.failure.is_some() => Status::Degraded,
                _ => Status::Ok,
            };
            let asked_ms_ago = last.as_ref().map(|last| now.millis_since(last.at));
            WitnessFound {
                name: name.to_owned(),
                status,
                asked_ms_ago,
                detail: last.and_then(|last| last.failure),
            }
        })
        .collect();
    let quorum = app.witnesses.quorum();
    let well = each.iter().filter(|witness| witness.status == Status::Ok).count();
    let status = if well < quorum { Status::Degraded } else { Status::Ok };
    (!each.is_empty()).then_some(WitnessesFound { status, quorum, each })
}

/// How it is with the systems outside that are told what happens. Nothing is lost while one is away: it is told later.
fn sinks(app: &App) -> Option<SinksFound> {
    let now = app.clock.now();
    let each: Vec<SinkFound> = app
        .sinks
        .how()
        .map(|(name, how)| SinkFound {
            name: name.to_owned(),
            status: if how.failure.is_some() { Status::Degraded } else { Status::Ok },
            behind: how.behind,
            told_ms_ago: how.told_at.map(|at| now.millis_since(at)),
            detail: how.failure,
        })
        .collect();
    let well = each.iter().all(|sink| sink.status == Status::Ok);
    let status = if well { Status::Ok } else { Status::Degraded };
    (!each.is_empty()).then_some(SinksFound { status, each })
}

/// How far the copies are. The rest goes on without them.
async fn copies(app: &App) -> Option<Outside> {
    let standing = tokio::time::timeout(PATIENCE, app.copies.standing(app)).await;
    // A database that does not answer is said where the database is.
    let standing = standing.ok().and_then(Result::ok).unwrap_or_default();
    let now = app.clock.now();
    let each: Vec<OutsideFound> = standing
        .into_iter()
        .map(|copy| OutsideFound {
            status: if copy.is_late || copy.failed { Status::Degraded } else { Status::Ok },
            behind_entries: copy.behind_entries,
            behind_ms: copy.behind_ms,
            tried_ms_ago: copy.tried_at.map(|at| now.millis_since(at)),
            // Why may speak of tenants.
            detail: copy.failed.then_some("it could not be brought up to date; `interlock status` says why"),
            name: copy.name,
        })
        .collect();
    let well = each.iter().all(|copy| copy.status == Status::Ok);
    (!each.is_empty()).then_some(Outside { status: if well { Status::Ok } else { Status::Degraded }, each })
}

/// Who knows of the checkpoints. The rest goes on without them.
async fn anchors(app: &App) -> Option<Anchors> {
    let standing = tokio::time::timeout(PATIENCE, app.anchors.standing(app)).await;
    let standing = standing.ok().and_then(Result::ok).unwrap_or_default();
    let each: Vec<AnchorFound> = standing
        .into_iter()
        .map(|anchor| AnchorFound {
            status: if anchor.is_late || anchor.failed { Status::Degraded } else { Status::Ok },
            kind: anchor.kind,
            anchored_ms_ago: anchor.age_ms,
            detail: anchor.failed.then_some("the last try failed; `interlock status` says why"),
            name: anchor.name,
        })
        .collect();
    let well = each.iter().all(|anchor| anchor.status == Status::Ok);
    (!each.is_empty()).then_some(Anchors { status: if well { Status::Ok } else { Status::Degraded }, each })
}

/// Whether the signer still signs every log. Where it refuses one, the rest goes on.
fn ledger(app: &App) -> Check {
    if !app.watch.tampered().is_empty() {
        let detail = "a log or what it records was altered, and nothing is admitted in its tenant until somebody has looked: \
                      `interlock ledger incident`";
        return Check { status: Status::Degraded, detail: Some(detail) };
    }
    if app.store.refusals().is_empty() {
        // Half of what is too much: whoever looks has time left.
        let (now, config) = (app.clock.now(), &app.config.ledger);
        let is_far = app.store.behind().values().any(|behind| {
            let age_ms = u64::try_from(now.millis_since(behind.since)).unwrap_or_default();
            behind.entries > config.unsigned_max / 2 || age_ms > config.unsigned_ms_max / 2
        });
        let detail = "entries are not signed in time; beyond `ledger.unsigned_max` and `ledger.unsigned_ms_max` nothing more is \
                      written; see to the disk of `ledger.signer_dir` and to the database";
        let status = if is_far { Status::Degraded } else { Status::Ok };
        return Check { status, detail: is_far.then_some(detail) };
    }
    let detail = "a log does not continue what was signed of it, and is signed no more; the log says why, and so does \
                  `interlock ledger verify`";
    Check { status: Status::Degraded, detail: Some(detail) }
}

/// Without Redis everything still works, only a little later: that is no reason to send requests elsewhere.
fn bus(connected: bool) -> Check {
    if connected {
        return Check { status: Status::Ok, detail: None };
    }
    let detail = Some("Redis cannot be reached; revocations and wake-ups take seconds until it is back");
    Check { status: Status::Degraded, detail }
}

/// Whether answers to other programs' questions can be recorded.
fn decisions(app: &App, journal: &Journal) -> Check {
    if journal.broken().is_some() {
        let detail = "the disk refused the journal of answers, so that none is given; the log says why";
        return Check { status: Status::Failed, detail: Some(detail) };
    }
    if journal.backlog_bytes() > app.config.decisions.backlog_bytes_max / 2 {
        let detail = "the database is far behind the journal of answers; beyond `decisions.backlog_bytes_max` none is given";
        return Check { status: Status::Degraded, detail: Some(detail) };
    }
    Check { status: Status::Ok, detail: None }
}

/// Writes, and removes again: a full or read-only disk shows here before an upload fails.
async fn data_folder(app: &App) -> Check {
    let probe = app.config.server.data_dir.join(format!(".ready-{}", app.clock.uuid().simple()));
    let written = tokio::fs::write(&probe, b"ready").await;
    let removed = tokio::fs::remove_file(&probe).await;
    match written.and(removed) {
        Ok(()) => Check { status: Status::Ok, detail: None },
        Err(error) => {
            warn!(%error, "the data folder cannot be written");
            Check {
                status: Status::Failed,
                detail: Some("the data folder cannot be written; the log says why"),
            }
        }
    }
}

async fn policies(app: &App) -> Policies {
    let bundle = app.policies.bundle();
    let git = from_git(app).await;
    let well = !bundle.denies_all() && git.as_ref().is_none_or(|git| git.status == Status::Ok);
    Policies {
        status: if well { Status::Ok } else { Status::Degraded },
        digest: bundle.digest,
        name: bundle.name.clone(),
        revision: bundle.revision,
        policies: bundle.policy_count(),
        denies_all: bundle.denies_all(),
        age_ms: fresh::age_ms(app),
        denies_for_age: app.freshness().is_some_and(|freshness| freshness.is_over(app.clock.now())),
        git,
    }
}

/// What is in force stays in force whatever becomes of git: that is for somebody to look at, and no reason to send requests
/// elsewhere.
async fn from_git(app: &App) -> Option<FromGit> {
    let standing = match fresh::standing(app).await {
        Ok(standing) => standing?,
        Err(error) => {
            warn!(%error, "what was seen of the policies in git cannot be read");
            let detail = Some("what was seen of it cannot be read; the log says why");
            return Some(FromGit { status: Status::Degraded, head: None, detail });
        }
    };
    let detail = match &standing.failure {
        Some(failure) if failure.refused => Some("what is in git is refused; `interlock status` says why"),
        Some(_) => Some("git could not be looked at; `interlock status` says why"),
        None if standing.is_old => {
            Some("the policies are older than `policies.git.max_age_ms`; git was not looked at")
        }
        None => None,
    };
    let status = detail.map_or(Status::Ok, |_| Status::Degraded);
    Some(FromGit { status, head: standing.head, detail })
}

fn applications(app: &App) -> Applications {
    let (loaded, refused) = app.applications.state();
    let status = if refused.is_empty() { Status::Ok } else { Status::Degraded };
    Applications { status, loaded, refused: refused.len() }
}

/// A source that fails denies what needs it, and nothing else.
fn evidence(app: &App) -> Evidence {
    let failing = app.evidence.failing(app.clock.now());
    Evidence { status: if failing == 0 { Status::Ok } else { Status::Degraded }, failing }
}

/// An emergency that nobody looked at in time is for people to mend; requests go on.
async fn incidents(app: &App) -> Incidents {
    // A database that does not answer is said where the database is.
    let counted = tokio::time::timeout(PATIENCE, app.store.incidents_to_review(app.clock.now())).await;
    let (to_review, overdue) = counted.ok().and_then(Result::ok).unwrap_or_default();
    Incidents { status: if overdue == 0 { Status::Ok } else { Status::Degraded }, to_review, overdue }
}

fn plugins(app: &App) -> Plugins {
    let loaded: Vec<Loaded> = app
        .sandbox
        .shelf()
        .slots()
        .iter()
        // Those of rosters are a tenant's own business, and nobody has said who asks.
        .filter(|(slot, _)| !slot.contains('/'))
        .map(|(_, plugin)| Loaded {
            name: plugin.description().name.clone(),
            version: plugin.description().version.clone(),
            digest: plugin.digest(),
        })
        .collect();
    let refused: Vec<Refused> = app
        .installed
        .refused
        .iter()
        .map(|(file, reason)| Refused { file: file.clone(), reason: reason.clone() })
        .collect();
    let config = &app.config;
    let named =
        config.gates.iter().map(|gate| &gate.plugin).chain(config.health.iter().map(|health| &health.plugin));
    let missing: Vec<String> = named
        .chain([&config.rollout.strategy])
        .filter(|name| !loaded.iter().any(|plugin| plugin.name == **name))
        .cloned()
        .collect();
    let waiting: Vec<Waiting> =
        app.installed.waiting.iter().filter(|file| !app.rosters.active(&file.digest)).cloned().collect();
    let unloaded = app.rosters.unloaded();
    let well = refused.is_empty() && missing.is_empty() && waiting.is_empty() && unloaded == 0;
    let status = if well { Status::Ok } else { Status::Degraded };
    Plugins { status, loaded, refused, waiting, unloaded, missing }
}

/// A key file that cannot be read takes nothing down, but a revocation in it has no effect either: somebody has to look.
fn trusted_keys(app: &App) -> TrustedKeys {
    let keys = app.trusted_keys.current().keys().count();
    match app.trusted_keys.fault() {
        None => TrustedKeys { status: Status::Ok, keys, detail: None },
        Some(_) => TrustedKeys {
            status: Status::Degraded,
            keys,
            detail: Some(
                "the folder of trusted keys cannot be read; the last good keys count; the log says why",
            ),
        },
    }
}

/// Of plugins. That nobody has to vouch for them is the operator's choice, which others should know of.
fn trusted_signers(app: &App) -> TrustedKeys {
    let plugins = &app.config.plugins;
    let (keys, fault) = match Signers::load_dir(&plugins.trusted_signers_dir) {
        Ok(signers) => (signers.keys().count(), None),
        Err(error) => {
            warn!(%error, "the trusted signers of plugins cannot be read");
            (0, Some("the folder of trusted signers cannot be read; no plugin is pulled; the log says why"))
        }
    };
    let unsigned = "`plugins.signers_min` is 0: plugins that nobody signed are taken";
    let detail = fault.or((plugins.signers_min == 0).then_some(unsigned));
    TrustedKeys { status: detail.map_or(Status::Ok, |_| Status::Degraded), keys, detail }
}
