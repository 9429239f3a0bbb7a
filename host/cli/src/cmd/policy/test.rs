//! `interlock policy test`

use std::{fs, path::PathBuf};

use clap::Args;
use interlock_drafting::{Report, suite};
use interlock_policy::written;
use serde_json::{Value, json};

use super::{load, place::Place};
use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Test {
    #[command(flatten)]
    place: Place,
    /// Further files of cases in the format of `cedar run-tests`.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    cedar: Vec<PathBuf>,
    /// Exit code 1 when fewer of the policies decide a case, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: u8,
    /// Also write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Test {
    pub(super) fn run(self, format: Format) -> Result<Outcome, Failure> {
        let (files, bundle) = load(&self.place)?;
        let mut cedar = Vec::new();
        for path in &self.cedar {
            let text = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or_else(|| std::path::Path::new("."));
            cedar.push((path.display().to_string(), folder, text));
        }
        let report = suite::run(&bundle, &written(&files), &cedar);
        if let Some(file) = &self.junit {
            fs::write(file, report.junit()).map_err(|error| Failure::file(file, &error))?;
        }
        print(&report, format)?;
        let covered = report.coverage.percent >= self.min_coverage;
        if !covered {
            eprintln!(
                "interlock: {} % of the policies decide a case, and {} % are asked for; write cases for those that never do",
                report.coverage.percent, self.min_coverage
            );
        }
        Ok(if report.holds() && covered { Outcome::Done } else { Outcome::Refused })
    }
}

fn print(report: &Report, format: Format) -> Result<(), Failure> {
    if format != Format::Table {
        return output::value(&serde_json::to_value(report).map_err(Failure::local)?, format);
    }
    let rows: Vec<Value> = report
        .cases
        .iter()
        .map(|case| {
            let result = if case.holds() { "pass" } else { "FAIL" };
            json!({ "file": case.file, "case": case.name, "result": result })
        })
        .collect();
    if !rows.is_empty() {
        sayln!(
            "{}",
            output::rows(&rows, &[("FILE", "/file"), ("CASE", "/case"), ("RESULT", "/result")]).trim_end()
        );
    }
    for case in report.cases.iter().filter(|case| !case.holds()) {
        for difference in &case.differences {
            sayln!("  {}: {difference}", case.name);
        }
    }
    for id in &report.coverage.never {
        sayln!("  never decides: {id}");
    }
    if report.cases.is_empty() {
        sayln!("there are no cases, so nothing was tested; write one into `cases/`");
    }
    sayln!(
        "{} passed, {} failed; {} % of the policies covered",
        report.passed,
        report.failed,
        report.coverage.percent
    );
    Ok(())
}
