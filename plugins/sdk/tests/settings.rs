//! `#[settings]`: reading, refusing and describing settings.

use interlock_plugin_sdk::prelude::*;
use interlock_plugin_sdk::testing;
use serde_json::{Value, json};

#[settings(check = Settings::check)]
struct Settings {
    /// How many.
    #[default(3)]
    #[schemars(range(max = 10))]
    count: u32,
    /// Where to.
    #[default]
    steps: Vec<Step>,
    #[default]
    note: Option<String>,
}

#[settings]
struct Step {
    name: String,
    #[default(Pace::AsUsual)]
    pace: Pace,
}

#[settings]
#[derive(Copy)]
enum Pace {
    AsUsual,
    Slow,
}

impl Settings {
    fn check(&self) -> Vec<SettingsProblem> {
        (self.count > 10).then(|| SettingsProblem::at("/count", "at most 10")).into_iter().collect()
    }
}

/// Says what its settings
/// are.
///
/// Not in the summary.
#[gate(name = "echo", evidence = ["artifact"])]
fn echo(_change: &Change, settings: &Settings, _now: Instant) -> Result<Verdict, Fault> {
    if settings.note.is_some() {
        let undeclared = evidence::fetch("device", "x");
        return Err(Fault::evidence(format_args!("{undeclared:?}")));
    }
    let paces = settings.steps.iter().map(|step| match step.pace {
        Pace::AsUsual => Finding::info("as-usual", &step.name),
        Pace::Slow => Finding::warning("slow", &step.name),
    });
    Ok(paces.chain([Finding::info("count", settings.count.to_string())]).collect())
}

fn run(settings: impl ToString) -> Result<Verdict, Fault> {
    testing::evaluate::<Echo>(&testing::change(), settings, testing::NOON)
}

fn problem(settings: impl ToString) -> (String, String) {
    let problem = testing::check_settings::<Echo>(settings).remove(0);
    (problem.path, problem.message)
}

#[test]
fn the_description_comes_from_the_macro_and_the_doc_comment() {
    let description = testing::describe::<Echo>();
    assert_eq!(description.name, "echo");
    assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(description.summary, "Says what its settings are.");
    assert_eq!(description.evidence_sources, ["artifact"]);
}

#[test]
fn what_is_left_out_has_its_default() {
    let verdict = run("{}").unwrap();
    assert_eq!(verdict.findings, [Finding::info("count", "3")]);
    assert_eq!(Settings::default().count, 3);
}

#[test]
fn enums_are_written_in_snake_case_and_the_weightiest_finding_decides() {
    let verdict = run(json!({"steps": [{"name": "a"}, {"name": "b", "pace": "slow"}]})).unwrap();
    let codes: Vec<_> = verdict.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!((verdict.outcome, codes), (Outcome::Warn, vec!["as-usual", "slow", "count"]));
}

#[test]
fn problems_carry_the_json_pointer_of_the_spot() {
    assert_eq!(problem(json!({"cuont": 1})).0, "/cuont");
    assert_eq!(problem(json!({"steps": [{"name": "a"}, {"name": 7}]})).0, "/steps/1/name");
    let missing = ("/steps/0".to_owned(), "missing field `name`".to_owned());
    assert_eq!(problem(json!({"steps": [{"pace": "slow"}]})), missing);
    assert_eq!(problem(json!({"a/b~c": 1})).0, "/a~1b~0c");
    assert_eq!(problem(json!({"count": 11})), ("/count".to_owned(), "at most 10".to_owned()));
}

#[test]
fn text_that_is_not_one_json_object_is_a_problem_at_the_root() {
    for text in ["", "[]", "{", "{} {}", "null"] {
        assert_eq!(problem(text).0, "", "{text}");
    }
}

#[test]
fn a_setting_that_is_given_twice_is_a_problem() {
    assert!(problem(r#"{"count": 1, "count": 2}"#).1.starts_with("duplicate field `count`"));
}

#[test]
fn a_gate_with_unfit_settings_is_a_fault_and_never_runs() {
    let fault = run(json!({"count": 11})).unwrap_err();
    assert_eq!(fault, Fault::Settings("`/count`: at most 10".into()));
}

#[test]
fn an_undeclared_source_is_denied_as_by_the_host() {
    let Err(Fault::Evidence(said)) = run(json!({"note": "x"})) else { panic!("must be a fault") };
    assert!(said.contains("denied") || said.contains("Denied"), "{said}");
}

#[test]
fn the_schema_accepts_and_refuses_what_the_gate_does() {
    let schema: Value = serde_json::from_str(&testing::describe::<Echo>().settings_schema).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["count"]["description"], "How many.");
    assert_eq!(schema["properties"]["count"]["default"], 3);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for settings in [
        json!({}),
        json!({"count": 10, "note": null}),
        json!({"count": 11}),
        json!({"count": -1}),
        json!({"cuont": 1}),
        json!({"steps": [{"name": "a", "pace": "as_usual"}]}),
        json!({"steps": [{"name": "a", "pace": "AsUsual"}]}),
        json!({"steps": [{}]}),
        json!([]),
    ] {
        let gate_accepts = testing::check_settings::<Echo>(&settings).is_empty();
        assert_eq!(validator.is_valid(&settings), gate_accepts, "{settings}");
    }
}
