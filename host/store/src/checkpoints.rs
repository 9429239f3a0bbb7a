//! Table `ledger_checkpoints`: what each log signed last. Only the signer writes it, under its epoch.

use crate::{
    Store, StoreError,
    db::{Db, execute, fetch_optional},
};

/// What a log signed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// How many entries it is over.
    pub size: u64,
    /// The signed checkpoint.
    pub note: String,
}

/// The end of a log and what is signed of it, read in one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) size: i64,
    pub(crate) root: Vec<u8>,
    pub(crate) signed: Option<Signed>,
}

/// Makes this process the one that may publish for a log, and says its epoch. Whoever was it before finds that out when it
/// publishes.
pub(crate) async fn claim(db: &Db, log: &str) -> Result<i64, StoreError> {
    let claimed = fetch_optional!(
        db.writer(),
        (i64,),
        "INSERT INTO ledger_checkpoints (log, epoch, size, note) VALUES ($1, 1, 0, '')
         ON CONFLICT (log) DO UPDATE SET epoch = ledger_checkpoints.epoch + 1 RETURNING epoch",
        log
    )?;
    claimed.map(|(epoch,)| epoch).ok_or_else(|| StoreError::corrupt("log", log, "its checkpoint vanished"))
}

/// Publishes; false when this epoch is over, or something larger is there, and nothing was written.
pub(crate) async fn publish(db: &Db, log: &str, epoch: i64, signed: &Signed) -> Result<bool, StoreError> {
    let moved = execute!(
        db.writer(),
        "UPDATE ledger_checkpoints SET size = $3, note = $4 WHERE log = $1 AND epoch = $2 AND size <= $3",
        log,
        epoch,
        i64::try_from(signed.size).unwrap_or(i64::MAX),
        &signed.note
    )?;
    Ok(moved > 0)
}

/// Where a log ends and what is signed of it; `None` when nothing was ever written to it.
pub(crate) async fn ends(db: &Db, log: &str) -> Result<Option<Ends>, StoreError> {
    type Columns = (i64, Vec<u8>, Option<i64>, Option<String>);
    let found = fetch_optional!(
        db.reader(),
        Columns,
        "SELECT h.size, h.root, c.size, c.note FROM ledger_heads h
         LEFT JOIN ledger_checkpoints c ON c.log = h.log AND c.size > 0 WHERE h.log = $1",
        log
    )?;
    Ok(found.map(|(size, root, signed, note)| {
        let signed = signed.zip(note);
        let signed =
            signed.map(|(size, note)| Signed { size: u64::try_from(size).unwrap_or_default(), note });
        Ends { size, root, signed }
    }))
}

impl Store {
    /// The newest checkpoint of a log that enough witnesses cosigned.
    pub async fn witnessed(&self, log: &str) -> Result<Option<Signed>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64, String),
            "SELECT witnessed_size, witnessed FROM ledger_checkpoints WHERE log = $1 AND witnessed_size > 0",
            log
        )?;
        Ok(found.map(|(size, note)| Signed { size: u64::try_from(size).unwrap_or_default(), note }))
    }

    /// Keeps a checkpoint that enough witnesses cosigned, unless a newer one is there. No entry: it says nothing but what the
    /// log says already.
    pub async fn write_witnessed(&self, log: &str, witnessed: &Signed) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "UPDATE ledger_checkpoints SET witnessed_size = $2, witnessed = $3
             WHERE log = $1 AND witnessed_size <= $2 AND size >= $2",
            log,
            i64::try_from(witnessed.size).unwrap_or(i64::MAX),
            &witnessed.note
        )?;
        Ok(())
    }

    /// What a log signed last, over all that was committed before this was asked; `None` when nothing was ever written to it.
    /// When the signer refuses, or cannot sign, it is what it signed before.
    pub async fn signed(&self, log: &str) -> Result<Option<Signed>, StoreError> {
        if let Some(signer) = self.signer()
            && let Err(error) = signer.sign(log).await
        {
            tracing::error!(log, %error, "the newest entries are not signed");
        }
        Ok(ends(self.db(), log).await?.and_then(|ends| ends.signed))
    }
}
