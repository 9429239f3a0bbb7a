//! The kinds of question that can be asked of a bundle: who (a type), what (an action), about what (a type).

use std::{cmp::Ordering, collections::BTreeSet, fmt, sync::Arc};

use cedar_policy::{Entities, Policy, PolicySet, RequestEnv, Schema};
use interlock_domain::Action;
use interlock_policy::Bundle;
use serde::Serialize;
use serde_json::Value;

use crate::{
    assumed, demanded,
    parts::{self, Misfit},
};

/// Who, what and about what, by type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// What is done.
    pub action: Action,
    /// The type of who does it, such as `User`.
    pub principal: String,
    /// The type of what it is about, such as `Change`.
    pub resource: String,
}

impl Ord for Kind {
    /// In the order of actions; people first.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |kind: &Self| {
            (kind.action, kind.principal != "User", kind.principal.clone(), kind.resource.clone())
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.principal, self.action, self.resource)
    }
}

/// One kind of question with the policies that answer it, in terms of what the host knows: `resource.guarded` is spelt out.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    pub(crate) env: RequestEnv,
    pub(crate) schema: Schema,
    /// What the host makes sure of.
    pub(crate) assumed: Value,
    /// What the approval profiles make sure of.
    pub(crate) demanded: Value,
    /// The policies that decide, by id.
    pub(crate) enforced: Vec<Policy>,
    /// The policies that only watch.
    pub(crate) monitored: Vec<Policy>,
    /// The same deciding policies as a set that allows nothing the host would not ask.
    pub(crate) set: PolicySet,
    /// The actions and their groups.
    pub(crate) actions: Arc<Entities>,
}

impl Asked {
    /// The same kind of question where no policy answers: what a bundle says whose schema does not know it.
    pub(crate) fn unanswered(&self) -> Self {
        Self { enforced: Vec::new(), monitored: Vec::new(), set: PolicySet::new(), ..self.clone() }
    }
}

/// Every kind of question that the host asks and the schema knows, in the order of actions; of these actions, or of all
/// when there are none.
pub(crate) fn kinds(bundle: &Bundle, actions_only: &BTreeSet<Action>) -> Result<Vec<Asked>, Misfit> {
    let schema = bundle.schema();
    let actions = Arc::new(schema.action_entities()?);
    let demanded = demanded::sentence(bundle);
    let mut found = Vec::new();
    for env in schema.request_envs() {
        let named = |action: &&Action| action.as_str() == env.action().id().unescaped();
        // One that only the schema knows is never asked.
        let Some(&action) = Action::ALL.iter().find(named) else { continue };
        if !actions_only.is_empty() && !actions_only.contains(&action) {
            continue;
        }
        let mut enforced = Vec::new();
        let mut monitored = Vec::new();
        for (policy, watches) in bundle.policies_of(action) {
            let policy = parts::resolved(policy, &bundle.unguarded)?;
            if watches { monitored.push(policy) } else { enforced.push(policy) }
        }
        let assumed = assumed::of(schema, &env);
        let demanded = assumed::fitting(schema, &env, &[demanded.as_str()]);
        found.push(Asked {
            kind: Kind {
                action,
                principal: env.principal().basename().to_owned(),
                resource: env.resource().basename().to_owned(),
            },
            set: parts::set_given(&enforced, &assumed)?,
            schema: schema.clone(),
            assumed,
            demanded,
            enforced,
            monitored,
            actions: Arc::clone(&actions),
            env,
        });
    }
    found.sort_by(|one, other| one.kind.cmp(&other.kind));
    Ok(found)
}
