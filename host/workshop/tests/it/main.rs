//! Cases from the file to the report, with the sandbox's own test gate: it is called `test-plugin`, passes everything and
//! wants `days` to be at least 1.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod check;
mod files;
mod languages;
mod replay;
#[expect(dead_code, unreachable_pub, reason = "the sandbox's tests use the rest of it")]
#[path = "../../../sandbox/tests/it/support/mod.rs"]
mod support;

use interlock_sandbox::Limits;
use interlock_workshop::{Function, Input, Report, Status, Suite, WorkshopError, ask, bench};

/// Reads cases from a file of this name.
fn read(name: &str, text: &str) -> Result<Suite, WorkshopError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    Suite::read(&path).map(|suite| Suite { file: name.to_owned(), ..suite })
}

async fn report(text: &str) -> Report {
    let plugin = support::install(Limits::default(), support::passing()).await;
    read("cases.yaml", text).unwrap().run(&plugin).await
}

/// One line a case: how it went and why.
fn lines(report: &Report) -> String {
    let line = |case: &interlock_workshop::CaseResult| match &case.status {
        Status::Passed => format!("{}: passed", case.name),
        Status::Failed { differences } => format!("{}: {}", case.name, differences.join("; ")),
        Status::Skipped { reason } => format!("{}: skipped, {reason}", case.name),
    };
    report.cases.iter().map(line).collect::<Vec<_>>().join("\n")
}

const TABLE: &str = r#"
cases:
  - { name: passes, expect: { outcome: pass, findings: [] } }
  - { name: should fail, expect: { outcome: fail, findings: [signature-missing] } }
  - { name: later, skip: "the <host> is not ready", expect: { outcome: fail } }
  - { name: says nothing }
  - { name: says nothing of use, expect: {} }
  - { name: is refused, settings: { days: 0 }, expect: { settings: [/days] } }
  - { name: is refused elsewhere, settings: { days: 0 }, expect: { settings: [{ path: /hours, message: a & b }] } }
  - { name: forgot its settings, settings: { days: 0 }, expect: { outcome: pass } }
  - { name: expects an error, expect: { error: out-of-fuel } }
  - { name: is for another kind, observations: {}, expect: { outcome: pass } }
  - { name: expects what a gate has not, expect: { stages: [all], directive: complete } }
"#;

#[tokio::test]
async fn every_difference_is_told_in_words() {
    let report = report(TABLE).await;
    insta::assert_snapshot!(lines(&report));
    assert_eq!((report.passed(), report.failed(), report.skipped()), (2, 8, 1));
    assert!(!report.holds());
}

#[tokio::test]
async fn junit_counts_and_escapes() {
    let mut report = report(TABLE).await;
    for case in &mut report.cases {
        case.cost.elapsed_us = 1_250;
    }
    insta::assert_snapshot!(Report::junit(&[report]));
}

#[tokio::test]
async fn a_file_without_a_case_or_for_another_plugin_fails() {
    for text in ["cases: []", "{}", "plugin: other\ncases: [{ name: a, expect: { outcome: pass } }]"] {
        let report = report(text).await;
        assert_eq!((report.failed(), report.holds()), (1, false), "{text}: {report:?}");
    }
    let skipped = report("cases: [{ name: a, skip: later }]").await;
    assert!(!skipped.holds(), "a file that tests nothing shows nothing");
    let good = report("plugin: test-plugin\ncases: [{ name: a, expect: { outcome: pass } }]").await;
    assert!(good.holds());
}

#[tokio::test]
async fn a_case_uses_the_same_fuel_each_time() {
    let plugin = support::install(Limits::default(), support::passing()).await;
    let measured = bench(&plugin, &Input::default(), Function::Evaluate, 30).await.unwrap();
    assert!(measured.fuel_constant && measured.fuel > 0, "{measured:?}");
    assert!(measured.p50_us <= measured.p99_us && measured.p99_us <= measured.max_us, "{measured:?}");
}

#[tokio::test]
async fn a_question_of_another_kind_is_refused() {
    let plugin = support::install(Limits::default(), support::passing()).await;
    let mismatch = ask(&plugin, &Input::default(), Function::Plan).await.unwrap_err();
    assert_eq!(mismatch.0, "a compliance-gate cannot be asked that: it is for a rollout-strategy");
}
