//! Policies from git: look at the branch, hold its head to the rules, and propose what is new as a change. Whatever goes wrong,
//! the last good policies stay, and it is said.
//!
//! **Invariant:** git puts nothing in force. A head becomes a `policy` change, and that is judged like any other. What was taken
//! stands in the ledger, so that a rewound branch is known as one whatever became of the copy on disk.

use std::{str::FromStr, sync::Arc, time::Duration};

use interlock_domain::{
    Actor, Change, ChangeKind, Command, Digest, Environment, PolicySource, Selector, TenantId, Timestamp,
};
use interlock_git::{AllowedSigners, CommitId, Fetched, GitError, Login, Rules, Token};
use interlock_policy::Bundle;
use interlock_store::{Lease, Note, PolicySync, SYSTEM, SyncFailure, Write};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{
    adopt::PolicyWish,
    bundle, change, fresh,
    propose::{self, Proposal},
};
use crate::{App, FlowError, config::Git};

/// The lease that says who looks.
const LEASE: &str = "policies/git";
/// How long after its deadline a look is given up from outside.
const GRACE: Duration = Duration::from_secs(5);
/// Longest reason that is kept.
const REASON_MAX: usize = 2_000;

/// What the ledger says of the newest head that was taken.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    commit: String,
    digest: Digest,
    revision: u64,
    signers: Vec<String>,
    /// The change that it was proposed as; absent of one that was in force already.
    change: Option<String>,
    /// What was in force when it was.
    from: Digest,
}

/// A head that keeps to the rules.
struct Good {
    fetched: Fetched,
    head: String,
    bundle: Bundle,
    taken: Option<Taken>,
}

/// Why it was not taken.
struct Failed {
    reason: String,
    refused: bool,
    head: Option<String>,
}

impl Failed {
    fn of(error: impl std::fmt::Display, head: Option<&Fetched>) -> Self {
        let head = head.map(|fetched| fetched.head.to_string());
        Self { reason: error.to_string(), refused: true, head }
    }
}

impl From<GitError> for Failed {
    fn from(error: GitError) -> Self {
        Self { refused: error.refuses(), reason: error.to_string(), head: None }
    }
}

impl From<FlowError> for Failed {
    fn from(error: FlowError) -> Self {
        Self { reason: error.to_string(), refused: false, head: None }
    }
}

/// Looks at the branch when it is time, or when a webhook asked for it, unless another replica does.
pub(crate) async fn round(app: &Arc<App>, holder: &str) -> Result<(), FlowError> {
    let git = &app.config.policies.git;
    if !git.is_on() {
        return Ok(());
    }
    fresh::learn(app).await?;
    if !is_time(app, git).await? {
        return Ok(());
    }
    let now = app.clock.now();
    let Some(lease) = app.store.acquire(LEASE, holder, git.deadline_ms.saturating_mul(2), now).await? else {
        return Ok(());
    };
    // Another replica may have looked before this one had the lease.
    let looked = if is_time(app, git).await? { look(app, git, &lease, now).await } else { Ok(()) };
    app.store.release(&lease).await?;
    looked?;
    fresh::learn(app).await
}

async fn is_time(app: &App, git: &Git) -> Result<bool, FlowError> {
    let Some(seen) = fresh::seen(app).await? else { return Ok(true) };
    let passed = u64::try_from(app.clock.now().millis_since(seen.looked_at)).unwrap_or(0);
    Ok(passed >= git.poll_ms || app.sync.is_asked() && passed >= git.poll_ms_min)
}

async fn look(app: &Arc<App>, git: &Git, lease: &Lease, now: Timestamp) -> Result<(), FlowError> {
    app.sync.answered();
    let before = fresh::seen(app).await?.unwrap_or_else(|| PolicySync {
        source: git.named(),
        followed_since: now,
        looked_at: now,
        head: None,
        digest: None,
        confirmed_at: None,
        standing: None,
        failure: None,
    });
    let mut seen = PolicySync { looked_at: now, ..before.clone() };
    let came = match Box::pin(good(app, git)).await {
        Ok(good) => {
            seen.head = Some(good.head.clone());
            seen.digest = Some(good.bundle.digest);
            seen.confirmed_at = Some(now);
            // Before it is proposed: policies that are too old permit no proposal, and this one makes them young.
            app.store.write_policy_sync(&seen).await?;
            fresh::learn(app).await?;
            Box::pin(stand(app, git, good)).await
        }
        Err(failed) => Err(failed),
    };
    match came {
        Ok(standing) => {
            metrics::gauge!("policy_sync_last_success_timestamp_seconds").set(now.as_millis() as f64 / 1e3);
            (seen.standing, seen.failure) = (Some(standing), None);
        }
        Err(failed) => {
            metrics::counter!("policy_sync_failures_total").increment(1);
            seen.failure = Some(failure(app, git, &before, &failed, lease, now).await?);
            (seen.standing, seen.digest) = (None, None);
            seen.head = failed.head.or(seen.head);
        }
    }
    Ok(app.store.write_policy_sync(&seen).await?)
}

