//! Breaking the glass: two persons, of whom one answers for the patient or for the regulator, let a change proceed without the
//! approvals that are missing, for an hour at most; and the incident that this opens, which somebody else reviews.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Actor, ChangeId, DecisionId, Digest, Environment, IncidentId, Permit, PersonId, Refusal, Role,
    TenantId, Timestamp,
};

/// One of the two persons that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlassBreak {
    /// Who.
    pub person: PersonId,
    /// Through which account.
    pub account: AccountId,
    /// What they are called.
    pub name: String,
    /// The roles that they held there. A record of before they were kept has none, and counts as of nobody who answers for safety.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Why.
    pub reason: String,
    /// The digest that it is about.
    pub digest: Digest,
    /// The policy decision that let them.
    pub decision: DecisionId,
    /// When.
    pub at: Timestamp,
    /// How long it lasts: for the second person to come, and from then on for the change to proceed.
    pub lasts_ms: u64,
}

impl GlassBreak {
    /// When it is over.
    pub fn ends_at(&self) -> Timestamp {
        self.at.plus_millis(i64::try_from(self.lasts_ms).unwrap_or(i64::MAX))
    }

    /// Whether whoever did it answered for the patient or for the regulator there. It takes one such person, because nobody alone
    /// makes one: two accounts that one administrator made could otherwise let through what the administrator likes.
    pub fn answers_for_safety(&self) -> bool {
        self.roles.iter().any(|role| role.is_safety())
    }
}

/// The pairs among these, in order: each is one time that the glass was broken over this digest, by somebody who answers for
/// safety and somebody else. A person who is part of a pair has to come again for the next one.
pub fn broken<'a>(
    breaks: impl IntoIterator<Item = &'a GlassBreak>,
    digest: &Digest,
) -> Vec<[&'a GlassBreak; 2]> {
    let mut pairs = Vec::new();
    let mut first: Option<&GlassBreak> = None;
    for next in breaks.into_iter().filter(|each| each.digest == *digest) {
        match first.take() {
            Some(before)
                if before.person != next.person
                    && next.at < before.ends_at()
                    && (before.answers_for_safety() || next.answers_for_safety()) =>
            {
                pairs.push([before, next]);
            }
            _ => first = Some(next),
        }
    }
    pairs
}

/// What happened when the glass was broken, and what came of looking at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// In which tenant.
    pub tenant: TenantId,
    /// The change that was let through.
    pub change: ChangeId,
    /// Where that goes.
    pub environment: Environment,
    /// Who broke the glass: two persons.
    pub broken_by: Vec<GlassBreak>,
    /// When.
    pub opened_at: Timestamp,
    /// Until when the change could proceed without the approvals that were missing.
    pub glass_until: Timestamp,
    /// When it has to be reviewed.
    pub review_due: Timestamp,
    /// What came of looking at it; absent until somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<IncidentReview>,
}

/// What came of looking at an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentReview {
    /// Who looked.
    pub person: PersonId,
    /// What they are called.
    pub name: String,
    /// What they found, in their words.
    pub findings: String,
    /// The policy decision that let them.
    pub decision: DecisionId,
    /// When.
    pub at: Timestamp,
}

impl Incident {
    /// Whether nobody reviewed it in time; exactly at the instant it is overdue.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.review.is_none() && now >= self.review_due
    }

    /// Somebody who was not one of the two says what they found.
    pub fn reviewed(
        &self,
        by: &Actor,
        findings: &str,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<Incident, Refusal> {
        let incident = self.id.to_string();
        if !permit.held_by(&by.account) {
            return Err(Refusal::NotYourPermit { verb: "review", change: incident });
        }
        if self.broken_by.iter().any(|broke| broke.person == by.person) {
            return Err(Refusal::OwnIncident { incident });
        }
        if let Some(review) = &self.review {
            return Err(Refusal::AlreadyReviewed { incident, name: review.name.clone() });
        }
        if findings.trim().is_empty() {
            return Err(Refusal::NoReason { verb: "review", change: incident });
        }
        let review = IncidentReview {
            person: by.person.clone(),
            name: by.name.clone(),
            findings: findings.trim().to_owned(),
            decision: permit.decision().clone(),
            at: now,
        };
        Ok(Incident { review: Some(review), ..self.clone() })
    }
}
