//! Domain words to Cedar's: entities and context of a question.
//!
//! The shapes here are those of `schema.cedarschema`; [`Bundle::smoke_test`](crate::Bundle::smoke_test) holds the two
//! together when a bundle is loaded.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{Context, Entity, EntityUid, RestrictedExpression as Value};
use interlock_domain::{
    AccountKind, AdmissionFacts, Environment, Facts, PersonId, Principal, Question, Resource, Role, TenantId,
    Timestamp,
};

use crate::{
    Bundle,
    words::{WORDS, uid},
};

/// A value could not be built. Only a defect of this crate leads here; the question is then denied.
pub(crate) type Untranslatable = Box<dyn std::error::Error + Send + Sync>;

/// Who asks: with the roles that it holds in the resource's tenant and environment, and no other.
pub(crate) fn principal(question: &Question) -> Result<Entity, Untranslatable> {
    let mut attributes = HashMap::new();
    let (uid, tenant, roles) = match &question.principal {
        Principal::Actor(actor) => {
            let on_hold = actor.hold.as_ref().is_some_and(|hold| hold.lasts(question.now));
            attributes.insert("on_hold".to_owned(), Value::new_bool(on_hold));
            let id = match actor.kind {
                AccountKind::User => uid(&WORDS.user, actor.person.as_str()),
                AccountKind::Service => uid(&WORDS.service_account, actor.account.as_str()),
            };
            // Roles end at the tenant's border, also if a bundle should lack the guard rail that says so.
            let roles = if actor.tenant == *question.resource.tenant() {
                actor.roles_in(question.resource.environment())
            } else {
                Vec::new()
            };
            (id, &actor.tenant, roles)
        }
        Principal::Plugin { tenant, name, digest: _, granted } => {
            let sources = granted.iter().map(|source| Value::new_string(source.clone()));
            attributes.insert("granted".to_owned(), Value::new_set(sources));
            (uid(&WORDS.plugin, name), tenant, Vec::new())
        }
    };
    attributes.insert("tenant".to_owned(), Value::new_entity_uid(tenant_uid(tenant)));
    let parents: HashSet<EntityUid> = roles.into_iter().map(|role| WORDS.role(role)).collect();
    Ok(Entity::new(uid, attributes, parents)?)
}

/// What it is about, inside its tenant and environment. All environments but those in `unguarded` are guarded.
pub(crate) fn resource(
    resource: &Resource,
    unguarded: &BTreeSet<Environment>,
) -> Result<Entity, Untranslatable> {
    let id = resource.id();
    let text = |value: &str| Value::new_string(value.to_owned());
    let guarded = |environment: &Environment| Value::new_bool(!unguarded.contains(environment));
    let (type_name, attributes, parents) = match resource {
        Resource::Tenant { .. } => (&WORDS.tenant, Vec::new(), HashSet::new()),
        Resource::Ledger { tenant } => (&WORDS.ledger, Vec::new(), HashSet::from([tenant_uid(tenant)])),
        Resource::Environment { tenant, environment, change_kind } => (
            &WORDS.environment,
            [("environment", text(environment.as_str())), ("guarded", guarded(environment))]
                .into_iter()
                .chain(change_kind.map(|kind| ("kind", text(kind.as_str()))))
                .collect(),
            HashSet::from([tenant_uid(tenant)]),
        ),
        Resource::Change {
            id: _,
            tenant,
            environment,
            change_kind,
            author,
            paused_by_safety,
            back_weakens,
        } => (
            &WORDS.change,
            vec![
                ("environment", text(environment.as_str())),
                ("kind", text(change_kind.as_str())),
                ("author", person(author)),
                ("guarded", guarded(environment)),
                ("paused_by_safety", Value::new_bool(*paused_by_safety)),
                ("back_weakens", Value::new_bool(*back_weakens)),
            ],
            HashSet::from([tenant_uid(tenant), uid(&WORDS.environment, &format!("{tenant}/{environment}"))]),
        ),
        Resource::EvidenceSource { tenant, name } => {
            (&WORDS.evidence_source, vec![("name", text(name))], HashSet::from([tenant_uid(tenant)]))
        }
    };
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Entity::new(uid(type_name, &id), attributes, parents)?)
}

