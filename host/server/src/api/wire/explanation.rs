//! Why a decision is what it is, as the policies' room writes it.

use super::{names, shape};

names! {
    /// Where a part of a policy stands.
    Place { Scope, When, Unless }
    /// What a policy does.
    PolicyEffect { Permit, Forbid }
}

/// What came of a part.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(test), expect(dead_code, reason = "describes a type of another room"))]
pub(crate) enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be evaluated.
    Error(String),
    /// What stands before it settled the matter.
    NotReached,
}

shape! {
    /// An answer with the reasons down to each clause.
    Explanation {
        /// Who.
        #[schema(example = "Interlock::User::\"per_0193470d5c5a7f3e8a6b2f8d9c1e4a72\"")]
        principal: String,
        /// Does what.
        #[schema(example = "AdmitChange")]
        action: String,
        /// To what.
        resource: String,
        /// Whether it may be done.
        allowed: bool,
        /// The policies that decided: `id`, `reason`, `effect`.
        #[schema(value_type = Vec<Object>)]
        determining: Vec<serde_json::Value>,
        /// What went wrong; any of these denies.
        errors: Vec<String>,
        /// Every policy of the action: those that decide first, then by how close they came.
        policies: Vec<ExplainedPolicy>,
    }
    /// One policy, part by part.
    ExplainedPolicy {
        /// Its `@id`.
        id: String,
        /// Its `@reason`.
        reason: String,
        /// What it does.
        effect: PolicyEffect,
        /// True when it only watches.
        monitored: bool,
        /// Whether it applies.
        applies: Truth,
        /// In the order in which Cedar looks at them.
        clauses: Vec<Clause>,
    }
    /// One part of a scope, or one of the parts of a condition that are joined by `&&`.
    Clause {
        /// Where it stands.
        of: Place,
        /// As an author would write it.
        #[schema(example = "context.approvals.distinct >= 2")]
        text: String,
        /// What came of it.
        value: Truth,
    }
}
