//! API keys, and the accounts that they are made for.
//!
//! A key is `ilk_<id>_<secret>`; only SHA-256 of the secret is kept. It carries 190 random bits, so a slow hash
//! would only slow us down.

use std::{fmt, net::IpAddr, sync::Arc};

use interlock_domain::{
    Account, AccountId, AccountKind, Action, Actor, Credential, KeyId, Network, PersonId, RoleGrant, Scope,
    TenantId, Timestamp, called, called_as_before,
};
use interlock_store::{Page, Write};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tracing::warn;

use super::{
    account::{end_keys, forget, written},
    ask::{may_read, permit},
    change::tenant,
    device::token_hash,
    login::end_all,
    own, owner, signed,
};
use crate::{App, FlowError, bus::Note, keys::KnownKey};

/// The longest a key may live: 90 days.
pub const KEY_LIFE_MAX_MS: u64 = 90 * 24 * 3_600_000;
/// Longest label.
const TEXT_MAX: usize = 200;
/// Most networks of one key.
const NETWORKS_MAX: usize = 64;

/// An account and a key for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What the person or program is called, as it stands by an approval. An account of this name and kind is used
    /// again; otherwise one is made.
    #[schema(example = "Ana Sousa")]
    pub name: String,
    /// Person or program.
    #[schema(value_type = String, example = "user")]
    pub kind: AccountKind,
    /// The roles of an account that is made. One that is used again keeps its own; say the same or nothing then.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub roles: Vec<RoleGrant>,
    /// For a further account of somebody who has one: the person. Without it, a user account that is made is a new
    /// person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub person: Option<PersonId>,
    /// For a program, which always needs it: the person who answers for it. What the program does is theirs, so that
    /// nobody approves what their own program proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<PersonId>,
    /// Ends all other keys of an account that is used again. An account with a role that takes two administrators
    /// needs it, and then waits for the second one and for 24 hours before it approves or administers again.
    #[serde(default)]
    pub reset: bool,
    /// What the key may be used for.
    #[schema(value_type = Vec<String>)]
    pub scopes: Vec<Scope>,
    /// How long it works, in milliseconds; at most 90 days.
    pub expires_in_ms: u64,
    /// What it is for; at most 200 characters.
    #[serde(default)]
    pub label: String,
    /// Where it may be used from, as `10.0.0.0/8` or one address; at most 64, and anywhere when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["10.0.0.0/8"]))]
    pub networks: Vec<Network>,
    /// For a key that signs requests (RFC 9421) instead of being sent: its public half, PEM. Ed25519, P-256, or RSA with at least
    /// 2048 bits, which then signs with PSS and SHA-512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// How a key is followed by another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the new one works, in milliseconds; as long as the old one did when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// A key, and when it was last used: as of about a minute ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The key.
    pub credential: Credential,
    /// Nothing when it never was.
    pub last_used_at: Option<Timestamp>,
}

/// A new key. The text cannot be read again.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// `ilk_…`; nothing for a key that signs, whose secret only its holder has.
    pub text: Option<String>,
    /// The key as it is kept.
    pub credential: Credential,
    /// Whose it is.
    pub account: Account,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("credential", &self.credential).finish_non_exhaustive()
    }
}

/// Who makes a key.
#[derive(Debug, Clone, Copy)]
enum Maker<'a> {
    /// An administrator, who is not trusted alone with what takes two.
    Administrator(&'a Actor),
    /// Whoever may write to the data folder, where no rule of ours holds anyway.
    Machine,
}

/// Makes a key for an account, and the account if there is none of that name.
pub async fn create(app: &App, who: &Actor, request: KeyRequest) -> Result<NewKey, FlowError> {
    let now = app.clock.now();
    let (_, decision) = permit(app, who, Action::CreateKey, tenant(who), None, now).await?;
    let made = prepare(app, &who.tenant, Maker::Administrator(who), request, now).await?;
    let mut writes = vec![Write::Decision(Box::new(decision))];
    writes.extend(made.writes);
    app.commit(who, now, writes).await?;
    forget(app, &made.ended);
    app.subjects.forget(&made.new.account.id);
    Ok(made.new)
}

/// Makes a key on the machine itself, for whoever may write to the data folder: how a tenant gets its first one.
pub async fn create_locally(app: &App, tenant: &TenantId, request: KeyRequest) -> Result<NewKey, FlowError> {
    let now = app.clock.now();
    let made = prepare(app, tenant, Maker::Machine, request, now).await?;
    app.commit_as_host(tenant, now, None, made.writes).await?;
    forget(app, &made.ended);
    Ok(made.new)
}

