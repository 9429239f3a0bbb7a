//! `interlock incident report`

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};
use interlock_domain::{ChangeId, IncidentId};
use serde_json::Value;

use crate::{
    client::{Client, Failure},
    output::{self, Outcome},
};

/// How a report is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// For programs, with every receipt.
    Json,
    /// For people, in a browser.
    Html,
    /// For people, on paper.
    Pdf,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("about").required(true).args(["id", "alert"])))]
pub(crate) struct Report {
    /// The incident (`inc_…`) or the change (`chg_…`).
    id: Option<String>,
    /// The alert, as Alertmanager sends it to a webhook or as `amtool alert query -o json` prints it: the change that its label
    /// `change` names. `-` reads it from standard input.
    #[arg(long, value_name = "FILE")]
    alert: Option<PathBuf>,
    /// In which form.
    #[arg(long, value_enum, default_value = "json")]
    format: Form,
    /// The file to write; standard output when absent.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Report {
    pub(super) async fn run(self, client: &Client) -> Result<Outcome, Failure> {
        let path = match (&self.id, &self.alert) {
            (Some(id), _) => place(id)?,
            (None, Some(file)) => format!("/changes/{}", of_alert(file)?),
            (None, None) => return Err(Failure::Usage("name an incident, a change or an alert".to_owned())),
        };
        let format =
            self.format.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
        let report = client.bytes(&format!("{path}/report?format={format}")).await?;
        match &self.to {
            Some(file) => {
                std::fs::write(file, &report).map_err(|error| Failure::file(file, &error))?;
                sayln!("{}", file.display());
            }
            None => output::bytes(&report),
        }
        Ok(Outcome::Done)
    }
}

fn place(id: &str) -> Result<String, Failure> {
    if id.parse::<IncidentId>().is_ok() {
        return Ok(format!("/incidents/{id}"));
    }
    match id.parse::<ChangeId>() {
        Ok(id) => Ok(format!("/changes/{id}")),
        Err(_) => {
            Err(Failure::Usage(format!("`{id}` is neither an incident (`inc_…`) nor a change (`chg_…`)")))
        }
    }
}

/// The change that an alert names.
fn of_alert(file: &PathBuf) -> Result<ChangeId, Failure> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(Failure::local)?
    } else {
        std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?
    };
    let unfit = |what: &str| Failure::Usage(format!("`{}`: {what}", file.display()));
    let said: Value = serde_json::from_str(&text).map_err(|error| unfit(&error.to_string()))?;
    let list = said.as_array().or_else(|| said["alerts"].as_array()).cloned().unwrap_or_else(|| vec![said]);
    let mut named = list.iter().filter_map(|alert| alert["labels"]["change"].as_str());
    let change =
        named.next().ok_or_else(|| unfit("no alert in it has a label `change`; give the change's id"))?;
    if named.any(|other| other != change) {
        return Err(unfit("its alerts are about several changes; give the id of one"));
    }
    change.parse().map_err(|error: interlock_domain::IdError| unfit(&error.to_string()))
}
