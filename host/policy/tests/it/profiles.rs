//! Approval profiles in a bundle: read, refused, asked, and what is missing of them.

use interlock_domain::{
    Action::{self, AdmitChange, EnterStage},
    Given, Profile, Role,
};
use interlock_policy::{
    Bundle, Missing, Need, SearchLimit, default_bundle, default_files, missing_approvals,
};

use crate::{admission, candidate, faults, ids, person};

fn bundle(approvals: &str) -> Result<Bundle, interlock_policy::BundleError> {
    let mut files = default_files();
    files.retain(|path, _| !path.starts_with("cases/"));
    // The rules beside the profile would ask for both roles, whatever it says.
    let kept: Vec<String> = String::from_utf8_lossy(&files["approvals.cedar"])
        .split_inclusive(";\n")
        .filter(|policy| !policy.contains("@id(\"approvals.guarded-"))
        .map(str::to_owned)
        .collect();
    files.insert("approvals.cedar".to_owned(), kept.concat().into_bytes());
    files.insert("approvals.toml".to_owned(), approvals.as_bytes().to_vec());
    Bundle::from_files(files)
}

const ORDERED: &str = r#"
[[profile]]
name = "ordered"
environments = ["production"]
mode = "ordered"
[[profile.level]]
name = "clinic"
roles = ["clinical_safety"]
count = 2
[[profile.level]]
name = "regulator"
roles = ["regulatory"]
signature = true
"#;

fn given(
    number: u32,
    role: Role,
    minutes: i64,
    signed: bool,
) -> impl Fn(interlock_domain::Timestamp) -> Given {
    move |now| Given {
        person: person(number),
        roles: vec![role],
        at: now.plus_millis(minutes * 60_000),
        signed,
        stage: None,
        on_behalf_of: None,
    }
}

fn asked(
    bundle: &Bundle,
    action: Action,
    all: &[&dyn Fn(interlock_domain::Timestamp) -> Given],
) -> interlock_domain::Question {
    let question = admission(action, "production", |facts, now| {
        facts.approvals =
            all.iter().fold(facts.approvals.clone(), |facts, given| facts.with_given(given(now)));
    });
    assert!(bundle.ask(&question).errors.is_empty());
    question
}

#[test]
fn what_the_standard_profile_asks_is_as_written_down() {
    let bundle = default_bundle().unwrap();
    let [Profile { name, guarded: true, veto: true, levels, .. }] = bundle.profiles().unwrap() else {
        panic!()
    };
    assert_eq!(name, "guarded");
    assert_eq!(
        levels.iter().map(|level| level.name.as_str()).collect::<Vec<_>>(),
        ["clinical-safety", "regulatory"]
    );
}

#[test]
fn everything_wrong_with_a_profile_is_said_with_its_line() {
    let broken = r#"
[[profile]]
name = "Standard!"
kinds = []
[[profile.level]]
name = "clinic"
roles = []
count = 0
[[profile.level]]
name = "clinic"
roles = ["regulatory"]
escalate_after = "PT4H"
[[profile]]
name = "empty"
guarded = true
environments = ["production"]
"#;
    insta::assert_snapshot!(faults(&bundle(broken).unwrap_err()).join("\n"));
}

#[test]
fn an_unknown_key_role_or_duration_is_refused_where_it_stands() {
    let refused = |line: &str| {
        faults(&bundle(&format!("[[profile]]\nname = \"a\"\nguarded = true\n{line}\n")).unwrap_err())
            .join("\n")
    };
    let unknown = refused("expire = \"PT1H\"");
    assert!(unknown.starts_with("approvals.toml:4:1: ") && unknown.contains("`expire`"), "{unknown}");
    let lasting = refused("expires_pending = \"72h\"");
    assert!(
        lasting.starts_with("approvals.toml:4:") && lasting.contains("`72h` is not a duration"),
        "{lasting}"
    );
    let role = refused("[[profile.level]]\nname = \"x\"\nroles = [\"clinic\"]");
    assert!(role.starts_with("approvals.toml:6:") && role.contains("clinic"), "{role}");
    let empty = faults(&bundle("").unwrap_err()).join("\n");
    assert!(empty.contains("there is no `[[profile]]`"), "{empty}");
}

