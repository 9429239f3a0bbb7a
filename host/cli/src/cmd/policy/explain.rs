//! `interlock policy explain`

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use interlock_domain::{DecisionId, Question};
use interlock_drafting::recorded;
use interlock_policy::{explain, question_of};
use serde_json::{Value, json};

use super::{load, place::Place};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

/// Name the question by a file, by a recorded decision, or by its parts.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    place: Place,
    /// A file with one question, written like a case; `expect` may be left out.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["decision", "person"])]
    request: Option<PathBuf>,
    /// A recorded decision: its id on the server, or a file that `interlock decision show ID --output json` wrote.
    #[arg(long, value_name = "ID|FILE", conflicts_with = "person")]
    decision: Option<String>,
    /// Who asks, by any name.
    #[arg(long, requires_all = ["action", "on"])]
    person: Option<String>,
    /// Which roles they hold: `viewer`, or `viewer@production`.
    #[arg(long, value_name = "ROLE", num_args = 1..)]
    role: Vec<String>,
    /// What they would do, such as `ApproveChange`.
    #[arg(long)]
    action: Option<String>,
    /// To what: `tenant`, `environment`, `change` or `ledger`.
    #[arg(long, value_name = "TYPE")]
    on: Option<String>,
    /// Where it is, for an environment and a change.
    #[arg(long, default_value = "production")]
    environment: String,
    /// Who proposed the change.
    #[arg(long, default_value = "the author")]
    author: String,
}

impl Explain {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let (_, bundle) = load(&self.place)?;
        let explanation = explain(&bundle, &self.question(connection).await?);
        match format {
            Format::Table => say!("{}", explanation.tree()),
            Format::Json | Format::Yaml => {
                output::value(&serde_json::to_value(&explanation).map_err(Failure::local)?, format)?;
            }
        }
        Ok(Outcome::Done)
    }

    async fn question(&self, connection: &Connection) -> Result<Question, Failure> {
        if let Some(file) = &self.request {
            let text = fs::read(file).map_err(|error| Failure::file(file, &error))?;
            let misfit = |why: String| Failure::Usage(format!("`{}`: {why}", file.display()));
            let value = serde_json::from_slice(&text).map_err(|error| misfit(error.to_string()))?;
            return question_of(value).map_err(misfit);
        }
        if let Some(named) = &self.decision {
            return decision(connection, named).await;
        }
        let (Some(person), Some(action), Some(on)) = (&self.person, &self.action, &self.on) else {
            return Err(Failure::Usage(
                "name the question: --request FILE, --decision ID, or --person, --action and --on".to_owned(),
            ));
        };
        let mut resource = json!({ "type": on });
        if on == "environment" || on == "change" {
            resource["environment"] = json!(self.environment);
        }
        if on == "change" {
            resource["author"] = json!(self.author);
        }
        let mut case =
            json!({ "person": person, "roles": self.role, "action": action, "resource": resource });
        if action == "AdmitChange" || action == "EnterStage" {
            case["facts"] = json!({});
        }
        question_of(case).map_err(Failure::Usage)
    }
}

async fn decision(connection: &Connection, named: &str) -> Result<Question, Failure> {
    let text = if Path::new(named).is_file() {
        fs::read_to_string(named).map_err(|error| Failure::file(Path::new(named), &error))?
    } else {
        let id: DecisionId = named.parse().map_err(|_| {
            Failure::Usage(format!("`{named}` is neither the id of a decision nor a file with one"))
        })?;
        let body: Value = connection.client()?.get(&format!("/decisions/{id}")).await?.body;
        body.to_string()
    };
    let found = recorded(named, &text).map_err(|error| Failure::Usage(error.to_string()))?;
    match <[_; 1]>::try_from(found) {
        Ok([one]) => Ok(one.question),
        Err(_) => Err(Failure::Usage(format!("`{named}` is not one decision of the policies"))),
    }
}
