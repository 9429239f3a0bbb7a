//! The log's side of witnessing (C2SP tlog-witness): has others cosign what was signed, so that nobody can be shown another
//! log than they saw.
//!
//! Each witness is asked on its own and within a time limit; one that hangs keeps nobody waiting. What enough of them cosigned
//! is kept and served. Nothing here stops the log: what must wait for witnesses waits, the rest goes on and is said in
//! `/ready`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use interlock_domain::Timestamp;
use interlock_ledger::{
    Hash, Keyring, ProofPlan, SignedNote, VerifyingKey,
    witness::{Submission, cosigned},
};
use interlock_store::Signed;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{App, FlowError, StartError, config::Ledger, rounds::rounds};

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The witnesses of this server's logs.
#[derive(Debug)]
pub(crate) struct Witnesses {
    each: Vec<Witness>,
    quorum: usize,
    http: reqwest::Client,
}

#[derive(Debug)]
struct Witness {
    key: VerifyingKey,
    url: String,
    /// The size of each log that it cosigned last, as far as it is known.
    sizes: Mutex<BTreeMap<String, u64>>,
    /// What came of asking it last, for each log.
    last: Mutex<BTreeMap<String, Last>>,
}

/// What came of asking a witness.
#[derive(Debug, Clone)]
pub(crate) struct Last {
    pub(crate) at: Timestamp,
    /// Why it did not cosign.
    pub(crate) failure: Option<String>,
}

impl Witnesses {
    pub(crate) fn open(config: &Ledger) -> Result<Self, StartError> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_millis(config.witness_timeout_ms))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| StartError::Witness(error.to_string()))?;
        let each = config.witnesses.iter().map(|witness| {
            let key = witness.key.parse::<VerifyingKey>()?;
            let url = witness.url.trim_end_matches('/').to_owned();
            Ok(Witness { key, url, sizes: Mutex::default(), last: Mutex::default() })
        });
        let each = each.collect::<Result<Vec<_>, StartError>>()?;
        Ok(Self { quorum: config.quorum(), each, http })
    }

    /// The witnesses' keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.each.iter().map(|witness| &witness.key)
    }

    /// How many must cosign.
    pub(crate) fn quorum(&self) -> usize {
        self.quorum
    }

    /// What came of asking each of them last: a failure, where one log finds none.
    pub(crate) fn last(&self) -> impl Iterator<Item = (&str, Option<Last>)> {
        self.each.iter().map(|witness| {
            let last = witness.last.lock().unwrap_or_else(PoisonError::into_inner);
            let worst = last.values().max_by_key(|last| (last.failure.is_some(), last.at)).cloned();
            (witness.key.name(), worst)
        })
    }
}

/// Has everything cosigned until it is told to stop.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    if app.witnesses.each.is_empty() {
        return;
    }
    let pause = Duration::from_millis(app.config.ledger.witness_every_ms);
    let looking = || async {
        if let Err(error) = round(&app).await {
            warn!(%error, "what is to be cosigned cannot be read");
        }
    };
    rounds(&stop, pause, looking).await;
}

/// Has the newest checkpoint of every log cosigned, where it is not yet.
pub(crate) async fn round(app: &App) -> Result<(), FlowError> {
    for log in app.store.logs().await? {
        witness(app, &log).await?;
    }
    Ok(())
}

/// Has the newest checkpoint of a log cosigned by all its witnesses, and keeps it when enough did.
pub(crate) async fn witness(app: &App, log: &str) -> Result<(), FlowError> {
    let Some(signed) = app.store.signed(log).await? else { return Ok(()) };
    let kept = app.store.witnessed(log).await?;
    if kept.is_some_and(|kept| kept.size >= signed.size) {
        return Ok(());
    }
    let asked = app.witnesses.each.iter().map(|witness| witness.ask(app, log, &signed));
    let answers = join_all(asked).await;
    let mut note =
        SignedNote::parse(signed.note.as_bytes()).map_err(|error| FlowError::Unsound(error.to_string()))?;
    let mut count = 0;
    for cosignatures in answers.into_iter().flatten() {
        if note.merge(cosignatures).is_ok() {
            count += 1;
        }
    }
    if count >= app.witnesses.quorum {
        let witnessed = Signed { size: signed.size, note: note.to_string() };
        app.store.write_witnessed(log, &witnessed).await?;
    }
    Ok(())
}

impl Witness {
    /// Its cosignature on a checkpoint; `None` when it gives none, which is written down.
    async fn ask(&self, app: &App, log: &str, signed: &Signed) -> Option<SignedNote> {
        let done = self.add_checkpoint(app, log, signed).await;
        let failure = done.as_ref().err().cloned();
        if let Some(failure) = &failure {
            warn!(witness = self.key.name(), log, failure, "a witness did not cosign");
        }
        let last = Last { at: app.clock.now(), failure };
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(log.to_owned(), last);
        done.ok()
    }

    async fn add_checkpoint(&self, app: &App, log: &str, signed: &Signed) -> Result<SignedNote, String> {
        let note = SignedNote::parse(signed.note.as_bytes()).map_err(|error| error.to_string())?;
        // It is known only by asking what it cosigned last: once more, from there.
        for _ in 0..2 {
            let old =
                self.sizes.lock().unwrap_or_else(PoisonError::into_inner).get(log).copied().unwrap_or(0);
            let proof = proof(app, log, old, signed.size).await?;
            let body = Submission { old, proof, note: note.clone() }.to_string();
            let request = app.witnesses.http.post(format!("{}/add-checkpoint", self.url)).body(body);
            let answer = request.send().await.map_err(|error| reason(&error))?;
            let status = answer.status().as_u16();
            let text = read(answer).await?;
            let newest = match status {
                200 => {
                    let trusted: Keyring = [self.key.clone()].into_iter().collect();
                    let cosigned = cosigned(&note, &text, &trusted).map_err(|error| error.to_string())?;
                    self.remember(log, signed.size);
                    return Ok(cosigned);
                }
                409 => text.trim().parse::<u64>().map_err(|_| "it answered 409 without a size".to_owned())?,
                _ => {
                    return Err(format!(
                        "it answered {status}: {}",
                        text.trim().chars().take(200).collect::<String>()
                    ));
                }
            };
            self.remember(log, newest);
            if newest > signed.size {
                return Err(format!(
                    "it cosigned this log at {newest} entries, and there are {} now: the log was cut off, or somebody else signs it",
                    signed.size
                ));
            }
        }
        Err("it names another size each time".to_owned())
    }

    fn remember(&self, log: &str, size: u64) {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner).insert(log.to_owned(), size);
    }
}

async fn proof(app: &App, log: &str, old: u64, size: u64) -> Result<Vec<Hash>, String> {
    if old == 0 {
        return Ok(Vec::new());
    }
    let plan = ProofPlan::consistency(old, size).map_err(|error| error.to_string())?;
    app.store.proof(log, &plan, size).await.map_err(|error| error.to_string())
}

async fn read(mut answer: reqwest::Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| reason(&error))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err("its answer is too long".to_owned());
        }
    }
    String::from_utf8(bytes).map_err(|_| "its answer is no text".to_owned())
}

/// Why it cannot be reached, in a line.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time (`ledger.witness_timeout_ms`)".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("it cannot be reached: {cause}")
}
