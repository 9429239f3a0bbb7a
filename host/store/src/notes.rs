//! The newest note about something, read from the log itself, which nobody alters unnoticed.

use interlock_domain::{ChangeId, Device, DeviceId, TenantId};

use crate::{
    Store, StoreError,
    db::{fetch_all, fetch_optional},
    row,
};

impl Store {
    /// What the newest note of this kind says about an object; nothing when there is none.
    pub async fn newest_note(
        &self,
        tenant: &TenantId,
        kind: &str,
        object_kind: &str,
        object_id: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (Vec<u8>,),
            "SELECT payload FROM ledger_entries
             WHERE log = $1 AND object_kind = $2 AND object_id = $3 AND kind = $4 AND payload IS NOT NULL
             ORDER BY idx DESC LIMIT 1",
            tenant.as_str(),
            object_kind,
            object_id,
            kind
        )?;
        Ok(found.map(|(payload,)| payload))
    }

    /// The devices that a change was proposed for, by id, from the one after `after`; at most `limit`.
    pub async fn population(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<Vec<Device>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT d.id, d.body FROM assignments a JOIN devices d ON d.tenant = a.tenant AND d.id = a.device
             WHERE a.tenant = $1 AND a.change_id = $2 AND d.id > $3 ORDER BY d.id LIMIT $4",
            tenant.as_str(),
            change.as_str(),
            after.map_or("", DeviceId::as_str),
            i64::from(limit)
        )?;
        rows.into_iter().map(|(id, body)| row::body("device", &id, &body)).collect()
    }
}
