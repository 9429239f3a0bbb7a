//! The ledger's tables: entries, which are only ever added, and one head for each log.

use interlock_domain::{ChangeId, Event, TenantId, Timestamp};
use interlock_ledger::{Frontier, Hash, Projection, StoredRow, entry::NO_PREDECESSOR, tree::EMPTY_ROOT};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, pieces, values},
    draft::Staged,
    nodes,
};

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub log: String,
    /// How many entries it has.
    pub size: u64,
    /// The Merkle tree hash over them.
    pub root: Hash,
}

/// Where a log ends, whatever the columns hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// The first index, when there is one that no entry can have.
    pub(crate) below_zero: Option<i64>,
    /// One more than the last index.
    pub(crate) entries: u64,
    /// The row of the head, when there is one.
    pub(crate) head: Option<StoredHead>,
    /// What is signed of it, when something is.
    pub(crate) checkpoint: Option<String>,
}

/// The head of a log as it is kept; nothing of it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredHead {
    pub(crate) size: i64,
    pub(crate) root: Vec<u8>,
    pub(crate) prev: Vec<u8>,
    pub(crate) frontier: Vec<u8>,
}

/// A log whose head is locked, and the entries that will be appended to it.
pub(crate) struct OpenLog {
    log: String,
    size_before: u64,
    prev: Hash,
    frontier: Frontier,
    rows: Vec<Row>,
    nodes: Vec<nodes::Node>,
}

/// What became of a log in a transaction.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) log: String,
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// When the oldest of its new entries was made.
    pub(crate) at: Timestamp,
}

struct Row {
    idx: i64,
    kind: &'static str,
    object_kind: &'static str,
    object_id: String,
    at_ms: i64,
    body: Vec<u8>,
    leaf_hash: Hash,
    payload: Option<Vec<u8>>,
}

impl OpenLog {
    /// Locks the head of a log and begins the log when there is none. Writing the row is what locks it, in both
    /// databases.
    pub(crate) async fn lock(tx: &mut Tx, log: &str) -> Result<Self, StoreError> {
        const LOCK: &str =
            "UPDATE ledger_heads SET size = size WHERE log = $1 RETURNING size, root, prev, frontier";
        type Locked = (i64, Vec<u8>, Vec<u8>, Vec<u8>);
        let head = match fetch_optional!(tx.conn(), Locked, LOCK, log)? {
            Some(head) => head,
            None => {
                execute!(
                    tx.conn(),
                    "INSERT INTO ledger_heads (log, size, root, prev, frontier)
                     VALUES ($1, 0, $2, $3, $4) ON CONFLICT DO NOTHING",
                    log,
                    &EMPTY_ROOT[..],
                    &NO_PREDECESSOR[..],
                    Frontier::new().to_bytes(),
                )?;
                fetch_optional!(tx.conn(), Locked, LOCK, log)?
                    .ok_or_else(|| StoreError::corrupt("log", log, "its head vanished"))?
            }
        };
        let corrupt = |detail: &str| StoreError::corrupt("log", log, detail);
        let (size, root, prev, frontier) = head;
        let frontier = Frontier::from_bytes(&frontier).map_err(|error| corrupt(&error.to_string()))?;
        // The head is derived from the entries; one that contradicts itself must not be built upon.
        if frontier.root()[..] != root || i64::try_from(frontier.size()) != Ok(size) {
            return Err(corrupt("its head contradicts itself"));
        }
        let prev =
            Hash::try_from(prev).map_err(|_| corrupt("its last leaf hash has another length than 32"))?;
        Ok(Self {
            log: log.to_owned(),
            size_before: frontier.size(),
            prev,
            frontier,
            rows: Vec::new(),
            nodes: Vec::new(),
        })
    }

    /// Gives an entry the next place.
    pub(crate) fn push(&mut self, entry: &Staged) -> Result<u64, StoreError> {
        let idx = self.frontier.size();
        let sealed = entry.signed.clone().seal(idx, self.prev)?;
        nodes::push(&mut self.frontier, sealed.leaf_hash, &mut self.nodes);
        self.prev = sealed.leaf_hash;
        self.rows.push(Row {
            idx: as_i64(idx),
            kind: entry.kind,
            object_kind: entry.object_kind,
            object_id: entry.object_id.clone(),
            at_ms: entry.at.as_millis(),
            body: sealed.body,
            leaf_hash: sealed.leaf_hash,
            payload: entry.payload.clone(),
        });
        Ok(idx)
    }

