//! What the host makes sure of in every question, so that a proof speaks of questions that can be asked, and a
//! counterexample is one. Each line is a sentence of Cedar; one that does not fit a kind of question, or a schema, is left
//! out there, which proves less and never more.

use cedar_policy::{Policy, RequestEnv, Schema};
use cedar_policy_symcc::CompiledPolicy;
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
    "if context.approvals has levels then context.approvals.levels.level >= 0 && \
     context.approvals.levels.signed >= 0 && context.approvals.levels.signed <= 4294967295 else true",
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
    fitting(schema, env, ASSUMED)
}

/// All of these sentences that fit this kind of question, as one expression.
pub(crate) fn fitting(schema: &Schema, env: &RequestEnv, sentences: &[&str]) -> Value {
    // Typed for this kind alone; a validator would look at every other one too.
    let fits = |sentence: &&&str| {
        Policy::parse(None, format!("permit (principal, action, resource) when {{ {sentence} }};"))
            .is_ok_and(|policy| CompiledPolicy::compile(&policy, env, schema).is_ok())
    };
    sentences
        .iter()
        .filter(fits)
        .filter_map(|sentence| parts::expression(sentence))
        .reduce(|left, right| json!({ "&&": { "left": left, "right": right } }))
        .unwrap_or_else(|| json!({ "Value": true }))
}

#[cfg(test)]
mod tests {
    use cedar_policy::{Authorizer, Decision};
    use interlock_domain::{
        Action, AdmissionFacts, ApprovalFacts, ChangeKind, Facts, Outcome, Question, Resource, Timestamp,
    };
    use interlock_policy::{default_bundle, default_files, question_of, sample_question};

    use super::*;

    /// `AdmitChange` with everything at one end.
    fn admission(instant: i64, count: u32, health: Outcome, kind: ChangeKind) -> Question {
        let mut question = sample_question(Action::AdmitChange);
        question.now = Timestamp::from_millis(instant);
        if let Facts::Admission(facts) = &mut question.facts {
            let AdmissionFacts { approvals, .. } = &mut **facts;
            match count {
                0 => *approvals = ApprovalFacts::none(),
                count => approvals.distinct = count,
            }
            approvals.oldest = approvals.oldest.map(|_| Timestamp::from_millis(instant));
            facts.gates_failed = count;
            facts.gates_missing = count;
            facts.exposure_bp = count;
            facts.stage = count;
            facts.health = health;
        }
        if let Resource::Change { change_kind, .. } = &mut question.resource {
            *change_kind = kind;
        }
        question
    }

    #[test]
    fn every_question_that_the_host_builds_is_as_assumed() {
        use ChangeKind as K;
        let bundle = default_bundle().unwrap();
        let files = default_files();
        let cases = files.iter().filter(|(path, _)| path.starts_with("cases/"));
        let mut questions: Vec<Question> = cases
            .flat_map(|(_, text)| serde_json::from_slice::<Vec<Value>>(text).unwrap())
            .map(|case| question_of(case).unwrap())
            .chain(Action::ALL.iter().map(|action| sample_question(*action)))
            .collect();
        for (instant, count) in [(0, 0), (i64::MIN, 1), (i64::MAX, u32::MAX)] {
            for health in [Outcome::Pass, Outcome::Warn, Outcome::Hold, Outcome::Fail] {
                for kind in [K::Release, K::Config, K::Policy, K::Plugin, K::Tenant] {
                    questions.push(admission(instant, count, health, kind));
                }
            }
        }
        let mut asked = 0;
        for question in questions {
            // A case may ask what the schema does not know; the host denies that before anybody looks.
            let Ok((request, entities)) = bundle.posed(&question) else { continue };
            let (Some(who), Some(what), Some(whom)) =
                (request.principal(), request.action(), request.resource())
            else {
                panic!("{question:?}")
            };
            let env = RequestEnv::new(who.type_name().clone(), what.clone(), whom.type_name().clone());
            let all = Policy::parse(None, "permit (principal, action, resource);").unwrap();
            let set = parts::set_given([&all], &of(bundle.schema(), &env)).unwrap();
            let answer = Authorizer::new().is_authorized(&request, &set, &entities);
            assert_eq!(answer.decision(), Decision::Allow, "{question:?}");
            asked += 1;
        }
        assert!(asked > 100, "only {asked} questions");
    }

    #[test]
    fn every_sentence_fits_some_kind_of_question_of_the_default_schema() {
        let bundle = default_bundle().unwrap();
        let assumed: String =
            bundle.schema().request_envs().map(|env| of(bundle.schema(), &env).to_string()).collect();
        for sentence in ASSUMED {
            let expression = parts::expression(sentence).unwrap().to_string();
            assert!(assumed.contains(&expression), "{sentence}");
        }
    }
}
