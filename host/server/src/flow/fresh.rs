//! How fresh the policies are: when git was last seen with a head that keeps to the rules, or else when they came into force.

use interlock_domain::Timestamp;
use interlock_store::{PolicySync, SyncFailure};

use crate::{App, FlowError};

/// How the head stands whose bundle is in force.
pub(crate) const IN_FORCE: &str = "in force";

/// How it is with the policies in git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Where they are.
    pub(crate) source: String,
    /// The newest head that could be read.
    pub(crate) head: Option<String>,
    /// How it stands: in force, or the change that it waits in.
    pub(crate) standing: Option<String>,
    /// Whether the policies are older than they may be.
    pub(crate) is_old: bool,
    /// Why the newest is not taken.
    pub(crate) failure: Option<SyncFailure>,
}

/// How it is with the policies in git; nothing where they do not come from there.
pub(crate) async fn standing(app: &App) -> Result<Option<Shown>, FlowError> {
    let git = &app.config.policies.git;
    if !git.is_on() {
        return Ok(None);
    }
    let Some(seen) = seen(app).await? else {
        let source = git.named();
        return Ok(Some(Shown { source, head: None, standing: None, is_old: false, failure: None }));
    };
    let age = app.clock.now().millis_since(known_at(&seen));
    let is_old = u64::try_from(age).unwrap_or(0) >= git.max_age_ms;
    let PolicySync { source, head, digest, standing, failure, .. } = seen;
    // It may have been admitted since the last look.
    let is_in_force = digest == Some(app.policies.bundle().digest);
    let standing = if is_in_force { Some(IN_FORCE.to_owned()) } else { standing };
    Ok(Some(Shown { source, head, standing, is_old, failure }))
}

/// What was last seen of the place that is configured.
pub(crate) async fn seen(app: &App) -> Result<Option<PolicySync>, FlowError> {
    let source = app.config.policies.git.named();
    Ok(app.store.policy_sync().await?.filter(|seen| seen.source == source))
}

/// Learns how fresh the policies are, for every question from now on: another replica may have looked.
pub(crate) async fn learn(app: &App) -> Result<(), FlowError> {
    let known_at = match app.config.policies.git.is_on() {
        true => seen(app).await?.map(|seen| known_at(&seen)),
        false => app.store.bundle_since().await?,
    };
    app.known_at.set(known_at);
    Ok(())
}

/// A place that never held a head that keeps to the rules counts from when it was first looked at.
fn known_at(seen: &PolicySync) -> Timestamp {
    seen.confirmed_at.unwrap_or(seen.followed_since)
}

/// How old the policies are by that.
pub(crate) fn age_ms(app: &App) -> Option<u64> {
    app.freshness().map(|freshness| freshness.age_ms(app.clock.now()))
}
