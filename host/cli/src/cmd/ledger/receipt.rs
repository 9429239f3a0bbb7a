//! Receipts: fetched, kept, and checked where there is no server.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use interlock_ledger::{Entry, Receipt, copy};
use serde_json::{Value, json};

use super::{
    source::Source,
    trust::{Found, Problem, Trust, Trusted, number, place, trusted},
};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

/// Most entries of a change whose receipts are fetched.
const ENTRIES_MAX: usize = 10_000;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["entry", "change"])))]
pub(crate) struct Fetch {
    /// The entry.
    #[arg(long, value_name = "INDEX")]
    entry: Option<u64>,
    /// The change: every entry about it.
    #[arg(long, value_name = "ID")]
    change: Option<String>,
    /// The folder to keep them in.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    to: PathBuf,
    /// Make it from a copy of the log and not ask the server: a folder with its files, a database, an address.
    #[arg(long, value_name = "SOURCE", requires = "log_key", conflicts_with = "change")]
    source: Option<String>,
    /// The log's public key (`name+id+base64`), or the file with it, for --source.
    #[arg(long, value_name = "VKEY", requires = "source")]
    log_key: Option<String>,
}

impl Fetch {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        if let (Some(source), Some(log), Some(index)) = (&self.source, &self.log_key, self.entry) {
            return match made(source, log, index, connection).await {
                Ok(receipt) => self.keep(&connection.tenant, [(index, receipt)], format),
                Err(problem) => Ok(problem.end()),
            };
        }
        let client = connection.client()?;
        let found = match (self.entry, &self.change) {
            (Some(index), _) => {
                let text = client.bytes(&format!("/ledger/entries/{index}/receipt")).await?;
                vec![json!({ "index": index, "receipt": String::from_utf8_lossy(&text) })]
            }
            (None, Some(change)) => client.list(&format!("/changes/{change}/receipts"), ENTRIES_MAX).await?,
            (None, None) => Vec::new(),
        };
        let found = found.iter().map(|item| Ok((number(item, "/index")?, output::at(item, "/receipt"))));
        let found: Vec<(u64, String)> = found.collect::<Result<_, Failure>>()?;
        self.keep(&connection.tenant, found, format)
    }

    fn keep(
        &self,
        tenant: &str,
        found: impl IntoIterator<Item = (u64, String)>,
        format: Format,
    ) -> Result<Outcome, Failure> {
        let mut kept = Vec::new();
        for (index, text) in found {
            let receipt = Receipt::parse(text.as_bytes()).map_err(Failure::local)?;
            let path = place(&self.to, tenant, index);
            std::fs::write(&path, &text).map_err(|error| Failure::file(&path, &error))?;
            let kind =
                receipt.extra.as_deref().and_then(|body| Entry::parse(body).ok()).map(|entry| entry.kind);
            kept.push(json!({ "index": index, "kind": kind, "file": path.display().to_string() }));
        }
        output::list(&kept, &[("ENTRY", "/index"), ("KIND", "/kind"), ("FILE", "/file")], format)?;
        Ok(Outcome::Done)
    }
}

/// A receipt from the tiles of a copy.
async fn made(source: &str, log: &str, index: u64, connection: &Connection) -> Result<String, Problem> {
    let trusted = trusted(log, &[], None)?;
    let source = Source::open(source, &trusted.origin, connection).await?;
    let work = tokio::task::spawn_blocking(move || {
        let files = source.files(&trusted.origin)?;
        let receipt = copy::receipt(&files, index, &trusted.origin, &trusted.keys)?;
        Ok::<_, Problem>(receipt.to_string())
    });
    work.await.map_err(|error| Problem::malformed(error.to_string()))?
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The receipts: `*.tlog-proof`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trust: Trust,
    /// The exact bytes of the entry, where the receipt does not carry them.
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self, format: Format) -> Result<Outcome, Failure> {
        let trusted = match self.trust.read() {
            Ok(trusted) => trusted,
            Err(problem) => return Ok(problem.end()),
        };
        let mut worst = Found::Sound;
        let mut shown = Vec::new();
        for file in &self.files {
            let (found, item) = match self.check(file, &trusted) {
                Ok(item) => (Found::Sound, item),
                Err(problem) => (problem.found, json!({ "detail": problem.said })),
            };
            let mut item = item;
            item["file"] = file.display().to_string().into();
            item["outcome"] = found.word().into();
            shown.push(item);
            worst = worst.max(found);
        }
        let columns = [
            ("FILE", "/file"),
            ("OUTCOME", "/outcome"),
            ("ENTRY", "/index"),
            ("OF", "/size"),
            ("KIND", "/kind"),
            ("OBJECT", "/object"),
            ("BY", "/by"),
            ("AT", "/at"),
            ("WITNESSES", "/witnesses"),
            ("WHY", "/detail"),
        ];
        output::list(&shown, &columns, format)?;
        Ok(worst.outcome())
    }

    fn check(&self, file: &PathBuf, trusted: &Trusted) -> Result<Value, Problem> {
        let text = std::fs::read(file).map_err(|error| Problem::file(file, &error))?;
        let receipt = Receipt::parse(&text)?;
        let body = match (&self.entry, &receipt.extra) {
            (Some(path), _) => std::fs::read(path).map_err(|error| Problem::file(path, &error))?,
            (None, Some(body)) => body.clone(),
            (None, None) => {
                let said = "the receipt does not carry its entry; give the entry's exact bytes with --entry"
                    .to_owned();
                return Err(Problem { found: Found::Unverifiable, said });
            }
        };
        let opened = receipt.verify(&body, &trusted.origin, &trusted.keys)?;
        let witnesses = trusted.witnessed(&opened)?;
        let mut shown = json!({
            "index": receipt.index, "size": opened.checkpoint().size, "origin": trusted.origin, "witnesses": witnesses,
        });
        // What the log says is proved, whatever it says; a later program's entry is only not shown.
        if let Ok(entry) = Entry::parse(&body) {
            shown["kind"] = entry.kind.into();
            shown["object"] = entry.object.id.into();
            shown["by"] = entry.actor.person.unwrap_or(entry.actor.account).into();
            shown["at"] = jiff::Timestamp::from_millisecond(entry.ts_ms)
                .map(|at| at.to_string())
                .unwrap_or_default()
                .into();
        }
        Ok(shown)
    }
}