/// A key that is about to be made.
struct Made {
    new: NewKey,
    /// Keys that end with it.
    ended: Vec<KeyId>,
    writes: Vec<Write>,
}

async fn prepare(
    app: &App,
    tenant: &TenantId,
    maker: Maker<'_>,
    mut request: KeyRequest,
    now: Timestamp,
) -> Result<Made, FlowError> {
    request.name = called(&request.name).map_err(|error| FlowError::bad_id("/name", &error))?;
    request.roles.sort();
    request.roles.dedup();
    check(&request)?;
    let (account, from) = account_for(app, tenant, maker, &request, now).await?;
    if let Maker::Administrator(who) = maker {
        own::check_key(app, who, &account, &request, now).await?;
    }
    let mut writes = vec![written(&account, from)];
    let mut ended = Vec::new();
    let most = app.config.identity.keys_live_max;
    if request.reset {
        ended = end_keys(app, &account, now, &mut writes).await?;
        writes.push(end_all(&account));
    } else {
        let live = app.store.live_credentials(tenant, &account.id).await?;
        let live: Vec<&str> = live.iter().filter(|key| key.is_live(now)).map(|key| key.id.as_str()).collect();
        if live.len() >= most {
            let detail = format!(
                "`{}` has {} keys that work ({}), and {most} is the most: revoke one that is no longer used \
                 (`interlock key revoke ID`), or end them all with `\"reset\": true`",
                account.name,
                live.len(),
                live.join(", ")
            );
            return Err(FlowError::invalid("/name", detail));
        }
    }
    let id = KeyId::new(app.clock.uuid());
    let public_key = request.public_key.as_deref().map(signed::public_key).transpose()?;
    let secret = if public_key.is_none() { Some(app.secret()?) } else { None };
    let tail = id.as_str().trim_start_matches("key_").to_owned();
    let text = secret.as_ref().map(|secret| format!("ilk_{tail}_{secret}"));
    let mut scopes = request.scopes;
    scopes.sort();
    scopes.dedup();
    let credential = Credential {
        id,
        tenant: tenant.clone(),
        account: account.id.clone(),
        label: request.label,
        secret_sha256: secret.as_deref().map(token_hash).unwrap_or_default(),
        scopes,
        created_at: now,
        expires_at: now.plus_millis(i64::try_from(request.expires_in_ms).unwrap_or(i64::MAX)),
        revoked_at: None,
        networks: request.networks,
        public_key,
    };
    writes.push(Write::Credential(Box::new(credential.clone())));
    // Two administrators at once must not make one too many.
    let (tenant, account_id) = (tenant.clone(), account.id.clone());
    writes.push(Write::LiveKeys { tenant, account: account_id, most, now });
    Ok(Made { new: NewKey { text, credential, account }, ended, writes })
}

fn check(request: &KeyRequest) -> Result<(), FlowError> {
    let fits = |text: &str| text.len() <= TEXT_MAX && !text.chars().any(char::is_control);
    if !fits(&request.label) {
        let detail = "a label has at most 200 characters and no control characters";
        return Err(FlowError::invalid("/label", detail));
    }
    if request.scopes.is_empty() {
        return Err(FlowError::invalid("/scopes", "a key needs at least one scope: read, write or admin"));
    }
    if request.networks.len() > NETWORKS_MAX {
        return Err(FlowError::invalid("/networks", format!("a key has at most {NETWORKS_MAX} networks")));
    }
    if request.expires_in_ms == 0 || request.expires_in_ms > KEY_LIFE_MAX_MS {
        return Err(FlowError::invalid(
            "/expires_in_ms",
            format!("a key expires after 1 to {KEY_LIFE_MAX_MS} ms (90 days)"),
        ));
    }
    match (request.kind, &request.person, &request.owner) {
        (AccountKind::Service, _, None) => {
            let detail = "a program needs a person who answers for it; `GET /accounts` lists persons";
            Err(FlowError::invalid("/owner", detail))
        }
        (AccountKind::Service, Some(_), Some(_)) => {
            Err(FlowError::invalid("/person", "a program is no person; give `owner` alone"))
        }
        (AccountKind::User, _, Some(_)) => Err(FlowError::invalid(
            "/owner",
            "only a program has an owner; give `person` for a person's account",
        )),
        (AccountKind::Service, None, Some(_)) | (AccountKind::User, _, None) => Ok(()),
    }
}

