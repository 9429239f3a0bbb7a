//! A decision, as the domain writes it.

use super::{names, shape};

names! {
    /// What a decision came to.
    DecisionOutcome { Allow, Deny, Answered, Failed }
}

shape! {
    /// One recorded answer of the policies or of a plugin.
    Decision {
        /// Its id.
        #[schema(example = "dec_0193470d5c5a7f3e8a6b2f8d9c1e4a72")]
        id: String,
        /// In which tenant.
        tenant: String,
        /// About which change, if about one.
        change: Option<String>,
        /// When.
        at: String,
        /// What it came to.
        outcome: DecisionOutcome,
        /// Who answered what.
        subject: DecisionSubject,
        /// How long the answer took, in microseconds.
        elapsed_us: u64,
    }
}

/// Who answered, with what is needed to ask again.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(not(test), expect(dead_code, reason = "describes a type of the domain"))]
pub(crate) enum DecisionSubject {
    /// The policies.
    Policy {
        /// Principal, action, resource, facts and time.
        #[schema(value_type = Object)]
        question: serde_json::Value,
        /// Whether it is allowed, the determining policies, errors, and the bundle's digest.
        #[schema(value_type = Object)]
        answer: serde_json::Value,
    },
    /// The policies of the tenant's application.
    Access {
        /// What the application is called.
        application: String,
        /// Who asked.
        account: String,
        /// What was asked, as far as the policies can read it.
        #[schema(value_type = Object)]
        request: serde_json::Value,
        /// Whether it is allowed, the determining policies, errors, and the application's digest.
        #[schema(value_type = Object)]
        answer: serde_json::Value,
        /// What a search found.
        found: Option<Vec<String>>,
    },
    /// A gate that another engine asks.
    Gate {
        /// Its id.
        gate: String,
        /// What it is called.
        name: String,
        /// Which engine asked.
        engine: String,
        /// Through which account.
        account: String,
        /// Whether to go on (`go`) or to go back (`roll_back`).
        ask: String,
        /// What the engine said of what it asks about, as far as it is read.
        #[schema(value_type = Object)]
        asked: serde_json::Value,
        /// What the host found; the answer follows from it alone.
        #[schema(value_type = Object)]
        facts: serde_json::Value,
        /// `allow`, `pending` or `deny`.
        verdict: String,
        /// Why.
        reasons: Vec<String>,
    },
    /// A plugin.
    Plugin {
        /// Its name.
        name: String,
        /// Its digest.
        digest: String,
        /// The function that was called.
        function: String,
        /// Input, output, evidence, fuel and logs: everything needed to replay the call.
        #[schema(value_type = Object)]
        transcript: serde_json::Value,
        /// What the policies said of the evidence that it asked for: `source`, `allowed`, `policies`, `errors`, `bundle`.
        #[schema(value_type = Vec<Object>)]
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reads: Vec<serde_json::Value>,
    },
}
