//! `interlock plugin check`

use std::path::PathBuf;

use clap::Args;
use interlock_workshop::Checked;
use serde_json::Value;

use super::{json, look};
use crate::{
    client::Failure,
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The component.
    file: PathBuf,
}

impl Check {
    pub(super) async fn run(self, format: Format) -> Result<Outcome, Failure> {
        let looked = look(&self.file).await?;
        let checked = Checked::new(&looked.wasm, looked.examination, &looked.limits).await;
        let outcome = if checked.refused.is_none() { Outcome::Done } else { Outcome::Refused };
        let body = json(&checked)?;
        if format != Format::Table {
            output::value(&body, format)?;
            return Ok(outcome);
        }
        let fields = [
            ("name", "/plugin/name"),
            ("version", "/plugin/version"),
            ("kind", "/plugin/kind"),
            ("summary", "/plugin/summary"),
            ("evidence", "/plugin/evidence_sources"),
            ("digest", "/digest"),
            ("bytes", "/size_bytes"),
            ("at most", "/size_bytes_max"),
        ];
        say!("{}", output::lines(&body, &fields));
        if let Some(parts) = body.get("parts").and_then(Value::as_array).filter(|parts| !parts.is_empty()) {
            sayln!("\n{}", output::rows(parts, &[("PART", "/name"), ("IS", "/why")]).trim_end());
        }
        if let Some(settings) = body.pointer("/plugin/settings").and_then(Value::as_array) {
            sayln!("\nsettings: {}", settings.len());
        }
        sayln!();
        if let Some(refused) = &checked.refused {
            sayln!("refused: {refused}");
        }
        for advice in &checked.advice {
            sayln!("advice: {advice}");
        }
        if outcome == Outcome::Done {
            sayln!("good: a server would install it");
        }
        Ok(outcome)
    }
}
