//! The default bundle and the machinery around it, through the public interface.

#![expect(clippy::unwrap_used, reason = "the helpers below are as much a test as what calls them")]

mod answers;
mod application;
mod buckets;
mod default_bundle;
mod faults;
mod limits;
mod missing;
mod profiles;

use std::collections::BTreeMap;

use interlock_domain::{
    Action, Actor, AdmissionFacts, ApprovalFacts, ChangeKind, Facts, PersonId, Principal, Question, Resource,
    Role, RoleGrant, Timestamp,
};
use interlock_policy::{Bundle, BundleError, Candidate, default_files, sample_question};

/// The default bundle's header and schema with other policies.
fn files_with(policies: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = default_files();
    files.retain(|path, _| path == "bundle.toml" || path == "schema.cedarschema");
    files.insert("test.cedar".to_owned(), policies.as_bytes().to_vec());
    files
}

fn bundle_with(policies: &str) -> Bundle {
    Bundle::from_files(files_with(policies)).unwrap()
}

/// What is said of a bundle with these policies.
fn refusal(policies: &str) -> String {
    Bundle::from_files(files_with(policies)).unwrap_err().to_string()
}

fn person(number: u32) -> PersonId {
    format!("per_{number:032x}").parse().unwrap()
}

/// The sample question, asked by a person with these roles.
fn asked_by(action: Action, roles: &[Role]) -> Question {
    let mut question = sample_question(action);
    if let Principal::Actor(actor) = &mut question.principal {
        actor.roles = grants(roles);
    }
    question
}

/// Somebody who might approve.
fn candidate(number: u32, roles: &[Role]) -> Candidate {
    Candidate { actor: somebody(number, roles), approved_at: None, on_behalf_of: None }
}

fn grants(roles: &[Role]) -> Vec<RoleGrant> {
    roles.iter().map(|&role| RoleGrant { role, environment: None }).collect()
}

fn somebody(number: u32, roles: &[Role]) -> Actor {
    let Principal::Actor(sample) = sample_question(Action::ApproveChange).principal else { unreachable!() };
    Actor {
        account: format!("acc_{number:032x}").parse().unwrap(),
        person: person(number),
        roles: grants(roles),
        ..sample
    }
}

/// A question about a change by person 1, with other facts.
fn admission(
    action: Action,
    environment: &str,
    alter: impl FnOnce(&mut AdmissionFacts, Timestamp),
) -> Question {
    let mut question = asked_by(action, &[Role::ReleaseManager]);
    let Facts::Admission(mut facts) = question.facts else { unreachable!() };
    facts.approvals = ApprovalFacts::none();
    alter(&mut facts, question.now);
    question.facts = Facts::Admission(facts);
    question.resource = Resource::Change {
        id: "chg_00000000000000000000000000000001".to_owned(),
        tenant: "acme".parse().unwrap(),
        environment: environment.parse().unwrap(),
        change_kind: ChangeKind::Release,
        author: person(1),
        paused_by_safety: false,
        back_weakens: false,
    };
    question
}

fn ids(answer: &interlock_domain::Answer) -> Vec<&str> {
    answer.determining.iter().map(|policy| policy.id.as_str()).collect()
}

/// The faults as `file:line:column`, with their texts.
fn faults(error: &BundleError) -> Vec<String> {
    error.faults().iter().map(ToString::to_string).collect()
}
