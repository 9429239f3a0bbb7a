//! Table `access_requests`: what an application denied and somebody wants allowed.

use interlock_domain::{AccessRequest, AccessRequestId, AccessState, DecisionId, TenantId, Timestamp};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// How many requests may wait for an answer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingLimits {
    /// In the whole tenant.
    pub of_tenant: u64,
    /// About one subject.
    pub of_subject: u64,
}

/// Makes a request (revision 1) unless too many wait, or alters it unless it is no longer at the revision before.
pub(crate) async fn write(
    tx: &mut Tx,
    request: &AccessRequest,
    limits: PendingLimits,
    body: &str,
) -> Result<(), StoreError> {
    let (id, tenant) = (request.id.as_str(), request.tenant.as_str());
    if request.revision > 1 {
        let altered = execute!(
            tx.conn(),
            "UPDATE access_requests SET state = $3, revision = $4, body = $5
             WHERE id = $1 AND tenant = $2 AND revision = $4 - 1",
            id,
            tenant,
            request.state.as_str(),
            row::column(request.revision),
            body
        )?;
        return if altered == 0 { Err(StoreError::conflict("access request", id)) } else { Ok(()) };
    }
    // The tenant's log is locked, so that nobody else counts at the same time.
    let subject = request.subject.to_string();
    let now = request.created_at.as_millis();
    let waiting = fetch_optional!(
        tx.conn(),
        (i64, i64),
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN subject = $2 THEN 1 ELSE 0 END), 0) AS BIGINT)
         FROM access_requests WHERE tenant = $1 AND state = 'pending' AND expires_ms > $3",
        tenant,
        &subject,
        now
    )?;
    let (all, own) = waiting.unwrap_or_default();
    for (waiting, most, whose) in
        [(all, limits.of_tenant, "of the tenant"), (own, limits.of_subject, "about one subject")]
    {
        if row::number(waiting) >= most {
            return Err(StoreError::Full { what: "access requests", whose, most });
        }
    }
    let made = execute!(
        tx.conn(),
        "INSERT INTO access_requests (id, tenant, evaluation, subject, state, expires_ms, revision, body)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7) ON CONFLICT DO NOTHING",
        id,
        tenant,
        request.evaluation.as_str(),
        &subject,
        request.state.as_str(),
        request.expires_at.as_millis(),
        body
    )?;
    if made == 0 { Err(StoreError::exists("access request", id)) } else { Ok(()) }
}

impl Store {
    /// A request.
    pub async fn access_request(
        &self,
        tenant: &TenantId,
        id: &AccessRequestId,
    ) -> Result<Option<AccessRequest>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM access_requests WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("access request", id.as_str(), &body)).transpose()
    }

    /// The request that was made of this denial.
    pub async fn access_request_of(
        &self,
        tenant: &TenantId,
        evaluation: &DecisionId,
    ) -> Result<Option<AccessRequest>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM access_requests WHERE tenant = $1 AND evaluation = $2",
            tenant.as_str(),
            evaluation.as_str()
        )?;
        found.map(|(id, body)| row::body("access request", &id, &body)).transpose()
    }

    /// The requests of a tenant, newest first: all of them, or those in one state. Of those that wait, only those to which
    /// somebody can still answer at `now`.
    pub async fn access_requests(
        &self,
        tenant: &TenantId,
        state: Option<AccessState>,
        now: Timestamp,
        page: &Page,
    ) -> Result<Vec<AccessRequest>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM access_requests
             WHERE tenant = $1 AND id < $2 AND ($3 = '' OR state = $3)
             AND ($3 <> 'pending' OR expires_ms > $4) ORDER BY id DESC LIMIT $5",
            tenant.as_str(),
            page.below(),
            state.map_or("", AccessState::as_str),
            now.as_millis(),
            page.limit()
        )?;
        row::bodies("access request", rows)
    }
}
