//! Who acts: persons, the accounts through which they act, the roles they hold.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{AccountId, Digest, Environment, IdError, PersonId, Refusal, TenantId, Timestamp};

/// How long a person whose key was reset may not sign: time to notice, and to say so.
pub const SIGNING_HOLD_MS: i64 = 24 * 3_600_000;

/// A role. Cedar policies refer to it as `Interlock::Role::"clinical_safety"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything but the ledger.
    Viewer,
    /// Registers devices, pauses and rolls back.
    Operator,
    /// Pushes artifacts, proposes changes.
    ReleaseManager,
    /// Approves for patient safety.
    ClinicalSafety,
    /// Approves for the regulator.
    Regulatory,
    /// Reads and verifies everything, changes nothing.
    Auditor,
    /// Manages keys, groups and bundles. May not approve.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 7] = [
        Role::Viewer,
        Role::Operator,
        Role::ReleaseManager,
        Role::ClinicalSafety,
        Role::Regulatory,
        Role::Auditor,
        Role::Administrator,
    ];

    /// The role's name in policies, files and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::ReleaseManager => "release_manager",
            Role::ClinicalSafety => "clinical_safety",
            Role::Regulatory => "regulatory",
            Role::Auditor => "auditor",
            Role::Administrator => "administrator",
        }
    }

    /// True when whoever holds it answers for the patient or for the regulator.
    pub fn is_safety(self) -> bool {
        matches!(self, Role::ClinicalSafety | Role::Regulatory)
    }

    /// True when one administrator alone may not hand it out. The administrator role is among them, or one person
    /// could make the second administrator.
    pub fn takes_two(self) -> bool {
        self.is_safety() || self == Role::Administrator
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| IdError {
            text: text.chars().take(80).collect(),
            expected: "a role: viewer, operator, release_manager, clinical_safety, regulatory, auditor or administrator",
        })
    }
}

/// A role held in one environment, or in all of a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleGrant {
    /// The role.
    pub role: Role,
    /// Where it holds; everywhere in the tenant when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

/// A person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// A person acts through it.
    User,
    /// A program acts through it. It can never approve.
    Service,
}

/// An account of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Where it lives.
    pub tenant: TenantId,
    /// Person or program.
    pub kind: AccountKind,
    /// Whose account it is; a program's is its owner's. Several accounts may belong to one person; approvals count
    /// persons.
    pub person: PersonId,
    /// What the person or program is called, as it stands by an approval.
    pub name: String,
    /// The roles held.
    pub roles: Vec<RoleGrant>,
    /// False once it may not act any more.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who handed out its key or its roles, when that takes two; absent when nobody had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<SigningHold>,
}

/// One administrator handed out what takes two: a key or a role with which somebody approves or administers. The
/// account may do neither until a second one has confirmed it, and a while longer when it was somebody's before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningHold {
    /// The person who handed it out.
    pub by: PersonId,
    /// The earliest end, whoever confirms.
    pub until: Timestamp,
    /// The second person; absent while nobody has confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<PersonId>,
    /// Who else handed something out since the last confirmation: what they hold counts with it, so none of them confirms.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub also_by: BTreeSet<PersonId>,
}

impl SigningHold {
    /// Until a second person confirms what this one handed out.
    pub fn of(by: &PersonId, until: Timestamp) -> Self {
        Self { by: by.clone(), until, confirmed_by: None, also_by: BTreeSet::new() }
    }

    /// Whether this person handed out anything that nobody has confirmed.
    pub fn is_of(&self, person: &PersonId) -> bool {
        self.by == *person || self.also_by.contains(person)
    }

    /// Whether nobody has confirmed it.
    pub fn waits(&self) -> bool {
        self.confirmed_by.is_none()
    }

    /// Whether it lasts at `now`.
    pub fn lasts(&self, now: Timestamp) -> bool {
        self.waits() || now < self.until
    }
}

/// Somebody who asks for something, authenticated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Where they act.
    pub tenant: TenantId,
    /// Through which account.
    pub account: AccountId,
    /// Who they are.
    pub person: PersonId,
    /// What they are called.
    pub name: String,
    /// Person or program.
    pub kind: AccountKind,
    /// The roles held.
    pub roles: Vec<RoleGrant>,
    /// How they proved it: `key:<id>`.
    pub auth: String,
    /// The account's hold, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<SigningHold>,
}

impl Actor {
    /// The roles that hold in `environment`, sorted and without repeats; in the whole tenant when `None`.
    pub fn roles_in(&self, environment: Option<&Environment>) -> Vec<Role> {
        let mut roles: Vec<Role> = self
            .roles
            .iter()
            .filter(|grant| grant.environment.is_none() || grant.environment.as_ref() == environment)
            .map(|grant| grant.role)
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}

impl Account {
    /// This account as an actor.
    pub fn actor(&self, auth: String) -> Actor {
        Actor {
            tenant: self.tenant.clone(),
            account: self.id.clone(),
            person: self.person.clone(),
            name: self.name.clone(),
            kind: self.kind,
            roles: self.roles.clone(),
            auth,
            hold: self.hold.clone(),
        }
    }

    /// True when it holds a role, anywhere, that one administrator alone may not hand out.
    pub fn takes_two(&self) -> bool {
        self.roles.iter().any(|grant| grant.role.takes_two())
    }

