//! Verifying a log wherever it is kept, with nothing but keys that came from elsewhere.

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use clap::Args;
use interlock_ledger::{
    Finding, FindingKind, Receipt, Remembered, Report, Verdict,
    copy::{Demands, Step, Survey, survey},
};
use interlock_store::{Audit, AuditBy, Store};
use serde_json::{Value, json};

use super::{
    Steps,
    remember::Memory,
    report, showing,
    source::{Source, parts},
    trust::{Found, Problem, Trusted, emitter, trusted},
};
use crate::{
    client::{Connection, Failure},
    output::{Format, Outcome},
};

/// A server answers several requests at a time; a disk keeps as many threads busy as there are processors.
const REQUESTS: NonZeroUsize = NonZeroUsize::new(8).expect("eight is not zero");

/// Whom to believe, and what was kept.
#[derive(Debug, Default, Args)]
pub(super) struct Asked {
    /// The log's public key (`name+id+base64`), or the file with it. Get it from whoever runs the server, not from the server.
    #[arg(long, value_name = "VKEY")]
    log_key: Option<String>,
    /// The public key of a server that wrote entries, or the file with it. May be given several times.
    #[arg(long, value_name = "VKEY")]
    emitter_key: Vec<String>,
    /// Leave the servers' signatures on entries out, which take nearly all the time. The tree still guards what is signed.
    #[arg(long, conflicts_with = "emitter_key")]
    without_emitters: bool,
    /// A witness's public key, or the file with it. May be given several times.
    #[arg(long, value_name = "VKEY")]
    witness_key: Vec<String>,
    /// How many of the witnesses must have cosigned; all of them when absent.
    #[arg(long, value_name = "NUMBER")]
    quorum: Option<usize>,
    /// A receipt, or a checkpoint that a witness or you kept: the log must continue it. May be given several times.
    #[arg(long, value_name = "FILE")]
    kept: Vec<PathBuf>,
    /// How many threads read and hash; as many as there are processors when absent.
    #[arg(long, value_name = "NUMBER")]
    threads: Option<NonZeroUsize>,
}

impl Asked {
    /// Whether anything of it was given.
    pub(super) fn any(&self) -> bool {
        self.log_key.is_some() || !self.kept.is_empty() || !self.emitter_key.is_empty()
    }

    /// Verifies the log that is at `source`.
    pub(super) async fn verify(
        &self,
        source: &str,
        every_file: bool,
        memory: Option<&Memory>,
        connection: &Connection,
        format: Format,
    ) -> Result<Outcome, Failure> {
        match self.look(source, every_file, memory, connection, format).await {
            Ok(body) => {
                report(&body, format)?;
                let found = Found::of(&body);
                if let (Found::Sound, Some(memory)) = (found, memory) {
                    memory.keep(body["checkpoint"].as_str().unwrap_or_default())?;
                }
                Ok(found.outcome())
            }
            Err(problem) => Ok(problem.end()),
        }
    }

    async fn look(
        &self,
        source: &str,
        every_file: bool,
        memory: Option<&Memory>,
        connection: &Connection,
        format: Format,
    ) -> Result<Value, Problem> {
        let trusted = self.trusted()?;
        let mut kept = self.kept(&trusted)?;
        kept.extend(memory.and_then(Memory::remembered).cloned());
        let source = Source::open(source, &trusted.origin, connection).await?;
        if let Source::Database(store) = &source {
            return self.audit(store, &trusted, &kept, format).await;
        }
        let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let own = if matches!(source, Source::Server(..)) { REQUESTS } else { processors };
        let demands = Demands {
            origin: trusted.origin.clone(),
            keys: trusted.keys,
            kept,
            quorum: trusted.quorum,
            emitter_signatures: !self.without_emitters,
            every_file,
            threads: self.threads.unwrap_or(own),
        };
        let (done, of) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (noted, total) = (Arc::clone(&done), Arc::clone(&of));
        let work = tokio::task::spawn_blocking(move || {
            let files = source.files(&demands.origin)?;
            survey(&files, &demands, |step: Step| {
                noted.store(step.done, Ordering::Relaxed);
                total.store(step.of, Ordering::Relaxed);
            })
            .map_err(Problem::from)
        });
        let surveyed = showing(work, format, |bar| {
            let [done, of] = [&done, &of].map(|count| count.load(Ordering::Relaxed));
            bar.set_message(format!("{done} of {of} entries verified"));
        });
        let survey = surveyed.await.map_err(|error| Problem::malformed(error.to_string()))??;
        Ok(of_survey(&trusted.origin, &survey))
    }

