//! Reviewing the ledger.

use clap::Args;
use serde_json::json;

use crate::{
    client::{Connection, Failure},
    login::secret,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Review {
    /// What you found.
    #[arg(long)]
    findings: String,
    /// The entry after the last one that you looked at; all that are signed when absent.
    #[arg(long, value_name = "INDEX")]
    until: Option<u64>,
    /// Your time zone, for display: `Europe/Lisbon`.
    #[arg(long)]
    zone: Option<String>,
}

const FIELDS: &[output::Column] = &[
    ("id", "/id"),
    ("from entry", "/from"),
    ("until entry", "/until"),
    ("reviewed by", "/name"),
    ("findings", "/findings"),
    ("signed", "/signed_at"),
];

impl Review {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        let mut asked = json!({ "findings": self.findings });
        if let Some(until) = self.until {
            asked["until"] = json!(until);
        }
        if let Some(zone) = self.zone {
            asked["zone"] = json!(zone);
        }
        let offer = client.post("/ledger/reviews/intent", &asked).await?.body;
        // Not to stdout, which holds the answer alone.
        eprintln!("{}", output::at(&offer, "/view"));
        let mut proof = json!({ "sig_id": offer["intent"]["sig_id"], "password": secret("Password")? });
        if offer["two_components"] == json!(true) {
            proof["code"] = json!(secret("Code")?);
        }
        let signed = client.post("/ledger/reviews", &proof).await?.body;
        output::record(&signed, FIELDS, format)?;
        Ok(Outcome::Done)
    }
}

/// Lists the reviews.
pub(super) async fn list(connection: &Connection, format: Format) -> Result<Outcome, Failure> {
    let items = connection.client()?.list("/ledger/reviews", 10_000).await?;
    let columns = [
        ("ENTRY", "/entry"),
        ("FROM", "/from"),
        ("UNTIL", "/until"),
        ("BY", "/name"),
        ("SIGNED", "/signed_at"),
        ("FINDINGS", "/findings"),
    ];
    output::list(&items, &columns, format)?;
    Ok(Outcome::Done)
}
