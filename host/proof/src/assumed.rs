//! What the host makes sure of in every question, so that a proof speaks of questions that can be asked, and a
//! counterexample is one. Each line is a sentence of Cedar; one that does not fit a kind of question, or a schema, is left
//! out there, which proves less and never more.

use cedar_policy::{Policy, PolicySet, RequestEnv, Schema, ValidationMode, Validator};
use serde_json::{Value, json};

use crate::parts;

/// Times as [`Timestamp`](interlock_domain::Timestamp) bounds them, counts as the domain counts, words as it has them.
pub const ASSUMED: &[&str] = &[
    "context.now >= datetime(\"1970-01-01\") && context.now <= datetime(\"9999-12-30T22:00:00.000Z\")",
    "if context.approvals has oldest then context.approvals.oldest >= datetime(\"1970-01-01\") && \
     context.approvals.oldest <= datetime(\"9999-12-30T22:00:00.000Z\") else true",
    "context.approvals.distinct >= 0 && context.approvals.distinct <= 4294967295",
    "(context.approvals has oldest) == (context.approvals.distinct > 0)",
    "context.approvals.persons.isEmpty() == (context.approvals.distinct == 0)",
    "context.approvals.distinct > 0 || context.approvals.roles.isEmpty()",
    "context.gates.passed >= 0 && context.gates.passed <= 4294967295",
    "context.gates.warned >= 0 && context.gates.warned <= 4294967295",
    "context.gates.holding >= 0 && context.gates.holding <= 4294967295",
    "context.gates.failed >= 0 && context.gates.failed <= 4294967295",
    "context.gates.missing >= 0 && context.gates.missing <= 4294967295",
    "context.stage >= 0 && context.stage <= 4294967295",
    "context.exposure_bp >= 0 && context.exposure_bp <= 4294967295",
    "[\"pass\", \"warn\", \"hold\", \"fail\"].contains(context.health)",
    "if resource has kind then [\"release\", \"config\", \"policy\", \"plugin\", \"tenant\"].contains(resource.kind) else true",
];

/// All of it that fits this kind of question, as one expression.
pub(crate) fn of(schema: &Schema, env: &RequestEnv) -> Value {
    let validator = Validator::new(schema.clone());
    let fits = |sentence: &&&str| {
        let scoped = format!(
            "permit (principal is {}, action == {}, resource is {}) when {{ {sentence} }};",
            env.principal(),
            env.action(),
            env.resource()
        );
        Policy::parse(None, scoped)
            .ok()
            .and_then(|policy| PolicySet::from_policies([policy]).ok())
            .is_some_and(|set| validator.validate(&set, ValidationMode::Strict).validation_passed())
    };
    ASSUMED
        .iter()
        .filter(fits)
        .filter_map(|sentence| parts::expression(sentence))
        .reduce(|left, right| json!({ "&&": { "left": left, "right": right } }))
        .unwrap_or_else(|| json!({ "Value": true }))
}
