//! `interlock ledger`

mod anchors;
mod compare;
mod consistency;
mod export;
mod offline;
mod receipt;
mod remember;
mod replay;
mod review;
mod source;
mod trust;
mod witness;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use interlock_server::flow::ledger;
use interlock_store::AuditStep;
use serde_json::{Value, json};

use self::{offline::Asked, remember::Memory, trust::Found};
use crate::{
    client::{Connection, Failure},
    local::Local,
    output::{self, Format, Outcome},
};

/// How long something may take before it has to show that it goes on.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Re-hash every entry, check chain, head and signatures, compare every row, rebuild every change. Exit code 0 sound, 1
    /// tampered, 2 not enough there to tell, 3 bad input. Nothing is made and nothing altered.
    Verify(Verify),
    /// Verify a log where it is kept, file by file: also what does not belong there, and earlier partial tiles. Exit codes as of
    /// verify.
    Fsck(Fsck),
    /// Compare a log with a copy of it: whether it continues the copy, or in which entry they differ first. Exit codes as of verify.
    Compare(compare::Compare),
    /// Make every recorded decision again, by the plugin or policies of then on the evidence of then, and rebuild every change
    /// from its entries. Exit codes as of verify.
    Replay(replay::Replay),
    /// Show the newest incident: what the server found altered in its ledger. Nothing is admitted until it is resolved.
    Incident,
    /// Say what you found when you looked at an incident. Changes go ahead again from then on.
    Resolve {
        /// The id of the incident that you looked at.
        incident: String,
        /// What you found and did.
        #[arg(long)]
        findings: String,
    },
    /// Print the newest signed checkpoint.
    Checkpoint,
    /// Print the log's public keys. Whoever checks something must have the log's key from elsewhere: compare.
    Keys,
    /// Fetch receipts: proofs that entries are in the log, which hold without the server.
    Receipt(receipt::Fetch),
    /// Check receipts, without a server. Exit code 0 sound, 1 tampered, 2 not enough there to tell, 3 no receipt or key.
    VerifyReceipt(receipt::Check),
    /// Prove that the log continues a checkpoint that was kept, with a few hashes. Exit codes as of verify-receipt.
    Consistency(consistency::Consistency),
    /// Show who outside knows of the log's checkpoints, and fetch what shows it.
    Anchors(anchors::Anchors),
    /// Export a part of the ledger for an inspector: a zip file with a report (PDF, HTML), the entries (JSONL, CSV), signatures,
    /// receipts and keys, all of one checkpoint.
    Export(export::Export),
    /// Check an export, without a server: digests, counts, receipts, signatures. Exit codes as of verify-receipt.
    VerifyExport(export::Check),
    /// Review what was written since the last review: say what you found, and sign.
    Review(review::Review),
    /// List the reviews, newest first.
    Reviews,
    /// Run a witness: a small server that cosigns checkpoints of logs which continue what it cosigned before.
    Witness(witness::Serve),
}

const INCIDENT: &[output::Column] = &[
    ("id", "/id"),
    ("found", "/at"),
    ("findings", "/findings"),
    ("of", "/findings_total"),
    ("resolved by", "/resolved/name"),
    ("resolved", "/resolved/at"),
    ("what they found", "/resolved/findings"),
];

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Where the log is: a folder with its files, a database (an SQLite file, `postgres://…`), an address such as
    /// https://…/ledger/mercy, or `server`. Without it, the server is asked to verify its own database.
    #[arg(value_name = "SOURCE", conflicts_with = "local")]
    source: Option<String>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    local: Local,
    /// Prove that the log continues the checkpoint in this file, then put the newest one there. Keep the file where
    /// nobody who can reach the database can reach it. It is made when there is none.
    #[arg(long, value_name = "FILE")]
    remember: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// Where the log is: as of verify.
    source: String,
    #[command(flatten)]
    asked: Asked,
}

impl Ledger {
    pub(crate) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        match self {
            Ledger::Verify(verify) => verify.run(connection, format).await,
            Ledger::Fsck(fsck) => fsck.asked.verify(&fsck.source, true, None, connection, format).await,
            Ledger::Replay(replay) => replay.run(connection, format).await,
            Ledger::Incident => {
                let body = connection.client()?.get("/ledger/incident").await?.body;
                output::record(&body, INCIDENT, format)?;
                Ok(Outcome::Done)
            }
            Ledger::Resolve { incident, findings } => {
                let said = json!({ "incident": incident, "findings": findings });
                let body = connection.client()?.post("/ledger/incident/resolve", &said).await?.body;
                output::record(&body, INCIDENT, format)?;
                Ok(Outcome::Done)
            }
            Ledger::Compare(compare) => compare.run(connection, format).await,
            Ledger::Checkpoint => {
                let body = connection.client()?.get("/ledger/checkpoint").await?.body;
                say!("{}", body.as_str().unwrap_or_default());
                Ok(Outcome::Done)
            }
            Ledger::Keys => {
                let body = connection.client()?.get("/ledger/keys").await?.body;
                let keys = body.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                output::list(keys, &[("FOR", "/for"), ("KEY", "/vkey")], format)?;
                Ok(Outcome::Done)
            }
            Ledger::Receipt(fetch) => fetch.run(connection, format).await,
            Ledger::VerifyReceipt(check) => check.run(format),
            Ledger::Consistency(consistency) => consistency.run(connection, format).await,
            Ledger::Anchors(anchors) => anchors.run(connection, format).await,
            Ledger::Export(export) => export.run(connection, format).await,
            Ledger::VerifyExport(check) => check.run(format),
            Ledger::Review(review) => review.run(connection, format).await,
            Ledger::Reviews => review::list(connection, format).await,
            Ledger::Witness(witness) => witness.run().await,
        }
    }
}