/// The account that the key is for as it will be, and what it was before; nothing when it is new.
async fn account_for(
    app: &App,
    tenant: &TenantId,
    maker: Maker<'_>,
    request: &KeyRequest,
    now: Timestamp,
) -> Result<(Account, Option<Account>), FlowError> {
    let accounts = app.store.accounts(tenant).await?;
    let (field, person) = match request.kind {
        AccountKind::User => ("/person", &request.person),
        AccountKind::Service => ("/owner", &request.owner),
    };
    let is_person = |person: &PersonId| {
        let own = |account: &&Account| account.kind == AccountKind::User && account.person == *person;
        accounts.iter().any(|account| own(&account) && account.active)
    };
    if let Some(person) = person
        && !is_person(person)
    {
        let detail = format!("there is no active account of a person `{person}`; `GET /accounts` lists them");
        return Err(FlowError::invalid(field, detail));
    }
    // One of before names had one form is found by it, too. A program that has ended leaves its name to one for which somebody else
    // answers.
    let has_left = |account: &Account| {
        !account.active
            && account.kind == AccountKind::Service
            && person.as_ref().is_some_and(|person| *person != account.person)
    };
    let is_same = |account: &&Account| {
        account.kind == request.kind && called_as_before(&account.name) == request.name && !has_left(account)
    };
    let same = accounts.iter().find(is_same);
    let Some(same) = same else {
        if request.reset {
            let detail = format!("there is no account `{}` whose keys could be reset", request.name);
            return Err(FlowError::invalid("/reset", detail));
        }
        let account = Account {
            id: AccountId::new(app.clock.uuid()),
            tenant: tenant.clone(),
            kind: request.kind,
            person: person.clone().unwrap_or_else(|| PersonId::new(app.clock.uuid())),
            name: request.name.clone(),
            roles: request.roles.clone(),
            active: true,
            created_at: now,
            hold: None,
        };
        return Ok(match maker {
            Maker::Administrator(who) => (account.handed_out(&who.person, now), None),
            Maker::Machine => (account, None),
        });
    };
    if person.as_ref().is_some_and(|person| *person != same.person) {
        let detail = format!("`{}` belongs to `{}`; choose another name", same.name, same.person);
        return Err(FlowError::invalid(field, detail));
    }
    if !same.active {
        let detail = format!("`{}` ({}) is deactivated; activate it first", same.name, same.id);
        return Err(FlowError::invalid("/name", detail));
    }
    let account = match maker {
        Maker::Administrator(who) => rekeyed(same, who, request, now)?,
        Maker::Machine if request.roles.is_empty() => Account { hold: None, ..same.clone() },
        Maker::Machine => Account { roles: request.roles.clone(), hold: None, ..same.clone() },
    };
    Ok((account, Some(same.clone())))
}

/// An account for which an administrator wants a further key. Never with other roles: who may approve is altered by a
/// verb of its own, where everybody sees it.
fn rekeyed(same: &Account, who: &Actor, request: &KeyRequest, now: Timestamp) -> Result<Account, FlowError> {
    let mut roles = same.roles.clone();
    roles.sort();
    roles.dedup();
    if !request.roles.is_empty() && request.roles != roles {
        let detail = format!(
            "`{}` ({}) holds other roles; leave them out, or alter them first: PUT /accounts/{}/roles",
            same.name, same.id, same.id
        );
        return Err(FlowError::invalid("/roles", detail));
    }
    if same.person == who.person {
        return Ok(same.clone());
    }
    if same.takes_two() && !request.reset {
        let detail = format!(
            "`{}` approves or administers, so a key for it needs `\"reset\": true`: that ends its other keys, and it \
             waits for a second administrator and 24 hours before it does so again",
            same.name
        );
        return Err(FlowError::invalid("/reset", detail));
    }
    Ok(if request.reset { same.reset(&who.person, now) } else { same.clone() })
}

/// Makes a key like another one, which goes on working until it is revoked or expires: the first half of replacing it. For an account
/// that approves or administers only its person does so, in a session: a key that somebody took would make its own successors.
pub async fn rotate(app: &App, who: &Actor, id: &KeyId, rotation: Rotation) -> Result<NewKey, FlowError> {
    let found = app.store.credential(id).await?.filter(|(key, _)| key.tenant == who.tenant);
    let not_found = || FlowError::NotFound { what: "key", id: id.to_string() };
    let (old, account) = found.ok_or_else(not_found)?;
    if old.revoked_at.is_some() {
        let detail = format!("`{id}` was revoked, so nothing follows it; make a new key instead");
        return Err(FlowError::invalid("", detail));
    }
    if account.takes_two() && account.person != who.person {
        let detail = format!(
            "`{}` approves or administers, so only they can have their key followed; for them make one that ends the others: \
             `interlock key create --name … --reset`",
            account.name
        );
        return Err(FlowError::invalid("", detail));
    }
    if old.public_key.is_some() {
        let detail =
            "a key that signs is followed by one that you make: `interlock key create --public FILE`";
        return Err(FlowError::invalid("", detail));
    }
    let life = u64::try_from(old.expires_at.millis_since(old.created_at)).unwrap_or_default();
    let request = KeyRequest {
        name: account.name,
        kind: account.kind,
        roles: Vec::new(),
        person: None,
        owner: (account.kind == AccountKind::Service).then_some(account.person),
        reset: false,
        scopes: old.scopes,
        expires_in_ms: rotation.expires_in_ms.unwrap_or(life),
        label: old.label,
        networks: old.networks,
        public_key: None,
    };
    create(app, who, request).await
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
        app.bus.tell(Note::KeyRevoked { key: id.clone() });
    }
    Ok(credential)
}

