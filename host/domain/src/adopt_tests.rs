//! A `policy` change from its proposal into force.

use super::*;
use crate::{
    BundleRef, ChangeKind, Command, Manifest, PolicyPlan,
    change::install::tests::{ana, answered, manifest, propose},
};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn bundle(name: &str, revision: u64) -> BundleRef {
    BundleRef { digest: Digest::of(name), name: name.to_owned(), revision }
}

fn plan(revision: u64) -> PolicyPlan {
    PolicyPlan {
        source: None,
        from: bundle("old", 3),
        to: bundle("new", revision),
        added: vec!["rbac.night-shift".to_owned()],
        removed: vec![],
        altered: vec![],
        weakens: vec!["`rbac.night-shift` permits something new".to_owned()],
    }
}

fn of_policies(policies: Option<PolicyPlan>) -> Manifest {
    Manifest { kind: ChangeKind::Policy, policies, ..manifest(None) }
}

fn approving() -> Change {
    let proposed = propose(of_policies(Some(plan(4)))).unwrap();
    assert_eq!(proposed.tasks, [], "nobody is assigned");
    proposed.change.review(vec![], at(1)).unwrap().change
}

#[test]
fn an_admitted_policy_change_is_in_force_and_completes() {
    let change = approving();
    let allowed = answered(Action::AdmitChange, change.resource(), true);
    let admitted = change.adopt(&allowed, &Digest::of("old"), at(2)).unwrap().unwrap();
    assert_eq!(admitted.change.state, State::Completed);
    assert_eq!(admitted.tasks, [Task::Adopt { bundle: bundle("new", 4) }]);
    let again = admitted.change.adopt(&allowed, &Digest::of("old"), at(3));
    assert!(again.unwrap_err().to_string().contains("completed"));
}

#[test]
fn a_deny_holds_it_and_other_policies_meanwhile_reject_it() {
    let change = approving();
    let denied = answered(Action::AdmitChange, change.resource(), false);
    let held = change.adopt(&denied, &Digest::of("old"), at(2)).unwrap().unwrap();
    assert_eq!((held.change.state, held.tasks), (State::Approving, vec![]));
    let allowed = answered(Action::AdmitChange, change.resource(), true);
    let overtaken = change.adopt(&allowed, &Digest::of("other"), at(2)).unwrap().unwrap();
    assert_eq!((overtaken.change.state, overtaken.tasks), (State::Rejected, vec![]));
    let note = overtaken.change.note.unwrap();
    assert!(note.contains(&Digest::of("other").to_string()) && note.ends_with("propose it again"), "{note}");
}

#[test]
fn the_policies_do_not_go_back() {
    let change = approving();
    let allowed = answered(Action::AdmitChange, change.resource(), true);
    let done = change.adopt(&allowed, &Digest::of("old"), at(2)).unwrap().unwrap().change;
    let permit = answered(Action::RollBackRollout, done.resource(), true).permit().unwrap();
    let refused =
        done.decide(&Command::RollBack, &ana(), "I liked the old ones", &permit, at(3)).unwrap_err();
    assert!(refused.to_string().contains("under a higher `revision`"), "{refused}");
}

#[test]
fn a_plan_that_leads_nowhere_is_refused() {
    let refused = |policies| propose(of_policies(policies)).unwrap_err().to_string();
    assert!(refused(Some(plan(3))).contains("has revision 3, and revision 3 is in force"));
    let same = PolicyPlan { to: bundle("old", 4), ..plan(4) };
    assert!(refused(Some(same)).contains("is in force already"));
    assert!(refused(None).contains("puts policies in force"));
    let release = Manifest { kind: ChangeKind::Release, ..of_policies(Some(plan(4))) };
    assert!(propose(release).unwrap_err().to_string().contains("puts policies in force"));
}
