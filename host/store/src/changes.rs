//! Table `changes`, and which artifacts each brings.

use interlock_domain::{Change, ChangeId, Digest, Event, TenantId, Transition};

use crate::{
    ChangeFilter, Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional, text},
    row,
};

/// Writes the change as it is after the transition, unless it has moved on meanwhile. A transition without events
/// only has tasks: the change must still be where they were decided.
pub(crate) async fn write(
    tx: &mut Tx,
    transition: &Transition,
    body: &str,
    digest: Option<Digest>,
) -> Result<(), StoreError> {
    let change = &transition.change;
    let (tenant, id) = (change.tenant().as_str(), change.id.as_str());
    let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
    if transition.from_revision == 0 {
        let made = execute!(
            tx.conn(),
            "INSERT INTO changes (id, tenant, environment, state, is_final, revision, digest, body)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            id,
            tenant,
            change.manifest.environment.as_str(),
            change.state.as_str(),
            i64::from(change.state.is_final()),
            row::column(change.revision),
            &digest,
            body,
        )?;
        if made == 0 {
            return Err(StoreError::exists("change", id));
        }
    } else {
        let moved = execute!(
            tx.conn(),
            "UPDATE changes SET state = $4, is_final = $5, revision = $6, digest = $7, body = $8
             WHERE id = $1 AND tenant = $2 AND revision = $3",
            id,
            tenant,
            row::column(transition.from_revision),
            change.state.as_str(),
            i64::from(change.state.is_final()),
            row::column(change.revision),
            &digest,
            body,
        )?;
        if moved == 0 {
            return Err(StoreError::conflict("change", id));
        }
    }
    // The manifest changes only when the change is made or revised.
    if transition.events.iter().any(|event| matches!(event, Event::Proposed { .. } | Event::Revised { .. })) {
        write_artifacts(tx, change).await?;
    }
    Ok(())
}

async fn write_artifacts(tx: &mut Tx, change: &Change) -> Result<(), StoreError> {
    execute!(tx.conn(), "DELETE FROM change_artifacts WHERE change_id = $1", change.id.as_str())?;
    for artifact in &change.manifest.artifacts {
        execute!(
            tx.conn(),
            "INSERT INTO change_artifacts (change_id, tenant, name, digest) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            change.id.as_str(),
            change.tenant().as_str(),
            &artifact.name,
            artifact.digest.to_string(),
        )?;
    }
    Ok(())
}

impl Store {
    /// A change.
    pub async fn change(&self, tenant: &TenantId, id: &ChangeId) -> Result<Option<Change>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM changes WHERE id = $1 AND tenant = $2",
            id.as_str(),
            tenant.as_str()
        )?;
        found.map(|(body,)| row::body("change", id.as_str(), &body)).transpose()
    }

    /// The changes of a tenant, newest first.
    pub async fn changes(
        &self,
        tenant: &TenantId,
        filter: &ChangeFilter,
        page: &Page,
    ) -> Result<Vec<Change>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM changes
             WHERE tenant = $1 AND id < $2 AND ($3 = '' OR state = $3) AND ($4 = '' OR environment = $4)
             ORDER BY id DESC LIMIT $5",
            tenant.as_str(),
            page.below(),
            filter.state.map_or("", |state| state.as_str()),
            filter.environment.as_ref().map_or("", |environment| environment.as_str()),
            page.limit(),
        )?;
        row::bodies("change", rows)
    }

    /// The changes of all tenants that a reconciler has to look at, oldest first. What is over is never looked at, also
    /// when some of its targets are still on their way back: their offers stand without it.
    pub async fn live_changes(&self) -> Result<Vec<(TenantId, ChangeId)>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT tenant, id FROM changes WHERE is_final = 0 ORDER BY id"
        )?;
        let read = |(tenant, id): (String, String)| {
            Ok((row::word("change", &id, &tenant)?, row::word("change", &id, &id)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Every change that brings or brought an artifact of this name, whatever became of it, oldest first.
    pub async fn changes_with_artifact(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Vec<Change>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM changes WHERE tenant = $1 AND id IN (
                 SELECT change_id FROM change_artifacts WHERE tenant = $1 AND name = $2)
             ORDER BY id",
            tenant.as_str(),
            text(name)
        )?;
        row::bodies("change", rows)
    }

    /// The digest of the state that a change has at this revision; `None` when it is not there.
    pub(crate) async fn state_digest(
        &self,
        tenant: &TenantId,
        id: &ChangeId,
        revision: u64,
    ) -> Result<Option<Digest>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT digest FROM changes WHERE id = $1 AND tenant = $2 AND revision = $3",
            id.as_str(),
            tenant.as_str(),
            row::column(revision)
        )?;
        found.map(|(digest,)| row::word("change", id.as_str(), &digest)).transpose()
    }
}
