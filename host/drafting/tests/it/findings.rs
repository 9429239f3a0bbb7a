//! What `check` and `fmt` say.

use std::fs;

use interlock_drafting::{check, format, scaffold};
use interlock_policy::{Limits, default_files, run_cases};

use crate::{Files, bundle, files_with};

const READ: &str = "action == Interlock::Action::\"ReadChange\"";

fn lints(files: &Files) -> Vec<&'static str> {
    check(files, &Limits::default()).findings.iter().map(|finding| finding.lint).collect()
}

fn of(policies: &str) -> Vec<&'static str> {
    lints(&files_with(policies))
}

#[test]
fn the_default_bundle_is_without_findings() {
    let checked = check(&default_files(), &Limits::default());
    assert_eq!(checked.findings, []);
    assert!(checked.bundle.is_some());
}

#[test]
fn a_permit_that_asks_nothing_of_who_it_is_is_found_and_can_be_waived_with_a_reason() {
    let body = format!("permit (principal, {READ}, resource);");
    assert_eq!(of(&format!("@id(\"a\") @reason(\"b\")\n{body}")), ["permit-everybody"]);
    assert_eq!(
        of(&format!("@id(\"a\") @reason(\"b\") @allow(\"permit-everybody: it is public\")\n{body}")),
        [] as [&str; 0]
    );
    assert_eq!(
        of(&format!("@id(\"a\") @reason(\"b\") @allow(\"permit-everybody\")\n{body}")),
        ["permit-everybody", "unknown-waiver"]
    );
    let all = "permit (principal, action, resource);";
    assert_eq!(of(&format!("@id(\"a\") @reason(\"b\")\n{all}")), ["permit-everybody"]);
    assert_eq!(
        of(&format!("@id(\"a\") @reason(\"b\") @allow(\"permit-everybody: a test\")\n{all}")),
        [] as [&str; 0]
    );
}

#[test]
fn a_condition_on_the_principal_is_asking() {
    let policy = format!(
        "@id(\"a\") @reason(\"b\")\npermit (principal, {READ}, resource)\nwhen {{ principal in Interlock::Role::\"viewer\" }};"
    );
    assert_eq!(of(&policy), [] as [&str; 0]);
}

#[test]
fn a_forbid_that_calculates_is_found() {
    let policy = "@id(\"a\") @reason(\"b\")\nforbid (principal, action == Interlock::Action::\"EnterStage\", resource)\n\
                  when { context.stage + 1 > 3 };";
    assert_eq!(of(policy), ["forbid-can-error"]);
    assert_eq!(
        of(&policy.replace("forbid (principal,", "permit (principal in Interlock::Role::\"operator\",")),
        [] as [&str; 0]
    );
}

#[test]
fn counting_approvals_without_bounding_their_age_is_found() {
    let scope = "(principal, action == Interlock::Action::\"AdmitChange\", resource)";
    let counts =
        format!("@id(\"a\") @reason(\"b\")\nforbid {scope}\nunless {{ context.approvals.distinct >= 2 }};\n");
    assert_eq!(of(&counts), ["approval-without-age"]);
    let dated = format!(
        "{counts}@id(\"c\") @reason(\"d\")\nforbid {scope}\nunless {{ context.approvals has oldest && \
         context.now.durationSince(context.approvals.oldest) <= duration(\"72h\") }};\n"
    );
    assert_eq!(of(&dated), [] as [&str; 0]);
    let watched = dated.replace("@id(\"c\")", "@mode(\"monitor\") @id(\"c\")");
    assert_eq!(of(&watched), ["approval-without-age"], "a policy that only watches bounds nothing");
}

