//! The policy bundle: loaded from its folder, tried by its own cases, then swapped. Whatever goes wrong, the last good
//! one stays.
//!
//! **Invariant:** the server never goes back to a lower revision, at no reload and at no start, on no replica, and one
//! revision is one bundle. What was ever in force is kept by digest, so that its decisions can be made again.

use std::{collections::BTreeMap, sync::Arc};

use interlock_domain::{Action, Actor, BundleRef, Digest, Environment, TenantId, Timestamp};
use interlock_policy::{Bundle, BundleError, CaseResult, Fault, Limits, default_files, run_cases};
use interlock_store::{BundleFloor, Kept, Note, SYSTEM, StoreError, Write};
use tracing::{info, warn};

use super::{
    ask::{may_read, permit},
    change::tenant,
    fresh,
};
use crate::{App, FlowError, StartError, config::Policies};

/// Why a bundle is not put in force.
#[derive(Debug, thiserror::Error)]
pub enum BundleRefusal {
    /// It does not load, does not validate, or cannot answer.
    #[error(transparent)]
    Faulty(#[from] BundleError),
    /// It does not answer as its authors expect.
    #[error("{}; put the policy or the case right", failing(.failed))]
    CasesFail {
        /// At least one.
        failed: Vec<CaseResult>,
    },
    /// It is older than what was in force already.
    #[error(
        "{what} `{digest}` has revision {revision}, and revision {} (`{}`) was in force already; the server never goes \
         back to a lower one: raise `revision` in {what}.toml above {}",
        floor.revision, floor.digest, floor.revision
    )]
    Older {
        /// `bundle` or `application`.
        what: &'static str,
        /// The bundle.
        digest: Digest,
        /// Its revision.
        revision: u64,
        /// What was in force.
        floor: BundleFloor,
    },
    /// It was edited without a new revision.
    #[error(
        "{what} `{digest}` has revision {}, and so had another {what} that was in force (`{}`): raise `revision` in \
         {what}.toml with every edit",
        floor.revision, floor.digest
    )]
    Altered {
        /// `bundle` or `application`.
        what: &'static str,
        /// The bundle.
        digest: Digest,
        /// What was in force under its revision.
        floor: BundleFloor,
    },
    /// Nobody alone puts policies in force here.
    #[error(
        "policies are decided by a change of kind `policy` in environment `{environment}` of tenant `{tenant}`: \
         `interlock policy propose`"
    )]
    DecidedByChange {
        /// The tenant of `policies.home`.
        tenant: TenantId,
        /// Its environment.
        environment: Environment,
    },
    /// It was kept once, and cannot be read any more.
    #[error("bundle `{digest}` cannot be used: {reason}")]
    Unreadable {
        /// Which.
        digest: Digest,
        /// Why.
        reason: String,
    },
}

impl BundleRefusal {
    /// The faults in its files, if that is what is wrong.
    pub fn faults(&self) -> &[Fault] {
        match self {
            BundleRefusal::Faulty(error) => error.faults(),
            _ => &[],
        }
    }
}

/// The first few cases that fail.
fn failing(failed: &[CaseResult]) -> String {
    const SHOWN: usize = 5;
    let said = |case: &CaseResult| {
        format!("case `{}` in `{}` fails: {}", case.name, case.file, case.differences.join(", "))
    };
    let mut lines: Vec<String> = failed.iter().take(SHOWN).map(said).collect();
    if failed.len() > SHOWN {
        lines.push(format!("and {} more", failed.len() - SHOWN));
    }
    lines.join("; ")
}

/// The files of a bundle, by path inside the bundle.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The bundle in this folder, or the built-in one when there is no folder: one that answers as its own cases expect, with
/// the files that it was made of.
pub fn load(policies: &Policies) -> Result<(Bundle, Files), BundleRefusal> {
    let (dir, limits) = (&policies.dir, Limits::from(&policies.limits));
    let files = match dir.as_os_str().is_empty() {
        true => default_files(),
        false => Bundle::read_dir_within(dir, &limits)?,
    };
    Ok((tried(&files, &limits)?, files))
}

