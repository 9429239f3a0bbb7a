//! Accounts: who holds which roles, who may act, and in whose hands an account is.
//!
//! One administrator alone makes nobody an approver or an administrator: [`confirm`] is the second one's word.
//!
//! **Invariant:** whatever lets somebody act through an account that takes two was handed out while it did, and so confirmed by a
//! second administrator. What there was before ends when the account is raised.

use interlock_domain::{
    Account, AccountId, AccountKind, Action, Actor, Credential, Digest, KeyId, Login, PersonId, RoleGrant,
    Timestamp,
};
use interlock_store::{Page, StoreError, Write};
use serde::{Deserialize, Serialize};

use super::{
    anew::TRIES,
    ask::{may_read, permit},
    change::tenant,
    login::end_all,
};
use crate::{App, FlowError, bus::Note};

/// Other roles for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolesRequest {
    /// All roles that it holds from now on.
    #[schema(value_type = Vec<Object>)]
    pub roles: Vec<RoleGrant>,
}

/// What the second administrator read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// `hold.digest` of the account as it was read: what was handed out, and by whom.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// An account, and of a program whether the person who answers for it has one that is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAccount {
    /// The account.
    pub account: Account,
    /// Nothing of a person.
    pub owner_active: Option<bool>,
}

/// The accounts of the tenant, by id.
pub async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<ListedAccount>, FlowError> {
    may_read(app, who, Action::ReadKey, tenant(who)).await?;
    let accounts = app.store.accounts_page(&who.tenant, page).await?;
    let owners = super::owner::active(app, &who.tenant).await?;
    let listed = |account: Account| {
        let is_program = account.kind == AccountKind::Service;
        let owner_active = is_program.then(|| owners.contains(&account.person));
        ListedAccount { account, owner_active }
    };
    Ok(accounts.into_iter().map(listed).collect())
}

/// Gives an account other roles. A further one that takes two holds it until a second administrator confirms; the first such role
/// also ends its keys, its login and its names, which one administrator alone handed out.
pub async fn grant(
    app: &App,
    who: &Actor,
    id: &AccountId,
    request: RolesRequest,
) -> Result<Account, FlowError> {
    let mut roles = request.roles;
    roles.sort();
    roles.dedup();
    let with = |account: &Account, by: &PersonId, now| Ok(account.with_roles(roles.clone(), by, now));
    alter(app, who, id, Action::GrantRoles, with).await
}

/// Says, as the second administrator, that an account is in the hands of the person whose it is, as they read it.
pub async fn confirm(
    app: &App,
    who: &Actor,
    id: &AccountId,
    request: ConfirmRequest,
) -> Result<Account, FlowError> {
    let confirmed = |account: &Account, _: &PersonId, _| Ok(account.confirm(who, &request.digest)?);
    alter(app, who, id, Action::ConfirmAccount, confirmed).await
}

/// Ends an account at once, with its keys, its login and its names. What it approved no longer counts.
pub async fn deactivate(app: &App, who: &Actor, id: &AccountId) -> Result<Account, FlowError> {
    let end = |account: &Account| Account { active: false, ..account.clone() };
    alter(app, who, id, Action::DeactivateAccount, |account, _, _| Ok(end(account))).await
}

/// Lets an account act again, with a new key or invitation: whatever it had has ended.
pub async fn activate(app: &App, who: &Actor, id: &AccountId) -> Result<Account, FlowError> {
    let begin = |account: &Account, by: &PersonId, now| {
        Ok(if account.active { account.clone() } else { account.activated(by, now) })
    };
    alter(app, who, id, Action::ActivateAccount, begin).await
}

async fn alter(
    app: &App,
    who: &Actor,
    id: &AccountId,
    action: Action,
    altered: impl Fn(&Account, &PersonId, Timestamp) -> Result<Account, FlowError>,
) -> Result<Account, FlowError> {
    let mut tries = 0;
    loop {
        match alter_once(app, who, id, action, &altered).await {
            // Somebody who guesses its password, or a key that was just made or revoked, must not keep an account from being ended.
            Err(FlowError::Store(StoreError::Conflict { what: "login of" | "key" | "means of", .. }))
                if tries < TRIES =>
            {
                tries += 1;
            }
            done => return done,
        }
    }
}

