//! `interlock bundle`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Validate a bundle in a folder and run its cases, without a server: `policy check` and `policy test` in one.
    Check {
        /// The folder.
        dir: PathBuf,
    },
    /// Show the bundle that a server uses.
    Show,
    /// Have a server load its bundle again. The last good one stays when that fails.
    Reload,
}

const FIELDS: &[output::Column] =
    &[("digest", "/digest"), ("name", "/name"), ("revision", "/revision"), ("policies", "/policies")];

impl Bundle {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let body = match self {
            Bundle::Check { dir } => return super::policy::check_and_test(&dir, format),
            Bundle::Show => connection.client()?.get("/bundle").await?.body,
            Bundle::Reload => connection.client()?.post("/bundle/reload", &json!({})).await?.body,
        };
        output::record(&body, FIELDS, format)?;
        Ok(Outcome::Done)
    }
}
