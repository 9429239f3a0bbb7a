//! Gates that other engines ask: who may ask through one, what it asks us, and what follows from what is found.
//!
//! **Invariant:** whatever is missing, unknown or broken keeps an engine where it is: it neither goes on nor goes back.

use serde::{Deserialize, Serialize};

use crate::{AccountId, ChangeId, DecisionId, GateEndpointId, GateName, State, TenantId, Timestamp};

/// The engine that asks, and so the protocol that the gate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Flagger's webhooks.
    Flagger,
    /// The web metric of Argo Rollouts.
    Argo,
    /// Kayenta, as Argo Rollouts calls it, and its remote judge.
    Kayenta,
    /// Kubernetes' validating admission.
    Kubernetes,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Engine; 4] = [Engine::Flagger, Engine::Argo, Engine::Kayenta, Engine::Kubernetes];

    /// Its name in paths and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Engine::Flagger => "flagger",
            Engine::Argo => "argo",
            Engine::Kayenta => "kayenta",
            Engine::Kubernetes => "kubernetes",
        }
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Engine {
    type Err = crate::IdError;
    fn from_str(text: &str) -> Result<Self, crate::IdError> {
        Engine::ALL.into_iter().find(|engine| engine.as_str() == text).ok_or_else(|| crate::IdError {
            text: text.chars().take(80).collect(),
            expected: "an engine: flagger, argo, kayenta or kubernetes",
        })
    }
}

/// What a gate asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case", deny_unknown_fields)]
pub enum GateQuestion {
    /// Is the change that the request names admitted, and may it go on?
    Change {
        /// Whether what the engine brings must also be among the change's artifacts, by digest.
        #[serde(default)]
        content: bool,
    },
    /// What do the policies of the tenant's application say of it?
    Access,
}

/// A gate that another engine asks, with the secret that its path holds as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateEndpoint {
    /// Its id, which is also in the token.
    pub id: GateEndpointId,
    /// Whose.
    pub tenant: TenantId,
    /// What it is called; no two that are not revoked share a name.
    pub name: GateName,
    /// The program that asks through it.
    pub account: AccountId,
    /// Which engine.
    pub engine: Engine,
    /// What it asks.
    pub question: GateQuestion,
    /// SHA-256 of the secret, hexadecimal. The secret has 190 bits, so a slow hash would add nothing.
    pub secret_sha256: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its token stops working.
    pub expires_at: Timestamp,
    /// When somebody revoked it.
    pub revoked_at: Option<Timestamp>,
}

impl GateEndpoint {
    /// This gate as it reaches the ledger.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { secret_sha256: String::new(), ..self.clone() }
    }
}

/// What an engine wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateAsk {
    /// May it go on?
    Go,
    /// Must it go back?
    RollBack,
}

/// A gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// Yes.
    Allow,
    /// Not yet, and perhaps later.
    Pending,
    /// No.
    Deny,
}

impl GateVerdict {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            GateVerdict::Allow => "allow",
            GateVerdict::Pending => "pending",
            GateVerdict::Deny => "deny",
        }
    }
}

/// What the host found for a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum GateFacts {
    /// Nothing to go by.
    Nothing {
        /// Why.
        why: String,
    },
    /// A change.
    Change {
        /// Which.
        change: ChangeId,
        /// Where it is.
        state: State,
        /// Whether the digest that the engine names, if it names one, is the change's.
        is_digest: bool,
        /// Whether the change holds what the engine brings, when that is asked.
        holds_content: Option<bool>,
        /// What the policies say of its going on, when it is under way or done.
        permitted: Option<bool>,
        /// Their decision.
        decision: Option<DecisionId>,
    },
    /// The answer of the tenant's application.
    Access {
        /// Its decision.
        decision: DecisionId,
        /// Whether it allows.
        allowed: bool,
    },
    /// The verdict of a health check.
    Judged {
        /// The recorded call.
        decision: DecisionId,
        /// The score in basis points.
        score_bp: u32,
        /// The verdict that its thresholds give.
        verdict: GateVerdict,
    },
}

impl GateFacts {
    /// The recorded decision that they rest on.
    pub fn decision(&self) -> Option<&DecisionId> {
        match self {
            GateFacts::Nothing { .. } => None,
            GateFacts::Change { decision, .. } => decision.as_ref(),
            GateFacts::Access { decision, .. } | GateFacts::Judged { decision, .. } => Some(decision),
        }
    }

