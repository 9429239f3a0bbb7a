//! Tables `samples` and `device_seen`: what devices measure and when they were heard. Not ledgered; the verdicts that
//! are drawn from it are.

use interlock_domain::{ChangeId, Cohort, DeviceId, TenantId, Timestamp};

use crate::{
    Store, StoreError,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, pieces, text, values},
    row,
    writer::Work,
};

/// Whether the row of `assignments a` at hand is in the cohort `$3`. Treatment is what has installed: a target that was
/// only told to still measures the old version, and would hide what the new one does.
macro_rules! in_cohort {
    () => {
        "CASE WHEN $3 = 1
             THEN a.installed_ms IS NOT NULL AND a.state IN ('installed', 'verified', 'failed', 'silent')
             ELSE a.state IN ('pending', 'waiting') END"
    };
}

/// The measurements `s` of metric `$4` in the window from `$5` to before `$6`, of the targets of change `$1` in tenant
/// `$2` that are in cohort `$3`: of each only those since it has installed.
macro_rules! measured {
    () => {
        concat!(
            // CROSS JOIN keeps SQLite from reading every measurement of the tenant first; PostgreSQL plans as it likes.
            "FROM assignments a CROSS JOIN samples s
             WHERE a.change_id = $1 AND a.tenant = $2 AND ",
            in_cohort!(),
            " AND s.tenant = a.tenant AND s.device = a.device AND s.metric = $4 AND s.at_ms >= $5 AND s.at_ms < $6
              AND (a.installed_ms IS NULL OR s.at_ms >= a.installed_ms) "
        )
    };
}

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

/// The measurements of one metric by one cohort of a change, from an instant to before another.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Of the targets of which change.
    pub change: &'a ChangeId,
    /// Of those that have installed, since they have; or of those that were not reached.
    pub cohort: Cohort,
    /// What was measured.
    pub metric: &'a str,
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub to: Timestamp,
}

/// What the measurements in a window come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many there are: at least one.
    pub samples: u64,
    /// All added up, each counted as at most 1e300.
    pub sum: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
}

impl Summary {
    /// Their arithmetic mean.
    pub fn mean(&self) -> f64 {
        self.sum / self.samples as f64
    }
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

fn treatment(cohort: Cohort) -> i64 {
    i64::from(cohort == Cohort::Treatment)
}

impl Store {
    /// Stores measurements, together with whatever else is being written.
    pub async fn put_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        if samples.is_empty() {
            return Ok(());
        }
        self.queue().done(Work::Samples(samples.to_vec())).await.map(|_| ())
    }

    /// What the measurements in a window come to, over all of them; `None` when there are none.
    pub async fn summary(&self, window: &Window<'_>) -> Result<Option<Summary>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64, Option<f64>, Option<f64>, Option<f64>),
            // Two devices that report the largest numbers there are must not make the sum an error of the database.
            concat!(
                "SELECT COUNT(*),
                        SUM(CASE WHEN s.value > 1e300 THEN 1e300 WHEN s.value < -1e300 THEN -1e300 ELSE s.value END),
                        MIN(s.value), MAX(s.value) ",
                measured!()
            ),
            window.change.as_str(),
            window.tenant.as_str(),
            treatment(window.cohort),
            text(window.metric),
            window.from.as_millis(),
            window.to.as_millis()
        )?;
        let Some((count, Some(sum), Some(minimum), Some(maximum))) = found else { return Ok(None) };
        Ok(Some(Summary { samples: row::number(count), sum, minimum, maximum }))
    }

    /// The smallest measurement that at least so many percent of those in the window do not exceed (nearest rank), and
    /// how many there are; `None` when there are none.
    pub async fn percentile(
        &self,
        window: &Window<'_>,
        percent: u8,
    ) -> Result<Option<(f64, u64)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (f64, i64),
            concat!(
                "WITH measured AS MATERIALIZED (SELECT s.value ",
                measured!(),
                ")
                 SELECT value, (SELECT COUNT(*) FROM measured) FROM measured ORDER BY value LIMIT 1
                 OFFSET (SELECT CASE WHEN COUNT(*) * $7 <= 100 THEN 0 ELSE (COUNT(*) * $7 + 99) / 100 - 1 END
                         FROM measured)"
            ),
            window.change.as_str(),
            window.tenant.as_str(),
            treatment(window.cohort),
            text(window.metric),
            window.from.as_millis(),
            window.to.as_millis(),
            i64::from(percent)
        )?;
        Ok(found.map(|(value, count)| (value, row::number(count))))
    }

    /// The measurements in a window, oldest first, and how many there are. Of more than `cap`, so many are left, evenly
    /// spread over all.
    pub async fn thinned(&self, window: &Window<'_>, cap: u32) -> Result<(Vec<f64>, u64), StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (f64, i64),
            // One that is the first of its share of the places stays.
            concat!(
                "WITH placed AS (
                     SELECT s.value, ROW_NUMBER() OVER (ORDER BY s.at_ms, s.device) - 1 AS place,
                            COUNT(*) OVER () AS whole ",
                measured!(),
                ")
                 SELECT value, whole FROM placed
                 WHERE whole <= $7 OR place = 0 OR place * $7 / whole > (place - 1) * $7 / whole
                 ORDER BY place"
            ),
            window.change.as_str(),
            window.tenant.as_str(),
            treatment(window.cohort),
            text(window.metric),
            window.from.as_millis(),
            window.to.as_millis(),
            i64::from(cap.max(1))
        )?;
        let count = rows.first().map_or(0, |(_, whole)| row::number(*whole));
        Ok((rows.into_iter().map(|(value, _)| value).collect(), count))
    }

    /// How many targets a window over this cohort looks at.
    pub async fn cohort_size(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        cohort: Cohort,
    ) -> Result<u64, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64,),
            concat!(
                "SELECT COUNT(*) FROM assignments a WHERE a.change_id = $1 AND a.tenant = $2 AND ",
                in_cohort!()
            ),
            change.as_str(),
            tenant.as_str(),
            treatment(cohort)
        )?;
        Ok(found.map_or(0, |(count,)| row::number(count)))
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
