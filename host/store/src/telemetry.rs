//! Tables `samples` and `device_seen`: what devices measure and when they were heard. Not ledgered; the verdicts that
//! are drawn from it are.

use interlock_domain::{ChangeId, Cohort, DeviceId, TenantId, Timestamp};

use crate::{
    Store, StoreError,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, pieces, text, values},
    writer::Work,
};

/// One measurement of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Whose device.
    pub tenant: TenantId,
    /// Which device.
    pub device: DeviceId,
    /// What was measured.
    pub metric: String,
    /// When.
    pub at: Timestamp,
    /// How much.
    pub value: f64,
}

impl Sample {
    fn key(&self) -> (&TenantId, &DeviceId, &str, Timestamp) {
        (&self.tenant, &self.device, &self.metric, self.at)
    }
}

/// Writes measurements. Two of one metric of one device in one millisecond are one: the later given stays.
pub(crate) async fn write_samples(tx: &mut Tx, mut samples: Vec<&Sample>) -> Result<(), StoreError> {
    // PostgreSQL refuses to touch a row twice in one statement.
    samples.reverse();
    samples.sort_by(|a, b| a.key().cmp(&b.key()));
    samples.dedup_by(|a, b| a.key() == b.key());
    for piece in pieces(&samples) {
        let sql = format!(
            "INSERT INTO samples (tenant, device, metric, at_ms, value) VALUES {}
             ON CONFLICT (tenant, device, metric, at_ms) DO UPDATE SET value = excluded.value",
            values(piece.len(), 5, 1)
        );
        execute_rows!(tx.conn(), sql, [], piece, |sample| [
            sample.tenant.as_str(),
            sample.device.as_str(),
            text(&sample.metric),
            sample.at.as_millis(),
            sample.value,
        ])?;
    }
    Ok(())
}

/// Notes when devices were last heard of; an older instant does not replace a newer one.
pub(crate) async fn write_seen(
    tx: &mut Tx,
    mut seen: Vec<&(TenantId, DeviceId, Timestamp)>,
) -> Result<(), StoreError> {
    seen.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)).then(b.2.cmp(&a.2)));
    seen.dedup_by(|a, b| (&a.0, &a.1) == (&b.0, &b.1));
    for piece in pieces(&seen) {
        let sql = format!(
            "INSERT INTO device_seen (tenant, device, seen_ms) VALUES {}
             ON CONFLICT (tenant, device) DO UPDATE SET seen_ms = excluded.seen_ms
             WHERE device_seen.seen_ms < excluded.seen_ms",
            values(piece.len(), 3, 1)
        );
        execute_rows!(tx.conn(), sql, [], piece, |(tenant, device, at)| [
            tenant.as_str(),
            device.as_str(),
            at.as_millis()
        ])?;
    }
    Ok(())
}

impl Store {
    /// Stores measurements, together with whatever else is being written.
    pub async fn put_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        if samples.is_empty() {
            return Ok(());
        }
        self.queue().done(Work::Samples(samples.to_vec())).await.map(|_| ())
    }

    /// Measurements of the targets of a change that its rollout has reached (treatment) or not reached (control), from
    /// `from` to before `to`, oldest first. Of more than `cap` the newest stay.
    #[expect(
        clippy::too_many_arguments,
        reason = "a window has five sides, and no two of one type can be mixed up but from and to"
    )]
    pub async fn samples(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        cohort: Cohort,
        metric: &str,
        from: Timestamp,
        to: Timestamp,
        cap: u32,
    ) -> Result<Vec<f64>, StoreError> {
        let treatment = i64::from(cohort == Cohort::Treatment);
        let rows = fetch_all!(
            self.db().reader(),
            (f64,),
            // CROSS JOIN keeps SQLite from reading every measurement of the tenant first; PostgreSQL plans as it likes.
            "SELECT s.value FROM assignments a CROSS JOIN samples s
             WHERE a.change_id = $1 AND a.tenant = $2
               AND s.tenant = a.tenant AND s.device = a.device AND s.metric = $4 AND s.at_ms >= $5 AND s.at_ms < $6
               AND CASE WHEN $3 = 1
                   THEN a.state IN ('offered', 'downloading', 'installing', 'installed', 'verified', 'failed', 'silent')
                   ELSE a.state = 'pending' END
             ORDER BY s.at_ms DESC, s.device LIMIT $7",
            change.as_str(),
            tenant.as_str(),
            treatment,
            text(metric),
            from.as_millis(),
            to.as_millis(),
            i64::from(cap)
        )?;
        Ok(rows.into_iter().rev().map(|(value,)| value).collect())
    }

    /// Forgets measurements from before this instant and says how many.
    pub async fn prune_samples(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(execute!(self.db().writer(), "DELETE FROM samples WHERE at_ms < $1", before.as_millis())?)
    }

    /// Notes when devices were last heard of.
    pub async fn touch_seen(&self, seen: &[(TenantId, DeviceId, Timestamp)]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        self.queue().done(Work::Seen(seen.to_vec())).await.map(|_| ())
    }

    /// When a device was last heard of.
    pub async fn seen(&self, tenant: &TenantId, device: &DeviceId) -> Result<Option<Timestamp>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT seen_ms FROM device_seen WHERE tenant = $1 AND device = $2",
            tenant.as_str(),
            device.as_str()
        )?;
        Ok(found.map(|(at,)| Timestamp::from_millis(at)))
    }
}
