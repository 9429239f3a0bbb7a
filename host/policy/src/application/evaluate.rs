//! One question to an application's policies.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{
    Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, Request,
};
use interlock_domain::{Answer, Timestamp};
use serde_json::{Map, Value, json};

use super::{Access, Application, Bucket, Thing, schema};
use crate::{ask, bucket::Notes, translate::Untranslatable};

/// A question as Cedar is asked it.
pub(crate) struct Posed<'a> {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
    /// The policies of its action, each with whether it only watches.
    pub(crate) policies: Vec<(&'a Policy, bool)>,
}

impl Application {
    /// Asks the policies of the question's action. `now` is the server's time: policies whose context declares `now` see
    /// it, whatever the question says.
    ///
    /// A question about a type or an action that the application does not know is denied, and so is one that leaves out
    /// what the schema requires; `errors` says which. A policy that errs denies, be it a permit or a forbid.
    pub fn evaluate(&self, access: &Access, now: Timestamp) -> Answer {
        let denied = |error: String| Answer {
            allowed: false,
            determining: Vec::new(),
            errors: vec![error],
            monitored: Vec::new(),
            bundle: self.digest,
        };
        match self.request(access, now) {
            Ok((bucket, request, entities)) => self.answer(bucket, &request, &entities),
            Err(error) => denied(error.to_string()),
        }
    }

    /// A question as Cedar is asked it, when it fits the schema.
    pub(crate) fn posed(&self, access: &Access, now: Timestamp) -> Option<Posed<'_>> {
        let (bucket, request, entities) = self.request(access, now).ok()?;

