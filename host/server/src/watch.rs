//! The tamper watch: verifies every log all the time, what is new at short intervals and everything by schedule, and puts a log
//! that was altered on hold.
//!
//! What it knows of a log is its own: the tree up to where it verified, never what the database says of itself. What it finds
//! opens an incident, which is an entry of the log: nothing is admitted and no stage entered in that tenant until a person has
//! looked and said what they found (`flow/tamper.rs`). An incident that cannot be written holds all the same.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use interlock_domain::Timestamp;
use interlock_ledger::{Report, Verdict};
use interlock_store::Cursor;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{App, FlowError, flow::tamper};

/// What this process has verified.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    logs: tokio::sync::Mutex<BTreeMap<String, Verified>>,
    tampered: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug, Default)]
struct Verified {
    cursor: Cursor,
    /// When all of it was verified last.
    whole: Option<Timestamp>,
}

impl Watch {
    /// The logs in which something was altered, as this process found them last, and what.
    pub(crate) fn tampered(&self) -> BTreeMap<String, String> {
        self.tampered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody has looked at what was altered.
    pub(crate) fn forget(&self, log: &str) {
        self.note(log, None);
    }

    fn note(&self, log: &str, found: Option<String>) {
        let mut tampered = self.tampered.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Some(found) => drop(tampered.insert(log.to_owned(), found)),
            None => drop(tampered.remove(log)),
        }
    }
}

/// Watches until it is told to stop.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let pause = Duration::from_millis(app.config.ledger.watch_every_ms);
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            looked = round(&app) => if let Err(error) = looked {
                warn!(%error, "the ledger could not be verified; it is tried again");
            }
        }
    }
}

/// Verifies what is new in every log, and all of those whose time has come.
pub(crate) async fn round(app: &App) -> Result<(), FlowError> {
    let mut logs = app.watch.logs.lock().await;
    for log in app.store.logs().await? {
        let verified = logs.entry(log.clone()).or_default();
        let now = app.clock.now();
        let (mut report, cursor) = app.store.audit_newest(&log, verified.cursor.clone()).await?;
        verified.cursor = cursor;
        let every_ms = i64::try_from(app.config.ledger.watch_all_every_ms).unwrap_or(i64::MAX);
        let due = verified.whole.is_none_or(|whole| now.millis_since(whole) >= every_ms);
        // Also at once when a log was on hold: what is in order again must be seen to be.
        if report.verdict() != Verdict::Tampered && (due || app.watch.tampered().contains_key(&log)) {
            report = app.store.audit(&log, None, |_| {}).await?.report;
            verified.whole = Some(now);
        } else if report.verdict() != Verdict::Tampered {
            continue;
        }
        judge(app, &log, &report, now).await;
    }
    Ok(())
}

/// Opens an incident when something was altered that nobody has looked at yet.
async fn judge(app: &App, log: &str, report: &Report, now: Timestamp) {
    let tampered = report.verdict() == Verdict::Tampered;
    metrics::gauge!("ledger_tampered", "log" => log.to_owned()).set(f64::from(u8::from(tampered)));
    if !tampered {
        app.watch.note(log, None);
        return;
    }
    let first = report.findings.first().map(ToString::to_string).unwrap_or_default();
    match tamper::open(app, log, report, now).await {
        Ok(tamper::Opened::Resolved) => {
            app.watch.note(log, None);
            return;
        }
        Ok(tamper::Opened::New) => {
            error!(
                alert = "AuditLogTamperDetected",
                log, first, "the ledger was altered; nothing is admitted until somebody has looked"
            );
            metrics::counter!("ledger_tamper_detected_total", "log" => log.to_owned()).increment(1);
        }
        Ok(tamper::Opened::Before) => {}
        Err(error) => {
            error!(alert = "AuditLogTamperDetected", log, first, %error, "the ledger was altered, and that cannot be written down");
        }
    }
    app.watch.note(log, Some(first));
}
