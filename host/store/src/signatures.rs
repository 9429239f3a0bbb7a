//! Table `signatures`. Rows are made and never altered or removed.

use interlock_domain::{ChangeId, Signature, SignatureId, TenantId};

use crate::{
    Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Keeps a signature.
pub(crate) async fn write(tx: &mut Tx, signature: &Signature, body: &str) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO signatures (id, tenant, change_id, person, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        signature.id.as_str(),
        signature.tenant.as_str(),
        signature.change.as_str(),
        signature.person.as_str(),
        body
    )?;
    if made == 0 { Err(StoreError::exists("signature", &signature.id)) } else { Ok(()) }
}

impl Store {
    /// A signature.
    pub async fn signature(
        &self,
        tenant: &TenantId,
        id: &SignatureId,
    ) -> Result<Option<Signature>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM signatures WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("signature", id.as_str(), &body)).transpose()
    }

    /// The signatures given to a change, oldest first, also those to what it was before.
    pub async fn signatures(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
    ) -> Result<Vec<Signature>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM signatures WHERE tenant = $1 AND change_id = $2 ORDER BY id",
            tenant.as_str(),
            change.as_str()
        )?;
        row::bodies("signature", rows)
    }
}
