//! Whole bundles: what is proved of the default one, and what a copy with one thing weaker gives away.

use interlock_domain::{Action, Effect, Question};
use interlock_policy::{default_bundle, default_files, question_of, sample_question};
use interlock_proof::{Overall, Verdict};

use crate::{Files, WAY, edit, edited, report, told, without};

#[tokio::test(flavor = "multi_thread")]
async fn the_default_bundle_never_errs_and_keeps_its_invariants() {
    let report = report(&default_files(), None, &[]).await;
    assert!(report.holds() && !report.refuted(), "{}", report.lines());
    insta::assert_snapshot!(told(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_rule_against_it_somebody_could_approve_their_own_change() {
    let report =
        report(&without("approvals.cedar", "approvals.not-the-author"), Some(&default_files()), WAY).await;
    assert!(report.refuted());
    insta::assert_snapshot!(told(&report));
}

/// The level of the default profile that regulatory fills.
const REGULATORY: &str = "\n[[profile.level]]\nname = \"regulatory\"\nroles = [\"regulatory\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn without_regulatory_a_change_could_go_to_production_with_clinical_safety_alone() {
    let mut weaker = without("approvals.cedar", "approvals.guarded-regulatory");
    edit(&mut weaker, "approvals.toml", REGULATORY, "");
    let report = report(&weaker, Some(&default_files()), &[]).await;
    assert!(report.refuted());
    insta::assert_snapshot!(told(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policies_leave_to_the_profile_is_proved_through_what_the_profile_demands() {
    let report = report(&without("approvals.cedar", "approvals.guarded-regulatory"), None, WAY).await;
    assert!(report.holds(), "{}", report.lines());
    let held = report.invariants.iter().find(|held| held.id == "invariants.production-roles").unwrap();
    assert!(held.proved > 0 && held.profile_alone.is_none(), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_profile_is_looser_and_says_what_could_be_complete_now_and_what_still_forbids_it() {
    let weaker = edited("approvals.toml", REGULATORY, "");
    let report = report(&weaker, Some(&default_files()), WAY).await;
    assert!(!report.refuted(), "the policies beside the profile hold");
    assert_eq!(report.against.as_ref().unwrap().overall, Overall::Looser);
    insta::assert_snapshot!(told(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_no_policy_stands_beside_says_who_could_have_a_change_admitted_now() {
    let before =
        edited("approvals.toml", "name = \"clinical-safety\"", "name = \"clinical-safety\"\ncount = 2");
    let weaker = edited("approvals.toml", "expires_pending = \"PT72H\"", "expires_pending = \"PT96H\"");
    let report = report(&weaker, Some(&before), WAY).await;
    let against = report.against.as_ref().unwrap();
    assert_eq!(against.overall, Overall::Looser);
    assert!(against.profiles[0].example.as_ref().unwrap().goes_on, "{against:?}");
    insta::assert_snapshot!(told(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_profile_is_tighter_and_one_with_both_is_incomparable() {
    let stricter = edited("approvals.toml", "expires_approved = \"PT72H\"", "expires_approved = \"PT24H\"");
    let tighter = report(&stricter, Some(&default_files()), WAY).await;
    assert_eq!(tighter.against.as_ref().unwrap().overall, Overall::Tighter, "{}", tighter.lines());
    let mut both = stricter;
    edit(&mut both, "approvals.toml", "veto = true ", "veto = false");
    let both = report(&both, Some(&default_files()), WAY).await;
    assert_eq!(both.against.as_ref().unwrap().overall, Overall::Incomparable, "{}", both.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_policy_reads_which_profile_it_is_it_is_not_known_how_two_compare() {
    let reads = "@id(\"named\")\n@reason(\"b\")\nforbid (principal, action == Interlock::Action::\"AdmitChange\", resource)\n\
                 when { context.approvals has levels && context.approvals.levels.profile == \"other\" };\n";
    let with = |mut files: Files| {
        files.insert("named.cedar".to_owned(), reads.as_bytes().to_vec());
        files
    };
    let stricter = edited("approvals.toml", "expires_approved = \"PT72H\"", "expires_approved = \"PT24H\"");
    let report = report(&with(stricter), Some(&with(default_files())), WAY).await;
    assert_eq!(report.against.as_ref().unwrap().overall, Overall::Unproved);
    assert!(report.lines().contains("`named` stands in the way"), "{}", report.lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_role_is_looser_and_says_who_could_now_do_what() {
    let mut wider = default_files();
    let more = "@id(\"wider\")\n@reason(\"Viewers pause too\")\npermit (principal in Interlock::Role::\"viewer\", action == \
                Interlock::Action::\"PauseRollout\", resource);\n";
    wider.insert("wider.cedar".to_owned(), more.as_bytes().to_vec());
    let report = report(&wider, Some(&default_files()), &[Action::PauseRollout, Action::ResumeRollout]).await;
    assert!(report.holds(), "an invariant says nothing about it");
    assert_eq!(report.against.as_ref().unwrap().overall, Overall::Looser);
    insta::assert_snapshot!(told(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_listed_as_unguarded_is_looser_although_no_policy_differs() {
    let listed = edited("bundle.toml", "unguarded = [", "unguarded = [\"production\", ");
    let report = report(&listed, Some(&default_files()), &[Action::AdmitChange, Action::MoveDevice]).await;
    assert!(report.refuted(), "the invariants name production");
    assert_eq!(report.against.as_ref().unwrap().overall, Overall::Looser);
    insta::assert_snapshot!(told(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_way_to_say_the_same_is_equivalent() {
    let same = edited(
        "approvals.cedar",
        "unless { context.approvals.distinct >= 2 }",
        "when { !(context.approvals.distinct > 1) }",
    );
    let report = report(&same, Some(&default_files()), WAY).await;
    assert!(report.holds(), "{}", report.lines());
    let against = report.against.unwrap();
    assert_eq!((against.overall, against.kinds.len()), (Overall::Equivalent, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_people_instead_of_two_is_tighter_and_two_instead_of_three_looser() {
    let three =
        edited("approvals.cedar", "context.approvals.distinct >= 2", "context.approvals.distinct >= 3");
    let tighter = report(&three, Some(&default_files()), WAY).await;
    assert!(tighter.holds(), "{}", tighter.lines());
    assert_eq!(tighter.against.as_ref().unwrap().overall, Overall::Tighter);
    insta::assert_snapshot!(told(&tighter));
    let looser = report(&default_files(), Some(&three), WAY).await;
    assert_eq!(looser.against.as_ref().unwrap().overall, Overall::Looser);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_here_and_less_there_is_incomparable() {
    let mut both = without("guardrails.cedar", "guardrails.healthy-stage");
    both.remove("invariants/guardrails.cedar");
    edit(&mut both, "approvals.cedar", "context.approvals.distinct >= 2", "context.approvals.distinct >= 3");
    let report = report(&both, Some(&default_files()), &[Action::EnterStage]).await;
    let against = report.against.as_ref().unwrap();
    assert_eq!(against.overall, Overall::Incomparable);
    assert!(against.dropped.contains(&"invariants.health".to_owned()), "{:?}", against.dropped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_can_err_is_named_with_a_question_for_which_it_does() {
    let mut files = default_files();
    let errs = "@id(\"sums\")\n@reason(\"b\")\n@allow(\"forbid-can-error: a test\")\nforbid (principal, action == \
                Interlock::Action::\"AdmitChange\", resource)\nwhen { context.stage * 9223372036854775807 > 9 };\n";
    files.insert("sums.cedar".to_owned(), errs.as_bytes().to_vec());
    let report = report(&files, Some(&default_files()), WAY).await;
    assert!(report.refuted());
    let erring = &report.erring[0];
    assert_eq!(erring.policy, "sums");
    let Verdict::Refuted { example } = &erring.verdict else { panic!("{erring:?}") };
    assert!(example.because.contains("overflow"), "{example:?}");
    assert!(
        example.when.contains(&"the rollout is at stage 2".to_owned()),
        "the smallest that does: {example:?}"
    );
    let lines = report.lines();
    assert!(
        lines.contains("REFUTED   `sums` errs\n  asked whether somebody without any role may have a change"),
        "{lines}"
    );
    // Its answers are not what the solver thinks they are.
    assert_eq!(report.against.as_ref().unwrap().overall, Overall::Unproved);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_stay_possible_is_refuted_when_it_no_longer_is() {
    let report = report(&without("rbac.cedar", "rbac.safety-stop"), None, &[Action::PauseRollout]).await;
    let held = report.invariants.iter().find(|held| held.id == "invariants.safety-stops").unwrap();
    assert_eq!((held.effect, held.failures.len()), (Effect::Permit, 1));
    let lines = report.lines();
    assert!(lines.contains("somebody with the role clinical_safety could not pause the rollout"), "{lines}");
}

/// The questions of the default bundle's cases, and one of each action.
fn questions() -> Vec<Question> {
    let files = default_files();
    let cases = files.iter().filter(|(path, _)| path.starts_with("cases/"));
    let cases = cases.flat_map(|(_, text)| serde_json::from_slice::<Vec<serde_json::Value>>(text).unwrap());
    cases
        .map(|case| question_of(case).unwrap())
        .chain(Action::ALL.iter().map(|action| sample_question(*action)))
        .collect()
}

#[test]
fn no_case_of_the_default_bundle_is_answered_against_an_invariant() {
    // Cedar itself, over the questions that people wrote: what was proved must be true of each.
    let bundle = default_bundle().unwrap();
    let mut described = 0;
    for question in questions() {
        let allowed = bundle.ask(&question).allowed;
        let Ok((request, entities)) = bundle.posed(&question) else { continue };
        for invariant in bundle.invariants().iter().filter(|each| each.speaks_of(question.action)) {
            let mut json = invariant.policy.to_json().unwrap();
            json["effect"] = "permit".into();
            let policy = cedar_policy::Policy::from_json(None, json).unwrap();
            let set = cedar_policy::PolicySet::from_policies([policy]).unwrap();
            let answer = cedar_policy::Authorizer::new().is_authorized(&request, &set, &entities);
            if answer.decision() == cedar_policy::Decision::Allow {
                described += 1;
                let expected = invariant.effect == Effect::Permit;
                assert_eq!(allowed, expected, "{}: {question:?}", invariant.id);
            }
        }
    }
    assert!(described >= 10, "only {described} cases are what an invariant speaks of");
}

/// A solver that answers `unsat` too often would call these equivalent.
#[tokio::test(flavor = "multi_thread")]
async fn every_guard_rail_that_is_taken_away_is_missed() {
    let rails = [
        ("approvals.cedar", "approvals.not-the-author", Action::ApproveChange, Overall::Looser),
        ("approvals.cedar", "approvals.author-does-not-count", Action::EnterStage, Overall::Looser),
        ("approvals.cedar", "approvals.guarded-clinical-safety", Action::EnterStage, Overall::Looser),
        ("approvals.cedar", "approvals.guarded-fresh", Action::AdmitChange, Overall::Looser),
        ("approvals.cedar", "approvals.weakening", Action::AdmitChange, Overall::Looser),
        ("guardrails.cedar", "guardrails.own-tenant", Action::ReadLedger, Overall::Looser),
        ("guardrails.cedar", "guardrails.administrators-apart", Action::ProposeChange, Overall::Looser),
        ("guardrails.cedar", "guardrails.second-administrator", Action::GrantRoles, Overall::Looser),
        ("guardrails.cedar", "guardrails.guarded-move", Action::MoveDevice, Overall::Looser),
        ("guardrails.cedar", "guardrails.safety-resumes", Action::ResumeRollout, Overall::Looser),
        ("guardrails.cedar", "guardrails.back-weakens", Action::RollBackRollout, Overall::Looser),
        ("guardrails.cedar", "guardrails.gates-open", Action::EnterStage, Overall::Looser),
        ("guardrails.cedar", "guardrails.guarded-way-back", Action::EnterStage, Overall::Looser),
        ("rbac.cedar", "rbac.auditor-verify", Action::VerifyLedger, Overall::Tighter),
        ("evidence.cedar", "evidence.granted", Action::ReadEvidence, Overall::Tighter),
        // Belt and braces: no permit is for programs.
        ("approvals.cedar", "approvals.only-people", Action::ApproveChange, Overall::Equivalent),
    ];
    let bare = |mut files: Files| {
        files.retain(|path, _| !path.starts_with("invariants/"));
        files
    };
    for (file, id, action, expected) in rails {
        let report = report(&bare(without(file, id)), Some(&bare(default_files())), &[action]).await;
        assert_eq!(report.against.as_ref().unwrap().overall, expected, "{id}: {}", report.lines());
    }
}
