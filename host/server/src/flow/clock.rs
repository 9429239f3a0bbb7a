//! Whether this server's clock is right, and the ledger's word when that turns.

use interlock_domain::TenantId;
use interlock_store::{Note, SYSTEM, Write};
use serde_json::json;
use tracing::warn;

use crate::{App, FlowError};

/// How far the true time is ahead, as far as it is measured. Refused under a clock that is off; the ledger says once since when,
/// and once that it is right again.
pub(crate) async fn offset(app: &App) -> Result<Option<i64>, FlowError> {
    let found = app.true_time.offset(app.clock.as_ref()).await;
    let reason = match &found {
        Ok(_) => None,
        Err(FlowError::ClockOff(reason)) => Some(reason.as_str()),
        Err(_) => return found,
    };
    if app.true_time.turns(reason.is_some())
        && let Err(error) = note(app, reason).await
    {
        // Said at the next question instead.
        app.true_time.turns(reason.is_none());
        warn!(%error, "that the clock turned wrong or right could not be recorded");
    }
    found
}

async fn note(app: &App, reason: Option<&str>) -> Result<(), FlowError> {
    let system: TenantId = SYSTEM.parse().map_err(|error| FlowError::bad_id("tenant", &error))?;
    let object_id = app.config.login.time_server.address.clone();
    let kind = if reason.is_some() { "clock.off" } else { "clock.right" };
    let payload = json!({ "reason": reason, "offset_ms": app.true_time.measured().await });
    let note = Note { kind, object_kind: "clock", object_id, payload };
    app.commit_as_host(&system, app.clock.now(), None, vec![Write::Note(note)]).await?;
    Ok(())
}
