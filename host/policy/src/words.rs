//! The names that schema and host share, parsed once.

use std::{str::FromStr, sync::LazyLock};

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use interlock_domain::{Action, Role};

/// Every name that a question is made of.
pub(crate) struct Words {
    pub(crate) user: EntityTypeName,
    pub(crate) service_account: EntityTypeName,
    pub(crate) plugin: EntityTypeName,
    pub(crate) tenant: EntityTypeName,
    pub(crate) environment: EntityTypeName,
    pub(crate) change: EntityTypeName,
    pub(crate) ledger: EntityTypeName,
    pub(crate) evidence_source: EntityTypeName,
    /// In the order of [`Role::ALL`].
    roles: Vec<EntityUid>,
    /// In the order of [`Action::ALL`].
    actions: Vec<EntityUid>,
}

/// The names. Parsing them costs as much as answering a question, so it is done once.
pub(crate) static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    user: name("Interlock::User"),
    service_account: name("Interlock::ServiceAccount"),
    plugin: name("Interlock::Plugin"),
    tenant: name("Interlock::Tenant"),
    environment: name("Interlock::Environment"),
    change: name("Interlock::Change"),
    ledger: name("Interlock::Ledger"),
    evidence_source: name("Interlock::EvidenceSource"),
    roles: Role::ALL.iter().map(|role| uid(&name("Interlock::Role"), role.as_str())).collect(),
    actions: Action::ALL.iter().map(|action| uid(&name("Interlock::Action"), action.as_str())).collect(),
});

impl Words {
    pub(crate) fn role(&self, role: Role) -> EntityUid {
        self.roles[role as usize].clone()
    }

    pub(crate) fn action(&self, action: Action) -> &EntityUid {
        &self.actions[action as usize]
    }
}

/// An entity of a type.
pub(crate) fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

#[expect(clippy::expect_used, reason = "only called with the literals above, each of which a test touches")]
fn name(text: &'static str) -> EntityTypeName {
    EntityTypeName::from_str(text).expect("a literal name parses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_and_action_stands_at_its_own_place() {
        for role in Role::ALL {
            assert_eq!(WORDS.role(role).id().unescaped(), role.as_str());
        }
        for &action in Action::ALL {
            assert_eq!(WORDS.action(action).id().unescaped(), action.as_str());
        }
    }
}
