//! Accounts and their API keys.
//!
//! A key is `ilk_<id>_<secret>`; only SHA-256 of the secret is kept. It carries 190 random bits, so a slow hash
//! would only slow us down.

use interlock_domain::{
    Account, AccountId, AccountKind, Action, Actor, Credential, KeyId, PersonId, RoleGrant, Scope, TenantId,
    Timestamp,
};
use interlock_store::{Page, Write};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{
    ask::{may_read, permit},
    change::tenant,
    device::token_hash,
};
use crate::{App, FlowError};

/// The longest a key may live: 90 days.
pub const KEY_LIFE_MAX_MS: u64 = 90 * 24 * 3_600_000;

/// An account and a key for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What the person or program is called, as it stands by an approval. An account of this name and kind is used
    /// again with its roles replaced; otherwise one is made.
    #[schema(example = "Ana Sousa")]
    pub name: String,
    /// Person or program.
    #[schema(value_type = String, example = "user")]
    pub kind: AccountKind,
    /// The roles held.
    #[schema(value_type = Vec<Object>)]
    pub roles: Vec<RoleGrant>,
    /// What the key may be used for.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    /// How long it works, in milliseconds; at most 90 days.
    pub expires_in_ms: u64,
    /// What it is for.
    #[serde(default)]
    pub label: String,
}

/// A new key. The text cannot be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// `ilk_…`
    pub text: String,
    /// The key as it is kept.
    pub credential: Credential,
    /// Whose it is.
    pub account: Account,
}

/// Makes a key for an account, and the account if there is none of that name.
pub async fn create(app: &App, who: &Actor, request: KeyRequest) -> Result<NewKey, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::CreateKey, tenant(who), None, now).await?;
    let (new, mut writes) = prepare(app, &who.tenant, request, now).await?;
    writes.insert(0, Write::Decision(Box::new(decision)));
    app.commit(who, now, writes).await?;
    Ok(new)
}

/// Makes a key on the machine itself, for whoever may read the data folder: how a tenant gets its first one.
pub async fn create_locally(app: &App, tenant: &TenantId, request: KeyRequest) -> Result<NewKey, FlowError> {
    let now = app.clock.now();
    let (new, writes) = prepare(app, tenant, request, now).await?;
    app.commit_as_host(tenant, now, None, writes).await?;
    Ok(new)
}

async fn prepare(
    app: &App,
    tenant: &TenantId,
    request: KeyRequest,
    now: Timestamp,
) -> Result<(NewKey, Vec<Write>), FlowError> {
    let name = request.name.trim().to_owned();
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(FlowError::invalid("/name", "a name has 1 to 200 characters and no control characters"));
    }
    if request.scopes.is_empty() {
        return Err(FlowError::invalid("/scopes", "a key needs at least one scope: read, write or admin"));
    }
    if request.expires_in_ms == 0 || request.expires_in_ms > KEY_LIFE_MAX_MS {
        return Err(FlowError::invalid(
            "/expires_in_ms",
            format!("a key expires after 1 to {KEY_LIFE_MAX_MS} ms (90 days)"),
        ));
    }
    let accounts = app.store.accounts(tenant).await?;
    let same = accounts.into_iter().find(|account| account.name == name && account.kind == request.kind);
    let (account, from) = match same {
        Some(same) => (Account { roles: request.roles, active: true, ..same.clone() }, Some(same)),
        None => {
            let account = Account {
                id: AccountId::new(app.clock.uuid()),
                tenant: tenant.clone(),
                kind: request.kind,
                person: PersonId::new(app.clock.uuid()),
                name,
                roles: request.roles,
                active: true,
                created_at: now,
            };
            (account, None)
        }
    };
    let id = KeyId::new(app.clock.uuid());
    let secret = app.secret()?;
    let text = format!("ilk_{}_{secret}", id.as_str().trim_start_matches("key_"));
    let mut scopes = request.scopes;
    scopes.sort();
    scopes.dedup();
    let credential = Credential {
        id,
        tenant: tenant.clone(),
        account: account.id.clone(),
        label: request.label,
        secret_sha256: token_hash(&secret),
        scopes,
        created_at: now,
        expires_at: now.plus_millis(i64::try_from(request.expires_in_ms).unwrap_or(i64::MAX)),
        revoked_at: None,
    };
    let mut writes = Vec::new();
    if from.as_ref() != Some(&account) {
        writes.push(Write::Account(Box::new(account.clone())));
    }
    writes.push(Write::Credential(Box::new(credential.clone())));
    Ok((NewKey { text, credential, account }, writes))
}

/// Revokes a key at once.
pub async fn revoke(app: &App, who: &Actor, id: &KeyId) -> Result<Credential, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::RevokeKey, tenant(who), None, now).await?;
    let not_found = || FlowError::NotFound { what: "key", id: id.to_string() };
    let found = app.store.credential(id).await?.filter(|(key, _)| key.tenant == who.tenant);
    let (mut credential, _) = found.ok_or_else(not_found)?;
    if credential.revoked_at.is_none() {
        credential.revoked_at = Some(now);
        let write = Write::Credential(Box::new(credential.clone()));
        app.commit(who, now, vec![Write::Decision(Box::new(decision)), write]).await?;
        app.keys.forget(id);
    }
    Ok(credential)
}

/// The keys of the tenant, newest first, without secrets.
pub async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<Credential>, FlowError> {
    may_read(app, who, Action::ReadKey, tenant(who)).await?;
    Ok(app.store.credentials(&who.tenant, page).await?)
}

/// Why a key does not authenticate. All are answered alike, so that nobody learns which keys exist; the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Not of the form `ilk_<id>_<secret>`.
    #[error("the key is malformed")]
    Malformed,
    /// No such key, or the secret is another.
    #[error("the key is unknown")]
    Unknown,
    /// It is over.
    #[error("the key has expired; ask an administrator for a new one")]
    Expired,
    /// Somebody revoked it.
    #[error("the key was revoked; ask an administrator for a new one")]
    Revoked,
    /// Its account may not act any more.
    #[error("the account of this key is not active")]
    Inactive,
}

/// Who acts with this key, and what the key is for.
pub async fn authenticate(
    app: &App,
    text: &str,
) -> Result<Result<(Actor, Vec<Scope>), KeyRefusal>, FlowError> {
    let parts = text.strip_prefix("ilk_").and_then(|rest| rest.split_once('_'));
    let Some((id, secret)) = parts else { return Ok(Err(KeyRefusal::Malformed)) };
    let Ok(id) = format!("{}_{id}", KeyId::PREFIX).parse::<KeyId>() else {
        return Ok(Err(KeyRefusal::Malformed));
    };
    let now = app.clock.now();
    let known = match app.keys.get(&id, now) {
        Some(known) => known,
        None => {
            let Some((credential, account)) = app.store.credential(&id).await? else {
                return Ok(Err(KeyRefusal::Unknown));
            };
            app.keys.put(credential, account, now)
        }
    };
    let (credential, account) = known.as_ref();
    let given = token_hash(secret);
    if !bool::from(given.as_bytes().ct_eq(credential.secret_sha256.as_bytes())) {
        return Ok(Err(KeyRefusal::Unknown));
    }
    // After the secret, so that only its holder learns why.
    if credential.revoked_at.is_some() {
        return Ok(Err(KeyRefusal::Revoked));
    }
    if now >= credential.expires_at {
        return Ok(Err(KeyRefusal::Expired));
    }
    if !account.active {
        return Ok(Err(KeyRefusal::Inactive));
    }
    Ok(Ok((account.actor(format!("key:{}", credential.id)), credential.scopes.clone())))
}
