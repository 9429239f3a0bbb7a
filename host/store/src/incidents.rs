//! Table `incidents`.

use interlock_domain::{Incident, IncidentId, TenantId, Timestamp};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Opens an incident, or adds the review of one that nobody reviewed yet.
pub(crate) async fn write(tx: &mut Tx, incident: &Incident, body: &str) -> Result<(), StoreError> {
    let (id, tenant) = (incident.id.as_str(), incident.tenant.as_str());
    let Some(review) = &incident.review else {
        let opened = execute!(
            tx.conn(),
            "INSERT INTO incidents (id, tenant, change_id, review_due_ms, reviewed_ms, body)
             VALUES ($1, $2, $3, $4, NULL, $5) ON CONFLICT DO NOTHING",
            id,
            tenant,
            incident.change.as_str(),
            incident.review_due.as_millis(),
            body
        )?;
        return if opened == 0 { Err(StoreError::exists("incident", id)) } else { Ok(()) };
    };
    let reviewed = execute!(
        tx.conn(),
        "UPDATE incidents SET reviewed_ms = $3, body = $4 WHERE id = $1 AND tenant = $2 AND reviewed_ms IS NULL",
        id,
        tenant,
        review.at.as_millis(),
        body
    )?;
    if reviewed == 0 { Err(StoreError::conflict("incident", id)) } else { Ok(()) }
}

impl Store {
    /// An incident.
    pub async fn incident(&self, tenant: &TenantId, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM incidents WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("incident", id.as_str(), &body)).transpose()
    }

    /// The incidents of a tenant, newest first.
    pub async fn incidents(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Incident>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM incidents WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            tenant.as_str(),
            page.below(),
            page.limit()
        )?;
        row::bodies("incident", rows)
    }

    /// How many incidents of all tenants nobody has reviewed, and how many of those had to be by `now`.
    pub async fn incidents_to_review(&self, now: Timestamp) -> Result<(u64, u64), StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64, i64),
            "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN review_due_ms <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT)
             FROM incidents WHERE reviewed_ms IS NULL",
            now.as_millis()
        )?;
        Ok(found.map_or((0, 0), |(open, overdue)| (row::number(open), row::number(overdue))))
    }
}
