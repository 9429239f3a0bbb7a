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

use crate::{App, FlowError};

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
        ship_one(app, file.clone()).await?;
        journal.shipped(&file)?;
    }
    Ok(())
}

async fn ship_one(app: &App, file: SealedFile) -> Result<(), FlowError> {
    let (segments, unread_bytes) = super::aside(move || packed(&file)).await??;
    for segment in segments {
        let tenant = segment.0;
        let mut writes = vec![Write::Segment(Box::new(segment.1))];
        if unread_bytes > 0 {
            writes.push(cut_short(unread_bytes));
        }
        match app.commit_as_host(&tenant, app.clock.now(), None, writes).await {
            // It was written already, and the file outlived it.
            Err(FlowError::Store(StoreError::AlreadyExists { .. })) => {}
            done => _ = done?,
        }
    }
    Ok(())
}

/// A segment for each tenant in a file, and how many bytes of it could not be read.
fn packed(file: &SealedFile) -> Result<(Vec<(TenantId, Segment)>, u64), FlowError> {
    let journaled = file.read()?;
    if journaled.unread_bytes > 0 {
        warn!(
            file = file.segment(),
            bytes = journaled.unread_bytes,
            "the end of a journal's file cannot be read"
        );
    }
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tenant, text) in journaled.decisions {
        texts.entry(tenant).or_default().push(text);
    }
    let segments = texts.into_iter().map(|(tenant, texts)| {
        let tenant: TenantId =
            tenant.parse().map_err(|_| FlowError::invalid("", "the journal names no tenant"))?;
        let segment = Segment::pack(file.segment(), tenant.clone(), texts)?;
        Ok((tenant, segment))
    });
    Ok((segments.collect::<Result<_, FlowError>>()?, journaled.unread_bytes))
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
    while !stop.is_cancelled() {
        settle_soon(&app).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    settle_soon(&app).await;
}

async fn settle_soon(app: &App) {
    if let Err(error) = settle(app).await {
        error!(%error, "recorded answers could not be brought into the database; it is tried again");
    }
}
