//! `interlock plugin run`

use std::{fs, path::PathBuf};

use clap::Args;
use interlock_sandbox::{
    EvidenceAnswer, Refusal,
    types::{Outcome as Verdict, SettingsProblem},
};
use interlock_workshop::{Asked, Cost, Function, Input, Mismatch, Shown, ask, instant, said};
use serde_json::{Value, json};

use super::{json, load, size, time};
use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The component.
    file: PathBuf,
    /// A change, or the fields of a case: `change`, `observations`, `situation` and so on. JSON, YAML or TOML. What it does
    /// not say is as in a case.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The settings, as JSON.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Evidence: a file as in a case, or a folder with a folder for each source and a file for each key.
    #[arg(long, value_name = "DIR|FILE")]
    evidence: Option<PathBuf>,
    /// When it is; 2026-03-02T12:00:00Z, a Monday, when absent.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    now: Option<u64>,
}

impl Run {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let input = self.input()?;
        let plugin = load(&self.file).await?;
        let function = Function::of(plugin.kind(), &input);
        let asked = ask(&plugin, &input, function).await.map_err(|Mismatch(why)| Failure::Usage(why))?;
        if format == Format::Table {
            print(&asked);
        } else {
            output::value(&body(&asked)?, format)?;
        }
        let stops =
            asked.verdict.as_ref().is_some_and(|v| matches!(v.outcome, Verdict::Hold | Verdict::Fail));
        let refused = stops || asked.error.is_some() || !asked.settings.is_empty();
        Ok(if refused { Outcome::Refused } else { Outcome::Done })
    }

    fn input(&self) -> Result<Input, Failure> {
        let mut input = match &self.input {
            Some(file) => Input::read(file).map_err(Failure::local)?,
            None => Input::default(),
        };
        if let Some(now) = self.now {
            input = input.at(now);
        }
        if let Some(file) = &self.settings {
            let text = fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            let settings = serde_json::from_str(&text).map_err(|error| {
                Failure::Usage(format!("`{}` is not valid JSON: {error}", file.display()))
            })?;
            input = input.with_settings(settings);
        }
        if let Some(path) = &self.evidence {
            let shown = Shown::read(path, input.now()).map_err(Failure::local)?;
            input = input.with_evidence(shown);
        }
        Ok(input)
    }
}

/// All that the plugin said, and each call as a decision keeps it.
fn body(asked: &Asked) -> Result<Value, Failure> {
    let calls = asked
        .calls
        .iter()
        .map(|call| call.record().map_err(Failure::local))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "settings": json(&asked.settings)?,
        "queries": json(&asked.queries)?,
        "stages": json(&asked.stages)?,
        "verdict": json(&asked.verdict)?,
        "directive": json(&asked.directive)?,
        "error": asked.error.as_ref().map(|error| json!({ "code": error.code(), "message": error.to_string() })),
        "calls": json(&calls)?,
    }))
}

fn print(asked: &Asked) {
    for SettingsProblem { path, message } in &asked.settings {
        sayln!("settings refused at `{path}`: {message}");
    }
    if let Some(error) = &asked.error {
        sayln!("error {}: {error}; the host would deny", error.code());
        if error.code() == "fault-evidence" {
            sayln!(
                "what it asked for stands below; give it with --evidence DIR: a folder for each source, in it a file for each key"
            );
        }
    }
    if let Some(directive) = &asked.directive {
        sayln!("directive: {}", said(directive));
    }
    let mut tables = Vec::new();
    if let Some(verdict) = &asked.verdict {
        sayln!("outcome: {}", output::at(&json!(verdict), "/outcome"));
        let columns =
            [("SEVERITY", "/severity"), ("CODE", "/code"), ("SUBJECT", "/subject"), ("MESSAGE", "/message")];
        tables.push((json!(verdict.findings), columns.to_vec()));
    } else if let Some(queries) = &asked.queries {
        let columns = [
            ("QUERY", "/id"),
            ("METRIC", "/metric"),
            ("AGGREGATION", "/aggregation"),
            ("WINDOW MS", "/window_ms"),
        ];
        tables.push((json!(queries), columns.to_vec()));
    }
    if let Some(stages) = &asked.stages {
        let columns = [("STAGE", "/name"), ("REACHES", "/exposure"), ("HOLD MS", "/hold_ms")];
        tables.push((json!(stages), columns.to_vec()));
    }
    for (items, columns) in tables {
        if let Some(items) = items.as_array().filter(|items| !items.is_empty()) {
            sayln!("\n{}", output::rows(items, &columns).trim_end());
        }
    }
    sayln!();
    for call in &asked.calls {
        for lookup in &call.transcript.evidence {
            sayln!("asked `{}` for `{}`: {}", lookup.source, lookup.key, answer(&lookup.answer));
        }
        for line in &call.transcript.logs {
            sayln!("said {:?}: {}", line.level, line.message);
        }
    }
    let Cost { fuel, memory_bytes_peak, elapsed_us } = Cost::of(&asked.calls);
    sayln!("fuel {fuel}, memory {}, time {}", size(memory_bytes_peak), time(elapsed_us));
}

fn answer(answer: &EvidenceAnswer) -> String {
    match answer {
        EvidenceAnswer::Found(document) => {
            format!("{} bytes of {}", document.content.len(), document.media_type)
        }
        EvidenceAnswer::Refused(Refusal::NotFound) => "not found".to_owned(),
        EvidenceAnswer::Refused(Refusal::Denied(why)) => format!("denied: {why}"),
        EvidenceAnswer::Refused(Refusal::Unavailable(why)) => format!("unavailable: {why}"),
        EvidenceAnswer::Ended(_) => "the call ended here".to_owned(),
    }
}
