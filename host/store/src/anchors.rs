//! Table `ledger_anchors`: checkpoints whose digest is known to somebody outside, and what shows it. No entries: an anchor proves
//! something of the log, and the log nothing of its anchors. Rows are made and never altered.

use interlock_domain::{Digest, Timestamp};

use crate::{
    Page, Store, StoreError,
    db::{execute, fetch_all, fetch_optional},
    row,
};

/// A checkpoint that somebody outside knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// Of which log.
    pub log: String,
    /// Which anchor: its name in the configuration.
    pub anchor: String,
    /// `timestamp`, `git`, `webhook` or `stellar`.
    pub kind: String,
    /// How many entries the checkpoint is over.
    pub size: u64,
    /// SHA-256 of the checkpoint's text: what the anchor knows.
    pub digest: Digest,
    /// The checkpoint.
    pub note: String,
    /// Where to look for it: a commit, a transaction, a serial number.
    pub reference: String,
    /// What shows it without asking anybody, where there is such a thing.
    pub proof: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Keeps an anchor.
    pub async fn write_anchored(&self, anchored: &Anchored) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "INSERT INTO ledger_anchors (log, anchor, size, kind, digest, note, reference, proof, anchored_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            &anchored.log,
            &anchored.anchor,
            row::column(anchored.size),
            &anchored.kind,
            anchored.digest.to_string(),
            &anchored.note,
            &anchored.reference,
            &anchored.proof[..],
            anchored.at.as_millis()
        )?;
        Ok(())
    }

    /// The size and the time of the newest checkpoint of a log that an anchor knows of.
    pub async fn newest_anchored(
        &self,
        log: &str,
        anchor: &str,
    ) -> Result<Option<(u64, Timestamp)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64, i64),
            "SELECT size, anchored_ms FROM ledger_anchors WHERE log = $1 AND anchor = $2 ORDER BY size DESC LIMIT 1",
            log,
            anchor
        )?;
        Ok(found.map(|(size, ms)| (u64::try_from(size).unwrap_or_default(), Timestamp::from_millis(ms))))
    }

    /// When an anchor came to know of a log last, of the log that has waited longest; `None` when of one it never did.
    pub async fn oldest_anchored(&self, anchor: &str) -> Result<Option<Timestamp>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (Option<i64>,),
            "SELECT MIN(COALESCE(a.newest_ms, -1)) FROM ledger_heads h LEFT JOIN
                 (SELECT log, MAX(anchored_ms) AS newest_ms FROM ledger_anchors WHERE anchor = $1 GROUP BY log) a
             ON a.log = h.log WHERE h.size > 0",
            anchor
        )?;
        Ok(found.and_then(|(ms,)| ms).filter(|ms| *ms >= 0).map(Timestamp::from_millis))
    }

    /// The anchors of a log, newest first. The page goes on after the one that `after` names: `time/size/anchor`.
    pub async fn anchored(&self, log: &str, page: &Page) -> Result<Vec<Anchored>, StoreError> {
        type Columns = (String, String, i64, String, String, String, Vec<u8>, i64);
        let after = page.after.as_deref().unwrap_or_default();
        let mut parts = after.splitn(3, '/');
        let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok()).unwrap_or(i64::MAX);
        let (ms, size) = (number(), number());
        let name = parts.next().unwrap_or_default();
        let rows = fetch_all!(
            self.db().reader(),
            Columns,
            "SELECT anchor, kind, size, digest, note, reference, proof, anchored_ms FROM ledger_anchors
             WHERE log = $1 AND (anchored_ms < $2 OR (anchored_ms = $2 AND (size < $3 OR (size = $3 AND anchor > $4))))
             ORDER BY anchored_ms DESC, size DESC, anchor LIMIT $5",
            log,
            ms,
            size,
            name,
            page.limit()
        )?;
        rows.into_iter()
            .map(|(anchor, kind, size, digest, note, reference, proof, ms)| {
                let digest = digest.parse().map_err(|error| StoreError::corrupt("anchor", &anchor, error))?;
                Ok(Anchored {
                    log: log.to_owned(),
                    anchor,
                    kind,
                    size: u64::try_from(size).unwrap_or_default(),
                    digest,
                    note,
                    reference,
                    proof,
                    at: Timestamp::from_millis(ms),
                })
            })
            .collect()
    }
}

impl Anchored {
    /// Its place in a list: see [`Store::anchored`].
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.at.as_millis(), self.size, self.anchor)
    }
}
