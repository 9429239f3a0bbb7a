//! Approvals: one person's recorded yes or no to one digest, and what the host counts from them.

use std::collections::{BTreeMap, BTreeSet};

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

use crate::{AccountId, DecisionId, DelegationId, PersonId, Role, SignatureId, Timestamp};

/// What a person means by an approval (21 CFR 11.50).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// They made it. Their signature says so, and approves nothing.
    Authorship,
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
    /// The one stage that it is for; absent when it is for the whole change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<u32>,
    /// The delegation under which it was given; absent when its giver's own roles count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<UsedDelegation>,
}

/// Under which delegation an approval was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedDelegation {
    /// Which.
    pub id: DelegationId,
    /// The person whose roles count.
    pub on_behalf_of: PersonId,
    /// What they are called.
    pub name: String,
}

/// One approval as the host counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Who gave it.
    pub person: PersonId,
    /// The roles that it counts for: those of today, or those that were delegated.
    pub roles: Vec<Role>,
    /// When.
    pub at: Timestamp,
    /// Whether it is signed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
    /// The one stage that it is for; absent when it is for the whole change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<u32>,
    /// The person whose roles it was given with, by their delegation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<PersonId>,
}

impl From<&Approval> for Given {
    fn from(approval: &Approval) -> Self {
        Self {
            person: approval.person.clone(),
            roles: approval.roles.clone(),
            at: approval.at,
            signed: approval.signature.is_some(),
            stage: approval.stage,
            on_behalf_of: approval.delegation.as_ref().map(|used| used.on_behalf_of.clone()),
        }
    }
}

/// What the host counts for the next question. Cedar sees it as `context.approvals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalFacts {
    /// Distinct persons.
    pub distinct: u32,
    /// The roles among them, sorted.
    pub roles: Vec<Role>,
    /// The persons, sorted; also those on whose behalf somebody approved.
    pub persons: Vec<PersonId>,
    /// When the oldest of them was given.
    pub oldest: Option<Timestamp>,
    /// The persons whose newest approval is signed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub signed: u32,
    /// The approvals, from which an approval profile counts its levels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
    /// Since when they could be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Until when two persons let it proceed without the approvals that are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glass_until: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl ApprovalFacts {
    /// Nobody has approved.
    pub fn none() -> Self {
        Self {
            distinct: 0,
            roles: Vec::new(),
            persons: Vec::new(),
            oldest: None,
            signed: 0,
            given: Vec::new(),
            since: None,
            glass_until: None,
        }
    }

    /// Counts approvals of `digest`: one per person (the newest), rejections and other digests left out. What is for one
    /// stage only is left out too.
    pub fn count<'a>(approvals: impl IntoIterator<Item = &'a Approval>, digest: &Digest) -> Self {
        Self::count_for(approvals, digest, None)
    }

    /// As [`ApprovalFacts::count`], with what is for the stage that would be entered only.
    pub fn count_for<'a>(
        approvals: impl IntoIterator<Item = &'a Approval>,
        digest: &Digest,
        stage: Option<u32>,
    ) -> Self {
        let mut newest: BTreeMap<(&PersonId, Option<u32>), &Approval> = BTreeMap::new();
        for approval in approvals {
            let here = approval.stage.is_none() || approval.stage == stage;
            if approval.digest != *digest || !here {
                continue;
            }
            let held = newest.entry((&approval.person, approval.stage)).or_insert(approval);
            if approval.at >= held.at {
                *held = approval;
            }
        }
        // Whoever said no after that takes their yes back; and whoever said no in person is not said to agree by another.
        let said_no = |approval: &&Approval| approval.meaning == Meaning::Rejection;
        let newest: Vec<&Approval> = newest.into_values().collect();
        let taken_back = |yes: &Approval| {
            let lender = yes.delegation.as_ref().map(|used| &used.on_behalf_of);
            newest
                .iter()
                .filter(|no| said_no(no))
                .any(|no| (no.person == yes.person && no.at >= yes.at) || lender == Some(&no.person))
        };
        let yes = newest.iter().filter(|yes| !said_no(yes) && !taken_back(yes));
        yes.map(|approval| Given::from(*approval)).fold(Self::none(), |facts, given| facts.with_given(given))
    }

    /// These facts as they would be if one more person with these roles approved at `at`, without a signature.
    pub fn with(&self, person: PersonId, roles: &[Role], at: Timestamp) -> Self {
        self.with_given(Given {
            person,
            roles: roles.to_vec(),
            at,
            signed: false,
            stage: None,
            on_behalf_of: None,
        })
    }

    /// These facts with one more approval. One that the same person gave before, for the same, counts no more.
    pub fn with_given(&self, given: Given) -> Self {
        let mut more = self.clone();
        // Facts that were recorded before approvals stood in them cannot be counted anew.
        let known = self.distinct as usize <= self.given.len();
        more.given.retain(|earlier| earlier.person != given.person || earlier.stage != given.stage);
        if !known && !more.persons.contains(&given.person) {
            more.distinct += 1;
        }
        more.persons.push(given.person.clone());
        more.persons.extend(given.on_behalf_of.clone());
        more.roles.extend_from_slice(&given.roles);
        more.oldest = Some(more.oldest.map_or(given.at, |oldest| oldest.min(given.at)));
        more.given.push(given);
        more.given.sort_by(|one, other| (&one.person, one.stage).cmp(&(&other.person, other.stage)));
        if known {
            more.recount();
        }
        more.persons.sort();
        more.persons.dedup();
        more.roles.sort_unstable();
        more.roles.dedup();
        more
    }

    /// Counts the approvals that stand in these facts. Whoever approves on somebody's behalf and that somebody are one, so
    /// that of the two only what the one says counts that is taken: persons, roles, signatures, age.
    fn recount(&mut self) {
        let taken: Vec<(&PersonId, Option<&PersonId>)> =
            independent(&self.given).map(|given| (&given.person, given.on_behalf_of.as_ref())).collect();
        // What they said for one stage, beside what they said for all, is theirs as well.
        let counts = |given: &&Given| taken.contains(&(&given.person, given.on_behalf_of.as_ref()));
        let counted: Vec<&Given> = self.given.iter().filter(counts).collect();
        let distinct =
            |given: &[&Given]| count(given.iter().map(|given| &given.person).collect::<BTreeSet<_>>().len());
        let signed: Vec<&Given> = counted.iter().copied().filter(|given| given.signed).collect();
        let (all, signed) = (distinct(&counted), distinct(&signed));
        let roles = counted.iter().flat_map(|given| given.roles.iter().copied()).collect();
        let oldest = counted.iter().map(|given| given.at).min();
        let whose = |given: &Given| [Some(given.person.clone()), given.on_behalf_of.clone()];
        // Everybody who had a part in it: the author is not to be among them.
        self.persons = self.given.iter().flat_map(whose).flatten().collect();
        (self.distinct, self.signed, self.roles, self.oldest) = (all, signed, roles, oldest);
    }
}

