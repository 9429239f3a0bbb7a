//! Table `groups`.

use interlock_domain::{Group, GroupName, TenantId};

use crate::{
    Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional},
    row,
};

/// Makes a group.
pub(crate) async fn write(tx: &mut Tx, group: &Group, body: &str) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO groups (tenant, name, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        group.tenant.as_str(),
        group.name.as_str(),
        body
    )?;
    if made == 0 {
        return Err(StoreError::exists("group", &group.name));
    }
    Ok(())
}

/// Removes a group that no device is in. One that has got devices meanwhile is a conflict.
pub(crate) async fn remove(tx: &mut Tx, tenant: &TenantId, name: &GroupName) -> Result<(), StoreError> {
    let removed = execute!(
        tx.conn(),
        "DELETE FROM groups WHERE tenant = $1 AND name = $2
         AND NOT EXISTS (SELECT 1 FROM device_groups g WHERE g.tenant = $1 AND g.name = $2)",
        tenant.as_str(),
        name.as_str()
    )?;
    if removed == 0 {
        return Err(StoreError::conflict("group", name));
    }
    Ok(())
}

impl Store {
    /// A group.
    pub async fn group(&self, tenant: &TenantId, name: &GroupName) -> Result<Option<Group>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM groups WHERE tenant = $1 AND name = $2",
            tenant.as_str(),
            name.as_str()
        )?;
        found.map(|(body,)| row::body("group", name.as_str(), &body)).transpose()
    }

    /// The groups of a tenant by name.
    pub async fn groups(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Group>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT name, body FROM groups WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3",
            tenant.as_str(),
            page.above(),
            page.limit()
        )?;
        row::bodies("group", rows)
    }
}
