//! From files to an application: parse, validate, keep entities, and have the cases hold.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cedar_policy::{Authorizer, Entities, EntityTypeName, EntityUid, Schema, SchemaFragment};
use interlock_domain::{TenantId, Timestamp};
use interlock_ledger::parse_strict;
use serde::Deserialize;

use super::{Access, Application, Bucket, kept::entities, schema::Declared, tenant};
use crate::{
    BundleError, Fault, Limits,
    bucket::{Mode, may_match},
    files,
    load::{Defect, called, digest, faulty, policies, schema, texts, validate_policies},
    slices::Slices,
    source::fault,
};

pub(super) const HEADER: &str = "application.toml";
const SCHEMA: &str = files::SCHEMA;
pub(super) const ENTITIES: &str = "entities.json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    revision: u64,
    /// What questions call a type of the schema.
    #[serde(default)]
    types: BTreeMap<String, String>,
    /// What questions call an action of the schema.
    #[serde(default)]
    actions: BTreeMap<String, String>,
    /// What questions may say of an entity that the application keeps, by the full name of its type.
    #[serde(default)]
    claims: BTreeMap<String, BTreeSet<String>>,
    /// JSON pointers into a question.
    #[serde(default)]
    mask: Vec<String>,
    /// Types of the schema whose ids are tenants of this server, besides `Interlock::Tenant`.
    #[serde(default)]
    tenants: Vec<String>,
}

/// A question with the answer that the application's authors expect, in the form of the public interop suites:
/// `{"evaluation": [{"request": …, "expected": true}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationCase {
    /// The question.
    pub request: Access,
    /// Whether it is to be allowed.
    pub expected: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    evaluation: Vec<ApplicationCase>,
}

pub(super) fn load(
    files: &BTreeMap<String, Vec<u8>>,
    limits: &Limits,
    tenant: Option<&TenantId>,
) -> Result<Application, BundleError> {
    files::check_sizes(files, limits)?;
    for path in files.keys() {
        let known = path == HEADER
            || path == SCHEMA
            || path == ENTITIES
            || path.ends_with(".md")
            || (path.ends_with(".cedar") && !path.contains('/'))
            || (path.starts_with("cases/") && path.ends_with(".json"));
        if !known {
            return Err(BundleError::NotOfApplication { path: path.clone() });
        }
    }
    for needed in [HEADER, SCHEMA] {
        if !files.contains_key(needed) {
            return Err(BundleError::Absent { path: needed });
        }
    }
    let texts = texts(files)?;
    let mut faults = Vec::new();
    let header = header(texts[HEADER]).map_err(|fault| faults.push(fault)).ok();
    let schema = schema(texts[SCHEMA], &mut faults);
    let cedar: BTreeMap<&str, &str> = texts
        .iter()
        .filter(|(path, _)| path.ends_with(".cedar"))
        .map(|(path, text)| (*path, *text))
        .collect();
    let placed = policies(&cedar, files::Kind::Policies, limits, &mut faults)?;
    let (Some(header), Some(schema), true) = (header, schema, faults.is_empty()) else {
        return Err(faulty(faults));
    };
    let defect = |defect: Defect| faulty(vec![fault(SCHEMA, "", 0, defect.to_string())]);
    validate_policies(&schema, &placed, texts[SCHEMA], &mut faults);
    let types =
        names(texts[HEADER], &header.types, schema.entity_types(), &mut faults, |kind: &EntityTypeName| {
            (kind.to_string(), kind.basename().to_owned())
        });
    let actions =
        names(texts[HEADER], &header.actions, schema.actions(), &mut faults, |action: &EntityUid| {
            (action.to_string(), action.id().unescaped().to_owned())
        });
    let declared = declared(texts[SCHEMA]).map_err(defect)?;
    claims(texts[HEADER], &header.claims, &declared, &mut faults);
    let (kept, written) = entities(texts.get(ENTITIES).copied().unwrap_or("[]"), &schema, &mut faults);
    if let Some(tenant) = tenant {
        let types = tenant::types(texts[HEADER], &header.tenants, &declared, &mut faults);
        tenant::foreign_policies(&placed, tenant, &types, &mut faults);
        tenant::foreign_entities(texts.get(ENTITIES).copied().unwrap_or("[]"), tenant, &types, &mut faults);
    }
    if !faults.is_empty() {
        return Err(faulty(faults));
    }

    let policies: Vec<_> = placed.into_iter().map(|placed| placed.annotated).collect();
    let mut by_type: BTreeMap<String, Vec<EntityUid>> = BTreeMap::new();
    for uid in written.keys() {
        by_type.entry(uid.type_name().to_string()).or_default().push(uid.clone());
    }
    by_type.values_mut().for_each(|uids| {
        uids.sort_by(|one, other| one.id().unescaped().cmp(other.id().unescaped()));
    });
    let application = Application {
        digest: digest(files).map_err(defect)?,
        name: header.name,
        revision: header.revision,
        masked: header.mask,
        claims: header.claims,
        types,
        actions,
        buckets: buckets(&schema, &declared, &policies).map_err(defect)?,
        notes: policies.iter().map(|each| (each.note.id.clone(), each.note.clone())).collect(),
        kept,
        written,
        by_type,
        declared,
        authorizer: Authorizer::new(),
        schema,
    };
    hold(&application, &texts)?;
    Ok(application)
}

fn header(text: &str) -> Result<Header, Fault> {
    let header: Header = toml::from_str(text)
        .map_err(|error| fault(HEADER, text, error.span().map_or(0, |span| span.start), error.message()))?;
    called(HEADER, text, &header.name, header.revision)?;
    if let Some(bad) = header.mask.iter().find(|pointer| !pointer.starts_with('/')) {
        return Err(fault(
            HEADER,
            text,
            0,
            format!("`mask` holds `{bad}`, which is no JSON pointer; it begins with /"),
        ));
    }
    Ok(header)
}

