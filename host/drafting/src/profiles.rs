//! Rules about the approval profiles of a bundle.

use interlock_domain::{Action, Level, Principal, Profile, Resource, Role, RoleGrant};
use interlock_policy::{Bundle, sample_question};

use crate::Finding;

const FILE: &str = "approvals.toml";

/// What breaks a rule in the profiles of a bundle that loads.
pub(crate) fn findings(bundle: &Bundle, text: &str) -> Vec<Finding> {
    let profiles = bundle.profiles().unwrap_or_default();
    profiles.iter().flat_map(|profile| of(bundle, profile, text)).collect()
}

fn of(bundle: &Bundle, profile: &Profile, text: &str) -> Vec<Finding> {
    let name = &profile.name;
    let line = line_of(text, name);
    let mut findings = Vec::new();
    let mut note = |lint, text| findings.push(Finding { file: FILE.to_owned(), line, column: 1, lint, text });
    for (absent, key, what) in [
        (profile.expires_pending_ms.is_none(), "expires_pending", "how long a change may wait"),
        (profile.expires_approved_ms.is_none(), "expires_approved", "how long an approval lasts"),
    ] {
        if absent {
            note(
                "profile-without-expiry",
                format!(
                    "profile `{name}` does not say {what}; add `{key} = \"PT72H\"`, or what is right for you"
                ),
            );
        }
    }
    for level in &profile.levels {
        let roles: Vec<Role> =
            level.roles.iter().copied().filter(|role| may_approve(bundle, profile, *role)).collect();
        if roles.is_empty() {
            let level = &level.name;
            note(
                "level-nobody-can-fill",
                format!(
                    "profile `{name}`, level `{level}`: no policy lets any of its roles approve; name other roles, or permit it"
                ),
            );
        } else if let Some(role) = idle(bundle, profile, level) {
            let level = &level.name;
            note(
                "level-nobody-can-fill",
                format!(
                    "profile `{name}`, level `{level}`: no policy lets `{role}`, to which it escalates, approve"
                ),
            );
        }
    }
    findings
}

fn idle(bundle: &Bundle, profile: &Profile, level: &Level) -> Option<Role> {
    level.escalate_to.iter().copied().find(|role| !may_approve(bundle, profile, *role))
}

/// Whether somebody with this role alone may approve a change of somebody else that the profile is for.
fn may_approve(bundle: &Bundle, profile: &Profile, role: Role) -> bool {
    profile.kinds.iter().any(|kind| {
        let mut question = sample_question(Action::ApproveChange);
        if let Principal::Actor(actor) = &mut question.principal {
            actor.roles = vec![RoleGrant { role, environment: None }];
        }
        if let Resource::Change { change_kind, environment, .. } = &mut question.resource {
            *change_kind = *kind;
            if let Some(named) = profile.environments.first() {
                environment.clone_from(named);
            }
        }
        bundle.ask(&question).allowed
    })
}

/// The line on which a profile is named.
fn line_of(text: &str, name: &str) -> usize {
    let named = format!("\"{name}\"");
    let at = text.lines().position(|line| line.trim_start().starts_with("name") && line.contains(&named));
    at.map_or(1, |at| at + 1)
}
