//! A situation in plain words: who does what to what, and which of the circumstances are not the usual ones.

use interlock_domain::Action;
use serde_json::Value;

use crate::{
    plainer::SOMEBODY,
    situation::{Situation, Uid},
};

/// One sentence without its verb's mood: `somebody with the role …`, `approve a change`, `…`, what else is so.
pub(crate) struct Told {
    pub(crate) who: String,
    pub(crate) does: String,
    pub(crate) when: Vec<String>,
}

pub(crate) fn tell(action: Action, situation: &Situation) -> Told {
    let mut when = Vec::new();
    let who = who(situation, &mut when);
    let does = format!("{}{}", deed(action), object(action, situation, &mut when));
    circumstances(situation, &mut when);
    Told { who, does, when }
}

fn who(situation: &Situation, when: &mut Vec<String>) -> String {
    let principal = &situation.principal;
    let name = match (principal.uid.kind(), principal.uid.id.as_str()) {
        ("User", SOMEBODY) => "somebody".to_owned(),
        ("ServiceAccount", SOMEBODY) => "a program".to_owned(),
        ("Plugin", SOMEBODY) => "a plugin".to_owned(),
        ("Plugin", id) => format!("the plugin `{id}`"),
        (kind, id) => format!("{kind} `{id}`"),
    };
    let roles: Vec<&str> = principal
        .parents
        .iter()
        .filter(|parent| parent.kind() == "Role")
        .map(|role| role.id.as_str())
        .collect();
    let roles = match (principal.uid.kind(), roles.as_slice()) {
        ("Plugin", _) => String::new(),
        (_, []) => " without any role".to_owned(),
        (_, [one]) => format!(" with the role {one}"),
        (_, many) => format!(" with the roles {}", listed(many)),
    };
    let home = principal.attrs.get("tenant").and_then(Uid::read);
    let here =
        home.is_none_or(|home| home == situation.resource.uid || situation.resource.parents.contains(&home));
    let from = if here { "" } else { " of another tenant" };
    for (name, value) in &principal.attrs {
        match (name.as_str(), value) {
            ("tenant", _) | ("on_hold", Value::Bool(false)) => {}
            ("on_hold", _) => when.push("their account is on hold".to_owned()),
            ("granted", Value::Array(sources)) if sources.is_empty() => {}
            ("granted", Value::Array(sources)) => {
                when.push(format!("its roster grants it {}", values(sources)))
            }
            (name, value) => when.push(format!("`principal.{name}` is {}", shown(value))),
        }
    }
    format!("{name}{from}{roles}")
}

/// What it is done to, where the deed does not say so itself.
fn object(action: Action, situation: &Situation, when: &mut Vec<String>) -> String {
    let resource = &situation.resource;
    let mut text = String::new();
    if let Some(environment) = resource.attrs.get("environment").and_then(Value::as_str) {
        text.push_str(&format!(" in {environment}"));
    }
    let named = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for (name, value) in &resource.attrs {
        match (name.as_str(), value) {
            ("author", value) if Uid::read(value).as_ref() == Some(&situation.principal.uid) => {
                text.push_str(" that they proposed themselves");
            }
            ("author" | "guarded" | "environment", _)
            | ("paused_by_safety" | "back_weakens", Value::Bool(false)) => {}
            ("paused_by_safety", _) => {
                when.push("clinical safety or regulatory stopped the rollout".to_owned())
            }
            ("back_weakens", _) => when.push("to go back takes a check away".to_owned()),
            ("kind", value) if value == "release" => {}
            ("kind", value) => when.push(format!("it is a {} change", named(value))),
            ("name", value) if action == Action::ReadEvidence => {
                text.push_str(&format!(" `{}`", named(value)))
            }
            (name, value) => when.push(format!("`resource.{name}` is {}", shown(value))),
        }
    }
    text
}

fn circumstances(situation: &Situation, when: &mut Vec<String>) {
    for (name, value) in &situation.context {
        match (name.as_str(), value) {
            ("now", _) => {}
            ("approvals", value) => approvals(situation, value, when),
            ("gates", Value::Object(counts)) => {
                for (count, number) in counts.iter().filter(|(_, number)| **number != 0) {
                    let text = match count.as_str() {
                        "failed" => "gates failed",
                        "missing" => "gates have not judged yet",
                        "holding" => "gates say not now",
                        "warned" => "gates warned",
                        _ => "gates passed",
                    };
                    when.push(format!("{number} {text}"));
                }
            }
            ("signature", value) if value == "verified" => {}
            ("signature", value) => when.push(format!("the signature is {}", shown(value))),
            ("rollback_complete", Value::Bool(true)) | ("weakens", Value::Bool(false)) => {}
            ("rollback_complete", _) => when.push("some target has nothing to go back to".to_owned()),
            ("weakens", _) => when.push("it takes a check away".to_owned()),
            ("health", value) if value == "pass" => {}
            ("health", value) => when.push(format!("health is {}", shown(value))),
            ("stage" | "exposure_bp", value) if *value == 0 => {}
            ("stage", value) => when.push(format!("the rollout is at stage {value}")),
            ("exposure_bp", value) => {
                when.push(format!("{value} basis points of the population are reached"))
            }
            (name, value) => when.push(format!("`context.{name}` is {}", shown(value))),
        }
    }
}

