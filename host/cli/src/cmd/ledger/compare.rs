//! A log and a copy of it: whether one continues the other, or where they part.

use clap::Args;
use interlock_ledger::{
    Entry,
    copy::{Comparison, compare},
    tree::leaf_hash,
};
use serde_json::{Value, json};

use super::{
    showing,
    source::Source,
    trust::{Found, Problem, Trust},
};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The log: `server`, an address, a database, or a folder with its files.
    log: String,
    /// The copy of it. It may lag behind the log, never the log behind it.
    copy: String,
    #[command(flatten)]
    trust: Trust,
}

impl Compare {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self.look(connection, format).await {
            Ok(compared) => {
                let (found, body) = shown(&compared);
                let fields = [
                    ("outcome", "/outcome"),
                    ("log", "/log"),
                    ("copy", "/copy"),
                    ("lag", "/lag"),
                    ("first that differs", "/first/index"),
                    ("in the log", "/first/in_log"),
                    ("in the copy", "/first/in_copy"),
                    ("why", "/detail"),
                ];
                output::record(&body, &fields, format)?;
                Ok(found.outcome())
            }
            Err(problem) => Ok(problem.end()),
        }
    }

    async fn look(&self, connection: &Connection, format: Format) -> Result<Comparison, Problem> {
        let trusted = self.trust.read()?;
        let log = Source::open(&self.log, &trusted.origin, connection).await?;
        let copy = Source::open(&self.copy, &trusted.origin, connection).await?;
        let work = tokio::task::spawn_blocking(move || {
            let (log, copy) = (log.files(&trusted.origin)?, copy.files(&trusted.origin)?);
            compare(&log, &copy, &trusted.origin, &trusted.keys).map_err(Problem::from)
        });
        let compared = showing(work, format, |bar| bar.set_message("comparing")).await;
        compared.map_err(|error| Problem::malformed(error.to_string()))?
    }
}

/// The outcome, and what is said of it.
fn shown(compared: &Comparison) -> (Found, Value) {
    let (log, copy) = (compared.log.size, compared.copy.size);
    let (found, detail) = if let Some(finding) = compared.findings.first() {
        let problem = Problem::from(finding.clone());
        (problem.found, Some(problem.said))
    } else if let Some(first) = &compared.first {
        let both = "both are signed by the log: it has two histories; keep both checkpoints as evidence";
        (Found::Tampered, Some(format!("they differ from entry {} on; {both}", first.index)))
    } else if log < copy {
        let said = format!("the log has {log} entries, and its copy {copy}: the end of the log was cut off");
        (Found::Tampered, Some(said))
    } else {
        (Found::Sound, None)
    };
    let first = compared.first.as_ref().map(|first| {
        json!({ "index": first.index, "in_log": entry(first.in_log.as_deref()), "in_copy": entry(first.in_copy.as_deref()) })
    });
    let body = json!({
        "outcome": found.word(), "log": log, "copy": copy, "lag": log.saturating_sub(copy), "first": first, "detail": detail,
    });
    (found, body)
}

/// What an entry says, in short.
fn entry(body: Option<&[u8]>) -> String {
    let Some(body) = body else { return "no bundle of entries".to_owned() };
    let hash = hex::encode(leaf_hash(body));
    match Entry::parse(body) {
        Ok(entry) => format!("{} of {} {}, {hash}", entry.kind, entry.object.kind, entry.object.id),
        Err(_) => format!("no entry, {hash}"),
    }
}
