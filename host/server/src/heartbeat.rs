//! Entries of quiet logs that say only that the log lives: whoever watches it can tell silence from being cut off.

use std::{sync::Arc, time::Duration};

use interlock_domain::TenantId;
use interlock_store::{Note, StoreError, Write};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{App, FlowError, rounds::rounds};

/// The type of such an entry.
const KIND: &str = "ledger.heartbeat";

/// Keeps quiet logs alive until it is told to stop.
pub(crate) async fn run(app: Arc<App>, holder: String, stop: CancellationToken) {
    let every_ms = app.config.ledger.heartbeat_ms;
    if every_ms == 0 {
        return;
    }
    let pause = Duration::from_millis((every_ms / 4).clamp(100, 15_000));
    let beating = || async {
        if let Err(error) = round(&app, &holder).await {
            warn!(%error, "quiet logs could not be kept alive");
        }
    };
    rounds(&stop, pause, beating).await;
}

/// Writes to every log that has been quiet for long enough. One replica does; a log that the signer refuses is left as it is.
pub(crate) async fn round(app: &App, holder: &str) -> Result<(), FlowError> {
    let every_ms = i64::try_from(app.config.ledger.heartbeat_ms).unwrap_or(i64::MAX);
    let now = app.clock.now();
    let newest = app.store.newest_entries().await?;
    let quiet = newest.into_iter().filter(|(_, at)| now.millis_since(*at) >= every_ms);
    let refused = app.store.refusals();
    let quiet: Vec<String> = quiet.map(|(log, _)| log).filter(|log| !refused.contains_key(log)).collect();
    if every_ms == 0 || quiet.is_empty() {
        return Ok(());
    }
    let Some(lease) = app.store.acquire("ledger/heartbeat", holder, 60_000, now).await? else {
        return Ok(());
    };
    for log in quiet {
        let tenant: TenantId = log.parse().map_err(|error| FlowError::bad_id("tenant", &error))?;
        let note = Note {
            kind: KIND,
            object_kind: "ledger",
            object_id: log,
            payload: serde_json::json!({ "after_ms": every_ms }),
        };
        match app.commit_as_host(&tenant, now, Some(&lease), vec![Write::Note(note)]).await {
            Err(FlowError::Store(StoreError::Fenced { .. })) => {
                debug!("another replica keeps the logs alive by now");
                return Ok(());
            }
            done => drop(done?),
        }
    }
    Ok(())
}
