//! Exports for inspectors: a part of the ledger as an archive that people read and programs check, without this server.
//!
//! **Invariant:** every file of an archive is of one checkpoint, and all of them have the same entries. What cannot be proved is in
//! them, too, and said: an export is wanted most when something is wrong.

mod archive;
pub(crate) mod gather;
pub(crate) mod paper;
mod words;

use interlock_domain::{Action, Actor, ChangeId, DeviceId, PersonId, Timestamp};
use interlock_store::{About, Note, Selection, Write};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{aside, ask::may_read, change, tlog};
use crate::{App, FlowError};

/// Exports under way in this process: each holds a part of the ledger in memory.
static TURN: Semaphore = Semaphore::const_new(1);

/// Which part of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// Everything about this change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeId>,
    /// What this person did, and what was done to their accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// Everything about this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// From this instant on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An archive.
#[derive(Debug)]
pub struct Archive {
    /// What its file is called.
    pub name: String,
    /// The zip file.
    pub bytes: Vec<u8>,
}

impl Scope {
    /// What to read from the store. Who did something is only in the entries themselves.
    fn selection(&self) -> Selection {
        let change = self.change.clone().map(About::Change);
        let about = change.or_else(|| self.device.clone().map(About::Device));
        Selection { about, from: self.from, until: self.until }
    }

    fn check(&self) -> Result<(), FlowError> {
        let about = [self.change.is_some(), self.person.is_some(), self.device.is_some()];
        if about.into_iter().filter(|given| *given).count() > 1 {
            let detail = "export by one of `change`, `person` and `device`, with `from` and `until` where it is too much";
            return Err(FlowError::parameter("change", detail));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            return Err(FlowError::parameter("until", "it is not after `from`; give the end of the period"));
        }
        Ok(())
    }
}

/// Exports a part of the ledger. That it was exported, by whom and up to where, is an entry itself.
pub async fn export(app: &App, who: &Actor, scope: Scope) -> Result<Archive, FlowError> {
    scope.check()?;
    may_read(app, who, Action::ReadLedger, tlog::ledger(who)).await?;
    if let Some(id) = &scope.change {
        change::load(app, &who.tenant, id).await?;
    }
    if let Some(id) = &scope.device {
        let found = app.store.device(&who.tenant, id).await?;
        found.ok_or_else(|| FlowError::NotFound { what: "device", id: id.to_string() })?;
    }
    // Closed is not possible: nobody closes it.
    let _turn = TURN.acquire().await.map_err(|_| interlock_store::StoreError::Closed)?;
    let now = app.clock.now();
    let gathered = gather::gather(app, who, &scope).await?;
    let (entries, size) = (gathered.entries.len(), gathered.size);
    let (asked, by) = (scope.clone(), who.name.clone());
    let packed = aside(move || archive::pack(&gathered, &asked, now, &by)).await??;
    let digest = packed.digest;
    let bytes = packed.seal(&app.signer)?;
    let payload = serde_json::json!({
        "digest": digest, "entries": entries.to_string(), "scope": scope, "size": size.to_string(),
    });
    let note =
        Note { kind: "ledger.exported", object_kind: "ledger", object_id: who.tenant.to_string(), payload };
    app.commit(who, now, vec![Write::Note(note)]).await?;
    Ok(Archive { name: format!("ledger-{}-{size}.zip", who.tenant), bytes })
}
