//! `interlock plugin test`

use std::{fs, path::PathBuf};

use clap::Args;
use interlock_workshop::{CaseResult, Report, Status, Suite};
use serde_json::{Value, json};

use super::{json, load, time};
use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The component.
    file: PathBuf,
    /// Files of cases: YAML, TOML or JSON.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// Also write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Test {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        // All files are read first: a mistake in the last one is heard of before the first one has run.
        let suites = self.cases.iter().map(|file| Suite::read(file)).collect::<Result<Vec<_>, _>>();
        let suites = suites.map_err(Failure::local)?;
        let plugin = load(&self.file).await?;
        let mut reports = Vec::new();
        for suite in &suites {
            reports.push(suite.run(&plugin).await);
        }
        if let Some(file) = &self.junit {
            fs::write(file, Report::junit(&reports)).map_err(|error| Failure::file(file, &error))?;
        }
        print(&reports, format)?;
        Ok(if reports.iter().all(Report::holds) { Outcome::Done } else { Outcome::Refused })
    }
}

fn print(reports: &[Report], format: Format) -> Result<(), Failure> {
    let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    let (passed, failed, skipped) = (sum(Report::passed), sum(Report::failed), sum(Report::skipped));
    if format != Format::Table {
        let body =
            json!({ "passed": passed, "failed": failed, "skipped": skipped, "suites": json(&reports)? });
        return output::value(&body, format);
    }
    for report in reports {
        println!("{} with {}", report.plugin, report.file);
        let rows: Vec<Value> = report.cases.iter().map(row).collect();
        let columns = [("CASE", "/case"), ("RESULT", "/result"), ("FUEL", "/fuel"), ("TIME", "/time")];
        println!("{}", output::rows(&rows, &columns).trim_end());
        for case in &report.cases {
            for line in lines(case) {
                println!("  {}: {line}", case.name);
            }
        }
        if report.passed() == 0 && report.failed() == 0 {
            println!("  every case is skipped, so nothing was tested");
        }
        println!();
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(())
}

fn row(case: &CaseResult) -> Value {
    let (result, asked) = match case.status {
        Status::Passed => ("pass", true),
        Status::Failed { .. } => ("FAIL", case.cost.fuel > 0),
        Status::Skipped { .. } => ("skip", false),
    };
    let fuel = asked.then_some(case.cost.fuel);
    let time = asked.then(|| time(case.cost.elapsed_us));
    json!({ "case": case.name, "result": result, "fuel": fuel, "time": time })
}

fn lines(case: &CaseResult) -> &[String] {
    match &case.status {
        Status::Passed => &[],
        Status::Failed { differences } => differences,
        Status::Skipped { reason } => std::slice::from_ref(reason),
    }
}