/// Says a new failure once, in the log and, when somebody has to look at what is in git, in the ledger.
async fn failure(
    app: &App,
    git: &Git,
    before: &PolicySync,
    failed: &Failed,
    lease: &Lease,
    now: Timestamp,
) -> Result<SyncFailure, FlowError> {
    let reason: String = failed.reason.chars().take(REASON_MAX).collect();
    if let Some(known) = before.failure.as_ref().filter(|known| known.reason == reason) {
        return Ok(known.clone());
    }
    warn!(source = git.named(), reason, "the policies in git are not taken; those in force stay");
    if failed.refused {
        let payload = serde_json::json!({ "head": failed.head, "reason": reason });
        note(app, "policy.head_refused", git, payload, lease, now).await?;
    }
    Ok(SyncFailure { since: now, reason, refused: failed.refused })
}

/// The head, when it keeps to the rules: whether or not it may come into force, nothing newer is known.
async fn good(app: &Arc<App>, git: &Git) -> Result<Good, Failed> {
    bundle::follow(app).await?;
    let taken = taken(app, git).await?;
    let fetched = fetch(app, git, taken.as_ref()).await?;
    let refused = |error: String| Failed::of(error, Some(&fetched));
    let bundle = bundle::tried(&fetched.files, &(&app.config.policies.limits).into())
        .map_err(|error| refused(error.to_string()))?;
    if bundle.denies_all() && !git.allow_empty {
        let reason = "the bundle in git has no policy, which would deny everything; set `policies.git.allow_empty` if \
                      that is meant";
        return Err(refused(reason.to_owned()));
    }
    if bundle.digest != app.policies.bundle().digest {
        let floor = app.store.bundle_floor().await.map_err(FlowError::from)?;
        bundle::check("bundle", (bundle.revision, bundle.digest), floor)
            .map_err(|error| refused(error.to_string()))?;
    }
    Ok(Good { head: fetched.head.to_string(), fetched, bundle, taken })
}

/// How it stands: in force, or in which change it waits, which may be made now.
async fn stand(app: &Arc<App>, git: &Git, good: Good) -> Result<String, Failed> {
    let Good { fetched, head, bundle, taken } = good;
    let (actor, environment) = proposer(app, git).await?;
    let in_force = app.policies.bundle();
    let waiting = waiting(app, &actor.tenant).await?;
    let (same, older): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, source)| source.commit == head);
    if bundle.digest == in_force.digest {
        withdraw(app, &actor, older, &head).await?;
        if taken.as_ref().is_none_or(|taken| taken.commit != head) {
            take(app, git, &fetched, &bundle, None, in_force.digest).await?;
        }
        return Ok(fresh::IN_FORCE.to_owned());
    }
    if let Some((change, _)) = same.first() {
        return Ok(format!("waits in change `{}`", change.id));
    }
    // Proposed once and ended, while nothing else came into force: somebody said no to it.
    if let Some(Taken { change: Some(change), commit, from, .. }) = &taken
        && *commit == head
        && *from == in_force.digest
    {
        let reason = format!(
            "head `{head}` was proposed as change `{change}`, which was not admitted; commit something else"
        );
        return Err(Failed { reason, refused: false, head: Some(head) });
    }
    withdraw(app, &actor, older, &head).await?;
    let proposal = proposal(git, environment, &fetched);
    let change =
        propose::propose(app, &actor, proposal).await.map_err(|error| Failed::of(error, Some(&fetched)))?;
    take(app, git, &fetched, &bundle, Some(change.id.to_string()), in_force.digest).await?;
    info!(head, change = %change.id, "the policies in git are proposed");
    Ok(format!("waits in change `{}`", change.id))
}

async fn fetch(app: &App, git: &Git, taken: Option<&Taken>) -> Result<Fetched, Failed> {
    let read = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Failed {
            reason: format!("`{}` cannot be read: {error}", path.display()),
            refused: false,
            head: None,
        })
    };
    let signers = AllowedSigners::parse(&read(&git.allowed_signers_file)?);
    let signers =
        signers.map_err(|error| Failed { reason: error.to_string(), refused: false, head: None })?;
    let named = |path: &std::path::Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    let token = named(&git.token_file).map(|path| read(&path)).transpose()?;
    let login = Login {
        token: token.map(|text| Token(text.trim().to_owned())),
        ssh_key_file: named(&git.ssh_key_file),
        ssh_known_hosts_file: named(&git.ssh_known_hosts_file),
    };
    let current = taken.map(|taken| CommitId::from_str(&taken.commit)).transpose()?;
    let (source, limits, deadline, trusted) = (git.source(), git.limits(), git.deadline(), git.trusted());
    let cache = app.config.server.data_dir.join("policies-git");
    let now_secs = app.clock.now().as_millis() / 1_000;
    // A server of git that keeps its line open and says nothing over SSH holds a thread: one, and no turn of the loop.
    let Ok(turn) = app.sync.looking.clone().try_lock_owned() else {
        let reason = "an earlier look at git still waits for an answer; end the `ssh` that it waits for";
        return Err(Failed { reason: reason.to_owned(), refused: false, head: None });
    };
    let fetched = tokio::task::spawn_blocking(move || {
        let _until_it_ends = turn;
        let signers = Some(&signers);
        let rules = Rules { current, trusted, signers, must_sign: true, now_secs, limits, deadline };
        interlock_git::fetch(&source, &login, &cache, &rules)
    });
    let ended =
        |error| Failed { reason: format!("looking at git ended early: {error}"), refused: false, head: None };
    match tokio::time::timeout(deadline + GRACE, fetched).await {
        Ok(fetched) => Ok(fetched.map_err(ended)??),
        Err(_) => Err(GitError::TimedOut { url: git.url.clone(), after_ms: deadline.as_millis() }.into()),
    }
}

