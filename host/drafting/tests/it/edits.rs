//! What `explain`, `diff` and `impact` say.

use interlock_domain::{Decision, DecisionId, DecisionSubject, Facts, Question, Timestamp};
use interlock_drafting::{diff, impact, recorded};
use interlock_policy::{
    default_files, explain,
    explain::{Looked, Truth},
    question_of,
};
use serde_json::{Value, json};

use crate::{Files, bundle, edited, files_with};

fn question(case: Value) -> Question {
    question_of(case).unwrap()
}

/// A release to production that clinical safety and regulatory approved an hour ago, or when `at` says.
fn admission(at: &str) -> Question {
    question(json!({
        "person": "ana", "roles": ["release_manager"], "action": "AdmitChange",
        "resource": { "type": "change", "environment": "production", "author": "ana" },
        "facts": { "approvals": [
            { "person": "cleo", "roles": ["clinical_safety"], "at": at },
            { "person": "rhea", "roles": ["regulatory"], "at": at },
        ] },
    }))
}

fn of<'a>(policies: &'a [Looked], id: &str) -> &'a Looked {
    policies.iter().find(|policy| policy.id == id).unwrap()
}

#[test]
fn an_answer_is_explained_down_to_each_clause() {
    let bundle = bundle(&default_files());
    let explained = explain(&bundle, &admission("2026-11-17T11:59:59.999Z"));
    assert!(!explained.allowed);
    assert_eq!(explained.determining[0].id, "approvals.guarded-fresh");
    let fresh = of(&explained.policies, "approvals.guarded-fresh");
    assert_eq!(fresh.applies, Truth::True);
    let clauses: Vec<(&str, &str, &Truth)> = fresh
        .clauses
        .iter()
        .map(|clause| (clause.of.as_str(), clause.text.as_str(), &clause.value))
        .collect();
    assert!(
        clauses.contains(&("when", "resource.guarded", &Truth::True))
            || clauses.iter().any(|(of, text, _)| *of == "when" && text.contains("guarded")),
        "{clauses:?}"
    );
    let age = clauses.iter().find(|(_, text, _)| text.contains("72h")).unwrap();
    assert!(age.0 == "unless" && *age.2 == Truth::False, "{clauses:?}");
    let tree = explained.tree();
    assert!(tree.starts_with("DENY: ") && tree.contains("because approvals.guarded-fresh: "), "{tree}");
    assert!(tree.contains("false unless "), "{tree}");
}

#[test]
fn at_the_very_instant_of_expiry_an_approval_counts_no_more_and_a_millisecond_earlier_it_does() {
    let bundle = bundle(&default_files());
    assert!(explain(&bundle, &admission("2026-11-17T12:00:00.001Z")).allowed);
    assert!(!explain(&bundle, &admission("2026-11-17T12:00:00.000Z")).allowed);
}

#[test]
fn where_nothing_permits_the_closest_permit_and_its_clause_are_named() {
    let files = files_with(
        "@id(\"a\") @reason(\"b\")\npermit (principal is Interlock::User, action == Interlock::Action::\"PauseRollout\", resource is Interlock::Change)\n\
         when { principal in Interlock::Role::\"operator\" && resource.kind == \"release\" };",
    );
    let pause = question(json!({
        "person": "otto", "roles": ["operator"], "action": "PauseRollout",
        "resource": { "type": "change", "environment": "production", "author": "ana", "kind": "plugin" },
    }));
    let explained = explain(&bundle(&files), &pause);
    let closest = explained.closest(3);
    assert_eq!(closest.len(), 1);
    let stopped = closest[0].stopped_at().unwrap();
    assert!(stopped.text.contains("\"release\"") && stopped.value == Truth::False, "{stopped:?}");
    assert!(
        explained.tree().contains("no policy permits it; closest came\n    a stopped at `when "),
        "{}",
        explained.tree()
    );
}

#[test]
fn what_stands_before_a_clause_can_settle_the_matter() {
    let viewer = question(json!({
        "person": "otto", "roles": [], "action": "AdmitChange", "facts": {},
        "resource": { "type": "change", "environment": "lab", "author": "ana" },
    }));
    let explained = explain(&bundle(&default_files()), &viewer);
    let fresh = of(&explained.policies, "approvals.guarded-fresh");
    assert_eq!(fresh.applies, Truth::False);
    assert_eq!(fresh.clauses.last().unwrap().value, Truth::NotReached);
}

#[test]
fn a_question_that_does_not_fit_is_explained_too() {
    let mut misfit = admission("2026-11-20T11:00:00.000Z");
    misfit.facts = Facts::None;
    let explained = explain(&bundle(&default_files()), &misfit);
    assert!(!explained.allowed && explained.errors[0].contains("does not fit the schema"), "{explained:?}");
}

