//! `interlock ledger anchors`: who outside knows of the log's checkpoints.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::Value;

use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

/// Most anchors that are fetched.
const ANCHORS_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct Anchors {
    /// The folder to keep each checkpoint and what shows it in: `NAME-SIZE.checkpoint`, and beside it `.tsr` (RFC 3161), `.commit`,
    /// `.json` or `.xdr`.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

impl Anchors {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let found = connection.client()?.list("/ledger/anchors", ANCHORS_MAX).await?;
        if let Some(folder) = &self.to {
            std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
            for anchor in &found {
                keep(folder, anchor)?;
            }
        }
        let columns = [
            ("ANCHOR", "/anchor"),
            ("KIND", "/kind"),
            ("ENTRIES", "/size"),
            ("AT", "/at"),
            ("SHA-256 OF THE CHECKPOINT", "/sha256"),
            ("REFERENCE", "/reference"),
        ];
        output::list(&found, &columns, format)?;
        Ok(Outcome::Done)
    }
}

fn keep(folder: &Path, anchor: &Value) -> Result<(), Failure> {
    let (name, size, kind) =
        (output::at(anchor, "/anchor"), output::at(anchor, "/size"), output::at(anchor, "/kind"));
    // Whatever a server answers, nothing is written elsewhere.
    let named =
        format!("{name}-{size}").replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "_");
    let ending = match kind.as_str() {
        "timestamp" => "tsr",
        "git" => "commit",
        "stellar" => "xdr",
        _ => "json",
    };
    let proof = STANDARD.decode(output::at(anchor, "/proof")).map_err(Failure::local)?;
    let write = |ending: &str, bytes: &[u8]| {
        let path = folder.join(format!("{named}.{ending}"));
        std::fs::write(&path, bytes).map_err(|error| Failure::file(&path, &error))
    };
    write("checkpoint", output::at(anchor, "/checkpoint").as_bytes())?;
    write(ending, &proof)
}
