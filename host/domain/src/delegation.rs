//! Delegations: one person's roles, lent to another for a while, so that somebody can approve while they are away.

use serde::{Deserialize, Serialize};

use crate::{
    Account, AccountId, AccountKind, Actor, DecisionId, DelegationId, Environment, Permit, PersonId, Refusal,
    Role, TenantId, Timestamp, UsedDelegation,
};

/// Roles of one person that another may approve with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// Its id.
    pub id: DelegationId,
    /// In which tenant.
    pub tenant: TenantId,
    /// Whose roles they are.
    pub from_person: PersonId,
    /// Through which account they hold them.
    pub from_account: AccountId,
    /// What they are called.
    pub from_name: String,
    /// Who may approve with them.
    pub to_person: PersonId,
    /// Through which account.
    pub to_account: AccountId,
    /// What they are called.
    pub to_name: String,
    /// The roles.
    pub roles: Vec<Role>,
    /// Where; everywhere in the tenant when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// From when on.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The policy decision that let it be made.
    pub decision: DecisionId,
    /// When somebody revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// What somebody wants to delegate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationDraft {
    /// The roles.
    pub roles: Vec<Role>,
    /// Where; everywhere in the tenant when absent.
    pub environment: Option<Environment>,
    /// From when on.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
}

impl Delegation {
    /// Lends roles that `by` holds by their own account to `to`. What was lent to `by` is not in their account, so it cannot be
    /// lent on. It lasts `lasts_ms_max` at most.
    pub fn make(
        draft: DelegationDraft,
        id: DelegationId,
        by: &Actor,
        to: &Account,
        permit: &Permit,
        lasts_ms_max: u64,
        now: Timestamp,
    ) -> Result<Delegation, Refusal> {
        let bad = |field: &'static str, detail: String| Err(Refusal::BadDelegation { field, detail });
        if !permit.held_by(&by.account) {
            return Err(Refusal::NotYourPermit { verb: "delegate to", change: to.id.to_string() });
        }
        if to.person == by.person {
            return bad("/to", "nobody delegates to themselves, also not through another account".to_owned());
        }
        if to.kind != AccountKind::User || !to.active {
            return bad("/to", format!("`{}` is not the active account of a person", to.name));
        }
        if draft.reason.trim().is_empty() {
            return bad("/reason", "say why in `reason`".to_owned());
        }
        let held = by.roles_in(draft.environment.as_ref());
        if draft.roles.is_empty() {
            return bad("/roles", "name at least one role".to_owned());
        }
        if let Some(role) = draft.roles.iter().find(|role| !held.contains(role)) {
            return bad(
                "/roles",
                format!(
                    "you do not hold `{role}` there yourself, and what was delegated is not delegated on"
                ),
            );
        }
        if draft.ends_at <= draft.starts_at || draft.ends_at <= now {
            return bad("/until", "it would be over before it begins".to_owned());
        }
        if draft.starts_at < now {
            return bad("/from", "it cannot begin in the past".to_owned());
        }
        let lasts = u64::try_from(draft.ends_at.millis_since(draft.starts_at)).unwrap_or(0);
        if lasts > lasts_ms_max {
            let days = crate::iso_text(lasts_ms_max);
            return bad("/until", format!("a delegation lasts {days} at most"));
        }
        let mut roles = draft.roles;
        roles.sort_unstable();
        roles.dedup();
        Ok(Delegation {
            id,
            tenant: by.tenant.clone(),
            from_person: by.person.clone(),
            from_account: by.account.clone(),
            from_name: by.name.clone(),
            to_person: to.person.clone(),
            to_account: to.id.clone(),
            to_name: to.name.clone(),
            roles,
            environment: draft.environment,
            starts_at: draft.starts_at,
            ends_at: draft.ends_at,
            reason: draft.reason.trim().to_owned(),
            created_at: now,
            decision: permit.decision().clone(),
            revoked_at: None,
        })
    }

    /// Takes it back. What was approved under it counts no more. To revoke one that is revoked alters nothing.
    #[must_use]
    pub fn revoke(&self, now: Timestamp) -> Delegation {
        Delegation { revoked_at: self.revoked_at.or(Some(now)), ..self.clone() }
    }

    /// Whether it can be used at `now`; at the very end it cannot.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.starts_at <= now && now < self.ends_at
    }

    /// The roles that `delegate` may approve with there, by what the delegator's `lender` account still holds. It lends none
    /// while it waits for a second administrator.
    pub fn lent_there(&self, lender: &Account, environment: &Environment, now: Timestamp) -> Vec<Role> {
        let here = self.environment.as_ref().is_none_or(|only| only == environment);
        let on_hold = lender.hold.as_ref().is_some_and(|hold| hold.lasts(now));
        if !here || !lender.active || on_hold || lender.id != self.from_account {
            return Vec::new();
        }
        let held = lender.actor("lender".to_owned()).roles_in(Some(environment));
        self.roles.iter().copied().filter(|role| held.contains(role)).collect()
    }

    /// What an approval under it says.
    pub fn used(&self) -> UsedDelegation {
        UsedDelegation {
            id: self.id.clone(),
            on_behalf_of: self.from_person.clone(),
            name: self.from_name.clone(),
        }
    }
}
