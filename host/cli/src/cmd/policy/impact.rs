//! `interlock policy impact`

use std::{fs, path::PathBuf};

use clap::Args;
use interlock_domain::Timestamp;
use interlock_drafting::{Recorded, impact, recorded};

use super::{load, place::Place};
use crate::{
    client::{Connection, Failure},
    cmd::plugin::decisions::since,
    output::{self, Format, Outcome},
};

/// Decisions in one answer of the server.
const PAGE: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct Impact {
    #[command(flatten)]
    place: Place,
    /// The server's decisions since then: `7d`, `12h`, or a time.
    #[arg(long, value_name = "TIME", value_parser = since, required_unless_present = "file")]
    since: Option<Timestamp>,
    /// With --since: at most so many, the newest.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Decisions in a file: one a line, or a list, as `interlock decision` prints them in JSON.
    #[arg(long, value_name = "FILE", conflicts_with = "since")]
    file: Option<PathBuf>,
    /// Exit code 1 when an answer would change.
    #[arg(long)]
    fail_on_change: bool,
}

impl Impact {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let (_, bundle) = load(&self.place)?;
        let decisions = self.decisions(connection).await?;
        if decisions.is_empty() {
            return Err(Failure::Usage(
                "there is no decision of the policies among these, so nothing can be said; take more of them"
                    .to_owned(),
            ));
        }
        let impact = impact(&bundle, &decisions);
        match format {
            Format::Table => say!("{}", impact.lines()),
            Format::Json | Format::Yaml => {
                output::value(&serde_json::to_value(&impact).map_err(Failure::local)?, format)?;
            }
        }
        Ok(if self.fail_on_change && impact.changed() > 0 { Outcome::Refused } else { Outcome::Done })
    }

    async fn decisions(&self, connection: &Connection) -> Result<Vec<Recorded>, Failure> {
        let misfit = |error: interlock_drafting::impact::RecordError| Failure::Usage(error.to_string());
        if let Some(file) = &self.file {
            let text = fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
            return recorded(&file.display().to_string(), &text).map_err(misfit);
        }
        let Some(since) = self.since else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for outcome in ["allow", "deny"] {
            let path = format!("/decisions?outcome={outcome}&since={since}");
            let items = connection.client()?.list_by(&path, self.limit as usize, PAGE).await?;
            found.extend(
                recorded("the server", &serde_json::Value::Array(items).to_string()).map_err(misfit)?,
            );
        }
        found.sort_by_key(|decision| decision.question.now);
        Ok(found)
    }
}