        let enforced = bucket.enforced.policies().map(|policy| (policy, false));
        let policies = enforced.chain(bucket.monitored.policies().map(|policy| (policy, true)));
        Some(Posed { request, entities, policies: policies.collect() })
    }

    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    fn answer(&self, bucket: &Bucket, request: &Request, entities: &Entities) -> Answer {
        let said = bucket.enforced.ask(&self.authorizer, request, entities);
        let errors = ask::errors(&said);
        let allowed = said.decision == Decision::Allow && errors.is_empty();
        let determining = match said.decision {
            Decision::Allow if !allowed => Vec::new(),
            Decision::Allow | Decision::Deny => ask::notes_of(&self.notes, &said),
        };
        if bucket.monitored.is_empty() {
            return Answer { allowed, determining, errors, monitored: Vec::new(), bundle: self.digest };
        }
        let said = bucket.monitored.ask(&self.authorizer, request, entities);
        let turned = match said.decision {
            Decision::Deny => allowed,
            Decision::Allow => !allowed && errors.is_empty() && determining.is_empty(),
        };
        let monitored = if turned { ask::notes_of(&self.notes, &said) } else { Vec::new() };
        Answer { allowed, determining, errors, monitored, bundle: self.digest }
    }

    fn request(
        &self,
        access: &Access,
        now: Timestamp,
    ) -> Result<(&Bucket, Request, Entities), Untranslatable> {
        let action = self.actions.get(&access.action.name).ok_or_else(|| {
            format!("the application `{}` knows no action `{}`", self.name, access.action.name)
        })?;
        let bucket =
            self.buckets.get(action).ok_or_else(|| format!("action `{action}` applies to nothing"))?;
        let mut found = BTreeSet::new();
        let subject = self.entity(&access.subject, "subject", &mut found)?;
        let resource = self.entity(&access.resource, "resource", &mut found)?;
        let context = self.context(bucket, access, action, now, &mut found)?;
        // In builds with debug assertions, so in every test, all questions are validated in full.
        let known_to_fit = !cfg!(debug_assertions)
            && bucket.context.as_ref().is_none_or(schema::Shape::is_empty)
            && bucket
                .applies_to
                .contains(&(subject.uid().type_name().clone(), resource.uid().type_name().clone()));
        let validated_by = (!known_to_fit).then_some(&self.schema);
        let request = Request::new(subject.uid(), action.clone(), resource.uid(), context, validated_by)
            .map_err(|error| format!("this question does not fit the application's schema: {error}"))?;
        let mut entities = vec![subject, resource];
        if entities[0].uid() == entities[1].uid() {
            entities.truncate(1);
        }
        let named: BTreeSet<EntityUid> = entities.iter().map(Entity::uid).collect();
        entities.extend(
            found.iter().filter(|uid| !named.contains(uid)).filter_map(|uid| self.kept.get(uid)).cloned(),
        );
        // They conform already; what this does is follow who is in which group.
        let entities = bucket.action.clone().add_entities(entities, None)?;
        Ok((bucket, request, entities))
    }

    /// A subject or resource, with what the application keeps of it over what the question says. `found` collects what is
    /// above it.
    fn entity(
        &self,
        thing: &Thing,
        field: &str,
        found: &mut BTreeSet<EntityUid>,
    ) -> Result<Entity, Untranslatable> {
        let kind = self
            .types
            .get(&thing.kind)
            .ok_or_else(|| format!("the application `{}` knows no type `{}`", self.name, thing.kind))?;
        let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(&thing.id));
        if let Some(above) = self.kept.ancestors(&uid) {
            found.extend(above.cloned());
        }
        let plain = self.plain(&uid, thing);
        // In builds with debug assertions, so in every test, Cedar looks at all of them.
        match plain {
            Some(plain) if !cfg!(debug_assertions) => Ok(plain),
            plain => {
                let looked_at = self.looked_at(thing, field, kind, &uid);
                debug_assert!(
                    plain.is_none_or(|plain| looked_at.as_ref().is_ok_and(|entity| plain.deep_eq(entity))),
                    "what is plain is read as Cedar reads it"
                );
                looked_at
            }
        }
    }

    /// An entity as Cedar reads it from JSON.
    fn looked_at(
        &self,
        thing: &Thing,
        field: &str,
        kind: &EntityTypeName,
        uid: &EntityUid,
    ) -> Result<Entity, Untranslatable> {
        let said = self.said(uid, &thing.properties);
        let written = self.written.get(uid);
        let of = |written: Option<&Value>, key: &str| written.and_then(|written| written.get(key)).cloned();
        let kept = of(written, "attrs").and_then(|attrs| match attrs {
            Value::Object(attrs) => Some(attrs),
            _ => None,
        });
        if let (Some(entity), true) = (
            self.kept.get(uid),
            said.keys().all(|key| kept.as_ref().is_some_and(|kept| kept.contains_key(key))),
        ) {
            return Ok(entity.clone());
        }
        let mut attributes = said;
        attributes.extend(kept.unwrap_or_default());
        let parents = of(written, "parents").unwrap_or_else(|| json!([]));
        let entity = json!({
            "uid": { "type": kind.to_string(), "id": thing.id },
            "attrs": attributes,
            "parents": parents,
        });
        Ok(Entity::from_json_value(entity, Some(&self.schema)).map_err(|error| {
            format!("the {field} does not fit the application's schema: {}", miette_text(&error))
        })?)
    }

    /// An entity that the application does not keep, when all that the question says of it is plain.
    fn plain(&self, uid: &EntityUid, thing: &Thing) -> Option<Entity> {
        let kind = uid.type_name();
        if self.written.contains_key(uid) || self.declared.enumerated.contains(kind) {
            return None;
        }
        let attributes = self.declared.of_type(kind)?.plain(&thing.properties)?;
        Entity::new(uid.clone(), attributes.into_iter().collect(), HashSet::new()).ok()
    }

    /// What a question says of an entity, as far as policies may read it: of one that the application keeps, only what may
    /// be claimed, since whoever keeps an entity without an attribute means that it has none.
    pub(super) fn said(&self, uid: &EntityUid, properties: &Map<String, Value>) -> Map<String, Value> {
        let shape = self.declared.of_type(uid.type_name());
        let mut said = shape.map_or_else(Map::new, |shape| shape.cut(properties));
        if self.written.contains_key(uid) {
            let claims = self.claims.get(&uid.type_name().to_string());
            said.retain(|name, _| claims.is_some_and(|claims| claims.contains(name)));
        }
        said
    }

    fn context(
        &self,
        bucket: &Bucket,
        access: &Access,
        action: &EntityUid,
        now: Timestamp,
        found: &mut BTreeSet<EntityUid>,
    ) -> Result<Context, Untranslatable> {
        let Some(shape) = bucket.context.as_ref().filter(|shape| !shape.is_empty()) else {
            return Ok(Context::empty());
        };
        let mut given = Map::clone(&access.context);
        if shape.has("action") {
            given.insert("action".to_owned(), Value::Object(access.action.properties.clone()));
        }
        let mut cut = shape.cut(&given);
        if shape.has("now") {
            let instant = json!({ "__extn": { "fn": "datetime", "arg": now.to_string() } });
            cut.insert("now".to_owned(), instant);
        }
        for value in cut.values_mut() {
            self.name_entities(value, found);
        }
        Ok(Context::from_json_value(Value::Object(cut), Some((&self.schema, action))).map_err(|error| {
            format!("the context does not fit the application's schema: {}", miette_text(&error))
        })?)
    }

    /// Entities in a context are written `{"type": …, "id": …}`, by the names that questions use.
    fn name_entities(&self, value: &mut Value, found: &mut BTreeSet<EntityUid>) {
        match value {
            Value::Object(fields) => {
                if let (2, Some(Value::String(kind)), Some(Value::String(id))) =
                    (fields.len(), fields.get("type"), fields.get("id"))
                    && let Some(kind) = self.types.get(kind)
                {
                    let uid = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
                    found.extend(self.kept.ancestors(&uid).into_iter().flatten().cloned());
                    found.insert(uid);
                    fields.insert("type".to_owned(), json!(kind.to_string()));
                    return;
                }
                fields.values_mut().for_each(|value| self.name_entities(value, found));
            }
            Value::Array(items) => items.iter_mut().for_each(|value| self.name_entities(value, found)),
            _ => {}
        }
    }
}

/// A Cedar error with what it points at, on one line.
fn miette_text(error: &(impl miette::Diagnostic + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