#[test]
fn bundles_are_compared_by_what_they_say_and_not_by_layout() {
    let old = default_files();
    let mut new =
        edited("approvals.cedar", "context.approvals.distinct >= 2", "context.approvals.distinct   >= 1");
    let reworded = String::from_utf8(new["rbac.cedar"].clone()).unwrap();
    new.insert(
        "rbac.cedar".to_owned(),
        reworded
            .replace("@reason(\"Release managers push artifacts and plugins\")", "@reason(\"They push\")")
            .into_bytes(),
    );
    let difference = diff(&old, &new).unwrap();
    let changed: Vec<(&str, bool)> =
        difference.changed.iter().map(|each| (each.id.as_str(), each.body.is_some())).collect();
    assert_eq!(changed, [("approvals.guarded-two-people", true), ("rbac.release-manager-push", false)]);
    let lines = difference.lines();
    for said in [
        "the revision does not rise",
        "changed  approvals.guarded-two-people",
        "reworded rbac.release-manager-push",
    ] {
        assert!(lines.contains(said), "{lines}");
    }
    assert!(diff(&old, &old).unwrap().is_empty());
}

#[test]
fn what_comes_and_goes_and_an_environment_that_loses_its_guard_are_named() {
    let mut new = edited("bundle.toml", "\"lab\"", "\"lab\", \"production\"");
    new.insert(
        "evidence.cedar".to_owned(),
        b"@id(\"mine\") @reason(\"b\")\npermit (principal is Interlock::Plugin, action == Interlock::Action::\"ReadEvidence\", resource);".to_vec(),
    );
    new.remove("invariants/guardrails.cedar");
    let difference = diff(&default_files(), &new).unwrap();
    assert!(difference.invariants.contains(&"the invariant invariants.health is GONE".to_owned()));
    assert!(difference.lines().contains("! the invariant invariants.health is GONE\n"));
    assert_eq!(difference.added, ["mine"]);
    assert!(difference.removed.contains(&"evidence.signature-artifact".to_owned()));
    assert_eq!(difference.unguarded, ["`production` is UNGUARDED now"]);
}

/// Decisions as the default bundle made them.
fn decisions(questions: Vec<Question>) -> Vec<Decision> {
    let bundle = bundle(&default_files());
    let record = |(at, question): (usize, Question)| {
        let id: DecisionId = format!("dec_{at:032x}").parse().unwrap();
        let answer = bundle.ask(&question);
        Decision::of_policy(id, None, question, answer, 10)
    };
    questions.into_iter().enumerate().map(record).collect()
}

fn changed(files: &Files, decisions: &[Decision]) -> interlock_drafting::Impact {
    let lines: Vec<String> =
        decisions.iter().map(|decision| serde_json::to_string(decision).unwrap()).collect();
    let found = recorded("decisions.jsonl", &lines.join("\n")).unwrap();
    let listed = recorded("decisions.json", &serde_json::to_string(decisions).unwrap()).unwrap();
    assert_eq!(found.len(), listed.len());
    impact(&bundle(files), &found)
}

#[test]
fn recorded_answers_that_would_change_are_grouped_by_the_policy_that_turns_them() {
    let then = decisions(vec![
        admission("2026-11-20T11:00:00.000Z"),
        admission("2026-11-18T12:00:00.000Z"),
        admission("2026-11-10T12:00:00.000Z"),
    ]);
    let same = changed(&default_files(), &then);
    assert_eq!((same.asked, same.same), (3, 3));

    let tighter = changed(&edited("approvals.cedar", "duration(\"72h\")", "duration(\"24h\")"), &then);
    assert_eq!(tighter.changed(), 1);
    let turned = &tighter.by_policy["approvals.guarded-fresh"];
    assert!(!turned[0].allowed && turned[0].action == "AdmitChange");
    assert!(tighter.lines().contains("3 asked again, 2 the same, 1 changed"), "{}", tighter.lines());

    let mut lasting = edited("approvals.cedar", "duration(\"72h\")", "duration(\"9999h\")");
    let profiles = String::from_utf8(lasting["approvals.toml"].clone()).unwrap();
    let profiles = profiles.replace("expires_approved = \"PT72H\"", "expires_approved = \"PT9999H\"");
    lasting.insert("approvals.toml".to_owned(), profiles.into_bytes());
    let looser = changed(&lasting, &then);
    let freed = looser.by_policy.iter().find(|(by, _)| by.contains("approvals.guarded-fresh"));
    assert!(
        freed.is_some_and(|(by, turned)| by.contains("no longer forbids") && turned[0].allowed),
        "{}",
        looser.lines()
    );
}

#[test]
fn a_record_that_cannot_be_read_is_named_by_its_place() {
    let good = serde_json::to_string(&decisions(vec![admission("2026-11-20T11:00:00.000Z")])[0]).unwrap();
    let error = recorded("d.jsonl", &format!("{good}\n{{\"id\":1}}\n")).unwrap_err().to_string();
    assert!(error.starts_with("`d.jsonl`, decision 2: "), "{error}");
    assert!(recorded("d.jsonl", "not JSON\n").is_err());
    let DecisionSubject::Policy { question, .. } =
        &decisions(vec![admission("2026-11-20T11:00:00.000Z")])[0].subject
    else {
        panic!("a decision of the policies")
    };
    assert_eq!(question.now, "2026-11-20T12:00:00.000Z".parse::<Timestamp>().unwrap());
}