    /// Whether a person administers the whole tenant through it, or will without anybody's further word.
    pub fn administers(&self) -> bool {
        let everywhere = |grant: &RoleGrant| grant.role == Role::Administrator && grant.environment.is_none();
        let waits = self.hold.as_ref().is_some_and(SigningHold::waits);
        self.active && self.kind == AccountKind::User && !waits && self.roles.iter().any(everywhere)
    }

    /// What a second administrator reads before they confirm it: whose it is, what it may do, and what was handed out by whom and
    /// when. Whatever is handed out afterwards makes another one.
    pub fn handed_out_digest(&self) -> Digest {
        let Self { id, tenant, kind, person, name, roles, active, created_at: _, hold } = self;
        let read = (id, tenant, kind, person, name, roles, active, hold);
        // Ids, names and instants: there is always one form of them.
        Digest::of_canonical(&read).unwrap_or_else(|_| Digest::of(format!("{read:?}")))
    }

    /// True when it holds a role, anywhere, with which somebody answers for the patient or for the regulator.
    pub fn answers_for_safety(&self) -> bool {
        self.roles.iter().any(|grant| grant.role.is_safety())
    }

    /// A new account that an administrator makes for somebody: what takes two waits for the second.
    #[must_use]
    pub fn handed_out(self, by: &PersonId, now: Timestamp) -> Account {
        let hold = self.takes_two().then(|| self.held(by, now));
        Account { hold, ..self }
    }

    /// A hold by one more: whoever handed out what nobody has confirmed stays among those who do not confirm it. Otherwise the
    /// next administrator who alters the account would make the first one its second.
    fn held(&self, by: &PersonId, until: Timestamp) -> SigningHold {
        let mut hold = SigningHold::of(by, until);
        if let Some(before) = self.hold.as_ref().filter(|before| before.waits()) {
            hold.also_by.clone_from(&before.also_by);
            hold.also_by.insert(before.by.clone());
            hold.also_by.remove(by);
        }
        hold
    }

    /// True when it has come to hold what takes two, and did not before. What one administrator alone handed out for it counted for
    /// little then; now it would count for much.
    pub fn is_raised_from(&self, before: &Account) -> bool {
        self.takes_two() && !before.takes_two()
    }

    /// This account after an administrator was given a new key for it. Whoever had the account before has time to
    /// notice, and the second administrator to ask them.
    #[must_use]
    pub fn reset(&self, by: &PersonId, now: Timestamp) -> Account {
        let hold = self.held(by, now.plus_millis(SIGNING_HOLD_MS));
        Account { hold: Some(hold), ..self.clone() }
    }

    /// This account with other roles. A further one that takes two is handed out like a new key.
    #[must_use]
    pub fn with_roles(&self, roles: Vec<RoleGrant>, by: &PersonId, now: Timestamp) -> Account {
        let held = |grant: &RoleGrant| {
            let covers = |held: &&Option<Environment>| held.is_none() || **held == grant.environment;
            self.roles.iter().any(|held| held.role == grant.role && covers(&&held.environment))
        };
        let more = roles.iter().any(|grant| grant.role.takes_two() && !held(grant));
        let account = Account { roles, ..self.clone() };
        if more { account.reset(by, now) } else { account }
    }

    /// This account, which may act again. Nothing by which anybody acted through it works any more, so whoever handed that out
    /// may confirm what is handed out from now on; what waited still waits.
    #[must_use]
    pub fn activated(&self, by: &PersonId, now: Timestamp) -> Account {
        let waits = self.hold.as_ref().filter(|hold| hold.waits());
        let hold = waits.map(|hold| SigningHold::of(by, hold.until.max(now))).or_else(|| self.hold.clone());
        Account { active: true, hold, ..self.clone() }
    }

    /// This account as an administrator leaves it, unless nobody who administers would be left: then none of them could take it
    /// back. `others` are the tenant's other accounts. Whoever is counted on is named, so that they are not ended meanwhile.
    pub fn leaves<'a>(&self, to: &Account, others: &'a [Account]) -> Result<Option<&'a Account>, Refusal> {
        if !self.administers() || to.administers() {
            return Ok(None);
        }
        let left = others.iter().find(|other| other.id != self.id && other.administers());
        left.map(Some).ok_or_else(|| Refusal::LastAdministrator {
            account: self.id.to_string(),
            name: self.name.clone(),
        })
    }

    /// A second administrator says that the account is in the hands of the person whose it is, as they read it. Confirming what
    /// needs no confirmation alters nothing.
    pub fn confirm(&self, by: &Actor, read: &Digest) -> Result<Account, Refusal> {
        let Some(hold) = self.hold.as_ref().filter(|hold| hold.waits()) else {
            return Ok(self.clone());
        };
        if hold.is_of(&by.person) || by.person == self.person {
            return Err(Refusal::SecondPersonNeeded {
                account: self.id.to_string(),
                name: self.name.clone(),
            });
        }
        if *read != self.handed_out_digest() {
            return Err(Refusal::OtherHandOut { account: self.id.to_string(), name: self.name.clone() });
        }
        let hold = SigningHold { confirmed_by: Some(by.person.clone()), ..hold.clone() };
        Ok(Account { hold: Some(hold), ..self.clone() })
    }
}

#[cfg(test)]
#[path = "actor_tests.rs"]
mod tests;
