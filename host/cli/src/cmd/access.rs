//! `interlock access`

use clap::Subcommand;
use serde_json::{Value, json};

use crate::{
    client::{Connection, Failure},
    confirm::Confirm,
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Access {
    /// List requests for access that the application denied, newest first.
    List {
        /// Only those in this state: pending, approved, rejected or revoked. Of those that wait, only those that can still
        /// be answered.
        #[arg(long)]
        state: Option<String>,
        /// Most requests.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show a request: who would do what, and who said what to it.
    Show {
        /// Its id.
        id: String,
    },
    /// Approve exactly what a request asks for. Asks.
    Approve {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// For how many minutes; as long as it is wanted when left out.
        #[arg(long)]
        minutes: Option<u64>,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Reject a request.
    Reject {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Take an approval back at once.
    Revoke {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

const COLUMNS: [output::Column; 7] = [
    ("ID", "/id"),
    ("STATUS", "/status"),
    ("SUBJECT", "/asked/subject/id"),
    ("ACTION", "/asked/action/name"),
    ("RESOURCE", "/asked/resource/id"),
    ("UNTIL", "/approved_until"),
    ("REASON", "/reason"),
];

const FIELDS: [output::Column; 16] = [
    ("id", "/id"),
    ("status", "/status"),
    ("subject", "/asked/subject"),
    ("action", "/asked/action"),
    ("resource", "/asked/resource"),
    ("context", "/asked/context"),
    ("asked by", "/account"),
    ("reason", "/reason"),
    ("wanted for ms", "/wanted_ms"),
    ("made", "/created_at"),
    ("open until", "/expires_at"),
    ("answered by", "/answered/name"),
    ("because", "/answered/reason"),
    ("approved until", "/approved_until"),
    ("revoked by", "/revoked/name"),
    ("denial", "/evaluation"),
];

impl Access {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let path = |id: &str, verb: &str| format!("/access-requests/{id}{verb}");
        let request: Value = match self {
            Access::List { state, limit } => {
                let filter = state.map_or(String::new(), |state| format!("?state={state}"));
                let items = client.list(&format!("/access-requests{filter}"), limit).await?;
                output::list(&items, &COLUMNS, format)?;
                return Ok(Outcome::Done);
            }
            Access::Show { id } => client.get(&path(&id, "")).await?.body,
            Access::Approve { id, reason, minutes, confirm } => {
                let asked = client.get(&path(&id, "")).await?.body;
                let part = |pointer: &str| output::at(&asked, pointer);
                confirm.ask(&format!(
                    "let `{}` do `{}` to `{}` ({id})",
                    part("/asked/subject/id"),
                    part("/asked/action/name"),
                    part("/asked/resource/id")
                ))?;
                let span = minutes.map(|minutes| minutes.saturating_mul(60_000));
                let body = json!({ "reason": reason, "approve_for_ms": span });
                client.post(&path(&id, "/approve"), &body).await?.body
            }
            Access::Reject { id, reason } => {
                client.post(&path(&id, "/reject"), &json!({ "reason": reason })).await?.body
            }
            Access::Revoke { id, reason } => {
                client.post(&path(&id, "/revoke"), &json!({ "reason": reason })).await?.body
            }
        };
        output::record(&request, &FIELDS, format)?;
        Ok(Outcome::Done)
    }
}
