//! Whether what a change goes on by can be proved by now: admission and stages wait for the ledger, and everything else goes
//! on.
//!
//! **Fail closed.** A log that the signer refuses proves nothing of what is decided now, and neither does one whose witnesses
//! are away, where they are asked for.

use interlock_domain::{Change, State};
use interlock_store::Page;
use serde::Serialize;

use super::tamper;
use crate::{App, FlowError, config::Provable, witnesses};

/// How far an entry has come, and how far it must come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Reached {
    /// Its place in the tenant's log.
    pub index: u64,
    /// How far it has come: `committed`, `integrated` under a signed checkpoint, or `witnessed`.
    pub level: Provable,
    /// What it waits for. Until then it is on record and does not count.
    pub waits_for: Provable,
}

/// Brings an entry as far as it must come, where that can be had at once, and says how far it has come.
pub(crate) async fn reach(
    app: &App,
    log: &str,
    index: u64,
    waits_for: Provable,
) -> Result<Reached, FlowError> {
    let mut level = Provable::Committed;
    if waits_for > level && covered(app, log, Provable::Integrated).await? > index {
        level = Provable::Integrated;
        if waits_for > level {
            witnesses::witness(app, log).await?;
            if covered(app, log, Provable::Witnessed).await? > index {
                level = Provable::Witnessed;
            }
        }
    }
    Ok(Reached { index, level, waits_for })
}

/// How many entries of a log have come so far. None that a checkpoint of a log that is refused would cover.
async fn covered(app: &App, log: &str, level: Provable) -> Result<u64, FlowError> {
    let signed = app.store.signed(log).await?;
    let proved = match level {
        Provable::Committed => return Ok(u64::MAX),
        Provable::Integrated => signed,
        Provable::Witnessed => app.store.witnessed(log).await?,
    };
    Ok(proved.map_or(0, |proved| proved.size))
}

/// Why a change must wait for the ledger; `None` when it need not.
pub(crate) async fn missing(app: &App, change: &Change) -> Result<Option<String>, FlowError> {
    if !matches!(change.state, State::Approving | State::RollingOut) {
        return Ok(None);
    }
    if let Some(why) = tamper::holds(app, change.tenant()).await? {
        return Ok(Some(why));
    }
    let (admission, signing) = (app.config.ledger.admission_waits_for, app.config.ledger.signatures_wait_for);
    if admission.max(signing) == Provable::Committed {
        return Ok(None);
    }
    let log = change.tenant().as_str();
    let decided = newest(app, log, ("change", change.id.as_str())).await?;
    let mut signed = None;
    for signature in change.approvals.iter().filter_map(|approval| approval.signature.as_ref()) {
        signed = signed.max(newest(app, log, ("signature", signature.as_str())).await?);
    }
    for (what, index, wanted) in
        [("what it was decided on", decided, admission), ("the signatures of it", signed, signing)]
    {
        let Some(index) = index.filter(|_| wanted > Provable::Committed) else { continue };
        let covered = covered(app, log, wanted).await?;
        if app.store.refusals().contains_key(log) {
            let why = "the ledger does not continue what was signed of it, and nothing goes ahead on it until it is found out \
                       why: `interlock ledger verify`";
            return Ok(Some(why.to_owned()));
        }
        if index < covered {
            continue;
        }
        return Ok(Some(if wanted == Provable::Witnessed {
            format!("it waits until enough witnesses have cosigned {what}; `/ready` says which are away")
        } else {
            format!("it waits until the ledger has signed {what}; the server's log says what keeps it")
        }));
    }
    Ok(None)
}

/// Where the newest entry about a thing stands.
async fn newest(app: &App, log: &str, object: (&str, &str)) -> Result<Option<u64>, FlowError> {
    let rows = app.store.entries_of(log, object, &Page::first(1)).await?;
    Ok(rows.first().map(|row| row.idx))
}

/// Whether a change need not wait for the ledger.
pub(crate) async fn is_provable(app: &App, change: &Change) -> Result<bool, FlowError> {
    let missing = missing(app, change).await?;
    if let Some(why) = &missing {
        tracing::warn!(change = %change.id, why, "a change waits for the ledger");
    }
    Ok(missing.is_none())
}
