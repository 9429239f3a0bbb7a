//! Answers to other programs' questions, on record before they are given: in the journal first, and from there in the
//! database.
//!
//! **Invariants.** An answer that is given is on the disk. What is asked about decisions is answered with all that this
//! replica gave before; what others gave follows within a second or so.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use interlock_domain::{Actor, Decision, DecisionId, TenantId, Timestamp};
use interlock_store::{Frames, Journal, Note, SealedFile, Segment, StoreError, Write};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{App, FlowError, rounds::rounds};

/// Puts decisions on record, durably.
pub(crate) async fn record(
    app: &App,
    who: &Actor,
    now: Timestamp,
    decisions: Vec<Decision>,
) -> Result<(), FlowError> {
    if decisions.is_empty() {
        return Ok(());
    }
    let Some(journal) = &app.journal else {
        let writes = decisions.into_iter().map(|decision| Write::Decision(Box::new(decision))).collect();
        return app.commit(who, now, writes).await.map(|_| ());
    };
    let mut frames = Frames::default();
    for decision in decisions {
        let text = serde_json::to_string(&decision).map_err(|error| StoreError::Json(Arc::new(error)))?;
        frames.push(decision.tenant.as_str(), &text);
    }
    Ok(journal.append(frames).await?)
}

/// A recorded decision, also one that is not in the database yet.
pub(crate) async fn find(
    app: &App,
    tenant: &TenantId,
    id: &DecisionId,
) -> Result<Option<Decision>, FlowError> {
    if let Some(decision) = app.store.decision(tenant, id).await? {
        return Ok(Some(decision));
    }
    settle(app).await?;
    Ok(app.store.decision(tenant, id).await?)
}

/// Brings all that this replica has recorded into the database.
pub(crate) async fn settle(app: &App) -> Result<(), FlowError> {
    let Some(journal) = &app.journal else { return Ok(()) };
    if journal.backlog_bytes() == 0 {
        return Ok(());
    }
    journal.seal().await?;
    ship(app, journal).await
}

/// Brings sealed files into the database, the oldest first.
async fn ship(app: &App, journal: &Journal) -> Result<(), FlowError> {
    let _turn = app.shipping.lock().await;
    while let Some(file) = journal.oldest() {
        if ship_one(app, file.clone()).await? {
            journal.shipped(&file)?;
        } else {
            error!(
                file = file.segment(),
                "not all of a journal's file could be brought into the database: it is set aside as `.damaged`, and a person has to look at it"
            );
            journal.set_aside(&file)?;
        }
    }
    Ok(())
}

/// Whether all that is in a file is in the database now. What is wrong with one keeps none of those behind it.
async fn ship_one(app: &App, file: SealedFile) -> Result<bool, FlowError> {
    let Some(Packed { segments, unread_bytes, mut whole }) = super::aside(move || packed(&file)).await??
    else {
        return Ok(true);
    };
    for (tenant, segment) in segments {
        let mut writes = vec![Write::Segment(Box::new(segment))];
        if unread_bytes > 0 {
            writes.push(cut_short(unread_bytes));
        }
        match app.commit_as_host(&tenant, app.clock.now(), None, writes).await {
            // It was written already, and the file outlived it.
            Err(FlowError::Store(StoreError::AlreadyExists { .. })) => {}
            // Another of its name was: a folder was put in this server's place.
            Err(FlowError::Store(StoreError::Conflict { .. })) => whole = false,
            done => _ = done?,
        }
    }
    Ok(whole)
}

/// A file as it comes into the database.
struct Packed {
    /// A segment for each tenant.
    segments: Vec<(TenantId, Segment)>,
    unread_bytes: u64,
    /// Whether nothing is left out that somebody may have been told.
    whole: bool,
}

/// `None` when the file is gone: another process brought it in.
fn packed(file: &SealedFile) -> Result<Option<Packed>, FlowError> {
    let Some(journaled) = file.read()? else { return Ok(None) };
    let mut packed =
        Packed { segments: Vec::new(), unread_bytes: journaled.unread_bytes, whole: !journaled.damaged };
    if journaled.unread_bytes > 0 {
        warn!(
            file = file.segment(),
            bytes = journaled.unread_bytes,
            "not all of a journal's file can be read"
        );
    }
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tenant, text) in journaled.decisions {
        texts.entry(tenant).or_default().push(text);
    }
    for (tenant, texts) in texts {
        let Ok(named) = tenant.parse::<TenantId>() else {
            error!(file = file.segment(), tenant, "a journal's file names no tenant");
            packed.whole = false;
            continue;
        };
        match Segment::pack(file.segment(), named.clone(), texts) {
            Ok(segment) => packed.segments.push((named, segment)),
            Err(error) => {
                error!(file = file.segment(), tenant, %error, "decisions in a journal's file cannot be packed");
                packed.whole = false;
            }
        }
    }
    Ok(Some(packed))
}

/// Said in the record: usually what was being written when the process was killed, which nobody was answered.
fn cut_short(unread_bytes: u64) -> Write {
    Write::Note(Note {
        kind: "decisions.cut_short",
        object_kind: "journal",
        object_id: "journal".to_owned(),
        payload: serde_json::json!({ "unread_bytes": unread_bytes }),
    })
}

/// Ships until it is told to stop, and then what is left.
pub(crate) async fn run(app: Arc<App>, stop: CancellationToken) {
    let pause = Duration::from_millis(app.config.decisions.seal_after_ms);
    rounds(&stop, pause, || settle_soon(&app)).await;
    settle_soon(&app).await;
}

async fn settle_soon(app: &App) {
    if let Err(error) = settle(app).await {
        error!(%error, "recorded answers could not be brought into the database; it is tried again");
    }
}
