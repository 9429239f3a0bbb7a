//! Access requests: a question that the tenant's application denied is put before persons, and what comes of it is an
//! approval of exactly that question.
//!
//! **Invariant:** an approval decides nothing. It is a fact that the application's policies may ask for, and a `forbid`
//! outweighs it like everything else.

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    AccessRequestId, AccountId, AccountKind, Action, Actor, DecisionId, Permit, PersonId, Refusal, TenantId,
    Timestamp,
};

/// What persons said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessState {
    /// Nothing yet.
    Pending,
    /// Yes, until an instant.
    Approved,
    /// No.
    Rejected,
    /// Yes, and later no.
    Revoked,
}

impl AccessState {
    /// Its name in columns and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            AccessState::Pending => "pending",
            AccessState::Approved => "approved",
            AccessState::Rejected => "rejected",
            AccessState::Revoked => "revoked",
        }
    }
}

/// What one person said, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessAnswer {
    /// Who.
    pub person: PersonId,
    /// Through which account.
    pub account: AccountId,
    /// What they are called.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Why, in their words.
    pub reason: String,
    /// The policy decision that let them.
    pub decision: DecisionId,
}

/// What a person says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessVerdict {
    /// Yes, until this instant.
    Approve {
        /// The first instant at which it does not hold any more.
        until: Timestamp,
    },
    /// No.
    Reject,
    /// What was approved holds no more.
    Revoke,
}

/// A denied question that somebody wants allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRequest {
    /// Its id.
    pub id: AccessRequestId,
    /// Whose application.
    pub tenant: TenantId,
    /// The recorded denial.
    pub evaluation: DecisionId,
    /// Which program asks for it.
    pub account: AccountId,
    /// The person who answers for that program.
    pub person: PersonId,
    /// What is asked for: subject, action, resource and context as they are on record.
    pub asked: Box<Value>,
    /// The digest of the subject's type and id under the tenant's salt: what limits count by, and nobody can guess it.
    pub subject: Digest,
    /// The digest of exactly this question, under the salt.
    pub scope: Digest,
    /// What the digest is salted with, so that what is masked in the record cannot be guessed. It never leaves the row.
    pub salt: String,
    /// Why, in the words of whoever asks.
    pub reason: String,
    /// How long the approval is wanted for.
    pub wanted_ms: u64,
    /// What persons said.
    pub state: AccessState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When nobody can answer to it any more.
    pub expires_at: Timestamp,
    /// Who answered.
    pub answered: Option<AccessAnswer>,
    /// The first instant at which the approval does not hold any more.
    pub approved_until: Option<Timestamp>,
    /// Who took it back.
    pub revoked: Option<AccessAnswer>,
    /// How often it was written.
    pub revision: u64,
}

/// What a program says of the approval that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaim {
    /// Of which request.
    pub id: AccessRequestId,
    /// Until when, if it says so.
    pub approved_until: Option<Timestamp>,
    /// What became of it, if it says so.
    pub state: Option<String>,
}

/// Why an approval does not count, by the names of AuthZEN's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unapproved {
    /// There is none of that name, or it is not as it is said to be.
    Unverifiable,
    /// It is about another question.
    OutOfScope,
    /// Nobody has answered yet.
    Pending,
    /// It held and holds no more: its time is over, or somebody took it back.
    Expired,
    /// Somebody said no.
    Rejected,
}

impl Unapproved {
    /// The reason, as the profile calls it.
    pub fn reason(self) -> &'static str {
        match self {
            Unapproved::Unverifiable => "approval_unverifiable",
            Unapproved::OutOfScope => "out_of_scope",
            Unapproved::Pending => "grant_pending",
            Unapproved::Expired => "approval_expired",
            Unapproved::Rejected => "policy_denied",
        }
    }

    /// What to do next, as the profile calls it.
    pub fn next_action(self) -> &'static str {
        match self {
            Unapproved::Unverifiable | Unapproved::OutOfScope | Unapproved::Expired => "request",
            Unapproved::Pending => "retry",
            Unapproved::Rejected => "none",
        }
    }
}

impl AccessRequest {
    /// The digest of a question under a salt.
    pub fn scope_of(salt: &str, question: &Value) -> Result<Digest, Refusal> {
        Digest::of_canonical(&json!([salt, question]))
            .map_err(|error| Refusal::BadManifest(error.to_string()))
    }

