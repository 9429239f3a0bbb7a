//! `interlock advisory`

mod records;

use std::{collections::BTreeMap, path::PathBuf};

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
        /// As of when they are complete, each ecosystem of which there is a record: the time at which they were fetched. That
        /// of the newest record when absent.
        #[arg(long, value_parser = instant)]
        as_of: Option<Timestamp>,
    },
    /// Show as of when the advisories of each ecosystem are complete.
    Show,
}

fn instant(text: &str) -> Result<Timestamp, TimestampError> {
    text.parse()
}

const FIELDS: &[output::Column] =
    &[("as of", "/as_of"), ("ecosystems", "/ecosystems"), ("records", "/records")];
const IMPORTED: &[output::Column] = &[
    ("written", "/written"),
    ("older", "/older"),
    ("withdrawn", "/withdrawn"),
    ("partly", "/partly"),
    ("as of", "/now/as_of"),
    ("ecosystems", "/now/ecosystems"),
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

/// Sends all records in parts. At last one record of each ecosystem goes out again and says as of when they are complete, so
/// that an import that breaks off leaves the former time.
async fn import(client: &Client, from: &[PathBuf], as_of: Option<Timestamp>) -> Result<Value, Failure> {
    let (mut sum, mut newest, mut answer) = ([0; COUNTS.len()], None, None);
    let mut of_ecosystem: BTreeMap<String, Value> = BTreeMap::new();
    for path in from {
        let mut records = Records::of(path)?;
        while let Some(part) = records.next_part()? {
            newest = newest.max(part.newest);
            let taken = client.post("/advisories:import", &json!({ "records": part.records })).await?.body;
            for (count, name) in sum.iter_mut().zip(COUNTS) {
                *count += taken[name].as_u64().unwrap_or_default();
            }
            answer = Some(taken);
            for record in part.records {
                for ecosystem in records::ecosystems(&record) {
                    of_ecosystem.entry(ecosystem).or_insert_with(|| record.clone());
                }
            }
        }
    }
    let Some(mut answer) = answer else {
        return Err(Failure::Usage(
            "there is no advisory in what was named; records are `*.json`".to_owned(),
        ));
    };
    if of_ecosystem.is_empty() && as_of.is_some() {
        return Err(Failure::Usage(
            "the records were imported, and none names a package: leave `--as-of` out, as nothing is complete with them"
                .to_owned(),
        ));
    }
    let mut records = Records::again(of_ecosystem.into_values());
    while let Some(part) = records.next_part()? {
        let last = json!({ "records": part.records, "as_of": as_of.or(newest) });
        answer = client.post("/advisories:import", &last).await?.body;
    }
    for (count, name) in sum.into_iter().zip(COUNTS) {
        answer[name] = count.into();
    }
    Ok(answer)
}
