//! Requests for access, and gates that other engines ask: what is sent and taken.

use interlock_domain::{
    self as domain, AccountId, DecisionId, Engine, GateName, GateQuestion, PersonId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::flow;

/// A yes to a request for access.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessApproval {
    /// Why, in one's own words.
    #[schema(example = "on call for ward 3 tonight")]
    pub(crate) reason: String,
    /// How long it holds, in milliseconds; as long as it is wanted when absent.
    #[serde(default)]
    pub(crate) approve_for_ms: Option<u64>,
}

/// What one person said to a request for access.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessAnswer {
    /// Who.
    #[schema(value_type = String)]
    person: PersonId,
    /// What they are called.
    name: String,
    /// When.
    #[schema(value_type = String)]
    at: Timestamp,
    /// Why.
    reason: String,
    /// The policy decision that let them.
    #[schema(value_type = String)]
    decision: DecisionId,
}

impl From<&domain::AccessAnswer> for AccessAnswer {
    fn from(answer: &domain::AccessAnswer) -> Self {
        let domain::AccessAnswer { person, name, at, reason, decision, .. } = answer.clone();
        Self { person, name, at, reason, decision }
    }
}

/// A question that the tenant's application denied and somebody wants allowed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessRequest {
    /// Its id.
    #[schema(example = "acr_0193470d5c5a7f3e8a6b2f8d9c1e4a72")]
    pub(crate) id: String,
    /// `pending`, `approved`, `rejected`, `revoked` or `expired`.
    status: String,
    /// The recorded denial.
    #[schema(value_type = String)]
    evaluation: DecisionId,
    /// The program that asks for it.
    #[schema(value_type = String)]
    account: AccountId,
    /// The person who answers for that program.
    #[schema(value_type = String)]
    person: PersonId,
    /// Subject, action, resource and context, as they are on record.
    #[schema(value_type = Object)]
    asked: serde_json::Value,
    /// Why, in the words of whoever asks.
    reason: String,
    /// How long the approval is wanted for, in milliseconds.
    wanted_ms: u64,
    /// When it was made.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// When nobody can answer to it any more.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// The first instant at which the approval does not hold any more; absent (`null`) without one.
    #[schema(value_type = Option<String>)]
    approved_until: Option<Timestamp>,
    /// Who approved or rejected it; absent (`null`) before that.
    answered: Option<AccessAnswer>,
    /// Who took the approval back; absent (`null`) when nobody did.
    revoked: Option<AccessAnswer>,
}

impl AccessRequest {
    /// A request as it is at this instant.
    pub(crate) fn at(request: &domain::AccessRequest, now: Timestamp) -> Self {
        Self {
            id: request.id.to_string(),
            status: request.status(now).to_owned(),
            evaluation: request.evaluation.clone(),
            account: request.account.clone(),
            person: request.person.clone(),
            asked: (*request.asked).clone(),
            reason: request.reason.clone(),
            wanted_ms: request.wanted_ms,
            created_at: request.created_at,
            expires_at: request.expires_at,
            approved_until: request.approved_until,
            answered: request.answered.as_ref().map(AccessAnswer::from),
            revoked: request.revoked.as_ref().map(AccessAnswer::from),
        }
    }
}

/// A gate that another engine asks, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GateEndpoint {
    /// Its id.
    #[schema(example = "gte_0193470d5c5a7f3e8a6b2f8d9c1e4a72")]
    id: String,
    /// What it is called.
    #[schema(value_type = String, example = "shop-canary")]
    name: GateName,
    /// The engine that asks.
    #[schema(value_type = String, example = "flagger")]
    engine: Engine,
    /// What it asks: `{"about": "change", "content": false}` or `{"about": "access"}`.
    #[schema(value_type = Object)]
    question: GateQuestion,
    /// The program that asks through it.
    #[schema(value_type = String)]
    account: AccountId,
    /// When it was made.
    #[schema(value_type = String)]
    created_at: Timestamp,
    /// When its token stops working.
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// When somebody revoked it; absent (`null`) when nobody did.
    #[schema(value_type = Option<String>)]
    revoked_at: Option<Timestamp>,
}

impl From<domain::GateEndpoint> for GateEndpoint {
    fn from(gate: domain::GateEndpoint) -> Self {
        let domain::GateEndpoint {
            id,
            name,
            engine,
            question,
            account,
            created_at,
            expires_at,
            revoked_at,
            ..
        } = gate;
        Self { id: id.to_string(), name, engine, question, account, created_at, expires_at, revoked_at }
    }
}

/// A new gate and, this once, its token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewGate {
    #[serde(flatten)]
    gate: GateEndpoint,
    /// `ilg_…`: it cannot be read again, and repeating the request does not show it (`null`).
    #[schema(example = "ilg_0193470d5c5a7f3e8a6b2f8d9c1e4a74_q8Jt0c…")]
    pub(crate) token: Option<String>,
    /// Where the engine asks, with the token in it; without the server's address when `server.public_url` is not set.
    pub(crate) url: Option<String>,
}

impl From<flow::gate::NewGate> for NewGate {
    fn from(new: flow::gate::NewGate) -> Self {
        Self { gate: new.gate.into(), token: Some(new.token), url: Some(new.url) }
    }
}
