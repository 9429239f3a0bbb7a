//! How approval profiles differ from those before: level by level, for every kind of change in every place, with what could
//! go on now and could not before.

use std::collections::BTreeSet;

use interlock_domain::{ChangeKind, Environment, Level, Order, Profile, Role, Stages};
use interlock_policy::Bundle;
use serde::Serialize;

use crate::{
    Overall,
    complete::{self, Completed},
    demanded::KINDS,
};

/// How the profiles for some changes differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileChange {
    /// For these kinds of change,
    pub kinds: Vec<ChangeKind>,
    /// in these environments; `*` stands for every other one.
    pub environments: Vec<String>,
    /// The profile before; absent when there was none.
    pub before: Option<String>,
    /// The profile now; absent when there is none.
    pub now: Option<String>,
    /// What they come to.
    pub overall: Overall,
    /// How it demands less.
    pub looser: Vec<String>,
    /// How it demands more.
    pub tighter: Vec<String>,
    /// Approvals that complete it now and did not before: the fewest that were found.
    pub example: Option<Completed>,
}

/// Stands for every environment that neither bundle names.
const ELSEWHERE: &str = "*";

/// Every way in which the profiles of two bundles differ. Where an environment came under guard or lost it, the policies are
/// compared with that, and the profiles are not beside it.
pub(crate) fn compared(old: &Bundle, new: &Bundle) -> Vec<ProfileChange> {
    if old.profiles() == new.profiles() {
        return Vec::new();
    }
    let mut changes: Vec<ProfileChange> = Vec::new();
    for place in places(old, new) {
        let guarded = |bundle: &Bundle| place.as_ref().is_none_or(|place| !bundle.unguarded.contains(place));
        if guarded(old) != guarded(new) {
            continue;
        }
        let mut here: Vec<ProfileChange> = Vec::new();
        for kind in KINDS {
            let pair = (of(old, kind, place.as_ref()), of(new, kind, place.as_ref()));
            let Some(steps) = steps(pair.0, pair.1) else { continue };
            let name = |profile: Option<&Profile>| profile.map(|profile| profile.name.clone());
            let (before, now) = (name(pair.0), name(pair.1));
            match here.iter_mut().find(|change| change.before == before && change.now == now) {
                Some(change) => change.kinds.push(kind),
                None => here.push(ProfileChange {
                    kinds: vec![kind],
                    environments: vec![place.as_ref().map_or(ELSEWHERE, Environment::as_str).to_owned()],
                    before,
                    now,
                    overall: Overall::of(!steps.looser.is_empty(), !steps.tighter.is_empty()),
                    example: match steps.looser.is_empty() {
                        true => None,
                        false => complete::only_now(old, new, pair, kind, place.as_ref()),
                    },
                    looser: steps.looser,
                    tighter: steps.tighter,
                }),
            }
        }
        for change in here {
            let alike = |other: &&mut ProfileChange| {
                (&other.kinds, &other.before, &other.now) == (&change.kinds, &change.before, &change.now)
            };
            match changes.iter_mut().find(alike) {
                Some(other) => other.environments.extend(change.environments),
                None => changes.push(change),
            }
        }
    }
    changes
}

impl ProfileChange {
    pub(crate) fn write(&self, text: &mut String) {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let kinds = if kinds.len() == KINDS.len() { "every change".to_owned() } else { kinds.join(", ") };
        let places: Vec<&str> = self
            .environments
            .iter()
            .map(|name| if name == ELSEWHERE { "every guarded environment that is not named" } else { name })
            .collect();
        let name = self.now.as_ref().or(self.before.as_ref()).map_or("", String::as_str);
        let (verdict, _) = self.overall.words();
        text.push_str(&format!(
            "the approval profile `{name}` is {verdict} before: {kinds} in {}\n",
            places.join(", ")
        ));
        self.looser.iter().for_each(|step| text.push_str(&format!("  less: {step}\n")));
        self.tighter.iter().for_each(|step| text.push_str(&format!("  more: {step}\n")));
        if let Some(example) = &self.example {
            example.write(text);
        }
    }
}

