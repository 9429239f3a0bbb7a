//! `interlock decision`

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Decision {
    /// List decisions, newest first.
    List {
        /// Only about this change.
        #[arg(long)]
        change: Option<String>,
    },
    /// Show a decision with all that led to it.
    Show {
        /// Its id.
        id: String,
    },
    /// Execute a decision again. Exit code 3 when the answer differs.
    Replay {
        /// Its id.
        id: String,
    },
}

impl Decision {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        match self {
            Decision::List { change } => {
                let path = change.map_or("/decisions".to_owned(), |id| format!("/decisions?change={id}"));
                let items = client.list(&path, 200).await?;
                let columns = [
                    ("ID", "/id"),
                    ("AT", "/at"),
                    ("OUTCOME", "/outcome"),
                    ("KIND", "/subject/type"),
                    ("PLUGIN", "/subject/name"),
                    ("FUNCTION", "/subject/function"),
                    ("ACTION", "/subject/question/action"),
                    ("MICROSECONDS", "/elapsed_us"),
                ];
                output::list(&items, &columns, format)?;
            }
            Decision::Show { id } => {
                let body = client.get(&format!("/decisions/{id}")).await?.body;
                output::value(&body, format)?;
            }
            Decision::Replay { id } => {
                let body = client.post(&format!("/decisions/{id}/replay"), &json!({})).await?.body;
                let fields = [
                    ("decision", "/decision"),
                    ("identical", "/identical"),
                    ("differences", "/differences"),
                    ("fuel", "/fuel"),
                ];
                output::record(&body, &fields, format)?;
                if body.get("identical").and_then(Value::as_bool) != Some(true) {
                    return Ok(Outcome::Unverified);
                }
            }
        }
        Ok(Outcome::Done)
    }
}