/// Those of them whose givers do not stand for each other: whoever approves on somebody's behalf and that somebody are one
/// person. What somebody said in person outweighs what was said for them, and then the earliest counts.
pub(crate) fn independent<'a>(given: impl IntoIterator<Item = &'a Given>) -> impl Iterator<Item = &'a Given> {
    let mut given: Vec<&Given> = given.into_iter().collect();
    given.sort_by(|one, other| {
        let order = |given: &&'a Given| (given.on_behalf_of.is_some(), given.at);
        order(one).cmp(&order(other)).then_with(|| one.person.cmp(&other.person))
    });
    let mut taken: BTreeSet<&PersonId> = BTreeSet::new();
    given.into_iter().filter(move |given| {
        let whose = [Some(&given.person), given.on_behalf_of.as_ref()];
        let free = whose.iter().flatten().all(|person| !taken.contains(*person));
        if free {
            taken.extend(whose.into_iter().flatten());
        }
        free
    })
}

pub(crate) fn count(many: usize) -> u32 {
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
            stage: None,
            delegation: None,
        }
    }

    #[test]
    fn only_the_newest_approval_of_a_person_says_whether_they_signed() {
        let given =
            [approval(1, 1, true), approval(1, 2, false), approval(2, 1, false), approval(2, 2, true)];
        let facts = ApprovalFacts::count(&given, &Digest::of(b"change"));
        assert_eq!((facts.distinct, facts.signed), (2, 1));
    }

    fn for_another(person: u128, at: i64, signed: bool, lender: u128) -> Approval {
        let used = UsedDelegation {
            id: DelegationId::new(uuid::Uuid::from_u128(9)),
            on_behalf_of: PersonId::new(uuid::Uuid::from_u128(lender)),
            name: "Rolf".to_owned(),
        };
        let roles = vec![Role::Regulatory];
        Approval { delegation: Some(used), roles, ..approval(person, at, signed) }
    }

    #[test]
    fn of_a_lender_and_a_delegate_one_signature_and_one_ones_roles_count() {
        let given = [approval(1, 1, true), for_another(2, 2, true, 1)];
        let facts = ApprovalFacts::count(&given, &Digest::of(b"change"));
        assert_eq!((facts.distinct, facts.signed, facts.roles), (1, 1, vec![Role::ClinicalSafety]));
        assert_eq!(facts.persons.len(), 2, "both had a part in it");
    }

    #[test]
    fn whoever_says_no_in_person_is_not_said_to_agree_by_a_delegate() {
        let no = Approval { meaning: Meaning::Rejection, ..approval(1, 1, false) };
        let facts = ApprovalFacts::count(&[no.clone(), for_another(2, 2, false, 1)], &Digest::of(b"change"));
        assert_eq!(facts.distinct, 0);
        let facts = ApprovalFacts::count(&[no, approval(1, 3, false)], &Digest::of(b"change"));
        assert_eq!(facts.distinct, 1, "until they say yes themselves");
    }

    #[test]
    fn what_is_said_for_one_stage_beside_what_is_said_for_all_is_one_persons() {
        let of_stage = Approval { stage: Some(2), ..approval(1, 2, true) };
        let facts =
            ApprovalFacts::count_for(&[approval(1, 1, false), of_stage], &Digest::of(b"change"), Some(2));
        assert_eq!((facts.distinct, facts.signed, facts.given.len()), (1, 1, 2));
    }

    #[test]
    fn an_approval_without_a_signature_is_written_as_before() {
        let text = serde_json::to_string(&approval(1, 1, false)).unwrap();
        assert!(!text.contains("signature"), "{text}");
        assert_eq!(serde_json::from_str::<Approval>(&text).unwrap(), approval(1, 1, false));
    }
}
