//! Which entries of a log somebody wants: those about one thing, or of a time.

use interlock_domain::{ChangeId, DeviceId, Timestamp};
use interlock_ledger::StoredRow;

use crate::{
    Store, StoreError,
    db::fetch_all,
    ledger::{Columns, as_i64, stored},
};

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// About this alone; about everything when absent.
    pub about: Option<About>,
    /// Written at this instant or later.
    pub from: Option<Timestamp>,
    /// Written before this instant.
    pub until: Option<Timestamp>,
}

/// What entries are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A change: itself, its targets, the decisions about it, its signatures and incidents.
    Change(ChangeId),
    /// A device: itself, and what every change did to it.
    Device(DeviceId),
}

macro_rules! entries {
    ($which:literal) => {
        concat!(
            "SELECT idx, body, leaf_hash, payload, kind, object_kind, object_id, at_ms FROM ledger_entries
             WHERE log = $1 AND idx >= $2 AND idx < $3 AND at_ms >= $4 AND at_ms < $5",
            $which,
            " ORDER BY idx LIMIT $6"
        )
    };
}

// What belongs to a change is found through the tables: an entry that names a signature does not name the change.
const OF_CHANGE: &str = entries!(
    " AND ((object_kind = 'change' AND object_id = $7)
        OR (object_kind = 'assignment' AND object_id >= $7 || '/' AND object_id < $7 || '0')
        OR (object_kind = 'decision' AND object_id IN (SELECT id FROM decisions WHERE tenant = $1 AND change_id = $7))
        OR (object_kind = 'signature' AND object_id IN (SELECT id FROM signatures WHERE tenant = $1 AND change_id = $7))
        OR (object_kind = 'incident' AND object_id IN (SELECT id FROM incidents WHERE tenant = $1 AND change_id = $7)))"
);
const OF_DEVICE: &str = entries!(
    " AND ((object_kind = 'device' AND object_id = $7)
        OR (object_kind = 'assignment' AND object_id IN
            (SELECT change_id || '/' || device FROM assignments WHERE tenant = $1 AND device = $7)))"
);

impl Store {
    /// The rows of a log that are selected, from an index on and below another, oldest first.
    pub async fn selected(
        &self,
        log: &str,
        selection: &Selection,
        (from, below): (u64, u64),
        limit: u32,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let since = selection.from.map_or(i64::MIN, Timestamp::as_millis);
        let until = selection.until.map_or(i64::MAX, Timestamp::as_millis);
        let (from, below, limit) = (as_i64(from), as_i64(below), i64::from(limit));
        let reader = self.db().reader();
        let rows = match &selection.about {
            None => fetch_all!(reader, Columns, entries!(""), log, from, below, since, until, limit)?,
            Some(About::Change(id)) => {
                fetch_all!(reader, Columns, OF_CHANGE, log, from, below, since, until, limit, id.as_str())?
            }
            Some(About::Device(id)) => {
                fetch_all!(reader, Columns, OF_DEVICE, log, from, below, since, until, limit, id.as_str())?
            }
        };
        Ok(rows.into_iter().map(stored).collect())
    }
}
