//! Table `gate_endpoints`: what other engines ask through.

use interlock_domain::{Account, GateEndpoint, GateEndpointId, GateName, TenantId};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Makes a gate, or revokes one that is not revoked yet.
pub(crate) async fn write(tx: &mut Tx, gate: &GateEndpoint, body: &str) -> Result<(), StoreError> {
    let (id, tenant) = (gate.id.as_str(), gate.tenant.as_str());
    let Some(revoked_at) = gate.revoked_at else {
        let made = execute!(
            tx.conn(),
            "INSERT INTO gate_endpoints (id, tenant, name, revoked_ms, body) VALUES ($1, $2, $3, NULL, $4)
             ON CONFLICT DO NOTHING",
            id,
            tenant,
            gate.name.as_str(),
            body
        )?;
        return if made == 0 { Err(StoreError::exists("gate", &gate.name)) } else { Ok(()) };
    };
    let revoked = execute!(
        tx.conn(),
        "UPDATE gate_endpoints SET revoked_ms = $3, body = $4 WHERE id = $1 AND tenant = $2 AND revoked_ms IS NULL",
        id,
        tenant,
        revoked_at.as_millis(),
        body
    )?;
    if revoked == 0 { Err(StoreError::conflict("gate", id)) } else { Ok(()) }
}

impl Store {
    /// The gate with this id and the account behind it. Without a tenant, as for a key: the token says which one it is.
    pub async fn gate_endpoint(
        &self,
        id: &GateEndpointId,
    ) -> Result<Option<(GateEndpoint, Account)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM gate_endpoints WHERE id = $1",
            id.as_str()
        )?;
        let Some((body,)) = found else { return Ok(None) };
        let gate: GateEndpoint = row::body("gate", id.as_str(), &body)?;
        let account = self.account(&gate.tenant, &gate.account).await?;
        Ok(account.map(|account| (gate, account)))
    }

    /// The gate of this name that is not revoked.
    pub async fn gate_endpoint_named(
        &self,
        tenant: &TenantId,
        name: &GateName,
    ) -> Result<Option<GateEndpoint>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM gate_endpoints WHERE tenant = $1 AND name = $2 AND revoked_ms IS NULL",
            tenant.as_str(),
            name.as_str()
        )?;
        found.map(|(id, body)| row::body("gate", &id, &body)).transpose()
    }

    /// The gates of a tenant, newest first, revoked ones too.
    pub async fn gate_endpoints(
        &self,
        tenant: &TenantId,
        page: &Page,
    ) -> Result<Vec<GateEndpoint>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM gate_endpoints WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            tenant.as_str(),
            page.below(),
            page.limit()
        )?;
        row::bodies("gate", rows)
    }
}
