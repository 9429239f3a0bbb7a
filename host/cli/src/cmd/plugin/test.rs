//! `interlock plugin test`

use std::{fs, path::PathBuf};

use clap::Args;
use interlock_domain::Timestamp;
use interlock_workshop::{
    CaseResult, EVIDENCE_BYTES_MAX, NotRecorded, Recorded, Recorder, Report, Status, Suite,
};
use serde_json::{Value, json};

use super::{decisions, json, load, time};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The component.
    file: PathBuf,
    /// Files of cases: YAML, TOML or JSON.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// First make cases of these recorded decisions, and put them behind those of the file: ids, or files that `interlock
    /// decision show ID --output json` wrote. Evidence is copied into the file as it was recorded.
    #[arg(long, value_name = "DECISION|FILE", num_args = 1..)]
    record: Vec<String>,
    /// First make cases of the plugin's decisions since then: `7d`, `12h`, or a time. Those that are there already are left
    /// out.
    #[arg(long, value_name = "TIME", value_parser = decisions::since)]
    record_since: Option<Timestamp>,
    /// With --record-since: at most so many decisions, the newest.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// With --record and --record-since: the most bytes of one document of evidence that a case takes over.
    #[arg(long, value_name = "BYTES", default_value_t = EVIDENCE_BYTES_MAX)]
    evidence_bytes_max: u64,
    /// Also write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Test {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        if !self.record.is_empty() || self.record_since.is_some() {
            self.record(connection).await?;
        }
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

impl Test {
    /// Makes cases of decisions. What was named has to become one; of those since a time, as many as can.
    async fn record(&self, connection: &Connection) -> Result<(), Failure> {
        let [file] = &self.cases[..] else {
            return Err(Failure::Usage(
                "to record, name one file of cases: they are put behind its own".to_owned(),
            ));
        };
        let plugin = load(&self.file).await?;
        let name = &plugin.description().name;
        let mut recorder = Recorder::open(file, name, self.evidence_bytes_max).map_err(Failure::local)?;
        for named in &self.record {
            let recorded = decisions::decision(connection, named).await?;
            if recorded.plugin != *name {
                return Err(Failure::Usage(format!(
                    "`{named}` is a decision of `{}`, and the component is `{name}`",
                    recorded.plugin
                )));
            }
            let needs = needs(connection, &recorded).await?;
            recorder.add(&recorded, needs.as_ref(), &plugin).await.map_err(|why| match why {
                NotRecorded::There { name } => {
                    Failure::Refused(format!("`{}` has a case `{name}` already", file.display()))
                }
                NotRecorded::Impossible { reason } => {
                    Failure::Refused(format!("`{named}` becomes no case: {reason}"))
                }
            })?;
        }
        if let Some(since) = self.record_since {
            let client = connection.client()?;
            let mut pages = decisions::OfPlugin::since(client, name, since, self.limit as usize);
            let mut found = Vec::new();
            loop {
                let some = pages.next().await?;
                if some.is_empty() {
                    break;
                }
                found.extend(some);
            }
            // In the order in which they were made, as one would write them down.
            found.reverse();
            for recorded in &found {
                let needs = needs(connection, recorded).await?;
                match recorder.add(recorded, needs.as_ref(), &plugin).await {
                    Ok(_) | Err(NotRecorded::There { .. }) => {}
                    Err(NotRecorded::Impossible { reason }) => {
                        eprintln!("interlock: `{}` becomes no case: {reason}", recorded.id);
                    }
                }
            }
        }
        let added = recorder.write().map_err(Failure::local)?;
        eprintln!(
            "interlock: {added} cases added to `{}`; look whether they hold anything confidential",
            file.display()
        );
        Ok(())
    }
}

/// What was to be measured before a judgement, where the server still has it: it names the change.
async fn needs(connection: &Connection, recorded: &Recorded) -> Result<Option<Recorded>, Failure> {
    if recorded.record.function != "judge" || connection.key.is_none() {
        return Ok(None);
    }
    decisions::needs_before(&connection.client()?, recorded).await
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
        sayln!("{} with {}", report.plugin, report.file);
        let rows: Vec<Value> = report.cases.iter().map(row).collect();
        let columns = [("CASE", "/case"), ("RESULT", "/result"), ("FUEL", "/fuel"), ("TIME", "/time")];
        sayln!("{}", output::rows(&rows, &columns).trim_end());
        for case in &report.cases {
            for line in lines(case) {
                sayln!("  {}: {line}", case.name);
            }
        }
        if report.passed() == 0 && report.failed() == 0 {
            sayln!("  every case is skipped, so nothing was tested");
        }
        sayln!();
    }
    sayln!("{passed} passed, {failed} failed, {skipped} skipped");
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
