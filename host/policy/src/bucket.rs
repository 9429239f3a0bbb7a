//! The policies of each action, so that a question costs nothing for policies of other actions.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{ActionConstraint, Entities, EntityUid, Policy, Schema};
use interlock_domain::{Action, Determining, Effect};

use crate::{
    shape::{Fitting, Samples},
    slices::Slices,
    words::WORDS,
};

/// What one action's questions need.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// The policies that decide.
    pub(crate) enforced: Slices,
    /// The policies that only say what they would have decided.
    pub(crate) monitored: Slices,
    /// The action itself with its groups, for conditions that say `action in …`.
    pub(crate) action: Entities,
    /// The shapes of question that are known to fit the schema.
    pub(crate) fitting: Fitting,
}

/// Whether a policy decides or only watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It decides. The default.
    Enforce,
    /// It is evaluated and reported.
    Monitor,
}

/// A policy and what its annotations say.
#[derive(Debug, Clone)]
pub(crate) struct Annotated {
    pub(crate) policy: Policy,
    pub(crate) mode: Mode,
    pub(crate) note: Determining,
}

/// What is said of a policy in an answer, by its id.
pub(crate) type Notes = HashMap<String, Determining>;

/// One bucket per action, in the order of [`Action::ALL`], and the notes.
///
/// A policy belongs to the actions that its scope can match. Cedar matches `==` with the action itself and `in` with
/// the action or any group above it; a policy without an action in its scope belongs to all. With `profiles`, questions say
/// what has come together of an approval profile.
pub(crate) fn fill(
    schema: &Schema,
    policies: &[Annotated],
    profiles: bool,
) -> Result<(Vec<Bucket>, Notes), crate::load::Defect> {
    let all_actions = schema.action_entities()?;
    let samples = Samples::new(schema, profiles)?;
    let mut buckets = Vec::with_capacity(Action::ALL.len());
    for &action in Action::ALL {
        let uid = WORDS.action(action);
        let groups: BTreeSet<&EntityUid> = all_actions.ancestors(uid).into_iter().flatten().collect();
        let (mut enforced, mut monitored) = (Vec::new(), Vec::new());
        for annotated in policies {
            if may_match(&annotated.policy.action_constraint(), uid, &groups) {
                let set = match annotated.mode {
                    Mode::Enforce => &mut enforced,
                    Mode::Monitor => &mut monitored,
                };
                set.push(&annotated.policy);
            }
        }
        buckets.push(Bucket {
            enforced: Slices::new(enforced)?,
            monitored: Slices::new(monitored)?,
            action: Entities::from_entities(all_actions.get(uid).cloned(), None)?,
            fitting: samples.fitting(schema, action),
        });
    }
    let notes = policies.iter().map(|each| (each.note.id.clone(), each.note.clone())).collect();
    Ok((buckets, notes))
}

pub(crate) fn may_match(
    constraint: &ActionConstraint,
    action: &EntityUid,
    groups: &BTreeSet<&EntityUid>,
) -> bool {
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(only) => only == action,
        ActionConstraint::In(some) => some.iter().any(|each| each == action || groups.contains(each)),
    }
}

pub(crate) fn effect(policy: &Policy) -> Effect {
    match policy.effect() {
        cedar_policy::Effect::Permit => Effect::Permit,
        cedar_policy::Effect::Forbid => Effect::Forbid,
    }
}
