//! Asking: one question to the policies of its action.

use cedar_policy::{AuthorizationError, Decision, Request};
use interlock_domain::{Answer, Determining, Effect, Question};

use crate::{
    Bundle,
    bucket::{Bucket, Notes},
    shape::shape,
    slices::Said,
    translate::{self, Untranslatable},
    words::WORDS,
};

impl Bundle {
    /// Asks the policies of the question's action.
    ///
    /// Request and entities are valid against the schema: their shape was validated when the bundle was loaded, or else
    /// they are now. Whatever goes wrong denies and is named in `errors`: a
    /// question that does not fit the schema, policies that are older than they may be, and any policy that errs, be it a permit or a forbid. (Cedar by itself
    /// skips a policy that errs, so that an erring guard rail guards nothing.)
    pub fn ask(&self, question: &Question) -> Answer {
        let answer = |allowed, determining, errors, monitored| Answer {
            allowed,
            determining,
            errors,
            monitored,
            bundle: self.digest,
        };
        if let Some(stale) = question.staleness() {
            return answer(false, Vec::new(), vec![stale], Vec::new());
        }
        let bucket = &self.buckets[question.action as usize];
        let (request, entities) = match self.request(question, bucket) {
            Ok(built) => built,
            Err(error) => {
                let text = format!("the question does not fit the schema of the policies: {error}");
                return answer(false, Vec::new(), vec![text], Vec::new());
            }
        };
        let said = bucket.enforced.ask(&self.authorizer, &request, &entities);
        let errors = errors(&said);
        let allowed = said.decision == Decision::Allow && errors.is_empty();
        // A permit does not lead to a denial: beside an error it would only mislead.
        let determining = match said.decision {
            Decision::Allow if !allowed => Vec::new(),
            Decision::Allow | Decision::Deny => notes_of(&self.notes, &said),
        };
        let monitored = if bucket.monitored.is_empty() {
            Vec::new()
        } else {
            let said = bucket.monitored.ask(&self.authorizer, &request, &entities);
            // Only one that would have turned the answer: a forbid where it is allowed, a permit where nothing else
            // stands against it.
            let turned = match said.decision {
                Decision::Deny => allowed,
                Decision::Allow => !allowed && errors.is_empty() && determining.is_empty(),
            };
            let mut monitored = if turned { notes_of(&self.notes, &said) } else { Vec::new() };
            monitored.extend(self.failed_notes(&said));
            monitored.sort();
            monitored
        };
        answer(allowed, determining, errors, monitored)
    }

    pub(crate) fn request(
        &self,
        question: &Question,
        bucket: &Bucket,
    ) -> Result<(Request, cedar_policy::Entities), Untranslatable> {
        let known_to_fit = bucket.fitting[shape(question)] && !cfg!(debug_assertions);
        let schema = (!known_to_fit).then_some(&self.schema);
        let principal = translate::principal(question)?;
        let resource = translate::resource(&question.resource, &self.unguarded)?;
        let context = translate::context(&question.facts, self.levels(question), question.now)?;
        let request = Request::new(
            principal.uid(),
            WORDS.action(question.action).clone(),
            resource.uid(),
            context,
            schema,
        )?;
        // Not `from_entities`, which would also copy every action of the schema.
        let entities = bucket.action.clone().add_entities([principal, resource], schema)?;
        Ok((request, entities))
    }

    /// Watched policies that erred: they deny nothing, and whoever watches them needs to know.
    fn failed_notes(&self, said: &Said) -> Vec<Determining> {
        said.errors
            .iter()
            .map(|AuthorizationError::PolicyEvaluationError(error)| {
                let id = error.policy_id().to_string();
                let effect = self.notes.get(&id).map_or(Effect::Forbid, |note| note.effect);
                Determining { id, reason: format!("could not be evaluated: {}", error.inner()), effect }
            })
            .collect()
    }
}

/// What is said of the policies that decided, by id.
pub(crate) fn notes_of(notes: &Notes, said: &Said) -> Vec<Determining> {
    let mut notes: Vec<Determining> =
        said.reasons.iter().filter_map(|id| notes.get(AsRef::<str>::as_ref(id))).cloned().collect();
    notes.sort();
    notes
}

pub(crate) fn errors(said: &Said) -> Vec<String> {
    let mut errors: Vec<String> = said
        .errors
        .iter()
        .map(|AuthorizationError::PolicyEvaluationError(error)| {
            format!(
                "policy `{}` could not be evaluated, so nothing is permitted: {}; put the policy right",
                error.policy_id(),
                error.inner()
            )
        })
        .collect();
    errors.sort();
    errors
}
