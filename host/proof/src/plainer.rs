//! From whatever the solver found to the plainest situation that shows the same: one part after the other is replaced by
//! what is usual, and stays replaced where Cedar itself says that it makes no difference. What is left is what matters.
//!
//! The order of trying is fixed, so that two solvers that find different examples mostly lead to the same words.

use std::collections::BTreeSet;

use interlock_domain::{Environment, Role, Timestamp};
use serde_json::{Map, Value, json};

use crate::situation::{Situation, Uid, at, instant};

/// 2026-11-20 at noon, as in the cases of a bundle.
const NOON_MS: i64 = 1_795_176_000_000;
const HOUR_MS: i64 = 3_600_000;

/// The names in a situation that stands for itself.
pub(crate) const SOMEBODY: &str = "somebody";
pub(crate) const SOMEBODY_ELSE: &str = "somebody else";
pub(crate) const HOME: &str = "ours";
const ABROAD: &str = "another";
const THIS: &str = "this";

/// The plainest situation for which `shows` still holds. It must hold of `found`.
pub(crate) fn plainest(
    found: Situation,
    unguarded: &BTreeSet<Environment>,
    shows: &dyn Fn(&Situation) -> bool,
) -> Situation {
    let mut trial = Trial { best: found, shows };
    // Twice: what one replacement needed, a later one may have done away with.
    for _ in 0..2 {
        trial.names();
        trial.roles();
        trial.attributes(unguarded);
        trial.circumstances();
    }
    trial.best
}

struct Trial<'a> {
    best: Situation,
    shows: &'a dyn Fn(&Situation) -> bool,
}

