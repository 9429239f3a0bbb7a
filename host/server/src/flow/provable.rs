//! Whether what a change goes on by can be proved by now: admission and stages wait for the ledger, and everything else goes
//! on.
//!
//! **Fail closed.** A log that the signer refuses proves nothing of what is decided now, and neither does one whose witnesses
//! are away, where they are asked for.

use interlock_domain::{Change, State};
use interlock_store::Page;

use super::tamper;
use crate::{App, FlowError, config::Provable};

/// Why a change must wait for the ledger; `None` when it need not.
pub(crate) async fn missing(app: &App, change: &Change) -> Result<Option<String>, FlowError> {
    let wanted = app.config.ledger.admission_waits_for;
    if !matches!(change.state, State::Approving | State::RollingOut) {
        return Ok(None);
    }
    if let Some(why) = tamper::holds(app, change.tenant()).await? {
        return Ok(Some(why));
    }
    if wanted == Provable::Nothing {
        return Ok(None);
    }
    let log = change.tenant().as_str();
    let newest = app.store.entries_of(log, ("change", change.id.as_str()), &Page::first(1)).await?;
    let signed = app.store.signed(log).await?;
    if app.store.refusals().contains_key(log) {
        let why = "the ledger does not continue what was signed of it, and nothing goes ahead on it until it is found out why: \
                   `interlock ledger verify`";
        return Ok(Some(why.to_owned()));
    }
    let proved = match wanted {
        Provable::Nothing => return Ok(None),
        Provable::Signed => signed,
        Provable::Witnessed => app.store.witnessed(log).await?,
    };
    let size = proved.map_or(0, |proved| proved.size);
    if newest.first().is_none_or(|newest| newest.idx < size) {
        return Ok(None);
    }
    Ok(Some(match wanted {
        Provable::Witnessed => {
            "it waits until enough witnesses have cosigned what it was decided on; `/ready` says which are \
                                away"
                .to_owned()
        }
        _ => {
            "it waits until the ledger has signed what it was decided on; the server's log says what keeps it"
                .to_owned()
        }
    }))
}

/// Whether a change need not wait for the ledger.
pub(crate) async fn is_provable(app: &App, change: &Change) -> Result<bool, FlowError> {
    let missing = missing(app, change).await?;
    if let Some(why) = &missing {
        tracing::warn!(change = %change.id, why, "a change waits for the ledger");
    }
    Ok(missing.is_none())
}
