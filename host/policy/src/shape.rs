//! Validation by shape: what Cedar's types say of a question is settled when the bundle is loaded.
//!
//! Measured: validating one question in full costs as much as building it (19 µs for the request and 12 µs for the
//! entities, where one policy costs 2 µs), which alone would break the bound of 1.3 times bare Cedar. But the Cedar
//! types of a question depend only on its action and its [`shape`]: which kind of principal and resource, and which
//! facts. The values inside are typed by Rust. So a sample of every shape is validated once per action at load, and a
//! question of a shape that fits is not validated again. Every other question is, in full, which also finds the words
//! for the denial.
//!
//! In builds with debug assertions, so in every test, all questions are validated in full.

use std::collections::BTreeSet;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, Schema};
use interlock_domain::{
    AccountKind, Action, Actor, Environment, Facts, Principal, Question, Resource, Role, RoleGrant,
};

use crate::{
    sample_question,
    translate::{self, Levels, Untranslatable},
    words::WORDS,
};

const PRINCIPALS: usize = 3;
const RESOURCES: usize = 6;
const FACTS: usize = 3;

/// Whether a question of each shape fits the schema, for one action.
pub(crate) type Fitting = [bool; PRINCIPALS * RESOURCES * FACTS];

/// Everything about a question, besides its action, that its Cedar types depend on; as an index into [`Fitting`].
pub(crate) fn shape(question: &Question) -> usize {
    let principal = match &question.principal {
        Principal::Actor(Actor { kind: AccountKind::User, .. }) => 0,
        Principal::Actor(Actor { kind: AccountKind::Service, .. }) => 1,
        Principal::Plugin { .. } => 2,
    };
    let resource = match &question.resource {
        Resource::Tenant { .. } => 0,
        Resource::Environment { change_kind: Some(_), .. } => 1,
        Resource::Change { .. } => 2,
        Resource::Ledger { .. } => 3,
        Resource::EvidenceSource { .. } => 4,
        Resource::Environment { change_kind: None, .. } => 5,
    };
    let facts = match &question.facts {
        Facts::None => 0,
        Facts::Admission(facts) if facts.approvals.oldest.is_none() => 1,
        Facts::Admission(_) => 2,
    };
    index(principal, resource, facts)
}

fn index(principal: usize, resource: usize, facts: usize) -> usize {
    (principal * RESOURCES + resource) * FACTS + facts
}

/// One sample of each part of a shape, translated. An entity that does not fit the schema is left out, and with it
/// every shape that it is part of.
pub(crate) struct Samples {
    principals: Vec<Option<EntityUid>>,
    resources: Vec<Option<EntityUid>>,
    contexts: Vec<Context>,
}

impl Samples {
    pub(crate) fn new(schema: &Schema, profiles: bool) -> Result<Self, Untranslatable> {
        let conforming = |entity: Entity| {
            let uid = entity.uid();
            Entities::empty().add_entities([entity], Some(schema)).ok().map(|_| uid)
        };
        let (principals, resources, facts) = parts();
        let now = sample_question(Action::AdmitChange).now;
        Ok(Self {
            principals: principals
                .iter()
                .map(|question| translate::principal(question).map(conforming))
                .collect::<Result<_, _>>()?,
            resources: resources
                .iter()
                .map(|resource| translate::resource(resource, &BTreeSet::new()).map(conforming))
                .collect::<Result<_, _>>()?,
            contexts: facts
                .iter()
                .map(|facts| translate::context(facts, profiles.then(Levels::default), now))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Which shapes of question fit the schema for this action.
    pub(crate) fn fitting(&self, schema: &Schema, action: Action) -> Fitting {
        let mut fitting: Fitting = [false; PRINCIPALS * RESOURCES * FACTS];
        for (p, principal) in self.principals.iter().enumerate() {
            for (r, resource) in self.resources.iter().enumerate() {
                let (Some(principal), Some(resource)) = (principal, resource) else { continue };
                for (f, context) in self.contexts.iter().enumerate() {
                    let request = Request::new(
                        principal.clone(),
                        WORDS.action(action).clone(),
                        resource.clone(),
                        context.clone(),
                        Some(schema),
                    );
                    fitting[index(p, r, f)] = request.is_ok();
                }
            }
        }
        fitting
    }
}

/// A question of each kind of principal, each kind of resource, each kind of facts; in the order of [`shape`].
fn parts() -> (Vec<Question>, Vec<Resource>, Vec<Facts>) {
    let mut person = sample_question(Action::ReadKey);
    if let Principal::Actor(actor) = &mut person.principal {
        // Every role: a schema could list the roles it knows.
        actor.roles = Role::ALL.map(|role| RoleGrant { role, environment: None::<Environment> }).to_vec();
    }
    let mut program = person.clone();
    if let Principal::Actor(actor) = &mut program.principal {
        actor.kind = AccountKind::Service;
    }
    let plugin = sample_question(Action::ReadEvidence);
    let resources = [
        Action::ReadKey,
        Action::ProposeChange,
        Action::AdmitChange,
        Action::ReadLedger,
        Action::ReadEvidence,
        Action::UpdateDevice,
    ]
    .map(|action| sample_question(action).resource);
    let approved = sample_question(Action::AdmitChange).facts;
    let mut unapproved = approved.clone();
    if let Facts::Admission(facts) = &mut unapproved {
        facts.approvals.oldest = None;
    }
    (vec![person, program, plugin], resources.to_vec(), vec![Facts::None, unapproved, approved])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_the_shape_that_it_stands_for() {
        let (principals, resources, facts) = parts();
        let mut expected = 0;
        for asker in &principals {
            for resource in &resources {
                for facts in &facts {
                    let question =
                        Question { resource: resource.clone(), facts: facts.clone(), ..asker.clone() };
                    assert_eq!(shape(&question), expected);
                    expected += 1;
                }
            }
        }
        assert_eq!(expected, PRINCIPALS * RESOURCES * FACTS);
    }

    #[test]
    fn of_the_default_schema_exactly_what_the_host_asks_fits() {
        let bundle = crate::default_bundle().unwrap();
        for &action in Action::ALL {
            let fitting = &bundle.buckets[action as usize].fitting;
            assert!(fitting[shape(&sample_question(action))], "{action}");
            let (principals, resources, facts) = parts();
            for asker in &principals {
                for resource in &resources {
                    for facts in &facts {
                        let question = Question {
                            action,
                            resource: resource.clone(),
                            facts: facts.clone(),
                            ..asker.clone()
                        };
                        // With debug assertions, `ask` validates in full.
                        let valid = bundle.ask(&question).errors.is_empty();
                        assert_eq!(fitting[shape(&question)], valid, "{question:?}");
                    }
                }
            }
        }
    }
}
