//! Tables `ledger_copies` and `ledger_copied`: how far each copy of a log outside has come, and what was pinned there. No
//! entries: they say nothing but what the log and its copy say. Whoever alters them makes the next round begin from what it finds.

use interlock_domain::{Digest, Timestamp};
use interlock_ledger::Frontier;

use crate::{
    Store, StoreError,
    db::{execute, fetch_all, fetch_optional},
    row,
};

/// How far a copy of a log has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The tree over what is there.
    pub tree: Frontier,
    /// When it came so far.
    pub at: Timestamp,
}

/// What is where it cannot be overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Where, below the log's folder.
    pub path: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Which version of it; empty where there are none.
    pub version: String,
    /// Until when nobody removes it, RFC 3339; empty where it is for ever.
    pub kept_until: String,
}

impl Store {
    /// How far a copy of a log has come; `None` before it begins.
    pub async fn copied(&self, copy: &str, log: &str) -> Result<Option<Copied>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (Vec<u8>, i64),
            "SELECT frontier, copied_ms FROM ledger_copies WHERE copy = $1 AND log = $2",
            copy,
            log
        )?;
        let read = |(tree, copied_ms): (Vec<u8>, i64)| {
            let tree =
                Frontier::from_bytes(&tree).map_err(|error| StoreError::corrupt("copy", copy, error))?;
            Ok(Copied { tree, at: Timestamp::from_millis(copied_ms) })
        };
        found.map(read).transpose()
    }

    /// Notes how far a copy of a log has come, unless it is further.
    pub async fn write_copied(&self, copy: &str, log: &str, copied: &Copied) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "INSERT INTO ledger_copies (copy, log, size, frontier, copied_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (copy, log) DO UPDATE SET size = $3, frontier = $4, copied_ms = $5
             WHERE ledger_copies.size <= $3",
            copy,
            log,
            row::column(copied.tree.size()),
            copied.tree.to_bytes(),
            copied.at.as_millis()
        )?;
        Ok(())
    }

    /// How many entries a copy lacks, of the log with most, and when the one that has waited longest was copied last.
    pub async fn copy_behind(&self, copy: &str) -> Result<(u64, Option<Timestamp>), StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (Option<i64>, Option<i64>),
            "SELECT MAX(h.size - COALESCE(c.size, 0)), MIN(CASE WHEN h.size > c.size THEN c.copied_ms END)
             FROM ledger_heads h LEFT JOIN ledger_copies c ON c.log = h.log AND c.copy = $1",
            copy
        )?;
        let (entries, ms) = found.unwrap_or_default();
        let entries = entries.and_then(|entries| u64::try_from(entries).ok()).unwrap_or_default();
        Ok((entries, ms.map(Timestamp::from_millis)))
    }

    /// What is pinned of a copy under a path.
    pub async fn pin(&self, copy: &str, log: &str, path: &str) -> Result<Option<Pin>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            Columns,
            "SELECT path, digest, version, kept_until FROM ledger_copied WHERE copy = $1 AND log = $2 AND path = $3",
            copy,
            log,
            path
        )?;
        found.map(pinned).transpose()
    }

    /// What is pinned of a copy, by path, after the one in `above`.
    pub async fn pins(&self, copy: &str, log: &str, above: &str, limit: u32) -> Result<Vec<Pin>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            Columns,
            "SELECT path, digest, version, kept_until FROM ledger_copied
             WHERE copy = $1 AND log = $2 AND path > $3 ORDER BY path LIMIT $4",
            copy,
            log,
            above,
            i64::from(limit)
        )?;
        rows.into_iter().map(pinned).collect()
    }

    /// Pins a version. What is pinned stays: a later one under the same path is not the one that was checked.
    pub async fn write_pin(&self, copy: &str, log: &str, pin: &Pin) -> Result<(), StoreError> {
        execute!(
            self.db().writer(),
            "INSERT INTO ledger_copied (copy, log, path, digest, version, kept_until)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            copy,
            log,
            &pin.path,
            pin.digest.to_string(),
            &pin.version,
            &pin.kept_until
        )?;
        Ok(())
    }
}

type Columns = (String, String, String, String);

fn pinned((path, digest, version, kept_until): Columns) -> Result<Pin, StoreError> {
    let digest = digest.parse().map_err(|error| StoreError::corrupt("pin", &path, error))?;
    Ok(Pin { path, digest, version, kept_until })
}