/// The keys of the tenant, newest first, without secrets.
pub async fn list(app: &App, who: &Actor, page: &Page) -> Result<Vec<ListedKey>, FlowError> {
    may_read(app, who, Action::ReadKey, tenant(who)).await?;
    let found = app.store.credentials_used(&who.tenant, page).await?;
    let listed = |(credential, last_used_at)| ListedKey { credential, last_used_at };
    Ok(found.into_iter().map(listed).collect())
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
    /// It is a program's, and nobody answers for it.
    #[error(
        "this program is suspended: whoever answers for it has no active account; have an administrator activate them, or end this \
         account and make the program anew for somebody else"
    )]
    Ownerless,
    /// It may not be used from there.
    #[error("the key may not be used from there")]
    Elsewhere,
}

/// The id in the text of a key, when it is of that form.
pub(crate) fn id_in(text: &str) -> Option<(KeyId, &str)> {
    let (id, secret) = text.strip_prefix("ilk_")?.split_once('_')?;
    Some((format!("{}_{id}", KeyId::PREFIX).parse().ok()?, secret))
}

/// Who acts with this key from this address, and what the key is for.
pub async fn authenticate(
    app: &App,
    text: &str,
    from: Option<IpAddr>,
) -> Result<Result<(Arc<Actor>, Arc<[Scope]>), KeyRefusal>, FlowError> {
    let Some((id, secret)) = id_in(text) else { return Ok(Err(KeyRefusal::Malformed)) };
    let now = app.clock.now();
    let Some(known) = look(app, &id, now).await? else { return Ok(Err(KeyRefusal::Unknown)) };
    let KnownKey { credential, account, actor, scopes } = known.as_ref();
    let given = token_hash(secret);
    if !bool::from(given.as_bytes().ct_eq(credential.secret_sha256.as_bytes())) {
        return Ok(Err(KeyRefusal::Unknown));
    }
    // After the secret, so that only its holder learns why.
    if let Err(refusal) = stands(credential, account, from, now) {
        return Ok(Err(refusal));
    }
    if owner::is_gone(app, account).await? {
        return Ok(Err(KeyRefusal::Ownerless));
    }
    note_use(app, credential, now).await;
    Ok(Ok((actor.clone(), scopes.clone())))
}

/// A key and its account, as of some seconds ago at most.
pub(super) async fn look(app: &App, id: &KeyId, now: Timestamp) -> Result<Option<Arc<KnownKey>>, FlowError> {
    if let Some(known) = app.keys.get(id, now) {
        return Ok(Some(known));
    }
    let found = app.store.credential(id).await?;
    Ok(found.map(|(credential, account)| app.keys.put(credential, account, now)))
}

/// Whether a key may be used now and from there, by whoever was found to hold it.
pub(super) fn stands(
    credential: &Credential,
    account: &Account,
    from: Option<IpAddr>,
    now: Timestamp,
) -> Result<(), KeyRefusal> {
    if credential.revoked_at.is_some() {
        return Err(KeyRefusal::Revoked);
    }
    if now >= credential.expires_at {
        return Err(KeyRefusal::Expired);
    }
    if !account.active {
        return Err(KeyRefusal::Inactive);
    }
    if !credential.admits(from) {
        return Err(KeyRefusal::Elsewhere);
    }
    Ok(())
}

/// Writes down that a key was used, when that is due.
pub(super) async fn note_use(app: &App, credential: &Credential, now: Timestamp) {
    if app.keys.used(&credential.id, now)
        && let Err(error) = app.store.key_used(&credential.tenant, &credential.id, now).await
    {
        // It works all the same: when it was last used is for people.
        warn!(%error, key = %credential.id, "it could not be written down that a key was used");
    }
}
