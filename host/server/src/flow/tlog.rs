//! The tenant's ledger as a transparency log: its signed checkpoint, its tiles, and proofs from them.
//!
//! **Invariant:** no receipt leaves here that does not lead to a checkpoint signed by the log: one that does not is a
//! finding, and nobody's proof.

use interlock_domain::{Action, Actor, ChangeId, Resource, SignatureId};
use interlock_ledger::{
    Hash, KeyKind, ProofPlan, Receipt, SignedNote, StoredRow, Tile, TileKind, TreeError, VerifyingKey,
};
use interlock_store::{Anchored, Page, Signed, StoreError};

use super::ask::may_read;
use crate::{App, FlowError};

/// A receipt, and what the entry says besides.
#[derive(Debug)]
pub struct Proved {
    /// The entry.
    pub row: StoredRow,
    /// The proof that it is in the log.
    pub receipt: Receipt,
}

/// The proof that a log at one size continues what it was at another.
#[derive(Debug)]
pub struct Continued {
    /// The earlier size.
    pub from: u64,
    /// The later one.
    pub to: u64,
    /// The hashes, as RFC 6962 orders them.
    pub proof: Vec<Hash>,
    /// The newest checkpoint.
    pub checkpoint: String,
}

/// The newest signed checkpoint.
pub async fn checkpoint(app: &App, who: &Actor) -> Result<String, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let signed = newest(app, who).await?;
    // With the cosignatures, as soon as enough are there.
    let witnessed =
        app.store.witnessed(who.tenant.as_str()).await?.filter(|witnessed| witnessed.size == signed.size);
    Ok(witnessed.unwrap_or(signed).note)
}

/// The bytes of a tile or bundle, when a tree as large as the newest checkpoint has it.
pub async fn tile(app: &App, who: &Actor, tile: Tile) -> Result<Vec<u8>, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let size = newest(app, who).await?.size;
    let there = Tile::of_size(tile.kind(), tile.index(), size);
    if there.is_none_or(|there| there.width() < tile.width()) {
        let instead = match there {
            Some(there) => format!("it has `{there}`"),
            None => format!("it ends before that{}", hint(tile.kind())),
        };
        return Err(FlowError::Beyond(format!(
            "there is no `{tile}` in a log of {size} entries: {instead}; ask for what the checkpoint's size calls for"
        )));
    }
    let bytes = app.store.tile(who.tenant.as_str(), tile).await?;
    bytes.ok_or_else(|| FlowError::Unsound(format!("`{tile}` of the log of `{}` is not whole", who.tenant)))
}

fn hint(kind: TileKind) -> &'static str {
    match kind {
        TileKind::Hashes(1..) => ", and a tile above the lowest level begins when 256 below it are full",
        _ => "",
    }
}

/// The receipt of one entry.
pub async fn receipt(app: &App, who: &Actor, index: u64) -> Result<Proved, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let signed = newest(app, who).await?;
    let beyond = || {
        let size = signed.size;
        FlowError::Beyond(format!(
            "there is no entry `{index}` in a log of {size} entries; ask for an index below that"
        ))
    };
    let row = app.store.entry(who.tenant.as_str(), index).await?.filter(|row| row.idx < signed.size);
    let row = row.ok_or_else(beyond)?;
    let witnessed = app.store.witnessed(who.tenant.as_str()).await?;
    prove(app, who, best(&signed, witnessed.as_ref(), &row), row).await
}

/// The receipts of what the ledger says of a change, newest first: its proposal, each approval, its admission and each stage.
pub async fn receipts(
    app: &App,
    who: &Actor,
    change: &ChangeId,
    page: &Page,
) -> Result<Vec<Proved>, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let found = app.store.change(&who.tenant, change).await?;
    if found.is_none() {
        return Err(FlowError::NotFound { what: "change", id: change.to_string() });
    }
    let rows = app.store.entries_of(who.tenant.as_str(), ("change", change.as_str()), page).await?;
    let signed = newest(app, who).await?;
    let witnessed = app.store.witnessed(who.tenant.as_str()).await?;
    let mut proved = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| row.idx < signed.size) {
        proved.push(prove(app, who, best(&signed, witnessed.as_ref(), &row), row).await?);
    }
    Ok(proved)
}