#[test]
fn levels_in_order_are_asked_of_the_policies() {
    let bundle = bundle(ORDERED).unwrap();
    let (one, two) = (given(2, Role::ClinicalSafety, -60, false), given(3, Role::ClinicalSafety, -50, false));
    let (early, late) = (given(4, Role::Regulatory, -55, true), given(4, Role::Regulatory, -40, true));
    let unsigned = given(4, Role::Regulatory, -40, false);
    let denied = |all: &[&dyn Fn(interlock_domain::Timestamp) -> Given]| {
        let question = asked(&bundle, AdmitChange, all);
        let answer = bundle.ask(&question);
        assert!(!answer.allowed);
        assert_eq!(ids(&answer), ["approvals.profile"]);
        bundle.missing_levels(&question).unwrap()
    };
    assert_eq!(denied(&[]), ["clinic", "regulator"]);
    assert_eq!(denied(&[&one]), ["clinic", "regulator"]);
    assert_eq!(denied(&[&one, &early, &two]), ["regulator"], "before its turn");
    assert_eq!(denied(&[&one, &two, &unsigned]), ["regulator"]);
    for action in [AdmitChange, EnterStage] {
        assert!(bundle.ask(&asked(&bundle, action, &[&one, &two, &late])).allowed, "{action}");
    }
}

#[test]
fn what_is_missing_of_ordered_and_signed_levels_is_the_smallest_set() {
    let bundle = bundle(ORDERED).unwrap();
    let one = given(2, Role::ClinicalSafety, -60, false);
    let question = asked(&bundle, AdmitChange, &[&one]);
    let candidates = [
        candidate(2, &[Role::ClinicalSafety]),
        candidate(3, &[Role::ClinicalSafety]),
        candidate(4, &[Role::Regulatory]),
    ];
    let need = |role, number| Need { roles: vec![role], persons: vec![person(number)] };
    assert_eq!(
        missing_approvals(&bundle, &question, &candidates, SearchLimit::default()),
        Missing::Approvals {
            needs: vec![need(Role::ClinicalSafety, 3), need(Role::Regulatory, 4)],
            alternatives: Vec::new()
        }
    );
}

#[test]
fn a_guarded_environment_without_a_profile_is_denied() {
    let bundle = bundle(&ORDERED.replace("production", "clinic-west")).unwrap();
    let question = asked(&bundle, AdmitChange, &[&given(2, Role::ClinicalSafety, -1, true)]);
    assert_eq!(ids(&bundle.ask(&question)), ["approvals.profile"]);
    assert_eq!(bundle.missing_levels(&question), None);
}

#[test]
fn other_profiles_are_another_bundle() {
    let one = bundle(ORDERED).unwrap().digest;
    assert_ne!(one, bundle(&ORDERED.replace("count = 2", "count = 1")).unwrap().digest);
}

#[test]
fn a_schema_from_before_profiles_still_loads_and_is_asked() {
    let mut files = default_files();
    files.retain(|path, _| path == "bundle.toml" || path == "schema.cedarschema");
    let schema = String::from_utf8_lossy(&files["schema.cedarschema"]).into_owned();
    let (before, rest) = schema.split_once("      // What has come together of the profile").unwrap();
    let (_, after) = rest.split_once("      },\n").unwrap();
    files.insert("schema.cedarschema".to_owned(), format!("{before}{after}").into_bytes());
    let bundle = Bundle::from_files(files).unwrap();
    let question = admission(AdmitChange, "production", |_, _| {});
    assert_eq!(bundle.ask(&question).reasons(), ["no policy permits it"]);
}