impl Verify {
    async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let memory = self.remember.as_deref().map(Memory::open).transpose()?;
        if let Some(source) = &self.source {
            return self.asked.verify(source, false, memory.as_ref(), connection, format).await;
        }
        if self.asked.any() {
            let said = "keys and what was kept are for a SOURCE: name the folder, database or address of the log, or `server`";
            return Err(Failure::Local(said.to_owned()));
        }
        let body = if self.local.local {
            self.locally(connection, memory.as_ref(), format).await?
        } else {
            remotely(connection, memory.as_ref(), format).await?
        };
        report(&body, format)?;
        let found = Found::of(&body);
        if found != Found::Sound {
            return Ok(found.outcome());
        }
        if let Some(memory) = memory {
            memory.keep(&output::at(&body, "/checkpoint"))?;
        }
        Ok(Outcome::Done)
    }

    async fn locally(
        &self,
        connection: &Connection,
        memory: Option<&Memory>,
        format: Format,
    ) -> Result<Value, Failure> {
        let config = self.local.config().map_err(Failure::local)?;
        let config = config.checked().map_err(Failure::local)?;
        let steps = Arc::new(Steps::default());
        let noted = Arc::clone(&steps);
        let remembered = memory.and_then(Memory::remembered);
        let work =
            ledger::verify_stored(&config, &connection.tenant, remembered, move |step| noted.note(step));
        // Whatever is not there, nothing could be verified: that is no slip of the keyboard to a script that asks for proof.
        let verification = showing(work, format, |bar| steps.show(bar)).await.map_err(|error| {
            Failure::Local(format!(
                "cannot verify: {error}; give the --data-dir or --config of the server whose ledger it is"
            ))
        })?;
        serde_json::to_value(verification).map_err(Failure::local)
    }
}

async fn remotely(
    connection: &Connection,
    memory: Option<&Memory>,
    format: Format,
) -> Result<Value, Failure> {
    let client = connection.client()?;
    let asked = match memory.and_then(Memory::text) {
        Some(text) => json!({ "remembered": text }),
        None => json!({}),
    };
    let work = client.post("/ledger/verify", &asked);
    let body = showing(work, format, |bar| bar.set_message("the server verifies its ledger")).await?.body;
    if body.get("sound").and_then(Value::as_bool) == Some(true)
        && let Some(memory) = memory
    {
        // It was the server that compared: what can be checked without its key is checked here.
        memory.leads_to(&output::at(&body, "/checkpoint"))?;
    }
    Ok(body)
}

fn report(body: &Value, format: Format) -> Result<(), Failure> {
    let fields = [
        ("outcome", "/outcome"),
        ("entries", "/entries"),
        ("root", "/root"),
        ("rows compared", "/rows_compared"),
        ("changes rebuilt", "/changes_rebuilt"),
        ("files", "/files"),
        ("witnesses", "/witnesses"),
        ("what to do", "/advice"),
    ];
    output::record(body, &fields, format)?;
    if format == Format::Table {
        findings(body);
    }
    Ok(())
}

/// Prints what is wrong, a line each.
fn findings(body: &Value) {
    let findings = body.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for finding in findings {
        let index = output::at(finding, "/index");
        let place = if index.is_empty() { "log".to_owned() } else { format!("entry {index}") };
        sayln!(
            "{place}: {}; expected {}, found {}",
            output::at(finding, "/what"),
            output::at(finding, "/expected"),
            output::at(finding, "/found")
        );
    }
    let total = body.get("findings_total").and_then(Value::as_u64).unwrap_or_default();
    if total > findings.len() as u64 {
        sayln!("and {} more", total - findings.len() as u64);
    }
}

/// What a verification has done so far, for the bar.
#[derive(Debug, Default)]
struct Steps {
    entries: AtomicU64,
    of: AtomicU64,
    rows: AtomicU64,
}

impl Steps {
    fn note(&self, step: AuditStep) {
        match step {
            AuditStep::Entries { done, of } => {
                self.entries.store(done, Ordering::Relaxed);
                self.of.store(of, Ordering::Relaxed);
            }
            AuditStep::Rows { done } => self.rows.store(done, Ordering::Relaxed),
        }
    }

    fn show(&self, bar: &ProgressBar) {
        let [entries, of, rows] =
            [&self.entries, &self.of, &self.rows].map(|count| count.load(Ordering::Relaxed));
        bar.set_message(format!("{entries} of {of} entries verified, {rows} rows compared"));
    }
}

/// Does the work, and shows people how it goes as soon as it takes longer than they would wait without a word.
async fn showing<T>(work: impl Future<Output = T>, format: Format, show: impl Fn(&ProgressBar)) -> T {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    if format == Format::Table {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    loop {
        show(&bar);
        bar.tick();
        if let Ok(done) = tokio::time::timeout(PATIENCE / 10, &mut work).await {
            bar.finish_and_clear();
            return done;
        }
    }
}

#[cfg(test)]
mod tests;