/// What has come together of an approval profile, as policies see it.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    profile: String,
    complete: bool,
    level: u32,
    signed: u32,
    broken_glass: bool,
}

impl Bundle {
    /// What has come together of the approval profile for the change in question; `None` when this bundle has none at all. A
    /// change that none is for has nothing complete, so that a policy which asks for a complete one denies it.
    pub(crate) fn levels(&self, question: &Question) -> Option<Levels> {
        self.profiles.as_ref()?;
        let mut levels = Levels::default();
        let Facts::Admission(facts) = &question.facts else { return Some(levels) };
        levels.signed = facts.approvals.signed;
        levels.broken_glass = facts.approvals.glass_until.is_some_and(|until| question.now < until);
        if let Resource::Change { environment, change_kind, .. } = &question.resource
            && let Some(profile) = self.profile(*change_kind, environment)
        {
            let tally = profile.tally(&facts.approvals, facts.stage, question.now);
            levels.profile.clone_from(&profile.name);
            levels.complete = tally.complete();
            levels.level = tally.levels_complete();
        }
        Some(levels)
    }
}

/// Under which circumstances.
pub(crate) fn context(
    facts: &Facts,
    levels: Option<Levels>,
    now: Timestamp,
) -> Result<Context, Untranslatable> {
    let now = ("now".to_owned(), instant(now));
    match facts {
        Facts::None => Ok(Context::from_pairs([now])?),
        Facts::Admission(facts) => {
            let fields = admission(facts, levels)?;
            Ok(Context::from_pairs(
                std::iter::once(now).chain(fields.into_iter().map(|(name, value)| (name.to_owned(), value))),
            )?)
        }
    }
}

fn admission(
    facts: &AdmissionFacts,
    levels: Option<Levels>,
) -> Result<Vec<(&'static str, Value)>, Untranslatable> {
    let approvals = &facts.approvals;
    let mut counted = vec![
        ("distinct", long(approvals.distinct)),
        (
            "roles",
            Value::new_set(
                approvals.roles.iter().map(|role: &Role| Value::new_entity_uid(WORDS.role(*role))),
            ),
        ),
        ("persons", Value::new_set(approvals.persons.iter().map(person))),
    ];
    if let Some(oldest) = approvals.oldest {
        counted.push(("oldest", instant(oldest)));
    }
    if let Some(Levels { profile, complete, level, signed, broken_glass }) = levels {
        let levels = record([
            ("profile", Value::new_string(profile)),
            ("complete", Value::new_bool(complete)),
            ("level", long(level)),
            ("signed", long(signed)),
            ("broken_glass", Value::new_bool(broken_glass)),
        ])?;
        counted.push(("levels", levels));
    }
    let gates = [
        ("passed", long(facts.gates_passed)),
        ("warned", long(facts.gates_warned)),
        ("failed", long(facts.gates_failed)),
        ("holding", long(facts.gates_holding)),
        ("missing", long(facts.gates_missing)),
    ];
    Ok(vec![
        ("approvals", record(counted)?),
        ("gates", record(gates)?),
        ("signature", Value::new_string(facts.signature.as_str().to_owned())),
        ("rollback_complete", Value::new_bool(facts.rollback_complete)),
        ("weakens", Value::new_bool(facts.weakens)),
        ("exposure_bp", long(facts.exposure_bp)),
        ("stage", long(facts.stage)),
        ("health", Value::new_string(facts.health.as_str().to_owned())),
    ])
}

fn record(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Result<Value, Untranslatable> {
    Ok(Value::new_record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)))?)
}

fn long(number: u32) -> Value {
    Value::new_long(i64::from(number))
}

fn instant(instant: Timestamp) -> Value {
    Value::new_datetime(instant.to_string())
}

fn person(person: &PersonId) -> Value {
    Value::new_entity_uid(uid(&WORDS.user, person.as_str()))
}

fn tenant_uid(tenant: &TenantId) -> EntityUid {
    uid(&WORDS.tenant, tenant.as_str())
}
