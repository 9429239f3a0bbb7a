//! That a log continues what it was, proved with a few hashes against a checkpoint from one's own memory.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use interlock_ledger::{
    Checkpoint, Hash,
    copy::continues,
    tree::{EMPTY_ROOT, verify_consistency},
};
use serde_json::{Value, json};

use super::{
    remember::Memory,
    source::Source,
    trust::{Problem, Trust, Trusted},
};
use crate::{
    client::{Connection, Failure},
    output::{self, Format, Outcome},
};

#[derive(Debug, Args)]
pub(crate) struct Consistency {
    /// The checkpoint that was kept; the newest one takes its place when the log continues it. It is made when there is none.
    /// Keep it where nobody who can reach the database can reach it.
    #[arg(long, value_name = "FILE")]
    remember: PathBuf,
    /// Where the log is, when it is not to be asked of the server: a folder with its files, a database, an address.
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    #[command(flatten)]
    trust: Trust,
}

impl Consistency {
    pub(super) async fn run(self, connection: &Connection, format: Format) -> Result<Outcome, Failure> {
        let trusted = match self.trust.read() {
            Ok(trusted) => trusted,
            Err(problem) => return Ok(problem.end()),
        };
        let memory = Memory::open(&self.remember)?;
        if let Some(source) = &self.source {
            return match at(source, &memory, trusted, connection).await {
                Ok((shown, note)) => {
                    memory.keep(&note)?;
                    show(&shown, format)
                }
                Err(problem) => Ok(problem.end()),
            };
        }
        let client = connection.client()?;
        let earlier = memory.remembered().map(|remembered| remembered.checkpoint().clone());
        // A log without entries has no checkpoint, and every log continues that.
        let answer = match earlier.as_ref().filter(|earlier| earlier.size > 0) {
            Some(earlier) => client.get(&format!("/ledger/consistency?from={}", earlier.size)).await,
            None => {
                let text = client.bytes("/ledger/checkpoint").await?;
                let checkpoint = String::from_utf8_lossy(&text).into_owned();
                return self.first(&memory, &trusted, &checkpoint, format);
            }
        };
        let body = match answer {
            Ok(answer) => answer.body,
            // It cannot be proved because there are fewer entries: that is the finding.
            Err(Failure::Problem { status: 422, problem })
                if problem.get("parameter") == Some(&json!("from")) =>
            {
                let said = output::at(&problem, "/detail");
                return Ok(Problem::tampered(format!(
                    "the log does not continue what was remembered: {said}"
                ))
                .end());
            }
            Err(failure) => return Err(failure),
        };
        let checkpoint = output::at(&body, "/checkpoint");
        let checked =
            earlier.as_ref().map_or(Ok(json!({})), |earlier| check(earlier, &checkpoint, &body, &trusted));
        match checked {
            Ok(shown) => {
                memory.keep(&checkpoint)?;
                show(&shown, format)
            }
            Err(problem) => Ok(problem.end()),
        }
    }

    /// There is nothing yet that it could continue.
    fn first(
        &self,
        memory: &Memory,
        trusted: &Trusted,
        checkpoint: &str,
        format: Format,
    ) -> Result<Outcome, Failure> {
        match open(checkpoint, trusted) {
            Ok((newest, witnesses)) => {
                memory.keep(checkpoint)?;
                show(&json!({ "outcome": "remembered", "to": newest.size, "witnesses": witnesses }), format)
            }
            Err(problem) => Ok(problem.end()),
        }
    }
}

/// The same by the tiles of a copy. Gives what to show and the newest checkpoint.
async fn at(
    source: &str,
    memory: &Memory,
    trusted: Trusted,
    connection: &Connection,
) -> Result<(Value, String), Problem> {
    let source = Source::open(source, &trusted.origin, connection).await?;
    let earlier = memory.remembered().map(|remembered| remembered.checkpoint().clone());
    let nothing = Checkpoint { origin: trusted.origin.clone(), size: 0, root: EMPTY_ROOT };
    let from = earlier.clone().unwrap_or(nothing);
    if from.origin != trusted.origin {
        let said = format!("what was remembered is of log `{}`, not of `{}`", from.origin, trusted.origin);
        return Err(Problem::malformed(said));
    }
    let size = from.size;
    let work = tokio::task::spawn_blocking(move || {
        let files = source.files(&trusted.origin)?;
        let continued = continues(&files, &from, &trusted.origin, &trusted.keys)?;
        Ok::<_, Problem>((continued, trusted))
    });
    let (continued, trusted) = work.await.map_err(|error| Problem::malformed(error.to_string()))??;
    if let Some(finding) = continued.finding {
        return Err(finding.into());
    }
    let note = String::from_utf8_lossy(&continued.note).into_owned();
    let (newest, witnesses) = open(&note, &trusted)?;
    let outcome = if earlier.is_some() { "sound" } else { "remembered" };
    Ok((json!({ "outcome": outcome, "from": size, "to": newest.size, "witnesses": witnesses }), note))
}

fn open(checkpoint: &str, trusted: &Trusted) -> Result<(Checkpoint, Vec<String>), Problem> {
    let opened = Checkpoint::open(checkpoint.as_bytes(), &trusted.origin, &trusted.keys)?;
    let witnesses = trusted.witnessed(&opened)?;
    Ok((opened.checkpoint().clone(), witnesses))
}

fn check(earlier: &Checkpoint, checkpoint: &str, body: &Value, trusted: &Trusted) -> Result<Value, Problem> {
    let (newest, witnesses) = open(checkpoint, trusted)?;
    if earlier.origin != newest.origin {
        let said = format!("what was remembered is of log `{}`, not of `{}`", earlier.origin, newest.origin);
        return Err(Problem::malformed(said));
    }
    let lines = body.get("proof").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let hash = |line: &Value| -> Option<Hash> { STANDARD.decode(line.as_str()?).ok()?.try_into().ok() };
    let proof: Option<Vec<Hash>> = lines.iter().map(hash).collect();
    let proof =
        proof.ok_or_else(|| Problem::malformed("the server's proof is not made of hashes in base64"))?;
    verify_consistency((earlier.size, &earlier.root), (newest.size, &newest.root), &proof).map_err(
        |error| Problem::tampered(format!("the log does not continue what was remembered: {error}")),
    )?;
    Ok(json!({ "outcome": "sound", "from": earlier.size, "to": newest.size, "witnesses": witnesses }))
}

fn show(shown: &Value, format: Format) -> Result<Outcome, Failure> {
    let fields = [("outcome", "/outcome"), ("from", "/from"), ("to", "/to"), ("witnesses", "/witnesses")];
    output::record(shown, &fields, format)?;
    Ok(Outcome::Done)
}
