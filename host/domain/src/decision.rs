//! Decisions: one recorded answer of the policies or of a plugin, and the permit that an allowing one gives.

mod outline;
mod tags;

use interlock_ledger::Digest;
use serde::{Deserialize, Serialize};

pub use self::{outline::Outline, tags::Tag};
use crate::{
    AccountId, Action, Answer, ChangeId, DecisionId, Engine, GateAsk, GateEndpointId, GateFacts, GateName,
    GateVerdict, Principal, Question, TenantId, Timestamp,
};

/// What a decision came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionOutcome {
    /// The policies allow it.
    Allow,
    /// The policies deny it.
    Deny,
    /// A plugin answered.
    Answered,
    /// A plugin did not answer; whatever waits for it is denied.
    Failed,
}

impl DecisionOutcome {
    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            DecisionOutcome::Allow => "allow",
            DecisionOutcome::Deny => "deny",
            DecisionOutcome::Answered => "answered",
            DecisionOutcome::Failed => "failed",
        }
    }
}

/// Who answered, with what is needed to ask again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DecisionSubject {
    /// The policies.
    Policy {
        /// What was asked.
        question: Box<Question>,
        /// What they said.
        answer: Box<Answer>,
    },
    /// The policies of a tenant's application, asked by one of its programs.
    Access {
        /// What the application is called.
        application: String,
        /// Who asked.
        account: AccountId,
        /// What was asked, cut to what the policies can read, and masked where the application says so.
        request: Box<serde_json::Value>,
        /// What they said.
        answer: Box<Answer>,
        /// What a search found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Vec<String>>,
    },
    /// A gate that another engine asks.
    Gate {
        /// Its id.
        gate: GateEndpointId,
        /// What it is called.
        name: GateName,
        /// Which engine asked.
        engine: Engine,
        /// Through which account.
        account: AccountId,
        /// Whether to go on, or to go back.
        ask: GateAsk,
        /// What the engine said of what it asks about, cut to what is read of it.
        asked: Box<serde_json::Value>,
        /// What the host found: the answer follows from it alone.
        facts: Box<GateFacts>,
        /// The answer.
        verdict: GateVerdict,
        /// Why, in sentences.
        reasons: Vec<String>,
    },
    /// A plugin. The transcript holds input, output, evidence, fuel and logs.
    Plugin {
        /// Its name.
        name: String,
        /// Its digest.
        digest: Digest,
        /// The function that was called.
        function: String,
        /// Everything needed to replay the call.
        transcript: Box<serde_json::Value>,
        /// What the policies said of the evidence that it asked for, once for each source.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reads: Vec<EvidenceRead>,
    },
}

/// What the policies said when a plugin asked for evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRead {
    /// The source.
    pub source: String,
    /// Whether the plugin may read it.
    pub allowed: bool,
    /// The policies that led to it.
    pub policies: Vec<String>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// The bundle that was asked.
    pub bundle: Digest,
}

/// One recorded answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Its id.
    pub id: DecisionId,
    /// In which tenant.
    pub tenant: TenantId,
    /// About which change, if about one.
    pub change: Option<ChangeId>,
    /// When.
    pub at: Timestamp,
    /// What it came to.
    pub outcome: DecisionOutcome,
    /// Who answered what.
    pub subject: DecisionSubject,
    /// How long the answer took, in microseconds. Not replayed.
    pub elapsed_us: u64,
}

/// Proof that the policies allowed one action on one resource. Rules of the domain ask for it, so that an
/// unpermitted change cannot be built, and the ids of the policies reach the record.
///
/// **Invariant:** the only way to a permit is [`Decision::permit`] on an allowing decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    decision: DecisionId,
    /// Who asked; absent for plugins.
    account: Option<AccountId>,
    action: Action,
    resource: String,
    bundle: Digest,
    policies: Vec<String>,
}

impl Decision {
    /// Records the answer to a policy question.
    pub fn of_policy(
        id: DecisionId,
        change: Option<ChangeId>,
        question: Question,
        answer: Answer,
        elapsed_us: u64,
    ) -> Decision {
        Decision {
            id,
            tenant: question.resource.tenant().clone(),
            change,
            at: question.now,
            outcome: if answer.allowed { DecisionOutcome::Allow } else { DecisionOutcome::Deny },
            subject: DecisionSubject::Policy { question: Box::new(question), answer: Box::new(answer) },
            elapsed_us,
        }
    }

    /// What the policies said for it or against it, in sentences; nothing for a plugin's answer.
    pub fn reasons(&self) -> Vec<String> {
        match &self.subject {
            DecisionSubject::Policy { answer, .. } | DecisionSubject::Access { answer, .. } => {
                answer.reasons()
            }
            DecisionSubject::Gate { reasons, .. } => reasons.clone(),
            DecisionSubject::Plugin { .. } => Vec::new(),
        }
    }

    /// The permit of an allowing policy decision; `None` of every other.
    pub fn permit(&self) -> Option<Permit> {
        match (&self.outcome, &self.subject) {
            (DecisionOutcome::Allow, DecisionSubject::Policy { question, answer }) if answer.allowed => {
                Some(Permit {
                    decision: self.id.clone(),
                    account: match &question.principal {
                        Principal::Actor(actor) => Some(actor.account.clone()),
                        _ => None,
                    },
                    action: question.action,
                    resource: question.resource.id(),
                    bundle: answer.bundle,
                    policies: answer.determining.iter().map(|policy| policy.id.clone()).collect(),
                })
            }
            _ => None,
        }
    }
}

impl Permit {
    /// True when this permits `action` on the resource with this id.
    pub fn covers(&self, action: Action, resource: &str) -> bool {
        self.action == action && self.resource == resource
    }

    /// True when it was given to this account.
    pub fn held_by(&self, account: &AccountId) -> bool {
        self.account.as_ref() == Some(account)
    }

    /// The decision it came from.
    pub fn decision(&self) -> &DecisionId {
        &self.decision
    }

    /// What it permits.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The bundle that was asked.
    pub fn bundle(&self) -> Digest {
        self.bundle
    }

    /// The policies that allowed it.
    pub fn policies(&self) -> &[String] {
        &self.policies
    }
}
