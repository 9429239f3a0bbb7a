//! That an application speaks of its own tenant alone: one that names another tenant of the server is refused where it does so.
//!
//! A tenant is an entity of `Interlock::Tenant`, or of a type that `application.toml` lists in `tenants`. What an application
//! itself calls a tenant, such as a customer of its own, it does not list.

use std::collections::BTreeSet;

use interlock_domain::TenantId;
use serde_json::Value;

use super::{
    load::{ENTITIES, HEADER},
    schema::Declared,
};
use crate::{Fault, load::Placed, source::fault};

const OURS: &str = "Interlock::Tenant";

/// The types whose ids are tenants. One that the schema does not declare is a mistake.
pub(super) fn types(
    text: &str,
    listed: &[String],
    declared: &Declared,
    faults: &mut Vec<Fault>,
) -> BTreeSet<String> {
    for unknown in listed.iter().filter(|kind| declared.named(kind).is_none()) {
        let detail = format!("`tenants` names the type `{unknown}`, which the schema does not declare");
        faults.push(fault(HEADER, text, text.find(unknown.as_str()).unwrap_or(0), detail));
    }
    listed.iter().cloned().chain([OURS.to_owned()]).collect()
}

/// Policies that name another tenant, with the place at which they do.
pub(super) fn foreign_policies(
    placed: &[Placed<'_>],
    tenant: &TenantId,
    types: &BTreeSet<String>,
    faults: &mut Vec<Fault>,
) {
    for each in placed {
        for literal in each.annotated.policy.entity_literals() {
            let (kind, id) = (literal.type_name().to_string(), literal.id().unescaped().to_owned());
            if !types.contains(&kind) || id == tenant.as_str() {
                continue;
            }
            let written = each.content.get(each.offset..).unwrap_or_default();
            let at = [literal.to_string(), format!("\"{id}\"")]
                .iter()
                .find_map(|text| written.find(text.as_str()));
            faults.push(fault(
                each.file,
                each.content,
                each.offset + at.unwrap_or(0),
                foreign(&kind, &id, tenant),
            ));
        }
    }
}

/// Entities that are, are in, or point to another tenant.
pub(super) fn foreign_entities(
    text: &str,
    tenant: &TenantId,
    types: &BTreeSet<String>,
    faults: &mut Vec<Fault>,
) {
    let Ok(entities) = serde_json::from_str::<Value>(text) else { return };
    let mut named = BTreeSet::new();
    uids(&entities, types, &mut named);
    for (kind, id) in named.into_iter().filter(|(_, id)| id != tenant.as_str()) {
        let at = text.find(&Value::from(id.as_str()).to_string()).unwrap_or(0);
        faults.push(fault(ENTITIES, text, at, foreign(&kind, &id, tenant)));
    }
}

fn uids(part: &Value, types: &BTreeSet<String>, named: &mut BTreeSet<(String, String)>) {
    if let (Some(kind), Some(id)) = (part["type"].as_str(), part["id"].as_str())
        && types.contains(kind)
    {
        named.insert((kind.to_owned(), id.to_owned()));
    }
    match part {
        Value::Object(fields) => fields.values().for_each(|each| uids(each, types, named)),
        Value::Array(each) => each.iter().for_each(|each| uids(each, types, named)),
        _ => {}
    }
}

fn foreign(kind: &str, id: &str, tenant: &TenantId) -> String {
    format!(
        "`{kind}::\"{id}\"` is another tenant, and this application is of `{tenant}`; speak of that one alone"
    )
}