/// Always said: who has not approved is mostly the point.
fn approvals(situation: &Situation, value: &Value, when: &mut Vec<String>) {
    let ids = |list: &str| -> Vec<Uid> {
        value[list].as_array().into_iter().flatten().filter_map(Uid::read).collect()
    };
    let distinct = value["distinct"].as_i64().unwrap_or_default();
    let (roles, persons) = (ids("roles"), ids("persons"));
    let names: Vec<&str> = roles.iter().map(|role| role.id.as_str()).collect();
    let roles = match names.as_slice() {
        [] => String::new(),
        [one] => format!(", with the role {one} alone"),
        many => format!(", with the roles {}", listed(many)),
    };
    when.push(match distinct {
        0 => "nobody has approved".to_owned(),
        1 => format!("one person has approved{roles}"),
        many => format!("{many} people have approved{roles}"),
    });
    if value["levels"]["broken_glass"] == true {
        when.push("two people broke the glass less than an hour ago".to_owned());
    }
    let author = situation.resource.attrs.get("author").and_then(Uid::read);
    if author.as_ref().is_some_and(|author| persons.contains(author)) {
        when.push("the author is among those who approved".to_owned());
    }
    if let Some(hours) = situation.oldest_hours().filter(|hours| *hours != 1) {
        when.push(format!("the oldest approval is {hours} hours old"));
    }
}

/// What is done, as one says it.
fn deed(action: Action) -> &'static str {
    match action {
        Action::ProposeChange => "propose a change",
        Action::ReadChange => "read a change",
        Action::ApproveChange => "approve a change",
        Action::RejectChange => "reject a change",
        Action::CancelChange => "cancel a change",
        Action::AdmitChange => "have a change admitted",
        Action::EnterStage => "have a change enter a stage",
        Action::PauseRollout => "pause the rollout of a change",
        Action::ResumeRollout => "resume the rollout of a change",
        Action::PromoteRollout => "promote the rollout of a change",
        Action::RollBackRollout => "roll back a change",
        Action::PushArtifact => "push an artifact",
        Action::PushPlugin => "push a plugin",
        Action::ImportAdvisories => "import advisories",
        Action::ReadArtifact => "read artifacts",
        Action::RegisterDevice => "register a device",
        Action::UpdateDevice => "update a device",
        Action::MoveDevice => "move away a device",
        Action::RetireDevice => "retire a device",
        Action::ReadDevice => "read devices",
        Action::ManageGroup => "manage a group of devices",
        Action::ReadDecision => "read decisions",
        Action::ReplayDecision => "replay decisions",
        Action::ReadLedger => "read the ledger",
        Action::VerifyLedger => "verify the ledger",
        Action::CreateKey => "create a key",
        Action::RevokeKey => "revoke a key",
        Action::ReadKey => "see who holds keys",
        Action::GrantRoles => "grant roles",
        Action::ConfirmAccount => "confirm an account",
        Action::DeactivateAccount => "deactivate an account",
        Action::ActivateAccount => "activate an account",
        Action::ReloadBundle => "reload the policy bundle",
        Action::ReadBundle => "read the policy bundle",
        Action::ReadPlugin => "read plugins",
        Action::EvaluateAccess => "ask the application's policies",
        Action::ApproveAccess => "answer to requests for access",
        Action::ReadEvidence => "read the evidence",
        Action::ApproveStage => "approve a stage of a change",
        Action::DelegateRoles => "delegate their roles",
        Action::BreakGlass => "break the glass for a change",
        Action::ReviewIncident => "review the incident of a change",
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

fn values(values: &[Value]) -> String {
    listed(&values.iter().map(shown).collect::<Vec<_>>())
}

fn shown(value: &Value) -> String {
    match Uid::read(value) {
        Some(uid) => format!("{} `{}`", uid.kind(), uid.id),
        None => format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    }
}