/// Every environment that either bundle names, and one that stands for all others.
fn places(old: &Bundle, new: &Bundle) -> Vec<Option<Environment>> {
    let named = [old, new].into_iter().flat_map(|bundle| {
        let profiles = bundle.profiles().unwrap_or_default().iter();
        profiles.flat_map(|profile| profile.environments.clone()).chain(bundle.unguarded.iter().cloned())
    });
    let named: BTreeSet<Environment> = named.chain("production".parse()).collect();
    named.into_iter().map(Some).chain([None]).collect()
}

fn of<'a>(bundle: &'a Bundle, kind: ChangeKind, place: Option<&Environment>) -> Option<&'a Profile> {
    match place {
        Some(environment) => bundle.profile(kind, environment),
        None => bundle.profiles()?.iter().find(|profile| profile.guarded && profile.kinds.contains(&kind)),
    }
}

/// What is demanded less, and more.
#[derive(Debug, Default, PartialEq, Eq)]
struct Steps {
    looser: Vec<String>,
    tighter: Vec<String>,
}

impl Steps {
    fn note(&mut self, looser: bool, text: String) {
        let list = if looser { &mut self.looser } else { &mut self.tighter };
        if !list.contains(&text) {
            list.push(text);
        }
    }

    /// Fewer of these is looser.
    fn fewer<T: PartialOrd>(&mut self, old: T, new: T, text: impl FnOnce() -> String) {
        if old != new {
            self.note(new < old, text());
        }
    }
}

/// `None` when nothing differs but names.
fn steps(old: Option<&Profile>, new: Option<&Profile>) -> Option<Steps> {
    let mut steps = Steps::default();
    match (old, new) {
        (None, None) => {}
        (Some(_), None) => {
            steps.note(false, "no profile is for it any more, and none is ever complete".to_owned());
        }
        (None, Some(new)) => {
            steps.note(true, format!("`{}` is for it, where none was and nothing was complete", new.name));
            if new.veto {
                steps.note(false, "one rejection ends the change".to_owned());
            }
        }
        (Some(old), Some(new)) => profile(old, new, &mut steps),
    }
    (steps != Steps::default()).then_some(steps)
}

fn profile(old: &Profile, new: &Profile, steps: &mut Steps) {
    let pairs = paired(old, new);
    for level in old.levels.iter().filter(|level| !pairs.iter().any(|(was, _)| was.name == level.name)) {
        steps.note(true, format!("the level {} is gone", told(level)));
    }
    for level in new.levels.iter().filter(|level| !pairs.iter().any(|(_, is)| is.name == level.name)) {
        steps.note(false, format!("the level {} is new", told(level)));
    }
    for (was, is) in &pairs {
        level(was, is, steps);
    }
    match (old.order, new.order) {
        (Order::Parallel, Order::Ordered) => {
            steps.note(false, "levels wait for those before them".to_owned());
        }
        (Order::Ordered, Order::Parallel) => {
            steps.note(true, "levels no longer wait for those before them".to_owned());
        }
        (Order::Ordered, Order::Ordered) => {
            let at = |name: &str| new.levels.iter().position(|level| level.name == name);
            if !pairs.is_sorted_by_key(|(_, is)| at(&is.name)) {
                let text = "the levels come in another order";
                steps.note(true, text.to_owned());
                steps.note(false, text.to_owned());
            }
        }
        (Order::Parallel, Order::Parallel) => {}
    }
    match (old.stages, new.stages) {
        (Stages::Each, Stages::Once) => {
            steps.note(true, "later stages no longer need approvals of their own".to_owned());
        }
        (Stages::Once, Stages::Each) => {
            steps.note(false, "every later stage needs approvals of its own".to_owned());
        }
        _ => {}
    }
    if old.veto != new.veto {
        let text = if new.veto {
            "one rejection ends the change"
        } else {
            "one rejection no longer ends the change"
        };
        steps.note(old.veto, text.to_owned());
    }
    lasting("an approval lasts", "without end", old.expires_approved_ms, new.expires_approved_ms, steps);
    lasting("a change may wait", "as the server says", old.expires_pending_ms, new.expires_pending_ms, steps);
}

