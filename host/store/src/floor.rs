//! Table `bundle_floor`: the highest revision of the policies that was ever in force.

use interlock_domain::Digest;

use crate::{
    Store, StoreError,
    db::{Tx, execute, fetch_optional},
    row,
};

/// The revision below which the policies never go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleFloor {
    /// The revision.
    pub revision: u64,
    /// The one bundle of this revision.
    pub digest: Digest,
}

/// Raises the floor to this bundle. Refused when it is above that by now, or has another bundle of the same revision.
pub(crate) async fn raise(tx: &mut Tx, to: &BundleFloor) -> Result<(), StoreError> {
    let raised = execute!(
        tx.conn(),
        "INSERT INTO bundle_floor (one, revision, digest) VALUES (1, $1, $2)
         ON CONFLICT (one) DO UPDATE SET revision = excluded.revision, digest = excluded.digest
         WHERE bundle_floor.revision < excluded.revision
            OR bundle_floor.revision = excluded.revision AND bundle_floor.digest = excluded.digest",
        row::column(to.revision),
        to.digest.to_string()
    )?;
    if raised == 0 { Err(StoreError::conflict("bundle of revision", to.revision)) } else { Ok(()) }
}

impl Store {
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
}