/// The receipt of an electronic signature: that it was made by then, and that nobody puts another one in its place.
pub async fn receipt_of_signature(app: &App, who: &Actor, id: &SignatureId) -> Result<Proved, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let page = Page { after: None, limit: 1 };
    let rows = app.store.entries_of(who.tenant.as_str(), ("signature", id.as_str()), &page).await?;
    let signed = newest(app, who).await?;
    let row = rows.into_iter().find(|row| row.idx < signed.size);
    let row = row.ok_or_else(|| FlowError::NotFound { what: "signature", id: id.to_string() })?;
    prove(app, who, &signed, row).await
}

/// The proof that the log continues what it was at an earlier size; up to the newest checkpoint unless told otherwise.
pub async fn consistency(app: &App, who: &Actor, from: u64, to: Option<u64>) -> Result<Continued, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let signed = newest(app, who).await?;
    let to = to.unwrap_or(signed.size);
    if to > signed.size {
        let size = signed.size;
        return Err(FlowError::parameter(
            "to",
            format!("the log has {size} entries, not {to}; give a size up to that"),
        ));
    }
    let plan = ProofPlan::consistency(from, to);
    let plan = plan.map_err(|error| FlowError::parameter("from", error.to_string()))?;
    let proof = app.store.proof(who.tenant.as_str(), &plan, to).await?;
    Ok(Continued { from, to, proof, checkpoint: signed.note })
}

/// The keys that what is in the log is signed with: the log's own first, the witnesses' last.
pub async fn keys(app: &App, who: &Actor) -> Result<Vec<VerifyingKey>, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    let keys = app.store.keys();
    let log = keys.log_key(&origin(app, who)).map_err(StoreError::from)?;
    let own = [log.verifying_key().clone(), keys.emitter().verifying_key().clone()];
    Ok(own.into_iter().chain(app.witnesses.keys().cloned()).collect())
}

/// Who outside knows of the log's checkpoints, newest first, with what shows it.
pub async fn anchors(app: &App, who: &Actor, page: &Page) -> Result<Vec<Anchored>, FlowError> {
    may_read(app, who, Action::ReadLedger, ledger(who)).await?;
    Ok(app.store.anchored(who.tenant.as_str(), page).await?)
}

/// What a key is for, in a word.
pub fn purpose(key: &VerifyingKey, origin: &str) -> &'static str {
    match key.kind() {
        KeyKind::Cosignature => "witness",
        KeyKind::Note if key.name() == origin => "log",
        KeyKind::Note => "emitter",
    }
}

/// What the tenant's log is called.
pub fn origin(app: &App, who: &Actor) -> String {
    app.store.options().origin(who.tenant.as_str())
}

pub(super) async fn newest(app: &App, who: &Actor) -> Result<Signed, FlowError> {
    let signed = app.store.signed(who.tenant.as_str()).await?;
    signed.ok_or_else(|| FlowError::NotFound { what: "ledger", id: who.tenant.to_string() })
}

/// The checkpoint that proves most about an entry: one that was witnessed, when the entry is under it.
fn best<'a>(signed: &'a Signed, witnessed: Option<&'a Signed>, row: &StoredRow) -> &'a Signed {
    witnessed.filter(|witnessed| row.idx < witnessed.size).unwrap_or(signed)
}

pub(super) async fn prove(
    app: &App,
    who: &Actor,
    signed: &Signed,
    row: StoredRow,
) -> Result<Proved, FlowError> {
    let (log, origin) = (who.tenant.as_str(), origin(app, who));
    let unsound =
        |detail: String| FlowError::Unsound(format!("entry {} of the log `{origin}`: {detail}", row.idx));
    let plan =
        ProofPlan::inclusion(row.idx, signed.size).map_err(|error: TreeError| unsound(error.to_string()))?;
    let proof = app.store.proof(log, &plan, signed.size).await?;
    let checkpoint = SignedNote::parse(signed.note.as_bytes()).map_err(|error| unsound(error.to_string()))?;
    let receipt = Receipt { index: row.idx, proof, checkpoint, extra: Some(row.body.clone()) };
    let keys = app.store.keys().keyring(&origin).map_err(StoreError::from)?;
    receipt.verify(&row.body, &origin, &keys).map_err(|error| unsound(error.to_string()))?;
    Ok(Proved { row, receipt })
}

pub(super) fn ledger(who: &Actor) -> Resource {
    Resource::Ledger { tenant: who.tenant.clone() }
}
