//! Tables `bundle_floor` and `application_floor`: the highest revision of the policies, and of each tenant's application,
//! that was ever in force.

use interlock_domain::{Digest, TenantId, Timestamp};

use crate::{
    Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// The revision below which the policies, or a tenant's application, never go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleFloor {
    /// The revision.
    pub revision: u64,
    /// The one bundle, or application, of this revision.
    pub digest: Digest,
}

/// Raises the floor to this bundle. Refused when it is above that by now, or has another bundle of the same revision.
pub(crate) async fn raise(tx: &mut Tx, to: &BundleFloor, now: Timestamp) -> Result<(), StoreError> {
    let raised = execute!(
        tx.conn(),
        "INSERT INTO bundle_floor (one, revision, digest, since_ms) VALUES (1, $1, $2, $3)
         ON CONFLICT (one) DO UPDATE SET revision = excluded.revision, digest = excluded.digest,
            since_ms = CASE WHEN bundle_floor.digest = excluded.digest THEN bundle_floor.since_ms
                            ELSE excluded.since_ms END
         WHERE bundle_floor.revision < excluded.revision
            OR bundle_floor.revision = excluded.revision AND bundle_floor.digest = excluded.digest",
        row::column(to.revision),
        to.digest.to_string(),
        now.as_millis()
    )?;
    if raised == 0 { Err(StoreError::conflict("bundle of revision", to.revision)) } else { Ok(()) }
}

/// As [`raise`], of a tenant's application.
pub(crate) async fn raise_application(
    tx: &mut Tx,
    tenant: &TenantId,
    to: &BundleFloor,
    now: Timestamp,
) -> Result<(), StoreError> {
    let raised = execute!(
        tx.conn(),
        "INSERT INTO application_floor (tenant, revision, digest, since_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant) DO UPDATE SET revision = excluded.revision, digest = excluded.digest,
            since_ms = CASE WHEN application_floor.digest = excluded.digest THEN application_floor.since_ms
                            ELSE excluded.since_ms END
         WHERE application_floor.revision < excluded.revision
            OR application_floor.revision = excluded.revision AND application_floor.digest = excluded.digest",
        tenant.as_str(),
        row::column(to.revision),
        to.digest.to_string(),
        now.as_millis()
    )?;
    if raised == 0 { Err(StoreError::conflict("application of revision", to.revision)) } else { Ok(()) }
}

impl Store {
    /// The revision below which each tenant's application never goes; nothing of a tenant that never had one.
    pub async fn application_floors(&self) -> Result<Vec<(TenantId, BundleFloor)>, StoreError> {
        let found = fetch_all!(
            self.db().reader(),
            (String, i64, String),
            "SELECT tenant, revision, digest FROM application_floor ORDER BY tenant"
        )?;
        let floors = found.into_iter().map(|(tenant, revision, digest)| {
            let digest = row::word("application", &tenant, &digest)?;
            let floor = BundleFloor { revision: row::number(revision), digest };
            Ok((row::word("application", &tenant, &tenant)?, floor))
        });
        floors.collect()
    }

    /// Since when this application of a tenant is in force, where that was written down.
    pub async fn application_since(
        &self,
        tenant: &TenantId,
        digest: &Digest,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT since_ms FROM application_floor WHERE tenant = $1 AND digest = $2 AND since_ms > 0",
            tenant.as_str(),
            digest.to_string()
        )?;
        Ok(found.map(|(since_ms,)| Timestamp::from_millis(since_ms)))
    }

    /// The revision below which the policies never go; `None` before the first bundle.
    pub async fn bundle_floor(&self) -> Result<Option<BundleFloor>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64, String),
            "SELECT revision, digest FROM bundle_floor WHERE one = 1"
        )?;
        found
            .map(|(revision, digest)| {
                let digest = row::word("bundle", &revision.to_string(), &digest)?;
                Ok(BundleFloor { revision: row::number(revision), digest })
            })
            .transpose()
    }

    /// Since when the policies are in force, where that was written down.
    pub async fn bundle_since(&self) -> Result<Option<Timestamp>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT since_ms FROM bundle_floor WHERE one = 1 AND since_ms > 0"
        )?;
        Ok(found.map(|(since_ms,)| Timestamp::from_millis(since_ms)))
    }
}
