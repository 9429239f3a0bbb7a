//! Devices and keys as they are sent: without what their secrets hash to.

use std::collections::{BTreeMap, BTreeSet};

use interlock_domain as domain;
use interlock_domain::{
    AccountId, Environment, GroupName, KeyId, Network, PersonId, RoleGrant, Scope, SigningAlgorithm,
    Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow;

/// A device. Its token is never shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    /// As it names itself.
    #[schema(value_type = String, example = "pump-0001")]
    id: domain::DeviceId,
    /// Whose it is.
    #[schema(value_type = String)]
    tenant: domain::TenantId,
    /// In which environment.
    #[schema(value_type = String, example = "production")]
    environment: Environment,
    /// Hardware model.
    #[schema(example = "pump-x2")]
    model: String,
    /// Hardware revision.
    hardware_revision: String,
    /// Where it stands.
    #[schema(example = "north")]
    site: String,
    /// Free labels.
    labels: BTreeMap<String, String>,
    /// The groups that it is in.
    #[schema(value_type = Vec<String>)]
    groups: Vec<GroupName>,
    /// `active` or `retired`.
    #[schema(value_type = String, example = "active")]
    state: domain::DeviceState,
    /// The firmware version that it last reported.
    firmware: Option<String>,
    /// `unknown`, `ok`, `degraded` or `critical`.
    #[schema(value_type = String, example = "ok")]
    health: domain::DeviceHealth,
    /// What else it reported.
    attributes: BTreeMap<String, String>,
    /// When it was registered.
    #[schema(value_type = String)]
    registered_at: Timestamp,
    /// Rises with every write; also its `ETag`.
    pub(crate) revision: u64,
}

impl From<domain::Device> for Device {
    fn from(device: domain::Device) -> Self {
        let domain::Device {
            id,
            tenant,
            environment,
            model,
            hardware_revision,
            site,
            labels,
            groups,
            state,
            firmware,
            health,
            attributes,
            token_sha256: _,
            registered_at,
            revision,
        } = device;
        Self {
            id,
            tenant,
            environment,
            model,
            hardware_revision,
            site,
            labels,
            groups,
            state,
            firmware,
            health,
            attributes,
            registered_at,
            revision,
        }
    }
}

/// A device and when it was last heard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownDevice {
    #[serde(flatten)]
    pub(crate) device: Device,
    /// When it was last heard; absent (`null`) when never.
    #[schema(value_type = Option<String>)]
    pub(crate) last_seen: Option<Timestamp>,
}

/// A registered device and, this once, its token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registered {
    #[serde(flatten)]
    device: Device,
    /// The token it polls with. It cannot be read again, and repeating the request does not show it (`null`).
    pub(crate) token: Option<String>,
}

impl From<flow::device::Registered> for Registered {
    fn from(registered: flow::device::Registered) -> Self {
        Self { device: registered.device.into(), token: Some(registered.token) }
    }
}

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    /// Its id.
    #[schema(value_type = String, example = "key_0193470d5c5a7f3e8a6b2f8d9c1e4a74")]
    id: KeyId,
    /// Who acts with it.
    #[schema(value_type = String)]
    account: AccountId,
    /// What it is for, in its owner's words.
    label: String,
    /// `read`, `write`, `admin`.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// When it was made.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// When it stops working.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// When somebody revoked it.
    #[schema(value_type = Option<String>)]
    revoked_at: Option<Timestamp>,
    /// Where it may be used from; anywhere when empty.
    #[schema(value_type = Vec<String>)]
    networks: Vec<Network>,
    /// What it signs requests with; absent (`null`) for a key that is sent.
    #[schema(value_type = Option<String>, example = "ed25519")]
    algorithm: Option<SigningAlgorithm>,
}

/// A key and when it was last used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedKey {
    #[serde(flatten)]
    key: Key,
    /// When it was last used, to the minute; absent (`null`) when never.
    #[schema(value_type = Option<String>)]
    last_used_at: Option<Timestamp>,
}

impl From<flow::key::ListedKey> for ListedKey {
    fn from(listed: flow::key::ListedKey) -> Self {
        Self { key: listed.credential.into(), last_used_at: listed.last_used_at }
    }
}

