//! The default bundle: its cases, and who may do what as one table.

use std::{fmt::Write, path::Path};

use interlock_domain::{AccountKind, Action, Principal, Role};
use interlock_policy::{Bundle, CaseResult, default_bundle, run_cases};

use crate::asked_by;

#[test]
fn every_case_of_the_default_bundle_holds() {
    let results = run_cases(&default_bundle().unwrap());
    let failed: Vec<&CaseResult> = results.iter().filter(|result| !result.holds()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(results.len() >= 40, "only {} cases were found", results.len());
}

#[test]
fn the_folder_and_the_program_hold_the_same_bundle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    assert_eq!(Bundle::load_dir(&folder).unwrap().digest, default_bundle().unwrap().digest);
}

#[test]
fn every_policy_decides_in_some_case() {
    let bundle = default_bundle().unwrap();
    let files = interlock_policy::default_files();
    let cases: String = files
        .iter()
        .filter(|(path, _)| path.starts_with("cases/"))
        .map(|(_, content)| String::from_utf8_lossy(content).into_owned())
        .collect();
    let policies: String = files
        .iter()
        .filter(|(path, _)| path.ends_with(".cedar") && !path.contains('/'))
        .map(|(_, content)| String::from_utf8_lossy(content).into_owned())
        .collect();
    let all: Vec<&str> =
        policies.lines().filter_map(|line| line.strip_prefix("@id(\"")?.strip_suffix("\")")).collect();
    let silent: Vec<&&str> = all.iter().filter(|id| !cases.contains(&format!("\"{id}\""))).collect();
    assert!(silent.is_empty(), "no case expects {silent:?} to decide");
    assert_eq!(all.len(), bundle.policy_count());
}

#[test]
fn the_role_matrix_is_as_written_down() {
    let bundle = default_bundle().unwrap();
    let mut table = format!("{:<18}", "");
    for role in Role::ALL {
        write!(table, "{:>16}", role.as_str()).unwrap();
    }
    for &action in Action::ALL {
        write!(table, "\n{:<18}", action.as_str()).unwrap();
        for role in Role::ALL {
            let may = |kind| {
                let mut question = asked_by(action, &[role]);
                if let Principal::Actor(actor) = &mut question.principal {
                    actor.kind = kind;
                }
                bundle.ask(&question).allowed
            };
            let cell = match (action, may(AccountKind::User), may(AccountKind::Service)) {
                // The principal is a plugin, whatever the role.
                (Action::ReadEvidence, ..) => "",
                (_, true, true) => "yes",
                (_, true, false) => "people",
                (_, false, true) => "programs",
                (_, false, false) => "-",
            };
            write!(table, "{cell:>16}").unwrap();
        }
    }
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::assert_snapshot!(table);
}

#[test]
fn a_role_of_another_tenant_is_no_role() {
    let bundle = default_bundle().unwrap();
    for &action in Action::ALL {
        let mut question = asked_by(action, &Role::ALL);
        match &mut question.principal {
            Principal::Actor(actor) => actor.tenant = "other".parse().unwrap(),
            Principal::Plugin { tenant, .. } => *tenant = "other".parse().unwrap(),
        }
        let answer = bundle.ask(&question);
        assert!(!answer.allowed, "{action}");
        // Elsewhere nobody is an administrator, whose hand alone moves devices out of production.
        let also = (action == Action::MoveDevice).then_some("guardrails.guarded-move");
        let expected: Vec<&str> = also.into_iter().chain(["guardrails.own-tenant"]).collect();
        assert_eq!(crate::ids(&answer), expected, "{action}");
    }
}

#[test]
fn an_environment_is_guarded_unless_the_bundle_lists_it() {
    let bundle = default_bundle().unwrap();
    let admit = |environment: &str| {
        bundle.ask(&crate::admission(Action::AdmitChange, environment, |_, _| {})).allowed
    };
    for environment in ["production", "prod", "production-eu", "icu", "stagin", "staging-2", "live"] {
        assert!(!admit(environment), "{environment}");
    }
    for environment in &bundle.unguarded {
        assert!(admit(environment.as_str()), "{environment}");
    }
    assert_eq!(bundle.unguarded.len(), 5);
}

#[test]
fn a_bundle_that_lists_nothing_guards_everything() {
    let mut files = interlock_policy::default_files();
    files.retain(|path, _| !path.starts_with("cases/"));
    files.insert("bundle.toml".to_owned(), b"name = \"strict\"\nrevision = 1\n".to_vec());
    let bundle = Bundle::from_files(files).unwrap();
    assert!(!bundle.ask(&crate::admission(Action::AdmitChange, "staging", |_, _| {})).allowed);
    let mut files = interlock_policy::default_files();
    files.insert(
        "bundle.toml".to_owned(),
        b"name = \"n\"\nrevision = 1\nunguarded = [\"Not a name\"]\n".to_vec(),
    );
    let refused = Bundle::from_files(files).unwrap_err();
    assert!(refused.to_string().contains("environment name"), "{refused}");
}

#[test]
fn a_hold_ends_with_the_second_administrator_and_not_before_its_time() {
    let bundle = default_bundle().unwrap();
    let mut question = asked_by(Action::ApproveChange, &[Role::ClinicalSafety]);
    let now = question.now;
    for (confirmed, until, allowed) in
        [(false, now, false), (true, now.plus_millis(1), false), (true, now, true)]
    {
        let Principal::Actor(actor) = &mut question.principal else { unreachable!() };
        let confirmed_by = confirmed.then(|| crate::person(7));
        let hold = interlock_domain::SigningHold::of(&crate::person(6), until);
        actor.hold = Some(interlock_domain::SigningHold { confirmed_by, ..hold });
        let answer = bundle.ask(&question);
        assert_eq!(answer.allowed, allowed, "{confirmed} {until}: {answer:?}");
        if !allowed {
            assert_eq!(crate::ids(&answer), ["guardrails.second-administrator"]);
        }
    }
}