/// A bundle that answers as its own cases expect.
pub(crate) fn tried(files: &Files, limits: &Limits) -> Result<Bundle, BundleRefusal> {
    let bundle = Bundle::from_files_within(files, limits)?;
    let failed: Vec<CaseResult> = run_cases(&bundle).into_iter().filter(|case| !case.holds()).collect();
    if failed.is_empty() { Ok(bundle) } else { Err(BundleRefusal::CasesFail { failed }) }
}

/// The active bundle.
pub async fn show(app: &App, who: &Actor) -> Result<Arc<Bundle>, FlowError> {
    may_read(app, who, Action::ReadBundle, tenant(who)).await?;
    Ok(app.policies.bundle())
}

/// Loads the bundle again from its folder.
pub async fn reload(app: &App, who: &Actor) -> Result<Arc<Bundle>, FlowError> {
    if let Some(home) = &app.config.policies.home {
        return Err(BundleRefusal::DecidedByChange {
            tenant: home.tenant.clone(),
            environment: home.environment.clone(),
        }
        .into());
    }
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::ReloadBundle, tenant(who), None, now).await?;
    // One after the other: of two that overlap, the older one could be put in force last.
    let _turn = app.reloading.lock().await;
    let (bundle, files) = load(&app.config.policies)?;
    let before = app.policies.bundle().digest;
    put_on_record(app, &bundle, &files, now).await?;
    let note = note(&bundle, Some(before));
    app.commit(who, now, vec![Write::Decision(Box::new(decision)), Write::Note(note)]).await?;
    app.policies.replace(bundle);
    fresh::learn(app).await?;
    app.wake();
    Ok(app.policies.bundle())
}

/// Puts the bundle that a server starts with on record, or refuses to start with it. It is not asked before this.
pub(crate) async fn begin(app: &App, files: &Files) -> Result<(), StartError> {
    // Where changes decide, the folder counts until the first one has.
    let floor = app.store.bundle_floor().await.map_err(FlowError::from)?;
    if let (Some(_), Some(floor)) = (&app.config.policies.home, floor) {
        let folder = app.policies.bundle().digest;
        if folder != floor.digest {
            warn!(
                %folder, in_force = %floor.digest,
                "the policies of the folder are not those in force; propose them: `interlock policy propose`"
            );
        }
        return Ok(follow(app).await?);
    }
    match put_on_record(app, &app.policies.bundle(), files, app.clock.now()).await {
        Err(FlowError::Bundle(refusal)) => Err(StartError::Bundle(refusal)),
        done => Ok(done?),
    }
}

/// Puts in force here what an admitted change put in force, on this replica or another.
pub(crate) async fn follow(app: &App) -> Result<(), FlowError> {
    if app.config.policies.home.is_none() {
        return Ok(());
    }
    let Some(floor) = app.store.bundle_floor().await? else { return Ok(()) };
    let before = app.policies.bundle().digest;
    if floor.digest == before {
        return Ok(());
    }
    let _turn = app.reloading.lock().await;
    let bundle = match kept(app, &floor.digest).await? {
        Ok(bundle) => bundle,
        Err(reason) => return Err(BundleRefusal::Unreadable { digest: floor.digest, reason }.into()),
    };
    info!(bundle = %bundle.digest, name = bundle.name, revision = bundle.revision, %before, "policies followed");
    say_when_it_denies_everything(&bundle);
    app.policies.replace(bundle);
    fresh::learn(app).await
}

/// As [`follow`], where what was decided is decided whatever comes of this: the next tick tries again.
pub(crate) async fn follow_soon(app: &App) {
    if let Err(error) = follow(app).await {
        warn!(%error, "the policies in force could not be followed; it is tried again at the next tick");
    }
}

