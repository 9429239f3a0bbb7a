//! What a file of cases may hold, and where it is said to be wrong.

use std::path::Path;

use interlock_workshop::Suite;

use crate::read;

fn refused(text: &str) -> String {
    let error = read("cases.yaml", text).unwrap_err().to_string();
    // The folder is another one each time.
    error.split("cases.yaml`: ").nth(1).unwrap_or(&error).to_owned()
}

#[test]
fn what_does_not_fit_is_named_by_its_path() {
    let table = [
        "case: []",
        "cases: [{ expect: {} }]",
        "cases: [{ name: ' ' }]",
        "cases: [{ name: a }, { name: a }]",
        "cases: [{ name: a, expects: {} }]",
        "cases: [{ name: a, skip: '' }]",
        "cases: [{ name: a, now: noon }]",
        "cases: [{ name: a, expect: { outcome: good } }]",
        "cases: [{ name: a, expect: { findings: [{ cod: x }] } }]",
        "cases: [{ name: a, expect: { findings: [7] } }]",
        "cases: [{ name: a, expect: { error: trapped, outcome: fail } }]",
        "cases: [{ name: a, expect: { outcome: fail, message: x } }]",
        "cases: [{ name: a, expect: { settings: [] } }]",
        "cases: [{ name: a, expect: { settings: [/a], outcome: pass } }]",
        "cases: [{ name: a, expect: { directive: wait, reason: x } }]",
        "cases: [{ name: a, expect: { directive: complete, stage: 1 } }]",
        "cases: [{ name: a, change: { artifacts: [{ size: 1 }] } }]",
        "cases: [{ name: a, evidence: { artifact: { k: {} } } }]",
        "cases: [{ name: a, evidence: { artifact: { k: { refused: maybe } } } }]",
        "cases: [{ name: a, observations: { q: { treatment: many } } }]",
        "cases: [{ name: a, situation: { health: { check: good } } }]",
        "{ defaults: { name: a }, cases: [] }",
    ];
    let said: Vec<String> = table.iter().map(|text| format!("{text}\n    {}", refused(text))).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_is_no_file_of_cases_says_so() {
    assert!(read("cases.yaml", "a: [").unwrap_err().to_string().contains("is not valid YAML"));
    assert!(read("cases.yaml", "cases: []\ncases: []").unwrap_err().to_string().contains("duplicate"));
    assert!(read("cases.toml", "cases = ").unwrap_err().to_string().contains("is not valid TOML"));
    assert!(read("cases.json", "{").unwrap_err().to_string().contains("is not valid JSON"));
    assert!(read("cases.txt", "").unwrap_err().to_string().contains("name it `.yaml`"));
    assert!(Suite::read(Path::new("/no/such/cases.yaml")).unwrap_err().to_string().starts_with("`/no/such"));
}

#[test]
fn toml_and_json_say_the_same_as_yaml() {
    let yaml =
        "cases: [{ name: a, now: 2026-03-02T13:00:00Z, settings: { days: 2 }, expect: { outcome: pass } }]";
    let toml =
        "[[cases]]\nname = 'a'\nnow = 2026-03-02T13:00:00Z\nsettings.days = 2\nexpect.outcome = 'pass'";
    let json = r#"{ "cases": [{ "name": "a", "now": "2026-03-02T13:00:00Z", "settings": { "days": 2 }, "expect": { "outcome": "pass" } }] }"#;
    let [yaml, toml, json] = [("c.yaml", yaml), ("c.toml", toml), ("c.json", json)]
        .map(|(name, text)| format!("{:?}", read(name, text).unwrap().cases));
    assert_eq!(yaml, toml);
    assert_eq!(yaml, json);
}

#[test]
fn a_case_lies_over_the_defaults() {
    let text = "
defaults: { settings: { a: 1, b: { c: 2, d: 3 } }, now: 2026-03-02T13:00:00Z }
cases:
  - { name: as they are }
  - { name: altered, settings: { b: { c: 4, d: null } } }";
    let cases = read("cases.yaml", text).unwrap().cases;
    let settings = |index: usize| format!("{:?}", cases[index].input).replace(' ', "");
    assert!(settings(0).contains(r#""c":Number(2),"d":Number(3)"#), "{}", settings(0));
    assert!(settings(1).contains(r#""a":Number(1),"b":Object{"c":Number(4)}"#), "{}", settings(1));
    assert_eq!(cases[0].input.now(), cases[1].input.now());
}
