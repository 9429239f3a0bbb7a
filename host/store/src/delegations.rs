//! Table `delegations`.

use interlock_domain::{Delegation, DelegationId, TenantId};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Makes a delegation, or revokes one that is not revoked yet.
pub(crate) async fn write(tx: &mut Tx, delegation: &Delegation, body: &str) -> Result<(), StoreError> {
    let (id, tenant) = (delegation.id.as_str(), delegation.tenant.as_str());
    let Some(revoked_at) = delegation.revoked_at else {
        let made = execute!(
            tx.conn(),
            "INSERT INTO delegations (id, tenant, to_account, revoked_ms, body) VALUES ($1, $2, $3, NULL, $4)
             ON CONFLICT DO NOTHING",
            id,
            tenant,
            delegation.to_account.as_str(),
            body
        )?;
        return if made == 0 { Err(StoreError::exists("delegation", id)) } else { Ok(()) };
    };
    let revoked = execute!(
        tx.conn(),
        "UPDATE delegations SET revoked_ms = $3, body = $4 WHERE id = $1 AND tenant = $2 AND revoked_ms IS NULL",
        id,
        tenant,
        revoked_at.as_millis(),
        body
    )?;
    if revoked == 0 { Err(StoreError::conflict("delegation", id)) } else { Ok(()) }
}

impl Store {
    /// A delegation.
    pub async fn delegation(
        &self,
        tenant: &TenantId,
        id: &DelegationId,
    ) -> Result<Option<Delegation>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM delegations WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("delegation", id.as_str(), &body)).transpose()
    }

    /// The delegations of a tenant, newest first; those that are over or revoked too.
    pub async fn delegations(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Delegation>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM delegations WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            tenant.as_str(),
            page.below(),
            page.limit()
        )?;
        row::bodies("delegation", rows)
    }

    /// The delegations of a tenant that nobody revoked, newest first; those that are over too.
    pub async fn live_delegations(
        &self,
        tenant: &TenantId,
        limit: u32,
    ) -> Result<Vec<Delegation>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM delegations WHERE tenant = $1 AND revoked_ms IS NULL ORDER BY id DESC LIMIT $2",
            tenant.as_str(),
            i64::from(limit)
        )?;
        row::bodies("delegation", rows)
    }
}