async fn alter_once(
    app: &App,
    who: &Actor,
    id: &AccountId,
    action: Action,
    altered: &impl Fn(&Account, &PersonId, Timestamp) -> Result<Account, FlowError>,
) -> Result<Account, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, action, tenant(who), None, now).await?;
    let from = app.store.account(&who.tenant, id).await?;
    let from = from.ok_or_else(|| FlowError::NotFound { what: "account", id: id.to_string() })?;
    let account = altered(&from, &who.person, now)?;
    if account == from {
        return Ok(account);
    }
    let mut writes = vec![Write::Decision(Box::new(decision))];
    let others = if from.administers() { app.store.accounts(&who.tenant).await? } else { Vec::new() };
    // Two administrators who end each other at the same time must not both succeed.
    let left = from.leaves(&account, &others)?;
    writes.extend(left.map(|left| Write::Unaltered(Box::new(left.clone()))));
    // Also when it begins to act again: a key may have been made in the moment in which it ended.
    let anew = account.active != from.active || account.is_raised_from(&from);
    writes.push(Write::Account { account: Box::new(account.clone()), from: Some(Box::new(from)) });
    // Whoever is logged in does so with what they are.
    writes.push(end_all(&account));
    let known = if anew {
        end_login_and_names(app, &account, now, &mut writes).await?;
        let ended = end_keys(app, &account, now, &mut writes).await?;
        let (tenant, account) = (account.tenant.clone(), account.id.clone());
        writes.push(Write::Powerless { tenant, account, now });
        ended
    } else {
        ids(&app.store.live_credentials(&who.tenant, id).await?)
    };
    app.commit(who, now, writes).await?;
    // What is cached of a key tells of its account too.
    forget(app, &known);
    app.subjects.forget(&account.id);
    Ok(account)
}

/// An account as it becomes, or the word that it still is what it was: else something could be handed out for it in the moment in
/// which it comes to approve, or ends.
pub(super) fn written(account: &Account, from: Option<Account>) -> Write {
    let account = Box::new(account.clone());
    match from {
        Some(from) if from == *account => Write::Unaltered(account),
        from => Write::Account { account, from: from.map(Box::new) },
    }
}

/// Ends every key that an account has.
pub(super) async fn end_keys(
    app: &App,
    account: &Account,
    now: Timestamp,
    writes: &mut Vec<Write>,
) -> Result<Vec<KeyId>, FlowError> {
    let live = app.store.live_credentials(&account.tenant, &account.id).await?;
    let known = ids(&live);
    let ended = live.into_iter().map(|key| Credential { revoked_at: Some(now), ..key });
    writes.extend(ended.map(|key| Write::Credential(Box::new(key))));
    Ok(known)
}

/// Ends whatever else than keys lets somebody act through an account: by what they log in, an invitation, and the names that
/// identity providers have for them.
async fn end_login_and_names(
    app: &App,
    account: &Account,
    now: Timestamp,
    writes: &mut Vec<Write>,
) -> Result<(), FlowError> {
    let login = app.store.login(&account.tenant, &account.id).await?;
    if let Some(login) = login.filter(Login::opens) {
        writes.push(Write::Login { login: Box::new(login.ended(now)), event: "login.ended" });
    }
    let names = app.store.subjects(&account.tenant, &account.id).await?;
    let gone = names.into_iter().map(|name| Write::SubjectGone { tenant: name.tenant, id: name.id });
    writes.extend(gone);
    Ok(())
}

/// Drops what is cached of keys, here and on the other replicas.
pub(super) fn forget(app: &App, keys: &[KeyId]) {
    for key in keys {
        app.keys.forget(key);
        app.bus.tell(Note::KeyRevoked { key: key.clone() });
    }
}

fn ids(keys: &[Credential]) -> Vec<KeyId> {
    keys.iter().map(|key| key.id.clone()).collect()
}
