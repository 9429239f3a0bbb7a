//! `interlock status`

use clap::Args;

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Status {}

const FIELDS: &[output::Column] = &[
    ("status", "/status"),
    ("application refused", "/application_refused"),
    ("ledger", "/ledger_altered"),
    ("evidence failing", "/evidence_failing"),
    ("plugins unloaded", "/plugins_unloaded"),
    ("ledger reviewed up to", "/ledger_review/reviewed"),
    ("ledger review due", "/ledger_review/due_at"),
    ("ledger review overdue", "/ledger_review/overdue"),
    ("policies", "/policies/name"),
    ("revision", "/policies/revision"),
    ("bundle", "/policies/digest"),
    ("age of policies in ms", "/policies/age_ms"),
    ("policies in git", "/policies_in_git/standing"),
    ("head in git", "/policies_in_git/head"),
    ("not taken", "/policies_in_git/not_taken"),
    ("copies of the ledger", "/ledger/copies"),
    ("anchors of the ledger", "/ledger/anchors"),
];

impl Status {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let status = connection.client()?.get("/status").await?.body;
        output::record(&status, FIELDS, format)?;
        Ok(Outcome::Done)
    }
}
