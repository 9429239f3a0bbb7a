//! The policies of one action, cut by what their scopes name and what their conditions look at first, so that a question is
//! put only to those that can match.
//!
//! A policy whose scope names a group or an entity (`principal in Role::"qa"`, `resource == Record::"7"`) applies to
//! nothing but what is in it, and Cedar evaluates nothing else of it when it does not match: it can neither decide nor err.
//! So it is only asked where the principal or resource is what it names, or below it. Among those, one whose condition begins
//! with `principal.role == "qa"` is only asked where that is the role (see [`guard`](crate::guard)). The answer is the same as
//! that of all policies together: a test holds it to that.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Entities, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint,
};

use crate::guard::Looked;

/// So few are sooner asked than looked up.
const ASKED_AT_ONCE: usize = 8;

/// The entities that a scope names.
type Named = (Option<EntityUid>, Option<EntityUid>);

/// The policies of one action that decide, or those that watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slices {
    all: PolicySet,
    /// Empty when there are few.
    by_scope: HashMap<Named, Slice>,
}

/// The policies whose scopes name the same.
#[derive(Debug, Clone, Default)]
struct Slice {
    /// Those that look at nothing first.
    open: PolicySet,
    guarded: BTreeMap<Looked, Guarded>,
}

/// The policies that look at the same attribute first.
#[derive(Debug, Clone, Default)]
struct Guarded {
    /// For where it is not known.
    all: PolicySet,
    by_text: HashMap<String, PolicySet>,
}

/// What Cedar says of a question.
pub(crate) struct Said {
    pub(crate) decision: Decision,
    /// The policies that led to it.
    pub(crate) reasons: Vec<PolicyId>,
    pub(crate) errors: Vec<AuthorizationError>,
}

impl Slices {
    pub(crate) fn new<'a>(
        policies: impl IntoIterator<Item = &'a Policy>,
    ) -> Result<Self, crate::load::Defect> {
        Self::cut(policies, ASKED_AT_ONCE)
    }

    /// `few` are left together.
    fn cut<'a>(
        policies: impl IntoIterator<Item = &'a Policy>,
        few: usize,
    ) -> Result<Self, crate::load::Defect> {
        let mut slices = Self::default();
        for policy in policies {
            slices.all.add(policy.clone())?;
        }
        if slices.len() > few {
            let policies: Vec<Policy> = slices.all.policies().cloned().collect();
            for policy in policies {
                slices.by_scope.entry(named(&policy)).or_default().add(policy)?;
            }
            slices.by_scope.values_mut().try_for_each(|slice| slice.join(few))?;
        }
        Ok(slices)
    }

    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.all.policies()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.num_of_policies()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Asks all that can match.
    pub(crate) fn ask(&self, authorizer: &Authorizer, request: &Request, entities: &Entities) -> Said {
        let mut said = Said { decision: Decision::Deny, reasons: Vec::new(), errors: Vec::new() };
        if self.by_scope.is_empty() {
            said.add(authorizer, request, &self.all, entities);
            return said;
        }
        let above = |uid: Option<&EntityUid>| {
            let ancestors = uid.and_then(|uid| entities.ancestors(uid)).into_iter().flatten().cloned();
            let mut names: Vec<Option<EntityUid>> =
                [None, uid.cloned()].into_iter().chain(ancestors.map(Some)).collect();
            names.dedup();
            names
        };
        let resources = above(request.resource());
        for principal in above(request.principal()) {
            let mut key = (principal, None);
            for resource in &resources {
                key.1.clone_from(resource);
                if let Some(slice) = self.by_scope.get(&key) {
                    slice.ask(authorizer, request, entities, &mut said);
                }
            }
        }
        said
    }
}

impl Slice {
    fn add(&mut self, policy: Policy) -> Result<(), crate::load::Defect> {
        match Looked::first(&policy) {
            Some((looked, text)) => {
                let guarded = self.guarded.entry(looked).or_default();
                guarded.all.add(policy.clone())?;
                guarded.by_text.entry(text).or_default().add(policy)?;
            }
            None => self.open.add(policy)?,
        }
        Ok(())
    }

    /// Puts those back that are sooner asked than looked up.
    fn join(&mut self, few: usize) -> Result<(), crate::load::Defect> {
        let is_small = |_: &Looked, guarded: &mut Guarded| guarded.all.num_of_policies() <= few;
        for guarded in self.guarded.extract_if(.., is_small).map(|(_, guarded)| guarded) {
            for policy in guarded.all.policies() {
                self.open.add(policy.clone())?;
            }
        }
        Ok(())
    }

    fn ask(&self, authorizer: &Authorizer, request: &Request, entities: &Entities, said: &mut Said) {
        said.add(authorizer, request, &self.open, entities);
        for (looked, guarded) in &self.guarded {
            match looked.found(request, entities) {
                Some(text) => {
                    if let Some(policies) = guarded.by_text.get(&text) {
                        said.add(authorizer, request, policies, entities);
                    }
                }
                None => said.add(authorizer, request, &guarded.all, entities),
            }
        }
    }
}

