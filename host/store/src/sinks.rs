//! Table `sink_cursors`: how far systems outside were told what is in each log.

use std::collections::BTreeMap;

use interlock_domain::Timestamp;

use crate::{
    Lease, Store, StoreError,
    db::{execute, fetch_all},
    leases,
    row::column,
};

impl Store {
    /// How many entries each log has.
    pub async fn sizes(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT log, size FROM ledger_heads WHERE size > 0"
        )?;
        Ok(rows.into_iter().map(|(log, size)| (log, u64::try_from(size).unwrap_or_default())).collect())
    }

    /// The next entry of each log that a sink is to be told of; a log that is not there was never told of.
    pub async fn sink_cursors(&self, sink: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT log, next_idx FROM sink_cursors WHERE sink = $1",
            sink
        )?;
        Ok(rows.into_iter().map(|(log, next)| (log, u64::try_from(next).unwrap_or_default())).collect())
    }

    /// A sink was told of all entries before these. Only whoever still holds the lease moves its cursors.
    pub async fn move_sink(
        &self,
        sink: &str,
        told: &BTreeMap<String, u64>,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        if !leases::hold(&mut tx, &lease.name, lease.token).await? {
            return Err(StoreError::Fenced { lease: lease.name.clone() });
        }
        for (log, next) in told {
            execute!(
                tx.conn(),
                "INSERT INTO sink_cursors (sink, log, next_idx, moved_ms) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (sink, log) DO UPDATE SET next_idx = $3, moved_ms = $4",
                sink,
                log,
                column(*next),
                now.as_millis()
            )?;
        }
        Ok(tx.commit().await?)
    }
}
