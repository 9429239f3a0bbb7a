//! `interlock delegation`

use clap::Subcommand;
use serde_json::json;

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Delegation {
    /// Lend roles of your own to somebody who approves while you are away.
    Create {
        /// The account that may approve with them.
        #[arg(long)]
        to: String,
        /// A role of your own; may be repeated.
        #[arg(long = "role", required = true)]
        roles: Vec<String>,
        /// Where; everywhere in the tenant when absent.
        #[arg(long)]
        environment: Option<String>,
        /// From when on (RFC 3339); from now on when absent.
        #[arg(long)]
        from: Option<String>,
        /// When it ends (RFC 3339).
        #[arg(long)]
        until: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// List delegations, newest first, also those that are over.
    List,
    /// Take a delegation back. What was approved under it counts no more.
    Revoke {
        /// Its id.
        id: String,
    },
}

const FIELDS: &[output::Column] = &[
    ("id", "/id"),
    ("from", "/from_name"),
    ("to", "/to_name"),
    ("roles", "/roles"),
    ("environment", "/environment"),
    ("starts", "/starts_at"),
    ("ends", "/ends_at"),
    ("reason", "/reason"),
    ("revoked", "/revoked_at"),
];

impl Delegation {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        match self {
            Delegation::Create { to, roles, environment, from, until, reason } => {
                let body = json!({
                    "to": to, "roles": roles, "environment": environment, "from": from, "until": until,
                    "reason": reason,
                });
                output::record(&client.post("/delegations", &body).await?.body, FIELDS, format)?;
            }
            Delegation::List => {
                let items = client.list("/delegations", 10_000).await?;
                let columns = [
                    ("ID", "/id"),
                    ("FROM", "/from_name"),
                    ("TO", "/to_name"),
                    ("ROLES", "/roles"),
                    ("ENVIRONMENT", "/environment"),
                    ("STARTS", "/starts_at"),
                    ("ENDS", "/ends_at"),
                    ("REVOKED", "/revoked_at"),
                ];
                output::list(&items, &columns, format)?;
            }
            Delegation::Revoke { id } => {
                let body = client.post(&format!("/delegations/{id}/revoke"), &json!({})).await?.body;
                output::record(&body, FIELDS, format)?;
            }
        }
        Ok(Outcome::Done)
    }
}