fn lasting(what: &str, unsaid: &str, old: Option<u64>, new: Option<u64>, steps: &mut Steps) {
    let long = |ms: Option<u64>| ms.unwrap_or(u64::MAX);
    let shown = |ms: Option<u64>| ms.map_or_else(|| unsaid.to_owned(), hours);
    steps.fewer(long(new), long(old), || format!("{what} {} instead of {}", shown(new), shown(old)));
}

/// Levels of the same name; and of those that are left, those that say the same but for it.
fn paired<'a>(old: &'a Profile, new: &'a Profile) -> Vec<(&'a Level, &'a Level)> {
    let mut free: Vec<&Level> = new.levels.iter().collect();
    let mut pairs = Vec::new();
    let mut take =
        |was: &'a Level, fits: &dyn Fn(&Level) -> bool, pairs: &mut Vec<(&'a Level, &'a Level)>| {
            if let Some(at) = free.iter().position(|is| fits(is)) {
                pairs.push((was, free.remove(at)));
            }
        };
    for was in &old.levels {
        take(was, &|is| is.name == was.name, &mut pairs);
    }
    for was in &old.levels {
        if !pairs.iter().any(|(paired, _)| paired.name == was.name) {
            take(was, &|is| Level { name: was.name.clone(), ..is.clone() } == *was, &mut pairs);
        }
    }
    pairs.sort_by_key(|(was, _)| old.levels.iter().position(|level| level.name == was.name));
    pairs
}

fn level(old: &Level, new: &Level, steps: &mut Steps) {
    let name = &new.name;
    steps.fewer(old.count, new.count, || {
        format!("the level `{name}` asks for {} instead of {}", persons(new.count), old.count)
    });
    steps.fewer(old.signature, new.signature, || match new.signature {
        true => format!("the level `{name}` counts signed approvals only"),
        false => format!("the level `{name}` counts approvals without a signature"),
    });
    for role in new.roles.iter().filter(|role| !old.roles.contains(role)) {
        steps.note(true, format!("{role} may fill the level `{name}`, too"));
    }
    for role in old.roles.iter().filter(|role| !new.roles.contains(role)) {
        steps.note(false, format!("{role} alone no longer fills the level `{name}`"));
    }
    let fills = |level: &Level, role: &Role| level.roles.contains(role) || level.escalate_to.contains(role);
    let named = |roles: Vec<&Role>| roles.iter().map(|role| role.to_string()).collect::<Vec<_>>().join(", ");
    let more: Vec<&Role> = new.escalate_to.iter().filter(|role| !fills(old, role)).collect();
    let fewer: Vec<&Role> = old.escalate_to.iter().filter(|role| !fills(new, role)).collect();
    if let (false, Some(after)) = (more.is_empty(), new.escalate_after_ms) {
        steps.note(
            true,
            format!("the level `{name}` may be filled by {} after {}", named(more), hours(after)),
        );
    }
    if !fewer.is_empty() {
        steps.note(false, format!("the level `{name}` is not escalated to {} any more", named(fewer)));
    }
    if let (Some(was), Some(is)) = (old.escalate_after_ms, new.escalate_after_ms) {
        steps.fewer(was, is, || {
            format!("the level `{name}` is escalated after {} instead of {}", hours(is), hours(was))
        });
    }
}

pub(crate) fn persons(count: u32) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn told(level: &Level) -> String {
    let roles: Vec<String> = level.roles.iter().map(Role::to_string).collect();
    let signed = if level.signature { ", signed" } else { "" };
    format!("`{}` ({}: {}{signed})", level.name, persons(level.count), roles.join(" or "))
}

/// A duration in the plainest unit that is exact.
pub(crate) fn hours(ms: u64) -> String {
    for (unit, name) in [(3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if ms.is_multiple_of(unit) {
            return format!("{} {name}", ms / unit);
        }
    }
    format!("{ms} ms")
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
