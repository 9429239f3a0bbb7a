//! What is to hold whatever the policies say: written like policies, proved and never asked.

use std::collections::BTreeSet;

use cedar_policy::{Entities, EntityUid, Policy, Schema};
use interlock_domain::{Action, Effect};

use crate::{
    Fault,
    bucket::{Mode, may_match},
    load::{Defect, Placed},
    words::WORDS,
};

/// One promise about all policies together.
#[derive(Debug, Clone)]
pub struct Invariant {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`: what it promises.
    pub reason: String,
    /// A `forbid` says what is never allowed, a `permit` what always is.
    pub effect: Effect,
    /// What it means.
    pub policy: Policy,
    /// The actions that its scope can match.
    actions: BTreeSet<Action>,
}

impl Invariant {
    /// Whether it says anything about this action.
    pub fn speaks_of(&self, action: Action) -> bool {
        self.actions.contains(&action)
    }
}

/// An invariant holds or it does not; nobody watches it.
pub(crate) fn check(placed: &[Placed<'_>], faults: &mut Vec<Fault>) {
    for each in placed.iter().filter(|each| each.annotated.mode == Mode::Monitor) {
        faults.push(each.fault("an invariant has no `@mode`; take the annotation away"));
    }
}

pub(crate) fn of(schema: &Schema, placed: Vec<Placed<'_>>) -> Result<Vec<Invariant>, Defect> {
    let all: Entities = schema.action_entities()?;
    let invariants = placed.into_iter().map(|each| {
        let constraint = each.annotated.policy.action_constraint();
        let matched = |action: &&Action| {
            let uid = WORDS.action(**action);
            let groups: BTreeSet<&EntityUid> = all.ancestors(uid).into_iter().flatten().collect();
            may_match(&constraint, uid, &groups)
        };
        Invariant {
            actions: Action::ALL.iter().filter(matched).copied().collect(),
            id: each.annotated.note.id,
            reason: each.annotated.note.reason,
            effect: each.annotated.note.effect,
            policy: each.annotated.policy,
        }
    });
    Ok(invariants.collect())
}