impl Trial<'_> {
    /// Whether the situation is as wished afterwards: it was, or may be.
    fn attempt(&mut self, alter: impl FnOnce(&mut Situation)) -> bool {
        let mut next = self.best.clone();
        alter(&mut next);
        if next == self.best {
            return true;
        }
        let kept = (self.shows)(&next);
        if kept {
            self.best = next;
        }
        kept
    }

    fn names(&mut self) {
        let (principal, resource) = (self.best.principal.uid.clone(), self.best.resource.uid.clone());
        let named = |uid: &Uid, id: &str| Uid { id: id.to_owned(), ..uid.clone() };
        self.attempt(|next| next.rename(&principal, &named(&principal, SOMEBODY)));
        if resource.kind() != "Tenant" {
            self.attempt(|next| next.rename(&resource, &named(&resource, THIS)));
        }
        // One tenant for all, whatever else it is in.
        let tenant = |situation: &Situation| situation.principal.attrs.get("tenant").and_then(Uid::read);
        if let Some(old) = tenant(&self.best) {
            let home = named(&old, HOME);
            self.attempt(|next| {
                next.principal.attrs.insert("tenant".to_owned(), home.value());
                match next.resource.uid.kind() {
                    "Tenant" => {
                        next.resource.uid = home.clone();
                        next.resource.parents.clear();
                    }
                    _ => next.resource.parents = BTreeSet::from([home.clone()]),
                }
            });
            self.attempt(|next| next.rename(&old, &home));
            if let Some(other) =
                self.best.resource.parents.iter().find(|uid| uid.kind() == "Tenant" && **uid != home)
            {
                let other = other.clone();
                self.attempt(|next| next.rename(&other, &named(&other, ABROAD)));
            }
        }
        if let Some(author) = self.best.resource.attrs.get("author").and_then(Uid::read) {
            self.attempt(|next| {
                let other = named(&author, SOMEBODY_ELSE).value();
                next.resource.attrs.insert("author".to_owned(), other);
            });
        }
    }

    fn roles(&mut self) {
        if self.best.principal.parents.is_empty() || self.attempt(|next| next.principal.parents.clear()) {
            return;
        }
        let type_name = "Interlock::Role".to_owned();
        let one = |role: Role| Uid { type_name: type_name.clone(), id: role.as_str().to_owned() };
        if Role::ALL.iter().any(|&role| {
            let parents = BTreeSet::from([one(role)]);
            self.attempt(|next| next.principal.parents = parents)
        }) {
            return;
        }
        for parent in self.best.principal.parents.clone() {
            self.attempt(|next| {
                next.principal.parents.remove(&parent);
            });
        }
    }

    fn attributes(&mut self, unguarded: &BTreeSet<Environment>) {
        self.first("on_hold", [json!(false)]);
        self.first("granted", [json!([])]);
        // Production first: it is what the reader minds.
        let others = unguarded.iter().take(1).map(|name| json!(name.as_str()));
        self.first("environment", [json!("production")].into_iter().chain(others));
        self.first("guarded", [json!(true)]);
        self.first("kind", ["release", "config", "policy", "plugin", "tenant"].map(Value::from));
        self.first("paused_by_safety", [json!(false)]);
        self.first("back_weakens", [json!(false)]);
    }

    /// The first of these values that will do for an attribute of either.
    fn first(&mut self, name: &str, values: impl IntoIterator<Item = Value> + Clone) {
        if self.best.principal.attrs.contains_key(name) {
            values
                .clone()
                .into_iter()
                .any(|value| self.attempt(|next| _ = next.principal.attrs.insert(name.to_owned(), value)));
        }
        if self.best.resource.attrs.contains_key(name) {
            values
                .into_iter()
                .any(|value| self.attempt(|next| _ = next.resource.attrs.insert(name.to_owned(), value)));
        }
    }

    fn circumstances(&mut self) {
        let hours_old = |hours: i64| {
            move |context: &mut Map<String, Value>| {
                context.insert("now".to_owned(), instant(Timestamp::from_millis(NOON_MS)));
                if let Some(oldest) =
                    context.get_mut("approvals").and_then(|approvals| approvals.get_mut("oldest"))
                {
                    *oldest = instant(Timestamp::from_millis(NOON_MS - hours * HOUR_MS));
                }
            }
        };
        // An hour, a day, four days, a year.
        for hours in [1, 24, 96, 8_760] {
            if self.attempt(|next| hours_old(hours)(&mut next.context)) {
                break;
            }
        }
        self.approvals();
        for count in ["failed", "missing", "holding", "warned", "passed"] {
            self.small(&["gates", count]);
        }
        self.small(&["stage"]);
        self.small(&["exposure_bp"]);
        self.one_of("signature", &["verified", "missing"]);
        self.one_of("health", &["pass", "warn", "hold", "fail"]);
        self.attempt(|next| _ = next.context.get_mut("rollback_complete").map(|value| *value = json!(true)));
        self.attempt(|next| _ = next.context.get_mut("weakens").map(|value| *value = json!(false)));
    }

    fn one_of(&mut self, name: &str, words: &[&str]) {
        if self.best.context.contains_key(name) {
            words
                .iter()
                .any(|word| self.attempt(|next| _ = next.context.insert(name.to_owned(), json!(word))));
        }
    }

    /// The smallest of a few numbers that will do.
    fn small(&mut self, path: &[&str]) {
        for number in 0..=3 {
            let set = |next: &mut Situation| {
                if let Some(value) = within(&mut next.context, path) {
                    *value = json!(number);
                }
            };
            if self.attempt(set) {
                return;
            }
        }
    }

    fn approvals(&mut self) {
        let Some(Value::Object(_)) = self.best.context.get("approvals") else { return };
        let none = self.attempt(|next| {
            let Some(approvals) = next.context.get_mut("approvals") else { return };
            *approvals = json!({ "distinct": 0, "roles": [], "persons": [] });
        });
        if none {
            return;
        }
        for list in ["persons", "roles"] {
            self.fewest(list);
        }
        self.small(&["approvals", "distinct"]);
    }

    /// None, or one of those that the host knows, or as few as will do.
    fn fewest(&mut self, list: &str) {
        let path = ["approvals", list];
        let set = |values: Vec<Value>| {
            move |next: &mut Situation| {
                if let Some(value) = within(&mut next.context, &path) {
                    *value = Value::Array(values);
                }
            }
        };
        let user = |id: &str| Uid { type_name: "Interlock::User".to_owned(), id: id.to_owned() }.value();
        let role = |role: &Role| {
            Uid { type_name: "Interlock::Role".to_owned(), id: role.as_str().to_owned() }.value()
        };
        let mut wished: Vec<Vec<Value>> = vec![Vec::new()];
        match list {
            "roles" => wished.extend(Role::ALL.iter().map(|each| vec![role(each)])),
            _ => wished.extend([vec![user("a third person")], vec![user(SOMEBODY)]]),
        }
        if wished.into_iter().any(|values| self.attempt(set(values))) {
            return;
        }
        let values = within(&mut self.best.context, &path).and_then(|value| value.as_array().cloned());
        for value in values.unwrap_or_default() {
            self.attempt(|next| {
                if let Some(Value::Array(values)) = within(&mut next.context, &path) {
                    values.retain(|each| *each != value);
                }
            });
        }
    }
}

fn within<'a>(context: &'a mut Map<String, Value>, path: &[&str]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(context.get_mut(*first)?, |value, each| value.get_mut(*each))
}

impl Situation {
    /// The same entity by another name, wherever it is named.
    fn rename(&mut self, old: &Uid, new: &Uid) {
        for thing in [&mut self.principal, &mut self.resource] {
            if thing.uid == *old {
                thing.uid = new.clone();
            }
            if thing.parents.remove(old) {
                thing.parents.insert(new.clone());
            }
            thing.attrs.values_mut().for_each(|value| rename(value, old, new));
        }
        self.context.values_mut().for_each(|value| rename(value, old, new));
    }

    /// How long ago the oldest approval was given, in hours.
    pub(crate) fn oldest_hours(&self) -> Option<i64> {
        let now = at(self.context.get("now")?)?;
        let oldest = at(self.context.get("approvals")?.get("oldest")?)?;
        Some((now.as_millis() - oldest.as_millis()) / HOUR_MS)
    }
}

fn rename(value: &mut Value, old: &Uid, new: &Uid) {
    if value.get("__entity").is_some() && Uid::read(value).as_ref() == Some(old) {
        *value = new.value();
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|each| rename(each, old, new)),
        Value::Array(each) => each.iter_mut().for_each(|each| rename(each, old, new)),
        _ => {}
    }
}