    async fn audit(
        &self,
        store: &Store,
        trusted: &Trusted,
        kept: &[Remembered],
        format: Format,
    ) -> Result<Value, Problem> {
        let (_, log) = parts(&trusted.origin)?;
        let steps = Arc::new(Steps::default());
        let noted = Arc::clone(&steps);
        let by = AuditBy { keys: trusted.keys.clone(), kept, emitter_signatures: !self.without_emitters };
        let work = store.audit_by(log, by, move |step| noted.note(step));
        let audit = showing(work, format, |bar| steps.show(bar)).await;
        let unreadable = |error: interlock_store::StoreError| Problem {
            found: Found::Unverifiable,
            said: error.to_string(),
        };
        let mut audit = audit.map_err(unreadable)?;
        if trusted.quorum > 0 {
            let witnessed = store.witnessed(log).await.map_err(unreadable)?;
            let found = witnessed.map_or(0, |witnessed| trusted.cosigned(&witnessed.note));
            if found < trusted.quorum {
                let (expected, what) =
                    (trusted.quorum.to_string(), "too few witnesses cosigned a checkpoint");
                audit.report.findings.push(Finding::missing(None, what, expected, found.to_string()));
                audit.report.findings_total += 1;
            }
        }
        Ok(of_audit(&trusted.origin, &audit))
    }

    /// The keys, read.
    pub(super) fn trusted(&self) -> Result<Trusted, Problem> {
        let log = self.log_key.as_deref().ok_or_else(|| {
            let said =
                "give the log's public key with --log-key: without it, whoever altered the log could sign it";
            Problem::malformed(said)
        })?;
        if self.emitter_key.is_empty() && !self.without_emitters {
            let said = "give the public keys of the servers that wrote entries with --emitter-key (`interlock ledger keys` \
                        prints them), or --without-emitters";
            return Err(Problem::malformed(said));
        }
        let emitters: Vec<_> = self.emitter_key.iter().map(|text| emitter(text)).collect::<Result<_, _>>()?;
        let mut trusted = trusted(log, &self.witness_key, self.quorum)?;
        trusted.add(emitters);
        Ok(trusted)
    }

    /// What was kept: receipts, which have to hold by themselves, and checkpoints.
    fn kept(&self, trusted: &Trusted) -> Result<Vec<Remembered>, Problem> {
        let read = |path: &PathBuf| {
            let bytes = std::fs::read(path).map_err(|error| Problem::file(path, &error))?;
            let named = |problem: Problem| problem.at(path);
            let note = match Receipt::parse(&bytes) {
                Ok(receipt) => {
                    let body = receipt.extra.clone().unwrap_or_default();
                    if receipt.extra.is_some() {
                        let held = receipt.verify(&body, &trusted.origin, &trusted.keys);
                        held.map_err(|error| named(error.into()))?;
                    }
                    receipt.checkpoint.to_string().into_bytes()
                }
                Err(_) => bytes,
            };
            Remembered::parse(&note).map_err(|error| named(error.into()))
        };
        self.kept.iter().map(read).collect()
    }
}

fn of_survey(origin: &str, survey: &Survey) -> Value {
    let mut body = of_report(origin, &survey.report);
    body["checkpoint"] = String::from_utf8_lossy(&survey.note).into();
    body["witnesses"] = json!(survey.witnesses);
    body["files"] = json!(survey.files);
    body
}

fn of_audit(origin: &str, audit: &Audit) -> Value {
    let mut body = of_report(origin, &audit.report);
    body["checkpoint"] = audit.checkpoint.clone().into();
    body["rows_compared"] = audit.rows_compared.into();
    body["changes_rebuilt"] = audit.changes_rebuilt.into();
    body
}

fn of_report(origin: &str, report: &Report) -> Value {
    let (outcome, advice) = match report.verdict() {
        Verdict::Sound => ("sound", None),
        Verdict::Unverifiable => (
            "unverifiable",
            Some(
                "find out whether what is missing was ever there, and look into another copy; only what is there was verified",
            ),
        ),
        Verdict::Tampered => (
            "tampered",
            Some(
                "keep this copy as it is, and compare it with another one: `interlock ledger compare` says where they part",
            ),
        ),
    };
    let findings = report.findings.iter().map(|finding| {
        let Finding { idx, kind, what, expected, found } = finding;
        let kind = match kind {
            FindingKind::Missing => "missing",
            FindingKind::Tampered => "tampered",
        };
        json!({ "index": idx, "kind": kind, "what": what, "expected": expected, "found": found })
    });
    json!({
        "outcome": outcome,
        "sound": outcome == "sound",
        "origin": origin,
        "entries": report.entries,
        "root": hex::encode(report.root),
        "findings": findings.collect::<Vec<_>>(),
        "findings_total": report.findings_total,
        "advice": advice,
    })
}
