//! `interlock incident`

mod report;

use clap::Subcommand;
use serde_json::json;

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Incident {
    /// List incidents, newest first: where the glass was broken, and whether that was reviewed.
    List,
    /// Show an incident.
    Show {
        /// Its id.
        id: String,
    },
    /// Report about an incident, a change, or the change of which an alert speaks: what happened, which devices, who approved, what
    /// came back, evidence and receipts.
    Report(report::Report),
    /// Say what came of looking at an incident. Whoever broke the glass cannot.
    Review {
        /// Its id.
        id: String,
        /// What was found.
        #[arg(long)]
        findings: String,
    },
}

const FIELDS: &[output::Column] = &[
    ("id", "/id"),
    ("change", "/change"),
    ("environment", "/environment"),
    ("first", "/broken_by/0/name"),
    ("because", "/broken_by/0/reason"),
    ("second", "/broken_by/1/name"),
    ("because", "/broken_by/1/reason"),
    ("opened", "/opened_at"),
    ("until", "/glass_until"),
    ("review due", "/review_due"),
    ("reviewed by", "/review/name"),
    ("reviewed", "/review/at"),
    ("findings", "/review/findings"),
];

impl Incident {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        match self {
            Incident::List => {
                let items = client.list("/incidents", 10_000).await?;
                let columns = [
                    ("ID", "/id"),
                    ("CHANGE", "/change"),
                    ("ENVIRONMENT", "/environment"),
                    ("OPENED", "/opened_at"),
                    ("REVIEW DUE", "/review_due"),
                    ("REVIEWED BY", "/review/name"),
                ];
                output::list(&items, &columns, format)?;
            }
            Incident::Report(report) => return report.run(&client).await,
            Incident::Show { id } => {
                output::record(&client.get(&format!("/incidents/{id}")).await?.body, FIELDS, format)?;
            }
            Incident::Review { id, findings } => {
                let path = format!("/incidents/{id}/review");
                let body = client.post(&path, &json!({ "findings": findings })).await?.body;
                output::record(&body, FIELDS, format)?;
            }
        }
        Ok(Outcome::Done)
    }
}
