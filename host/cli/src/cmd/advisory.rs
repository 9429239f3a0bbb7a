//! `interlock advisory`

mod records;

use std::path::PathBuf;

use clap::Subcommand;
use interlock_domain::{Timestamp, TimestampError};
use serde_json::{Value, json};

use self::records::Records;
use crate::{
    client::{Client, Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Advisory {
    /// Import advisories in the OSV format. The same again changes nothing; what its makers withdrew is removed.
    Import {
        /// Records (JSON, one or a list), archives of them (`all.zip` as OSV publishes them) or folders.
        #[arg(required = true)]
        from: Vec<PathBuf>,
        /// As of when they are complete: the time at which they were fetched. That of the newest record when absent.
        #[arg(long, value_parser = instant)]
        as_of: Option<Timestamp>,
    },
    /// Show as of when the advisories are complete.
    Show,
}

fn instant(text: &str) -> Result<Timestamp, TimestampError> {
    text.parse()
}

const FIELDS: &[output::Column] = &[("as of", "/as_of"), ("records", "/records")];
const IMPORTED: &[output::Column] = &[
    ("written", "/written"),
    ("older", "/older"),
    ("withdrawn", "/withdrawn"),
    ("partly", "/partly"),
    ("as of", "/now/as_of"),
    ("records", "/now/records"),
];
/// What of the parts adds up.
const COUNTS: [&str; 4] = ["written", "older", "withdrawn", "partly"];

impl Advisory {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let client = connection.client()?;
        match self {
            Advisory::Import { from, as_of } => {
                output::record(&import(&client, &from, as_of).await?, IMPORTED, format)?;
            }
            Advisory::Show => output::record(&client.get("/advisories").await?.body, FIELDS, format)?,
        }
        Ok(Outcome::Done)
    }
}

/// Sends all records in parts. The last says as of when they are complete, so that an import that breaks off leaves the
/// former time.
async fn import(client: &Client, from: &[PathBuf], as_of: Option<Timestamp>) -> Result<Value, Failure> {
    let (mut sum, mut newest, mut none) = ([0; COUNTS.len()], None, true);
    for path in from {
        let mut records = Records::of(path)?;
        while let Some(part) = records.next_part()? {
            none = false;
            newest = newest.max(part.newest);
            let answer = client.post("/advisories:import", &json!({ "records": part.records })).await?.body;
            for (count, name) in sum.iter_mut().zip(COUNTS) {
                *count += answer[name].as_u64().unwrap_or_default();
            }
        }
    }
    if none {
        return Err(Failure::Usage(
            "there is no advisory in what was named; records are `*.json`".to_owned(),
        ));
    }
    let last = json!({ "records": [], "as_of": as_of.or(newest) });
    let mut answer = client.post("/advisories:import", &last).await?.body;
    for (count, name) in sum.into_iter().zip(COUNTS) {
        answer[name] = count.into();
    }
    Ok(answer)
}
