//! What somebody may make for the account that they act through.
//!
//! **Invariant:** whoever has a key that is not theirs has it until it ends or is revoked, and gets nothing by it that lasts longer,
//! is good for more, or works elsewhere. Only a session, which takes a person and two components, makes more of itself.

use interlock_domain::{Account, Actor, Credential, KeyId, Login, Timestamp};

use super::key::KeyRequest;
use crate::{App, FlowError};

/// Refuses a key for one's own account that is more than the key that asks for it.
pub(super) async fn check_key(
    app: &App,
    who: &Actor,
    account: &Account,
    request: &KeyRequest,
    now: Timestamp,
) -> Result<(), FlowError> {
    if in_session(who) || !is_own(who, account) {
        return Ok(());
    }
    let by = match key_of(who) {
        Some(id) => app.store.credential(&id).await?.map(|(credential, _)| credential),
        None => None,
    };
    let Some(by) = by else {
        return Err(FlowError::invalid(
            "/name",
            format!("a token makes no key for its own account; {LOG_IN}"),
        ));
    };
    let life = i64::try_from(request.expires_in_ms).unwrap_or(i64::MAX);
    if now.plus_millis(life) > by.expires_at {
        let (id, until) = (&by.id, by.expires_at);
        let detail = format!(
            "`{id}` makes no key for its own account that works longer than itself, until {until}; {LOG_IN}"
        );
        return Err(FlowError::invalid("/expires_in_ms", detail));
    }
    if request.scopes.iter().any(|scope| !by.scopes.contains(scope)) {
        let detail =
            format!("`{}` makes no key for its own account with scopes that it lacks; {LOG_IN}", by.id);
        return Err(FlowError::invalid("/scopes", detail));
    }
    if !covers(&by, request) {
        let detail =
            format!("`{}` makes no key for its own account that works where it does not; {LOG_IN}", by.id);
        return Err(FlowError::invalid("/networks", detail));
    }
    Ok(())
}

/// What to do instead.
const LOG_IN: &str = "log in and make it in the session, or ask another administrator";

/// Refuses an invitation, or a name of an identity provider, for one's own account by anything but a session: by either one would
/// get a session oneself. An account by which nobody can log in yet gets its first one so, as a new tenant's administrator does.
pub(super) async fn check_means(app: &App, who: &Actor, account: &Account) -> Result<(), FlowError> {
    if in_session(who) || !is_own(who, account) {
        return Ok(());
    }
    let login = app.store.login(&account.tenant, &account.id).await?;
    if !login.as_ref().is_some_and(Login::opens)
        && app.store.subjects(&account.tenant, &account.id).await?.is_empty()
    {
        return Ok(());
    }
    let detail = format!(
        "`{}` is your own account and somebody logs in by it already, so a key changes nothing of that; log in and do it in the \
         session, or ask another administrator",
        account.name
    );
    Err(FlowError::invalid("", detail))
}

fn in_session(who: &Actor) -> bool {
    who.auth.starts_with("session:")
}

/// The account itself, or another one of the same person that approves or administers.
fn is_own(who: &Actor, account: &Account) -> bool {
    account.id == who.account || (account.person == who.person && account.takes_two())
}

/// The key that somebody acts with, sent or signed with.
fn key_of(who: &Actor) -> Option<KeyId> {
    let id = who.auth.strip_prefix("key:").or_else(|| who.auth.strip_prefix("signed:"))?;
    id.parse().ok()
}

/// Whether a key works only where the one that makes it does.
fn covers(by: &Credential, request: &KeyRequest) -> bool {
    let inside = |network| by.networks.iter().any(|own| own.covers(network));
    by.networks.is_empty() || (!request.networks.is_empty() && request.networks.iter().all(inside))
}