impl From<domain::Credential> for Key {
    fn from(credential: domain::Credential) -> Self {
        let domain::Credential {
            id,
            tenant: _,
            account,
            label,
            secret_sha256: _,
            scopes,
            created_at,
            expires_at,
            revoked_at,
            networks,
            public_key,
        } = credential;
        let algorithm = public_key.map(|key| key.algorithm);
        Self { id, account, label, scopes, created_at, expires_at, revoked_at, networks, algorithm }
    }
}

/// An account and whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    /// Its id.
    #[schema(value_type = String, example = "acc_0193470d5c5a7f3e8a6b2f8d9c1e4a74")]
    id: AccountId,
    /// In which tenant.
    #[schema(value_type = String, example = "mercy")]
    tenant: domain::TenantId,
    /// `user` or `service`.
    #[schema(value_type = String, example = "user")]
    kind: domain::AccountKind,
    /// The person behind it; of a program, who answers for it. Approvals count persons.
    #[schema(value_type = String, example = "per_0193470d5c5a7f3e8a6b2f8d9c1e4a74")]
    person: PersonId,
    /// What the person or program is called.
    name: String,
    /// The roles that it holds.
    #[schema(value_type = Vec<Object>)]
    roles: Vec<RoleGrant>,
    /// False once it may not act any more.
    active: bool,
    /// When it was made.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// Why it may neither approve nor administer yet; absent (`null`) when one administrator alone never handed
    /// out what takes two.
    hold: Option<SigningHold>,
    /// Of a program, where accounts are listed: whether the person who answers for it has an active account. While they have none it
    /// is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_active: Option<bool>,
}

/// A key or role that takes two administrators.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningHold {
    /// The person who handed it out.
    #[schema(value_type = String)]
    by: PersonId,
    /// The earliest end, whoever confirms.
    #[schema(value_type = String)]
    until: Timestamp,
    /// The second administrator; absent (`null`) while nobody has confirmed.
    #[schema(value_type = Option<String>)]
    confirmed_by: Option<PersonId>,
    /// Who else handed something out that nobody has confirmed: they do not confirm it either.
    #[schema(value_type = Vec<String>)]
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    also_by: BTreeSet<PersonId>,
    /// Of the account as it is here. Whoever confirms sends it along, so that they confirm what they read.
    #[schema(value_type = String)]
    digest: domain::Digest,
}

impl SigningHold {
    fn of(account: &domain::Account) -> Option<Self> {
        let domain::SigningHold { by, until, confirmed_by, also_by } = account.hold.clone()?;
        Some(Self { by, until, confirmed_by, also_by, digest: account.handed_out_digest() })
    }
}

impl From<domain::Account> for Account {
    fn from(account: domain::Account) -> Self {
        let hold = SigningHold::of(&account);
        let domain::Account { id, tenant, kind, person, name, roles, active, created_at, hold: _ } = account;
        Self { id, tenant, kind, person, name, roles, active, created_at, hold, owner_active: None }
    }
}

impl From<flow::account::ListedAccount> for Account {
    fn from(listed: flow::account::ListedAccount) -> Self {
        Self { owner_active: listed.owner_active, ..Self::from(listed.account) }
    }
}

/// A new key and, this once, its text.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKey {
    #[serde(flatten)]
    credential: Key,
    /// `ilk_…`: it cannot be read again, and repeating the request does not show it (`null`).
    #[schema(example = "ilk_0193470d5c5a7f3e8a6b2f8d9c1e4a74_q8Jt0c…")]
    pub(crate) key: Option<String>,
    /// The person behind the account.
    #[schema(value_type = String)]
    person: PersonId,
    /// What they are called.
    name: String,
    /// The roles that the account holds.
    #[schema(value_type = Vec<Object>)]
    roles: Vec<RoleGrant>,
    /// Why the account may neither approve nor administer yet; absent (`null`) when nothing holds it.
    hold: Option<SigningHold>,
}

impl From<flow::key::NewKey> for NewKey {
    fn from(new: flow::key::NewKey) -> Self {
        let hold = SigningHold::of(&new.account);
        let domain::Account { person, name, roles, .. } = new.account;
        Self { credential: new.credential.into(), key: new.text, person, name, roles, hold }
    }
}