impl Said {
    /// Adds what some more policies say: one forbid outweighs every permit, wherever they stand.
    fn add(&mut self, authorizer: &Authorizer, request: &Request, policies: &PolicySet, entities: &Entities) {
        if policies.is_empty() {
            return;
        }
        let response = authorizer.is_authorized(request, policies, entities);
        self.errors.extend(response.diagnostics().errors().cloned());
        let mut reasons = response.diagnostics().reason().cloned().peekable();
        if reasons.peek().is_none() {
            return;
        }
        let forbidden = self.decision == Decision::Deny && !self.reasons.is_empty();
        match response.decision() {
            Decision::Allow if forbidden => {}
            Decision::Allow => {
                self.decision = Decision::Allow;
                self.reasons.extend(reasons);
            }
            Decision::Deny => {
                if !forbidden {
                    self.reasons.clear();
                }
                self.decision = Decision::Deny;
                self.reasons.extend(reasons);
            }
        }
    }
}

fn named(policy: &Policy) -> Named {
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => {
            Some(uid)
        }
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => {
            Some(uid)
        }
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
    };
    (principal, resource)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, str::FromStr};

    use cedar_policy::{Context, Entity, RestrictedExpression};
    use proptest::prelude::*;

    use super::*;

    fn uid(text: &str) -> EntityUid {
        EntityUid::from_str(text).unwrap()
    }

    /// Groups `G::"0"` to `G::"2"`, where each is in the one before; members `P::"n"` and `R::"n"` of group n.
    fn entities() -> Entities {
        let group = |n: u8| uid(&format!(r#"G::"{n}""#));
        let mut all: Vec<Entity> = (0..3)
            .map(|n| Entity::new_no_attrs(group(n), n.checked_sub(1).map(group).into_iter().collect()))
            .collect();
        for n in 0..3_u8 {
            for kind in ["P", "R"] {
                // The third has none.
                let attributes =
                    (n < 2).then(|| ("x".to_owned(), RestrictedExpression::new_string(n.to_string())));
                let uid = uid(&format!(r#"{kind}::"{n}""#));
                all.push(Entity::new(uid, attributes.into_iter().collect(), [group(n)].into()).unwrap());
            }
        }
        Entities::from_entities(all, None).unwrap()
    }

    fn scope(name: &'static str, kind: &'static str) -> impl Strategy<Value = String> {
        prop_oneof![
            Just(name.to_owned()),
            Just(format!("{name} is {kind}")),
            (0..3_u8).prop_map(move |n| format!(r#"{name} == {kind}::"{n}""#)),
            (0..3_u8).prop_map(move |n| format!(r#"{name} in G::"{n}""#)),
            (0..3_u8).prop_map(move |n| format!(r#"{name} is {kind} in G::"{n}""#)),
        ]
    }

    fn policy() -> impl Strategy<Value = String> {
        // The last condition errs wherever it is evaluated.
        let condition = prop_oneof![
            4 => Just(""),
            1 => Just("when { false }"),
            1 => Just("when { principal.nothing }"),
            8 => Just(r#"when { principal.x == "0" }"#),
            8 => Just(r#"when { principal.x == "1" && resource.x == "1" }"#),
            4 => Just(r#"when { principal has x && principal.x == "1" && principal.nothing }"#),
            8 => Just(r#"when { "1" == resource.x } unless { principal.x == "0" }"#),
        ];
        let effect = prop_oneof![3 => Just("permit"), 1 => Just("forbid")];
        (effect, scope("principal", "P"), scope("resource", "R"), condition).prop_map(
            |(effect, principal, resource, condition)| {
                format!("{effect} ({principal}, action, {resource}) {condition};")
            },
        )
    }

    fn by_id<T: ToString>(all: impl Iterator<Item = T>) -> BTreeSet<String> {
        all.map(|each| each.to_string()).collect()
    }

    proptest! {
        #[test]
        fn the_slices_answer_as_all_policies_together(
            texts in prop::collection::vec(policy(), 9..60),
            few in 0..9_usize,
        ) {
            let all = PolicySet::from_str(&texts.join("\n")).unwrap();
            let slices = Slices::cut(all.policies(), few).unwrap();
            prop_assert!(!slices.by_scope.is_empty());
            let (entities, authorizer) = (entities(), Authorizer::new());
            for (principal, resource) in (0..3).flat_map(|p| (0..4).map(move |r| (p, r))) {
                let request = Request::new(
                    uid(&format!(r#"P::"{principal}""#)),
                    uid(r#"Action::"read""#),
                    // The fourth is one that nobody knows.
                    uid(&format!(r#"R::"{resource}""#)),
                    Context::empty(),
                    None,
                )
                .unwrap();
                let whole = authorizer.is_authorized(&request, &all, &entities);
                let said = slices.ask(&authorizer, &request, &entities);
                prop_assert_eq!(said.decision, whole.decision());
                prop_assert_eq!(by_id(said.reasons.iter()), by_id(whole.diagnostics().reason()));
                prop_assert_eq!(by_id(said.errors.iter()), by_id(whole.diagnostics().errors()));
            }
        }
    }
}
