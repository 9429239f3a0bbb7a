//! `interlock policy propose`

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::{load, place::Place};
use crate::{
    client::{Connection, Failure},
    cmd::change,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Propose {
    #[command(flatten)]
    place: Place,
    /// The environment where the server decides on policies.
    #[arg(long)]
    environment: String,
    /// One line for people.
    #[arg(long)]
    title: String,
    /// What brings it about.
    #[arg(long, default_value = "")]
    description: String,
}

impl Propose {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        // What does not load is said here, in its place, and sent to nobody.
        let (files, _) = load(&self.place)?;
        let text = |content: Vec<u8>| String::from_utf8(content).unwrap_or_default();
        let files: BTreeMap<String, String> =
            files.into_iter().map(|(path, content)| (path, text(content))).collect();
        let proposal = json!({
            "kind": "policy",
            "environment": self.environment,
            "title": self.title,
            "description": self.description,
            "policies": { "files": files },
        });
        let body = connection.client()?.post("/changes", &proposal).await?.body;
        output::record(&body, change::FIELDS, format)?;
        Ok(Outcome::Done)
    }
}
