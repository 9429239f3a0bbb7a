//! Approvals: one person's recorded yes or no to one digest, and what the host counts from them.

use std::collections::BTreeMap;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{AccountId, DecisionId, PersonId, Role, SignatureId, Timestamp};

/// What a person means by an approval (21 CFR 11.50).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// They reviewed it.
    Review,
    /// They approve it.
    Approval,
    /// They take responsibility for it.
    Responsibility,
    /// They refuse it.
    Rejection,
}

/// One person's answer to one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub person: PersonId,
    /// Through which account.
    pub account: AccountId,
    /// What they were called at the time.
    pub name: String,
    /// The roles that they held there and then.
    pub roles: Vec<Role>,
    /// What they meant.
    pub meaning: Meaning,
    /// Why, in their words.
    pub reason: String,
    /// The digest they answered to.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
    /// The policy decision that let them.
    pub decision: DecisionId,
    /// The electronic signature that they gave with it, if they signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureId>,
}

/// What the host counts for the next question. Cedar sees it as `context.approvals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalFacts {
    /// Distinct persons.
    pub distinct: u32,
    /// The roles among them, sorted.
    pub roles: Vec<Role>,
    /// The persons, sorted.
    pub persons: Vec<PersonId>,
    /// When the oldest of them was given.
    pub oldest: Option<Timestamp>,
    /// The persons whose newest approval is signed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub signed: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl ApprovalFacts {
    /// Nobody has approved.
    pub fn none() -> Self {
        Self { distinct: 0, roles: Vec::new(), persons: Vec::new(), oldest: None, signed: 0 }
    }

    /// Counts approvals of `digest`: one per person (the newest), rejections and other digests left out.
    pub fn count<'a>(approvals: impl IntoIterator<Item = &'a Approval>, digest: &Digest) -> Self {
        let mut newest: BTreeMap<&PersonId, &Approval> = BTreeMap::new();
        for approval in approvals {
            if approval.digest != *digest || approval.meaning == Meaning::Rejection {
                continue;
            }
            let held = newest.entry(&approval.person).or_insert(approval);
            if approval.at > held.at {
                *held = approval;
            }
        }
        let mut roles: Vec<Role> =
            newest.values().flat_map(|approval| approval.roles.iter().copied()).collect();
        roles.sort_unstable();
        roles.dedup();
        Self {
            distinct: count(newest.len()),
            roles,
            persons: newest.keys().map(|person| (*person).clone()).collect(),
            oldest: newest.values().map(|approval| approval.at).min(),
            signed: count(newest.values().filter(|approval| approval.signature.is_some()).count()),
        }
    }

    /// These facts as they would be if one more person with these roles approved at `at`, without a signature.
    pub fn with(&self, person: PersonId, roles: &[Role], at: Timestamp) -> Self {
        let mut more = self.clone();
        if !more.persons.contains(&person) {
            more.persons.push(person);
            more.persons.sort();
            more.distinct += 1;
        }
        more.roles.extend_from_slice(roles);
        more.roles.sort_unstable();
        more.roles.dedup();
        more.oldest = Some(more.oldest.map_or(at, |oldest| oldest.min(at)));
        more
    }
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval(person: u128, at: i64, signed: bool) -> Approval {
        let uuid = uuid::Uuid::from_u128;
        Approval {
            person: PersonId::new(uuid(person)),
            account: AccountId::new(uuid(person)),
            name: "Cleo".to_owned(),
            roles: vec![Role::ClinicalSafety],
            meaning: Meaning::Approval,
            reason: "bench results attached".to_owned(),
            digest: Digest::of(b"change"),
            at: Timestamp::from_millis(at),
            decision: DecisionId::new(uuid(person)),
            signature: signed.then(|| SignatureId::new(uuid(person))),
        }
    }

    #[test]
    fn only_the_newest_approval_of_a_person_says_whether_they_signed() {
        let given =
            [approval(1, 1, true), approval(1, 2, false), approval(2, 1, false), approval(2, 2, true)];
        let facts = ApprovalFacts::count(&given, &Digest::of(b"change"));
        assert_eq!((facts.distinct, facts.signed), (2, 1));
    }

    #[test]
    fn an_approval_without_a_signature_is_written_as_before() {
        let text = serde_json::to_string(&approval(1, 1, false)).unwrap();
        assert!(!text.contains("signature"), "{text}");
        assert_eq!(serde_json::from_str::<Approval>(&text).unwrap(), approval(1, 1, false));
    }
}
