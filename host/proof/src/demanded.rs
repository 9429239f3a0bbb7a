//! What the approval profiles of a bundle make sure of, as a sentence of Cedar: the host counts, and a level that it calls
//! complete was filled by whom the level names. So an invariant can be proved through what the profiles demand, and fails
//! when they demand less.
//!
//! The sentence says less than the counting does, and nothing else: roles and signatures, not orders, ages and numbers of
//! persons.

use std::collections::BTreeSet;

use interlock_domain::{ChangeKind, Environment, Profile, Role};
use interlock_policy::Bundle;

/// Every kind of change.
pub(crate) const KINDS: [ChangeKind; 5] =
    [ChangeKind::Release, ChangeKind::Config, ChangeKind::Policy, ChangeKind::Plugin, ChangeKind::Tenant];

/// What holds of `context.approvals.levels` in every question that the host builds with this bundle.
pub(crate) fn sentence(bundle: &Bundle) -> String {
    let Some(profiles) = bundle.profiles() else {
        return "!(context.approvals has levels)".to_owned();
    };
    let nobody = format!("{LEVELS}.profile == \"\" && !{LEVELS}.complete && {LEVELS}.level == 0");
    let known = profiles.iter().rev().fold(nobody, |otherwise, profile| {
        format!("if {} then ({}) else ({otherwise})", region(profile, &bundle.unguarded), facts(profile))
    });
    format!("context.approvals has levels && ({known})")
}

const LEVELS: &str = "context.approvals.levels";

/// The changes that a profile is for, unless one before it is.
fn region(profile: &Profile, unguarded: &BTreeSet<Environment>) -> String {
    let quoted = |names: Vec<&str>| {
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        names.join(", ")
    };
    let mut places = Vec::new();
    if !profile.environments.is_empty() {
        let named = quoted(profile.environments.iter().map(Environment::as_str).collect());
        places.push(format!("[{named}].contains(resource.environment)"));
    }
    if profile.guarded && unguarded.is_empty() {
        places.push("true".to_owned());
    } else if profile.guarded {
        let listed = quoted(unguarded.iter().map(Environment::as_str).collect());
        places.push(format!("!([{listed}].contains(resource.environment))"));
    }
    let kinds = quoted(profile.kinds.iter().map(|kind| kind.as_str()).collect());
    format!("[{kinds}].contains(resource.kind) && ({})", places.join(" || "))
}

/// What is so when it is complete, and what it is called.
fn facts(profile: &Profile) -> String {
    let mut so: Vec<String> = profile
        .levels
        .iter()
        .map(|level| {
            let roles: Vec<String> = fillers(&level.roles, &level.escalate_to)
                .map(|role| format!("Interlock::Role::\"{role}\""))
                .collect();
            format!("context.approvals.roles.containsAny([{}])", roles.join(", "))
        })
        .collect();
    let signed: u32 = profile.levels.iter().filter(|level| level.signature).map(|level| level.count).sum();
    so.push(format!("{LEVELS}.signed >= {signed}"));
    format!(
        "{LEVELS}.profile == \"{}\" && {LEVELS}.level <= {} && (if {LEVELS}.complete then {LEVELS}.level == {} && {} else true)",
        profile.name,
        profile.levels.len(),
        profile.levels.len(),
        so.join(" && ")
    )
}

/// Whoever may fill a level, now or once it is escalated.
pub(crate) fn fillers<'a>(roles: &'a [Role], escalate_to: &'a [Role]) -> impl Iterator<Item = Role> + 'a {
    roles.iter().chain(escalate_to).copied()
}