/// Keeps a bundle and raises the floor to it; in the log of the server itself, since it is in force for every tenant.
async fn put_on_record(app: &App, bundle: &Bundle, files: &Files, now: Timestamp) -> Result<(), FlowError> {
    let floor = app.store.bundle_floor().await?;
    check("bundle", (bundle.revision, bundle.digest), floor)?;
    // Before anything refers to it.
    app.store.keep(Kept::Bundle, &bundle.digest, &packed(files)).await?;
    if floor.is_some_and(|floor| floor.digest == bundle.digest) {
        return Ok(());
    }
    let system: TenantId = SYSTEM.parse().map_err(|error| FlowError::bad_id("tenant", &error))?;
    let to = BundleFloor { revision: bundle.revision, digest: bundle.digest };
    let writes = vec![Write::BundleFloor(to), Write::Note(note(bundle, floor.map(|floor| floor.digest)))];
    match app.commit_as_host(&system, now, None, writes).await {
        // Another replica was faster; what it loaded counts.
        Err(FlowError::Store(conflict @ StoreError::Conflict { .. })) => {
            check("bundle", (bundle.revision, bundle.digest), app.store.bundle_floor().await?)?;
            Err(conflict.into())
        }
        done => {
            done?;
            info!(bundle = %bundle.digest, name = bundle.name, revision = bundle.revision, "policies loaded");
            say_when_it_denies_everything(bundle);
            Ok(())
        }
    }
}

/// Nothing is permitted that no policy permits. Whoever meant that knows; everybody else should not have to search.
fn say_when_it_denies_everything(bundle: &Bundle) {
    if bundle.denies_all() {
        warn!(bundle = %bundle.digest, name = bundle.name, revision = bundle.revision,
            "this bundle has no policies at all, and denies everything to everybody; put another one into force");
    }
}

/// Whether a bundle or an application of this revision and digest may come into force above this floor.
pub(super) fn check(
    what: &'static str,
    (revision, digest): (u64, Digest),
    floor: Option<BundleFloor>,
) -> Result<(), BundleRefusal> {
    match floor {
        Some(floor) if revision < floor.revision => {
            Err(BundleRefusal::Older { what, digest, revision, floor })
        }
        Some(floor) if revision == floor.revision && digest != floor.digest => {
            Err(BundleRefusal::Altered { what, digest, floor })
        }
        _ => Ok(()),
    }
}

/// How a bundle is named on record.
pub(crate) fn named(bundle: &Bundle) -> BundleRef {
    BundleRef { digest: bundle.digest, name: bundle.name.clone(), revision: bundle.revision }
}

fn note(bundle: &Bundle, before: Option<Digest>) -> Note {
    Note {
        kind: "bundle.loaded",
        object_kind: "bundle",
        object_id: bundle.digest.to_string(),
        payload: serde_json::json!({
            "bundle": bundle.digest, "name": bundle.name, "revision": bundle.revision, "before": before,
        }),
    }
}

/// A bundle that was in force once. The inner error says why there is none any more that a decision could be made with
/// again: it was altered, or this program no longer reads it.
pub(crate) async fn kept(app: &App, digest: &Digest) -> Result<Result<Bundle, String>, FlowError> {
    let Some(packed) = app.store.kept(Kept::Bundle, digest).await? else {
        return Err(FlowError::NotFound { what: "policy bundle", id: digest.to_string() });
    };
    Ok(unpacked(&packed).and_then(|bundle| match bundle.digest {
        found if found == *digest => Ok(bundle),
        found => Err(format!("the kept bundle `{digest}` was altered: it is `{found}` now")),
    }))
}

/// The files of a bundle as one text. A bundle loads only when all of them are text.
pub(crate) fn packed(files: &Files) -> Vec<u8> {
    let texts: BTreeMap<&str, _> =
        files.iter().map(|(path, content)| (path.as_str(), String::from_utf8_lossy(content))).collect();
    serde_json::json!(texts).to_string().into_bytes()
}

/// The files of a kept bundle.
pub(crate) fn unpacked_files(packed: &[u8]) -> Result<Files, String> {
    let texts: BTreeMap<String, String> =
        serde_json::from_slice(packed).map_err(|error| format!("the kept bundle cannot be read: {error}"))?;
    Ok(texts.into_iter().map(|(path, text)| (path, text.into_bytes())).collect())
}

fn unpacked(packed: &[u8]) -> Result<Bundle, String> {
    Bundle::from_files_within(&unpacked_files(packed)?, &Limits::NONE)
        .map_err(|error| format!("this program does not read the kept bundle: {error}"))
}