#[test]
fn an_optional_attribute_without_has_a_policy_that_never_matches_and_a_template_have_their_names() {
    let admit = "forbid (principal, action == Interlock::Action::\"AdmitChange\", resource)";
    let optional = format!(
        "@id(\"a\") @reason(\"b\")\n{admit}\nwhen {{ context.now.durationSince(context.approvals.oldest) > duration(\"1h\") }};"
    );
    assert_eq!(of(&optional), ["optional-without-has"]);
    assert_eq!(
        of("@id(\"a\") @reason(\"b\")\nforbid (principal, action, resource)\nwhen { false };"),
        ["never-matches"]
    );
    assert_eq!(
        of("@id(\"a\") @reason(\"b\")\nforbid (principal, action, resource is Interlock::Artifact);"),
        ["never-matches", "never-matches"],
        "the validator says it of the scope and of the whole"
    );
    assert_eq!(
        of(&format!("@id(\"a\") @reason(\"b\")\nforbid (principal == ?principal, {READ}, resource);")),
        ["unused-template"]
    );
}

#[test]
fn two_policies_that_say_the_same_are_found_whatever_their_layout_and_reasons() {
    let policies = format!(
        "@id(\"a\") @reason(\"b\")\npermit (principal in Interlock::Role::\"viewer\", {READ}, resource);\n\
         @id(\"c\") @reason(\"d\")\npermit (\n  principal in Interlock::Role::\"viewer\",\n  {READ}, resource\n);"
    );
    let checked = check(&files_with(&policies), &Limits::default());
    assert_eq!(checked.findings.len(), 1);
    let finding = &checked.findings[0];
    assert_eq!((finding.lint, finding.line), ("duplicate-body", 3));
    assert!(finding.text.contains("`a` at test.cedar:1"), "{}", finding.text);
}

#[test]
fn a_waiver_that_waives_nothing_is_found() {
    let policy = format!(
        "@id(\"a\") @reason(\"b\") @allow(\"forbid-can-error: who knows\")\n\
         permit (principal in Interlock::Role::\"viewer\", {READ}, resource);"
    );
    assert_eq!(of(&policy), ["unused-waiver"]);
}

#[test]
fn an_empty_set_is_said_loudly() {
    for empty in ["", "// nothing yet\n"] {
        let checked = check(&files_with(empty), &Limits::default());
        assert_eq!(checked.findings[0].lint, "denies-everything");
        assert!(checked.findings[0].text.contains("NO POLICIES"), "{}", checked.findings[0].text);
        assert!(checked.bundle.unwrap().denies_all());
    }
}

#[test]
fn everything_that_is_wrong_in_all_files_is_said_at_once_with_line_and_caret() {
    let mut files = files_with("@id(\"a b\") @reason(\"b\")\nforbid (principal, action resource);\n");
    files.insert(
        "types.cedar".to_owned(),
        b"@id(\"t\") @reason(\"b\")\nforbid (principal, action, resource is Interlock::Change)\nwhen { resource.kind > 3 };\n"
            .to_vec(),
    );
    files.insert(
        "wide.cedar".to_owned(),
        format!("\n  @id(\"w\") @reason(\"b\") permit (principal, {READ}, resource);\n").into_bytes(),
    );
    files.insert("cases/bad.json".to_owned(), b"[{ \"name\": \"no expectation\" }]".to_vec());
    let checked = check(&files, &Limits::default());
    let found: Vec<(&str, &str)> =
        checked.findings.iter().map(|finding| (finding.file.as_str(), finding.lint)).collect();
    assert_eq!(
        found,
        [
            ("cases/bad.json", "bundle"),
            ("test.cedar", "bundle"),
            ("types.cedar", "bundle"),
            ("wide.cedar", "permit-everybody")
        ],
        "{:?}",
        checked.findings
    );
    let shown = checked.findings[3].show(&files);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[1], " --> wide.cedar:2:3");
    assert!(lines[3].starts_with("2 |   @id(\"w\")"), "{shown}");
    assert_eq!(lines[4], "  |   ^", "{shown}");
}

