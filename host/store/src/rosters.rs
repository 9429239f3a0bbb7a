//! Table `rosters`: which plugins each environment uses, and for what.

use interlock_domain::{Digest, Environment, RosterRecord, TenantId};

use crate::{
    SYSTEM, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Writes a roster, unless it is no longer at the revision before.
pub(crate) async fn write(tx: &mut Tx, record: &RosterRecord, body: &str) -> Result<(), StoreError> {
    let (tenant, environment) = (record.tenant.as_str(), record.environment.as_str());
    let written = if record.revision == 1 {
        execute!(
            tx.conn(),
            "INSERT INTO rosters (tenant, environment, revision, change_id, body) VALUES ($1, $2, 1, $3, $4)
             ON CONFLICT DO NOTHING",
            tenant,
            environment,
            record.change.as_str(),
            body
        )?
    } else {
        execute!(
            tx.conn(),
            "UPDATE rosters SET revision = $3, change_id = $4, body = $5
             WHERE tenant = $1 AND environment = $2 AND revision = $3 - 1",
            tenant,
            environment,
            row::column(record.revision),
            record.change.as_str(),
            body
        )?
    };
    if written == 0 {
        return Err(StoreError::conflict("roster", environment));
    }
    Ok(())
}

impl Store {
    /// The roster of an environment; `None` while it has what is configured.
    pub async fn roster(
        &self,
        tenant: &TenantId,
        environment: &Environment,
    ) -> Result<Option<RosterRecord>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM rosters WHERE tenant = $1 AND environment = $2",
            tenant.as_str(),
            environment.as_str()
        )?;
        found.map(|(body,)| row::body("roster", environment.as_str(), &body)).transpose()
    }

    /// Every roster with its revision: what a replica compares with what it has.
    pub async fn roster_revisions(&self) -> Result<Vec<(TenantId, Environment, u64)>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String, i64),
            "SELECT tenant, environment, revision FROM rosters ORDER BY tenant, environment"
        )?;
        let read = |(tenant, environment, revision): (String, String, i64)| {
            Ok((
                row::word("roster", &environment, &tenant)?,
                row::word("roster", &environment, &environment)?,
                row::number(revision),
            ))
        };
        rows.into_iter().map(read).collect()
    }

    /// Whether somebody of a tenant pushed the component with this digest, or had it pulled.
    pub async fn has_pushed(&self, tenant: &TenantId, digest: &Digest) -> Result<bool, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT idx FROM ledger_entries
             WHERE log = $1 AND object_kind = 'plugin' AND object_id = $2 AND kind IN ('plugin.pushed', 'plugin.pulled')
             LIMIT 1",
            tenant.as_str(),
            digest.to_string()
        )?;
        Ok(found.is_some())
    }

    /// The plugins that were in the server's folder when it first saw their names: name and payload of the entry that
    /// says so, oldest first. They are read from the log itself, which nobody alters unnoticed.
    pub async fn installed_plugins(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(fetch_all!(
            self.db().reader(),
            (String, Vec<u8>),
            "SELECT object_id, payload FROM ledger_entries
             WHERE log = $1 AND object_kind = 'plugin' AND kind = 'plugin.installed' AND payload IS NOT NULL
             ORDER BY idx",
            SYSTEM
        )?)
    }
}