/// Who proposes, and where.
async fn proposer(app: &App, git: &Git) -> Result<(Actor, Environment), FlowError> {
    let (Some(home), Some(account)) = (&app.config.policies.home, &git.account) else {
        return Err(FlowError::invalid("", "`policies.home` and `policies.git.account` are needed"));
    };
    let found = app.store.account(&home.tenant, account).await?.filter(|account| account.active);
    let found =
        found.ok_or_else(|| FlowError::NotFound { what: "active account", id: account.to_string() })?;
    Ok((found.actor("git".to_owned()), home.environment.clone()))
}

fn proposal(git: &Git, environment: Environment, fetched: &Fetched) -> Proposal {
    let head = fetched.head.to_string();
    let text = |content: &Vec<u8>| String::from_utf8_lossy(content).into_owned();
    let files = fetched.files.iter().map(|(path, content)| (path.clone(), text(content))).collect();
    let source = PolicySource {
        commit: head.clone(),
        reference: format!("refs/heads/{}", git.branch),
        signers: fetched.signers(),
    };
    Proposal {
        kind: ChangeKind::Policy,
        environment,
        title: format!("Policies of commit {}", head.get(..12).unwrap_or(&head)),
        description: format!(
            "From branch {} in git, {} commits since the last one.",
            git.branch,
            fetched.range.len()
        ),
        artifacts: Vec::new(),
        selector: Selector::default(),
        plugins: Vec::new(),
        policies: Some(PolicyWish { files, source: Some(source) }),
        strategy: None,
        at_once: Vec::new(),
        health: Vec::new(),
        silent_after_ms: None,
        judge_every_ms: None,
    }
}

/// The live changes that came from git.
async fn waiting(app: &App, tenant: &TenantId) -> Result<Vec<(Change, PolicySource)>, FlowError> {
    let mut waiting = Vec::new();
    for (_, id) in app.store.live_changes().await?.into_iter().filter(|(of, _)| of == tenant) {
        let Some(change) = app.store.change(tenant, &id).await? else { continue };
        if let Some(source) = change.manifest.policies.as_ref().and_then(|plan| plan.source.clone()) {
            waiting.push((change, source));
        }
    }
    Ok(waiting)
}

/// Cancels what an older head was proposed as.
async fn withdraw(
    app: &App,
    actor: &Actor,
    older: Vec<(Change, PolicySource)>,
    head: &str,
) -> Result<(), FlowError> {
    for (waiting, _) in older {
        let reason = format!("commit {head} took its place in git");
        change::decide(app, actor, &waiting.id, None, Command::Cancel, &reason).await?;
    }
    Ok(())
}

async fn taken(app: &App, git: &Git) -> Result<Option<Taken>, Failed> {
    let system = system()?;
    let note = app.store.newest_note(&system, "policy.head_taken", "policy_source", &git.named()).await;
    let note = note.map_err(FlowError::from)?;
    let read = note.map(|payload| serde_json::from_slice(&payload)).transpose();
    read.map_err(|error| Failed {
        reason: format!("what was taken from git last cannot be read: {error}"),
        refused: false,
        head: None,
    })
}

async fn take(
    app: &App,
    git: &Git,
    fetched: &Fetched,
    bundle: &Bundle,
    change: Option<String>,
    from: Digest,
) -> Result<(), FlowError> {
    let taken = Taken {
        commit: fetched.head.to_string(),
        digest: bundle.digest,
        revision: bundle.revision,
        signers: fetched.signers(),
        change,
        from,
    };
    let payload = serde_json::json!(taken);
    let note =
        Note { kind: "policy.head_taken", object_kind: "policy_source", object_id: git.named(), payload };
    app.commit_as_host(&system()?, app.clock.now(), None, vec![Write::Note(note)]).await?;
    Ok(())
}

async fn note(
    app: &App,
    kind: &'static str,
    git: &Git,
    payload: serde_json::Value,
    lease: &Lease,
    now: Timestamp,
) -> Result<(), FlowError> {
    let note = Note { kind, object_kind: "policy_source", object_id: git.named(), payload };
    app.commit_as_host(&system()?, now, Some(lease), vec![Write::Note(note)]).await?;
    Ok(())
}

fn system() -> Result<TenantId, FlowError> {
    SYSTEM.parse().map_err(|error| FlowError::bad_id("tenant", &error))
}