#[test]
fn a_schema_that_does_not_fit_is_refused() {
    let mut files = default_files();
    files.insert(
        "schema.cedarschema".to_owned(),
        b"entity User; action view appliesTo { principal: User, resource: User };".to_vec(),
    );
    let checked = check(&files, &Limits::default());
    assert!(checked.bundle.is_none());
    assert!(
        checked.findings.iter().any(|finding| finding.file == "schema.cedarschema"),
        "{:?}",
        checked.findings
    );
}

#[test]
fn ten_thousand_policies_are_looked_over() {
    let policies: String = (0..10_000)
        .map(|number| {
            format!("@id(\"p{number}\") @reason(\"r\")\npermit (principal == Interlock::User::\"{number}\", {READ}, resource);\n")
        })
        .collect();
    let checked = check(&files_with(&policies), &Limits::default());
    assert_eq!(checked.findings, []);
    assert_eq!(checked.bundle.unwrap().policy_count(), 10_000);
}

#[test]
fn the_default_bundle_is_in_form() {
    assert_eq!(format(&default_files()).unwrap(), [], "`interlock policy fmt policies` puts it in form");
}

#[test]
fn form_keeps_comments_and_meaning_and_is_stable() {
    let files = default_files();
    let mut untidy = files.clone();
    for (_, content) in untidy.iter_mut().filter(|(file, _)| file.ends_with(".cedar")) {
        let text = std::str::from_utf8(content).unwrap();
        *content = text.lines().map(|line| format!("{}\n", line.trim())).collect::<String>().into_bytes();
    }
    let formatted = format(&untidy).unwrap();
    assert_eq!(formatted.len(), 6);
    for each in formatted {
        assert!(each.diff().contains(&each.file));
        assert_eq!(each.after.as_bytes(), files[&each.file], "{}", each.diff());
    }
    let difference = interlock_drafting::diff(&files, &untidy).unwrap();
    assert!(difference.is_empty(), "{}", difference.lines());
}

#[test]
fn what_is_said_of_a_file_stays_apart_from_what_is_said_of_its_first_policy() {
    const POLICY: &str = "permit (principal, action, resource);\n";
    for (before, after) in [
        ("// Of the file.\n\n\n// Of the policy.\n", "// Of the file.\n\n// Of the policy.\n"),
        ("\n// Of the file.\n\n", "// Of the file.\n\n"),
        ("// Of the policy.\n", "// Of the policy.\n"),
        ("\n\n", ""),
    ] {
        let files = files_with(&format!("{before}{POLICY}"));
        let found = format(&files).unwrap();
        let after = format!("{after}{POLICY}");
        let text = found
            .first()
            .map_or_else(|| String::from_utf8_lossy(&files["test.cedar"]), |one| one.after.as_str().into());
        assert_eq!(text, after, "{before:?}");
        assert_eq!(format(&files_with(&after)).unwrap(), []);
    }
}

#[test]
fn a_file_that_does_not_parse_keeps_every_file_as_it_is() {
    let mut files = files_with("permit(principal,action,resource);");
    files.insert("broken.cedar".to_owned(), b"permit (".to_vec());
    let errors = format(&files).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().starts_with("`broken.cedar` does not parse"), "{}", errors[0]);
}

#[test]
fn a_new_bundle_is_good_and_nothing_that_is_there_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("My Policies");
    scaffold::create(&dir).unwrap();
    let files = interlock_policy::Bundle::read_dir(&dir).unwrap();
    assert_eq!(check(&files, &Limits::default()).findings, []);
    assert_eq!(format(&files).unwrap(), []);
    let results = run_cases(&bundle(&files));
    assert!(results.len() == 3 && results.iter().all(|result| result.holds()), "{results:?}");

    let there = scaffold::create(&dir).unwrap_err().to_string();
    assert!(there.contains("is there already"), "{there}");
    let nowhere = scaffold::create(&folder.path().join("missing").join("bundle")).unwrap_err().to_string();
    assert!(nowhere.contains("cannot write"), "{nowhere}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["My Policies"], "nothing is left half-written");
}
