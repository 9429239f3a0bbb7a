//! What `test` says: the bundle's own cases, cases in Cedar's format, coverage.

use std::{fs, path::Path};

use interlock_drafting::{Report, suite};
use interlock_policy::{default_files, written};
use serde_json::{Value, json};

use crate::{Files, bundle, files_with};

fn run(files: &Files, cedar: &[(String, &Path, String)]) -> Report {
    suite::run(&bundle(files), &written(files), cedar)
}

const VIEWERS: &str = "@id(\"viewers\") @reason(\"b\")\n\
     permit (principal in Interlock::Role::\"viewer\", action == Interlock::Action::\"ReadChange\", resource);\n\
     @id(\"never\") @reason(\"b\")\n\
     forbid (principal is Interlock::Plugin, action == Interlock::Action::\"ReadEvidence\", resource);";

/// The differences of one case in Cedar's format.
fn cedar(case: Value) -> Vec<String> {
    let files = files_with(VIEWERS);
    let report = run(&files, &[("t.json".to_owned(), Path::new("."), json!([case]).to_string())]);
    assert_eq!(report.cases.len(), 1);
    report.cases[0].differences.clone()
}

fn user(id: &str, role: &str) -> Value {
    json!({
        "uid": { "type": "Interlock::User", "id": id },
        "attrs": { "tenant": { "__entity": { "type": "Interlock::Tenant", "id": "acme" } }, "on_hold": false },
        "parents": [{ "type": "Interlock::Role", "id": role }],
    })
}

fn case() -> Value {
    json!({
        "name": "a viewer reads",
        "request": {
            "principal": "Interlock::User::\"vera\"",
            "action": "Interlock::Action::\"ReadChange\"",
            "resource": "Interlock::Tenant::\"acme\"",
            "context": { "now": { "__extn": { "fn": "datetime", "arg": "2026-11-20T12:00:00Z" } } },
        },
        "entities": [user("vera", "viewer"), { "uid": { "type": "Interlock::Tenant", "id": "acme" }, "attrs": {}, "parents": [] }],
        "decision": "allow", "reason": ["viewers"], "num_errors": 0,
    })
}

#[test]
fn the_default_bundle_holds_its_cases() {
    let report = run(&default_files(), &[]);
    assert!(report.holds(), "{:?}", report.cases.iter().filter(|case| !case.holds()).collect::<Vec<_>>());
    assert!(report.coverage.percent > 50, "{:?}", report.coverage);
}

#[test]
fn a_case_in_cedars_format_is_asked_and_covers() {
    assert_eq!(cedar(case()), [] as [&str; 0]);
    let files = files_with(VIEWERS);
    let report = run(&files, &[("t.json".to_owned(), Path::new("."), json!([case()]).to_string())]);
    assert_eq!(report.coverage.percent, 50);
    assert_eq!(report.coverage.decided["viewers"], 1);
    assert!(report.coverage.never.contains("never"));
}

#[test]
fn what_differs_is_said() {
    let mut wrong = case();
    wrong["decision"] = json!("deny");
    wrong["reason"] = json!(["never"]);
    wrong["num_errors"] = json!(1);
    let differences = cedar(wrong).join("\n");
    for said in ["it is allowed", "`never` does not decide", "expected 1 errors, but there are 0"] {
        assert!(differences.contains(said), "{differences}");
    }
}

#[test]
fn an_unknown_principal_holds_no_role() {
    let mut unknown = case();
    unknown["request"]["principal"] = json!("Interlock::User::\"nobody\"");
    assert!(cedar(unknown).join("\n").contains("it is denied"));
    let mut untyped = case();
    untyped["request"]["principal"] = json!("Nobody::\"x\"");
    assert!(cedar(untyped).join("\n").contains("`request` does not fit the schema"));
}

#[test]
fn a_context_of_a_wrong_type_fails_the_case() {
    let mut wrong = case();
    wrong["request"]["context"] = json!({ "now": "noon" });
    assert!(cedar(wrong).join("\n").contains("`context` does not fit the schema"));
    let mut missing = case();
    missing["request"].as_object_mut().unwrap().remove("context");
    assert!(!cedar(missing).is_empty());
}

#[test]
fn a_cyclic_role_graph_fails_the_case() {
    let mut cyclic = case();
    let group = |id: &str, parent: &str| {
        json!({ "uid": { "type": "Interlock::DeviceGroup", "id": id }, "attrs": {},
                "parents": [{ "type": "Interlock::DeviceGroup", "id": parent }] })
    };
    let entities = cyclic["entities"].as_array_mut().unwrap();
    entities.extend([group("a", "b"), group("b", "a")]);
    let said = cedar(cyclic).join("\n");
    assert!(said.contains("`entities` do not fit"), "{said}");
}

#[test]
fn a_case_without_expectation_and_an_empty_file_fail() {
    let mut hopeful = case();
    hopeful.as_object_mut().unwrap().remove("decision");
    assert!(cedar(hopeful).join("\n").contains("missing field `decision`"));
    let files = files_with(VIEWERS);
    for nothing in ["[]", "{}", "no JSON"] {
        let report = run(&files, &[("t.json".to_owned(), Path::new("."), nothing.to_owned())]);
        assert!(!report.holds() && report.failed == 1, "{nothing}");
    }
    assert!(!run(&files, &[]).holds(), "no case at all tests nothing");
}

#[test]
fn entities_come_from_a_file_beside_the_cases_and_from_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("cases");
    fs::create_dir(&inside).unwrap();
    for path in [inside.join("people.json"), folder.path().join("outside.json")] {
        fs::write(path, case()["entities"].to_string()).unwrap();
    }
    let files = files_with(VIEWERS);
    let with = |file: &str| {
        let mut case = case();
        case["entities"] = json!(file);
        run(&files, &[("t.json".to_owned(), inside.as_path(), json!([case]).to_string())])
    };
    assert!(with("people.json").holds());
    let outside = with("../outside.json").cases[0].differences.join("\n");
    assert!(outside.contains("lies outside the folder"), "{outside}");
    assert!(!with("missing.json").holds());
}

#[test]
fn junit_counts_and_escapes() {
    let mut wrong = case();
    wrong["name"] = json!("a <wrong> & \"quoted\" one");
    wrong["decision"] = json!("deny");
    let files = files_with(VIEWERS);
    let xml =
        run(&files, &[("t.json".to_owned(), Path::new("."), json!([case(), wrong]).to_string())]).junit();
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    assert!(xml.contains("a &lt;wrong&gt; &amp; &quot;quoted&quot; one"), "{xml}");
}
