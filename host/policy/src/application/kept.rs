//! The entities that an application keeps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Entities, EntityUid, Schema};
use interlock_ledger::parse_strict;
use serde_json::Value;

use super::load::ENTITIES;
use crate::{Fault, source::fault};

pub(super) fn entities(
    text: &str,
    schema: &Schema,
    faults: &mut Vec<Fault>,
) -> (Entities, HashMap<EntityUid, Value>) {
    let nothing = || (Entities::empty(), HashMap::new());
    // Twice the same key is how an attacker shows two readers two things.
    let value: Value = match parse_strict(text.as_bytes()) {
        Ok(value) => value,
        Err(error) => {
            faults.push(fault(ENTITIES, text, 0, error.to_string()));
            return nothing();
        }
    };
    if let Some((at, said)) = cycle(text, &value) {
        faults.push(fault(ENTITIES, text, at, said));
        return nothing();
    }
    let kept = match Entities::from_json_value(value.clone(), Some(schema)) {
        Ok(kept) => kept,
        Err(error) => {
            let mut said = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                said = format!("{said}: {cause}");
            }
            faults.push(fault(ENTITIES, text, 0, said));
            return nothing();
        }
    };
    let mut written = HashMap::new();
    for each in value.as_array().into_iter().flatten() {
        let uid = each.get("uid").cloned().and_then(|uid| EntityUid::from_json(uid).ok());
        written.extend(uid.map(|uid| (uid, each.clone())));
    }
    (kept, written)
}

/// Groups or roles that are members of themselves, in the end: where the first one stands, and who is in whom.
fn cycle(text: &str, entities: &Value) -> Option<(usize, String)> {
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for each in entities.as_array().into_iter().flatten() {
        let above = each["parents"].as_array().into_iter().flatten().filter_map(called).collect();
        parents.insert(called(&each["uid"])?, above);
    }
    let mut good = BTreeSet::new();
    let path = parents.keys().find_map(|start| round(start, &parents, &mut good))?;
    let id = path.first()?.rsplit("::").next()?;
    let said = format!("these are in a cycle: {}; take one of the parents away", path.join(" in "));
    Some((text.find(id).unwrap_or(0), said))
}

/// The way from an entity back to itself; without recursion, since entities come from outside.
fn round(
    start: &str,
    parents: &BTreeMap<String, Vec<String>>,
    good: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    let mut path: Vec<(String, usize)> = vec![(start.to_owned(), 0)];
    let mut on_path = BTreeSet::from([start.to_owned()]);
    while let Some((here, next)) = path.last_mut() {
        let above = parents.get(here).and_then(|above| above.get(*next)).filter(|_| !good.contains(here));
        let Some(above) = above.cloned() else {
            on_path.remove(here);
            good.insert(here.clone());
            path.pop();
            continue;
        };
        *next += 1;
        if !on_path.insert(above.clone()) {
            let way = path.into_iter().map(|(on, _)| on).skip_while(|on| *on != above);
            return Some(way.chain([above.clone()]).collect());
        }
        path.push((above, 0));
    }
    None
}

/// `App::Group::"a"`, of either form in which JSON may name an entity.
fn called(uid: &Value) -> Option<String> {
    let uid = uid.get("__entity").unwrap_or(uid);
    Some(format!("{}::{}", uid["type"].as_str()?, Value::from(uid["id"].as_str()?)))
}