    /// Appends the entries, and says from which size to which the log grows; `None` when there are none. Nothing is signed here:
    /// whoever signs reads again what was committed.
    pub(crate) async fn append(self, tx: &mut Tx) -> Result<Option<Grown>, StoreError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let oldest = self.rows.iter().map(|row| row.at_ms).min().unwrap_or_default();
        for piece in pieces(&self.rows) {
            let sql = format!(
                "INSERT INTO ledger_entries
                 (log, idx, kind, object_kind, object_id, at_ms, body, leaf_hash, payload) VALUES {}",
                values(piece.len(), 9, 1)
            );
            execute_rows!(tx.conn(), sql, [], piece, |row| [
                &self.log,
                row.idx,
                row.kind,
                row.object_kind,
                &row.object_id,
                row.at_ms,
                &row.body,
                &row.leaf_hash[..],
                &row.payload,
            ])?;
        }
        nodes::write(tx, &self.log, &self.nodes).await?;
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let moved = execute!(
            tx.conn(),
            "UPDATE ledger_heads SET size = $3, root = $4, prev = $5, frontier = $6 WHERE log = $1 AND size = $2",
            &self.log,
            as_i64(self.size_before),
            as_i64(size),
            &root[..],
            &self.prev[..],
            self.frontier.to_bytes(),
        )?;
        if moved == 0 {
            return Err(StoreError::corrupt("log", &self.log, "its head moved while it was locked"));
        }
        let at = Timestamp::from_millis(oldest);
        Ok(Some(Grown { log: self.log, before: self.size_before, after: size, at }))
    }
}

impl Store {
    /// The names of all logs, in order: the tenants that ever wrote, and [`crate::SYSTEM`].
    pub async fn logs(&self) -> Result<Vec<String>, StoreError> {
        let rows = fetch_all!(self.db().reader(), (String,), "SELECT log FROM ledger_heads ORDER BY log")?;
        Ok(rows.into_iter().map(|(log,)| log).collect())
    }

    /// Where a log ends; `None` when nothing was ever written to it.
    pub async fn head(&self, log: &str) -> Result<Option<Head>, StoreError> {
        let head = fetch_optional!(
            self.db().reader(),
            (i64, Vec<u8>),
            "SELECT size, root FROM ledger_heads WHERE log = $1 AND size > 0",
            log
        )?;
        let Some((size, root)) = head else { return Ok(None) };
        let root = Hash::try_from(root)
            .map_err(|_| StoreError::corrupt("log", log, "its root has another length than 32"))?;
        Ok(Some(Head { log: log.to_owned(), size: as_u64(size), root }))
    }