    /// The digest of a subject under a salt that the tenant keeps: whom it is about is personal data, and ids are easily guessed.
    pub fn subject_of(salt: &str, kind: &str, id: &str) -> Digest {
        // Lengths in front, so that no two subjects read the same.
        Digest::of(format!("{}:{salt}{}:{kind}{id}", salt.len(), kind.len()))
    }

    /// This request as it reaches the ledger and people.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { salt: String::new(), ..self.clone() }
    }

    /// What became of it, at this instant.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match self.state {
            AccessState::Pending if now >= self.expires_at => "expired",
            AccessState::Approved if self.approved_until.is_none_or(|until| now >= until) => "expired",
            state => state.as_str(),
        }
    }

    /// Somebody answers, or takes back what was answered. `called` is all that this person is called: by person, by
    /// account, by name.
    pub fn decide(
        &self,
        verdict: AccessVerdict,
        who: &Actor,
        called: &[String],
        reason: &str,
        permit: &Permit,
        now: Timestamp,
    ) -> Result<AccessRequest, Refusal> {
        let verb = match verdict {
            AccessVerdict::Approve { .. } => "approve",
            AccessVerdict::Reject => "reject",
            AccessVerdict::Revoke => "revoke",
        };
        let request = self.id.to_string();
        if !permit.covers(Action::ApproveAccess, self.tenant.as_str()) || !permit.held_by(&who.account) {
            return Err(Refusal::WrongPermit {
                permitted: permit.action(),
                needed: Action::ApproveAccess,
                resource: request,
            });
        }
        if who.kind != AccountKind::User {
            return Err(Refusal::NotAPerson { change: request });
        }
        // To take access away is never forbidden to anybody who may answer.
        if verdict != AccessVerdict::Revoke && self.is_of(who, called) {
            return Err(Refusal::OwnRequest { verb, request });
        }
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason { verb, change: request });
        }
        let status = self.status(now);
        let needed = if verdict == AccessVerdict::Revoke { "approved" } else { "pending" };
        let late = matches!(verdict, AccessVerdict::Approve { until } if until <= now);
        if status != needed || late {
            return Err(Refusal::RequestOver { verb, request, status });
        }
        let answer = AccessAnswer {
            person: who.person.clone(),
            account: who.account.clone(),
            name: who.name.clone(),
            at: now,
            reason: reason.to_owned(),
            decision: permit.decision().clone(),
        };
        let mut after = AccessRequest { revision: self.revision + 1, ..self.clone() };
        match verdict {
            AccessVerdict::Approve { until } => {
                after.state = AccessState::Approved;
                after.approved_until = Some(until);
                after.answered = Some(answer);
            }
            AccessVerdict::Reject => {
                after.state = AccessState::Rejected;
                after.answered = Some(answer);
            }
            AccessVerdict::Revoke => {
                after.state = AccessState::Revoked;
                after.revoked = Some(answer);
            }
        }
        Ok(after)
    }

    /// Whether what a program claims of this request's approval holds for this question now.
    pub fn holds(
        &self,
        claim: &AccessClaim,
        tenant: &TenantId,
        question: &Value,
        now: Timestamp,
    ) -> Result<(), Unapproved> {
        if self.id != claim.id || self.tenant != *tenant {
            return Err(Unapproved::Unverifiable);
        }
        if Self::scope_of(&self.salt, question).ok() != Some(self.scope) {
            return Err(Unapproved::OutOfScope);
        }
        match (self.state, self.status(now)) {
            (AccessState::Rejected, _) => return Err(Unapproved::Rejected),
            (AccessState::Pending, "pending") => return Err(Unapproved::Pending),
            (AccessState::Approved, "approved") => {}
            _ => return Err(Unapproved::Expired),
        }
        let other_state = claim.state.as_deref().is_some_and(|state| state != AccessState::Approved.as_str());
        let other_end = claim.approved_until.is_some() && claim.approved_until != self.approved_until;
        if other_state || other_end { Err(Unapproved::Unverifiable) } else { Ok(()) }
    }

    /// Whether this person asks, answers for the program that asks, or is the subject.
    fn is_of(&self, who: &Actor, called: &[String]) -> bool {
        let subject = self.asked.pointer("/subject/id").and_then(Value::as_str).unwrap_or_default().trim();
        self.person == who.person
            || self.account == who.account
            || called.iter().any(|name| name.trim().to_lowercase() == subject.to_lowercase())
    }
}

#[cfg(test)]
#[path = "access_request_tests.rs"]
mod tests;
