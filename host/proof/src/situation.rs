//! One question in full: what a counterexample is. It can be asked again of Cedar itself, and its parts can be replaced.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use cedar_policy_symcc::Env;
use interlock_domain::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    kind::Asked,
    parts::{self, Misfit},
};

/// An entity's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Uid {
    /// Such as `Interlock::User`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Which one.
    pub id: String,
}

/// An entity with what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Thing {
    /// Which it is.
    pub uid: Uid,
    /// Its attributes, as Cedar writes them in JSON.
    pub attrs: Map<String, Value>,
    /// All that it is in.
    pub parents: BTreeSet<Uid>,
}

/// Who asks for what, about what, under which circumstances.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Situation {
    /// Who.
    pub principal: Thing,
    /// About what.
    pub resource: Thing,
    /// Under which circumstances, as Cedar writes them in JSON.
    pub context: Map<String, Value>,
}

/// What Cedar answers to a situation.
pub(crate) struct Answer {
    /// As the host decides: a policy that errs denies.
    pub(crate) allowed: bool,
    /// The policies that decided.
    pub(crate) because: Vec<String>,
    /// The policies that erred, with what went wrong.
    pub(crate) errors: BTreeMap<String, String>,
}

impl Uid {
    /// The type without its namespace.
    pub(crate) fn kind(&self) -> &str {
        self.type_name.rsplit("::").next().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "type": self.type_name, "id": self.id })
    }

    /// What a value names, if it names an entity.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let named = value.get("__entity").unwrap_or(value);
        Some(Self {
            type_name: named.get("type")?.as_str()?.to_owned(),
            id: named.get("id")?.as_str()?.to_owned(),
        })
    }

    /// As a value of an attribute.
    pub(crate) fn value(&self) -> Value {
        json!({ "__entity": self.json() })
    }
}

impl From<&EntityUid> for Uid {
    fn from(uid: &EntityUid) -> Self {
        Self { type_name: uid.type_name().to_string(), id: uid.id().unescaped().to_owned() }
    }
}

impl Situation {
    /// What the solver found.
    pub(crate) fn of(env: &Env) -> Result<Self, Misfit> {
        let absent = || Misfit::from("the solver's example lacks who, what or under which circumstances");
        let principal = env.request.principal().ok_or_else(absent)?;
        let resource = env.request.resource().ok_or_else(absent)?;
        let context = env.request.context().ok_or_else(absent)?;
        let mut context = match context.to_json_value()? {
            Value::Object(fields) => fields,
            _ => return Err(absent()),
        };
        context.values_mut().for_each(settle_times);
        Ok(Self {
            principal: thing(principal, &env.entities)?,
            resource: thing(resource, &env.entities)?,
            context,
        })
    }

    /// In Cedar's own words.
    fn posed(&self, asked: &Asked) -> Result<(Request, Entities), Misfit> {
        let one = |thing: &Thing| {
            let parents: Vec<Value> = thing.parents.iter().map(Uid::json).collect();
            json!({ "uid": thing.uid.json(), "attrs": thing.attrs, "parents": parents })
        };
        let entities = Entities::from_json_value(json!([one(&self.principal), one(&self.resource)]), None)?;
        let entities = entities.add_entities(asked.actions.iter().cloned(), None)?;
        let request = Request::new(
            EntityUid::from_json(self.principal.uid.json())?,
            asked.env.action().clone(),
            EntityUid::from_json(self.resource.uid.json())?,
            Context::from_json_value(Value::Object(self.context.clone()), None)?,
            None,
        )?;
        Ok((request, entities))
    }

    /// What Cedar answers, as the host reads it; nothing when this is no question at all.
    pub(crate) fn ask(&self, asked: &Asked, policies: &PolicySet) -> Option<Answer> {
        let (request, entities) = self.posed(asked).ok()?;
        let response = Authorizer::new().is_authorized(&request, policies, &entities);
        let errors: BTreeMap<String, String> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
                (error.policy_id().to_string(), error.inner().to_string())
            })
            .collect();
        Some(Answer {
            allowed: response.decision() == Decision::Allow && errors.is_empty(),
            because: parts::ids(response.diagnostics().reason()),
            errors,
        })
    }
}

fn thing(uid: &EntityUid, entities: &Entities) -> Result<Thing, Misfit> {
    let mut attrs = match entities.get(uid) {
        Some(entity) => match entity.to_json_value()?["attrs"].take() {
            Value::Object(fields) => fields,
            _ => Map::new(),
        },
        None => Map::new(),
    };
    attrs.values_mut().for_each(settle_times);
    let parents = entities.ancestors(uid).into_iter().flatten().map(Uid::from).collect();
    Ok(Thing { uid: uid.into(), attrs, parents })
}

/// Times as everybody writes them, instead of as so many milliseconds after another.
fn settle_times(value: &mut Value) {
    if let Some(ms) = offset_ms(value) {
        *value = instant(Timestamp::from_millis(ms));
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(settle_times),
        Value::Array(each) => each.iter_mut().for_each(settle_times),
        _ => {}
    }
}

fn offset_ms(value: &Value) -> Option<i64> {
    let call = value.get("__extn").filter(|call| call["fn"] == "offset")?;
    let (base, after) = (&call["args"][0]["__extn"]["arg"], &call["args"][1]["__extn"]["arg"]);
    let ms = after.as_str()?.strip_suffix("ms")?.parse().ok()?;
    // Any other instant, or one that the host cannot name, stays as it is.
    let within = Timestamp::from_millis(ms).as_millis() == ms;
    (base == "1970-01-01" && within).then_some(ms)
}

/// An instant as a value.
pub(crate) fn instant(at: Timestamp) -> Value {
    json!({ "__extn": { "fn": "datetime", "arg": at.to_string() } })
}

/// The instant that a value is.
pub(crate) fn at(value: &Value) -> Option<Timestamp> {
    let call = value.get("__extn").filter(|call| call["fn"] == "datetime")?;
    call["arg"].as_str()?.parse().ok()
}