    /// When the newest entry of each log was made.
    pub async fn newest_entries(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT h.log, e.at_ms FROM ledger_heads h
             JOIN ledger_entries e ON e.log = h.log AND e.idx = h.size - 1 ORDER BY h.log"
        )?;
        Ok(rows.into_iter().map(|(log, at_ms)| (log, Timestamp::from_millis(at_ms))).collect())
    }

    /// The rows of a log from an index on, oldest first, as a verifier wants them.
    pub async fn rows(&self, log: &str, from: u64, limit: u32) -> Result<Vec<StoredRow>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            Columns,
            "SELECT idx, body, leaf_hash, payload, kind, object_kind, object_id, at_ms FROM ledger_entries
             WHERE log = $1 AND idx >= $2 ORDER BY idx LIMIT $3",
            log,
            as_i64(from),
            i64::from(limit)
        )?;
        Ok(rows.into_iter().map(stored).collect())
    }

    /// One entry of a log.
    pub async fn entry(&self, log: &str, idx: u64) -> Result<Option<StoredRow>, StoreError> {
        let rows = self.rows(log, idx, 1).await?;
        Ok(rows.into_iter().next().filter(|row| row.idx == idx))
    }

    /// The entries about one thing, newest first. The page goes on below the index in `after`.
    pub async fn entries_of(
        &self,
        log: &str,
        object: (&str, &str),
        page: &Page,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let below = page.after.as_ref().and_then(|idx| idx.parse::<i64>().ok()).unwrap_or(i64::MAX);
        let rows = fetch_all!(
            self.db().reader(),
            Columns,
            "SELECT idx, body, leaf_hash, payload, kind, object_kind, object_id, at_ms FROM ledger_entries
             WHERE log = $1 AND object_kind = $2 AND object_id = $3 AND idx < $4 ORDER BY idx DESC LIMIT $5",
            log,
            object.0,
            object.1,
            below,
            page.limit()
        )?;
        Ok(rows.into_iter().map(stored).collect())
    }

    /// The rows of a log, newest first. The page goes on below the index in `after`.
    pub async fn entries(&self, log: &str, page: &Page) -> Result<Vec<StoredRow>, StoreError> {
        let below = page.after.as_ref().and_then(|idx| idx.parse::<i64>().ok()).unwrap_or(i64::MAX);
        let rows = fetch_all!(
            self.db().reader(),
            Columns,
            "SELECT idx, body, leaf_hash, payload, kind, object_kind, object_id, at_ms FROM ledger_entries
             WHERE log = $1 AND idx < $2 ORDER BY idx DESC LIMIT $3",
            log,
            below,
            page.limit()
        )?;
        Ok(rows.into_iter().map(stored).collect())
    }

    /// What happened to a change, oldest first, as the ledger has it.
    pub async fn events_of(&self, tenant: &TenantId, change: &ChangeId) -> Result<Vec<Event>, StoreError> {
        let rows = self.event_payloads(tenant.as_str(), change.as_str(), u64::MAX).await?;
        rows.into_iter()
            .map(|(idx, payload)| {
                let payload =
                    payload.ok_or_else(|| StoreError::corrupt("entry", idx, "its payload was erased"))?;
                serde_json::from_slice(&payload).map_err(|error| StoreError::corrupt("entry", idx, error))
            })
            .collect()
    }

    /// Where the events of a change stand, oldest first and up to an entry, and their payloads as they are kept.
    pub(crate) async fn event_payloads(
        &self,
        log: &str,
        change: &str,
        until: u64,
    ) -> Result<Vec<(u64, Option<Vec<u8>>)>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (i64, Option<Vec<u8>>),
            "SELECT idx, payload FROM ledger_entries
             WHERE log = $1 AND object_kind = 'change' AND object_id = $2 AND idx <= $3
               AND (kind LIKE 'change.%' OR kind LIKE 'rollout.%')
             ORDER BY idx",
            log,
            change,
            as_i64(until)
        )?;
        Ok(rows.into_iter().map(|(idx, payload)| (as_u64(idx), payload)).collect())
    }

    /// Where a log ends, as the entries have it and as the head has it: one statement, so that they are of one moment.
    pub(crate) async fn end(&self, log: &str) -> Result<End, StoreError> {
        type Columns = (
            Option<i64>,
            Option<i64>,
            Option<i64>,
            Option<Vec<u8>>,
            Option<Vec<u8>>,
            Option<Vec<u8>>,
            Option<String>,
        );
        let found = fetch_optional!(
            self.db().reader(),
            Columns,
            "SELECT (SELECT MIN(idx) FROM ledger_entries WHERE log = $1),
                    (SELECT MAX(idx) FROM ledger_entries WHERE log = $1),
                    h.size, h.root, h.prev, h.frontier, c.note
             FROM (SELECT 1 AS one) o LEFT JOIN ledger_heads h ON h.log = $1
             LEFT JOIN ledger_checkpoints c ON c.log = $1 AND c.size > 0",
            log
        )?;
        let (first, last, size, root, prev, frontier, checkpoint) = found.unwrap_or_default();
        let head = size.map(|size| StoredHead {
            size,
            root: root.unwrap_or_default(),
            prev: prev.unwrap_or_default(),
            frontier: frontier.unwrap_or_default(),
        });
        let entries = last.map_or(0, |last| as_u64(last.saturating_add(1)));
        Ok(End { below_zero: first.filter(|first| *first < 0), entries, head, checkpoint })
    }
}

pub(crate) type Columns = (i64, Vec<u8>, Vec<u8>, Option<Vec<u8>>, String, String, String, i64);

pub(crate) fn stored(columns: Columns) -> StoredRow {
    let (idx, body, leaf_hash, payload, kind, object_kind, object_id, at_ms) = columns;
    let projection = Some(Projection { kind, object_kind, object_id, at_ms });
    StoredRow { idx: as_u64(idx), body, leaf_hash, payload, projection }
}

/// Sizes and indexes are columns of 63 bits: a log would have to grow for ages to notice.
pub(crate) fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn as_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
