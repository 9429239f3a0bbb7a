//! `interlock bundle`

use std::path::PathBuf;

use clap::Subcommand;
use interlock_policy::{Bundle as Policies, run_cases};
use serde_json::json;

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Validate a bundle in a folder and run its cases, without a server.
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
            Bundle::Check { dir } => return check(&dir, format),
            Bundle::Show => connection.client()?.get("/bundle").await?.body,
            Bundle::Reload => connection.client()?.post("/bundle/reload", &json!({})).await?.body,
        };
        output::record(&body, FIELDS, format)?;
        Ok(Outcome::Done)
    }
}

fn check(dir: &std::path::Path, format: Format) -> Result<Outcome, Failure> {
    let bundle = match Policies::load_dir(dir) {
        Ok(bundle) => bundle,
        Err(error) => {
            eprintln!("interlock: {error}");
            return Ok(Outcome::Refused);
        }
    };
    let results = run_cases(&bundle);
    let failed: Vec<_> = results.iter().filter(|result| !result.holds()).collect();
    let summary = json!({
        "digest": bundle.digest,
        "name": bundle.name,
        "revision": bundle.revision,
        "policies": bundle.policy_count(),
        "cases": results.len(),
        "failed": failed.len(),
    });
    let fields: Vec<output::Column> =
        FIELDS.iter().copied().chain([("cases", "/cases"), ("failed", "/failed")]).collect();
    output::record(&summary, &fields, format)?;
    for result in &failed {
        eprintln!("{} {}: {}", result.file, result.name, result.differences.join("; "));
    }
    Ok(if failed.is_empty() { Outcome::Done } else { Outcome::Refused })
}