/// What questions may call what the schema declares: its own name where only one has it, its full name where several do,
/// and whatever the header calls it instead.
fn names<'a, T: Clone + Ord + 'a>(
    text: &str,
    wished: &BTreeMap<String, String>,
    declared: impl Iterator<Item = &'a T>,
    faults: &mut Vec<Fault>,
    written: impl Fn(&T) -> (String, String),
) -> BTreeMap<String, T> {
    let mut by_full: BTreeMap<String, T> = BTreeMap::new();
    let mut by_own: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for each in declared {
        let (full, own) = written(each);
        by_full.insert(full.clone(), each.clone());
        by_own.entry(own).or_default().push(full);
    }
    let mut names: BTreeMap<String, T> = BTreeMap::new();
    let mut renamed: BTreeSet<&T> = BTreeSet::new();
    for (name, full) in wished {
        match by_full.get(full) {
            Some(found) => {
                names.insert(name.clone(), found.clone());
                renamed.insert(found);
            }
            None => {
                let known: Vec<&str> = by_full.keys().map(String::as_str).collect();
                let detail = format!(
                    "`{name}` stands for `{full}`, which the schema does not declare; it has {}",
                    known.join(", ")
                );
                faults.push(fault(HEADER, text, text.find(full.as_str()).unwrap_or(0), detail));
            }
        }
    }
    for (own, all) in by_own {
        for full in &all {
            let name = if all.len() == 1 { &own } else { full };
            if let Some(each) = by_full.get(full).filter(|each| !renamed.contains(each)) {
                names.entry(name.clone()).or_insert_with(|| each.clone());
            }
        }
    }
    names
}

/// What may be claimed is declared, or whoever wrote it means something else.
fn claims(
    text: &str,
    claims: &BTreeMap<String, BTreeSet<String>>,
    declared: &Declared,
    faults: &mut Vec<Fault>,
) {
    for (kind, attributes) in claims {
        let at = text.find(kind.as_str()).unwrap_or(0);
        let Some(shape) = declared.named(kind) else {
            let detail = format!("`claims` names the type `{kind}`, which the schema does not declare");
            faults.push(fault(HEADER, text, at, detail));
            continue;
        };
        for attribute in attributes.iter().filter(|attribute| !shape.has(attribute)) {
            let detail =
                format!("`claims` names `{attribute}` of `{kind}`, which the schema does not declare");
            faults.push(fault(HEADER, text, at, detail));
        }
    }
}

fn declared(schema: &str) -> Result<Declared, Defect> {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(schema)?;
    Ok(Declared::read(&fragment.to_json_value()?))
}

fn buckets(
    schema: &Schema,
    declared: &Declared,
    policies: &[crate::bucket::Annotated],
) -> Result<HashMap<EntityUid, Bucket>, Defect> {
    let all = schema.action_entities()?;
    let mut applies_to: HashMap<EntityUid, HashSet<(EntityTypeName, EntityTypeName)>> = HashMap::new();
    for asked in schema.request_envs() {
        let types = (asked.principal().clone(), asked.resource().clone());
        // Of an enumerated type, whether an id is one of it is asked each time.
        if ![&types.0, &types.1].into_iter().any(|kind| declared.enumerated.contains(kind)) {
            applies_to.entry(asked.action().clone()).or_default().insert(types);
        }
    }
    let mut buckets = HashMap::new();
    for action in schema.actions() {
        let groups = all.ancestors(action).into_iter().flatten().collect();
        let (mut enforced, mut monitored) = (Vec::new(), Vec::new());
        for annotated in policies {
            if may_match(&annotated.policy.action_constraint(), action, &groups) {
                let set = match annotated.mode {
                    Mode::Enforce => &mut enforced,
                    Mode::Monitor => &mut monitored,
                };
                set.push(&annotated.policy);
            }
        }
        let own = Entities::from_entities(all.get(action).cloned(), None)?;
        let applies_to = applies_to.remove(action).unwrap_or_default();
        let context = declared.contexts.get(&action.to_string()).cloned();
        buckets.insert(
            action.clone(),
            Bucket {
                enforced: Slices::new(enforced)?,
                monitored: Slices::new(monitored)?,
                action: own,
                applies_to,
                context,
            },
        );
    }
    Ok(buckets)
}

/// The cases must hold, or the application is not what its authors mean.
fn hold(application: &Application, texts: &BTreeMap<&str, &str>) -> Result<(), BundleError> {
    // The time of a case: 2026-11-20 at noon, as in the cases of a bundle.
    let now = Timestamp::from_millis(1_795_176_000_000);
    let mut faults = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| path.starts_with("cases/") && path.ends_with(".json"))
    {
        let cases: Cases = match parse_strict(text.as_bytes())
            .map_err(|error| error.to_string())
            .and_then(|value| serde_json::from_value(value).map_err(|error| error.to_string()))
        {
            Ok(cases) => cases,
            Err(error) => {
                faults.push(fault(path, text, 0, error));
                continue;
            }
        };
        for (index, case) in cases.evaluation.iter().enumerate() {
            let answer = application.evaluate(&case.request, now);
            if answer.allowed != case.expected {
                let said = if answer.allowed { "allowed" } else { "denied" };
                let why = answer.reasons().join("; ");
                let detail = format!("case {} is {said}, and not as expected: {why}", index + 1);
                faults.push(fault(path, text, 0, detail));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faulty(faults)) }
}