    /// The change that they are about.
    pub fn change(&self) -> Option<&ChangeId> {
        match self {
            GateFacts::Change { change, .. } => Some(change),
            GateFacts::Nothing { .. } | GateFacts::Access { .. } | GateFacts::Judged { .. } => None,
        }
    }

    /// What follows.
    pub fn verdict(&self, ask: GateAsk) -> GateVerdict {
        match (ask, self) {
            (_, GateFacts::Nothing { .. }) => GateVerdict::Deny,
            (_, GateFacts::Access { allowed: true, .. }) => GateVerdict::Allow,
            (_, GateFacts::Access { allowed: false, .. }) => GateVerdict::Deny,
            (GateAsk::Go, GateFacts::Judged { verdict, .. }) => *verdict,
            // A poor score holds; only a change or the policies send anything back.
            (GateAsk::RollBack, GateFacts::Judged { .. }) => GateVerdict::Deny,
            (_, GateFacts::Change { is_digest: false, .. }) => GateVerdict::Deny,
            (GateAsk::RollBack, GateFacts::Change { state, .. }) => match is_over(*state) {
                true => GateVerdict::Allow,
                false => GateVerdict::Deny,
            },
            (GateAsk::Go, GateFacts::Change { holds_content: Some(false), .. }) => GateVerdict::Deny,
            (GateAsk::Go, GateFacts::Change { state, permitted, .. }) => go(*state, *permitted),
        }
    }
}

fn go(state: State, permitted: Option<bool>) -> GateVerdict {
    match state {
        State::Gating | State::Approving | State::Paused => GateVerdict::Pending,
        State::RollingOut | State::Completed if permitted == Some(true) => GateVerdict::Allow,
        // It was admitted once; what the policies miss may come back.
        State::RollingOut => GateVerdict::Pending,
        State::Completed => GateVerdict::Deny,
        State::RollingBack | State::RolledBack | State::Rejected | State::Cancelled | State::Expired => {
            GateVerdict::Deny
        }
    }
}

/// Whether nothing of it is to stay.
fn is_over(state: State) -> bool {
    match state {
        State::RollingBack | State::RolledBack | State::Rejected | State::Cancelled | State::Expired => true,
        State::Gating | State::Approving | State::Paused | State::RollingOut | State::Completed => false,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn change(state: State, permitted: Option<bool>) -> GateFacts {
        let change = ChangeId::new(Uuid::from_u128(1));
        GateFacts::Change { change, state, is_digest: true, holds_content: None, permitted, decision: None }
    }

    #[test]
    fn only_a_change_that_is_admitted_and_permitted_goes_on_and_only_one_that_is_over_goes_back() {
        use GateVerdict::{Allow, Deny, Pending};
        for (state, permitted, go, back) in [
            (State::Gating, None, Pending, Deny),
            (State::Approving, None, Pending, Deny),
            (State::Paused, None, Pending, Deny),
            (State::RollingOut, Some(true), Allow, Deny),
            (State::RollingOut, Some(false), Pending, Deny),
            (State::RollingOut, None, Pending, Deny),
            (State::Completed, Some(true), Allow, Deny),
            (State::Completed, Some(false), Deny, Deny),
            (State::RollingBack, None, Deny, Allow),
            (State::RolledBack, None, Deny, Allow),
            (State::Rejected, None, Deny, Allow),
            (State::Cancelled, None, Deny, Allow),
            (State::Expired, None, Deny, Allow),
        ] {
            let facts = change(state, permitted);
            let said = (facts.verdict(GateAsk::Go), facts.verdict(GateAsk::RollBack));
            assert_eq!(said, (go, back), "{state:?} {permitted:?}");
        }
    }

    #[test]
    fn what_is_missing_or_does_not_fit_goes_neither_on_nor_back() {
        let mut other = change(State::RolledBack, None);
        if let GateFacts::Change { is_digest, .. } = &mut other {
            *is_digest = false;
        }
        let mut foreign = change(State::Completed, Some(true));
        if let GateFacts::Change { holds_content, .. } = &mut foreign {
            *holds_content = Some(false);
        }
        for facts in [GateFacts::Nothing { why: String::new() }, other, foreign] {
            for ask in [GateAsk::Go, GateAsk::RollBack] {
                assert_eq!(facts.verdict(ask), GateVerdict::Deny, "{facts:?}");
            }
        }
    }
}
