//! Table `assignments`. Its rows have no JSON body: tasks alter them by the thousand, see [`crate::tasks`].

use interlock_domain::{
    Assignment, AssignmentState, ChangeId, Device, DeviceId, Progress, State, TenantId, Timestamp,
};

use crate::{
    AssignmentFilter, Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional, text},
    row,
};

/// The columns of an assignment `a`, in the order of [`Columns`].
macro_rules! columns {
    () => {
        "a.tenant, a.change_id, a.device, a.rank, a.state, a.action, a.artifact, a.version, a.version_before,
         a.artifact_before, a.touched_ms, a.detail, a.revision"
    };
}

#[derive(sqlx::FromRow)]
struct Columns {
    tenant: String,
    change_id: String,
    device: String,
    rank: i64,
    state: String,
    action: i64,
    artifact: String,
    version: String,
    version_before: Option<String>,
    artifact_before: Option<String>,
    touched_ms: i64,
    detail: String,
    revision: i64,
}

#[derive(sqlx::FromRow)]
struct WithState {
    #[sqlx(flatten)]
    assignment: Columns,
    change_state: String,
}

/// A device's row with its oldest live assignment, if it has one: everything of the latter may be absent.
#[derive(sqlx::FromRow)]
struct Polled {
    body: String,
    change_id: Option<String>,
    rank: Option<i64>,
    state: Option<String>,
    action: Option<i64>,
    artifact: Option<String>,
    version: Option<String>,
    version_before: Option<String>,
    artifact_before: Option<String>,
    touched_ms: Option<i64>,
    detail: Option<String>,
    revision: Option<i64>,
    change_state: Option<String>,
}

/// Writes the assignment as it is after a step, unless it has moved on meanwhile.
pub(crate) async fn write(tx: &mut Tx, assignment: &Assignment) -> Result<(), StoreError> {
    let moved = execute!(
        tx.conn(),
        "UPDATE assignments SET state = $5, live = $6, touched_ms = $7, detail = $8, revision = $4
         WHERE change_id = $1 AND device = $2 AND revision = $3 AND tenant = $9",
        assignment.change.as_str(),
        assignment.device.as_str(),
        row::column(assignment.revision) - 1,
        row::column(assignment.revision),
        assignment.state.as_str(),
        i64::from(assignment.state.is_live()),
        assignment.touched_at.as_millis(),
        text(&assignment.detail),
        assignment.tenant.as_str(),
    )?;
    if moved == 0 {
        return Err(StoreError::conflict(
            "assignment",
            format!("{}/{}", assignment.change, assignment.device),
        ));
    }
    Ok(())
}

impl Store {
    /// The assignment of a target in a rollout.
    pub async fn assignment(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        device: &DeviceId,
    ) -> Result<Option<Assignment>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            Columns,
            concat!(
                "SELECT ",
                columns!(),
                " FROM assignments a
                 WHERE a.change_id = $1 AND a.device = $2 AND a.tenant = $3"
            ),
            change.as_str(),
            device.as_str(),
            tenant.as_str()
        )?;
        found.map(Columns::read).transpose()
    }

    /// The assignments of a change by device.
    pub async fn assignments(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        filter: &AssignmentFilter,
        page: &Page,
    ) -> Result<Vec<Assignment>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            Columns,
            concat!(
                "SELECT ",
                columns!(),
                " FROM assignments a
                 WHERE a.change_id = $1 AND a.tenant = $2 AND a.device > $3 AND ($4 = '' OR a.state = $4)
                 ORDER BY a.device LIMIT $5"
            ),
            change.as_str(),
            tenant.as_str(),
            page.above(),
            filter.state.map_or("", AssignmentState::as_str),
            page.limit(),
        )?;
        rows.into_iter().map(Columns::read).collect()
    }

    /// The oldest live assignment of a device, with the state of its change.
    pub async fn live_assignment(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
    ) -> Result<Option<(Assignment, State)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            WithState,
            concat!(
                "SELECT ",
                columns!(),
                ", c.state AS change_state
                 FROM assignments a JOIN changes c ON c.id = a.change_id
                 WHERE a.tenant = $1 AND a.device = $2 AND a.live = 1 ORDER BY a.action LIMIT 1"
            ),
            tenant.as_str(),
            device.as_str()
        )?;
        found.map(WithState::read).transpose()
    }

    /// The assignment that a version report of the device is about, with the state of its change: the oldest live
    /// one, or else the newest that ever reached it.
    pub async fn concerned_assignment(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
    ) -> Result<Option<(Assignment, State)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            WithState,
            concat!(
                "SELECT ",
                columns!(),
                ", c.state AS change_state
                 FROM assignments a JOIN changes c ON c.id = a.change_id
                 WHERE a.tenant = $1 AND a.device = $2 AND a.state NOT IN ('pending', 'released')
                 ORDER BY a.live DESC, CASE WHEN a.live = 1 THEN a.action ELSE -a.action END LIMIT 1"
            ),
            tenant.as_str(),
            device.as_str()
        )?;
        found.map(WithState::read).transpose()
    }

    /// Whether this action number was ever the device's, forward or back.
    pub async fn had_action(&self, device: &Device, action: u32) -> Result<bool, StoreError> {
        // A way back is numbered one above its way forward, and ways forward are even.
        let forward = i64::from(action & !1);
        let found = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT action FROM assignments WHERE tenant = $1 AND device = $2 AND action = $3",
            device.tenant.as_str(),
            device.id.as_str(),
            forward
        )?;
        Ok(found.is_some())
    }

    /// What a poll needs, in one round trip: the device, and its oldest live assignment with its change's state.
    pub async fn poll(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
    ) -> Result<Option<(Device, Option<(Assignment, State)>)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            Polled,
            "SELECT d.body, a.change_id, a.rank, a.state, a.action, a.artifact, a.version, a.version_before,
                    a.artifact_before, a.touched_ms, a.detail, a.revision, c.state AS change_state
             FROM devices d
             LEFT JOIN assignments a ON a.tenant = d.tenant AND a.device = d.id AND a.live = 1
             LEFT JOIN changes c ON c.id = a.change_id
             WHERE d.tenant = $1 AND d.id = $2 ORDER BY a.action LIMIT 1",
            tenant.as_str(),
            device.as_str()
        )?;
        let Some(polled) = found else { return Ok(None) };
        let found = row::body("device", device.as_str(), &polled.body)?;
        let live = polled.live(tenant, device).map(WithState::read).transpose()?;
        Ok(Some((found, live)))
    }

    /// How many targets of a change are in which state.
    pub async fn progress(&self, tenant: &TenantId, change: &ChangeId) -> Result<Progress, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, i64),
            "SELECT state, COUNT(*) FROM assignments WHERE change_id = $1 AND tenant = $2 GROUP BY state",
            change.as_str(),
            tenant.as_str()
        )?;
        let mut progress = Progress::default();
        for (state, count) in rows {
            *of_state(&mut progress, row::word("assignment", change.as_str(), &state)?) += row::number(count);
        }
        Ok(progress)
    }

    /// Targets on their way forward of which nothing was heard since this instant, the longest silent first.
    pub async fn silent_due(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        touched_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Assignment>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            Columns,
            concat!(
                "SELECT ",
                columns!(),
                " FROM assignments a
                 WHERE a.change_id = $1 AND a.tenant = $2 AND a.touched_ms < $3
                   AND a.state IN ('offered', 'downloading', 'installing', 'installed')
                 ORDER BY a.touched_ms, a.device LIMIT $4"
            ),
            change.as_str(),
            tenant.as_str(),
            touched_before.as_millis(),
            i64::from(limit)
        )?;
        rows.into_iter().map(Columns::read).collect()
    }

    /// How many targets are on their way back and have not been heard of since this instant.
    pub async fn unheard(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        touched_before: Timestamp,
    ) -> Result<u64, StoreError> {
        let count = fetch_optional!(
            self.db().reader(),
            (i64,),
            "SELECT COUNT(*) FROM assignments
             WHERE change_id = $1 AND tenant = $2 AND touched_ms < $3
               AND state IN ('cancelling', 'confirming', 'restoring')",
            change.as_str(),
            tenant.as_str(),
            touched_before.as_millis()
        )?;
        Ok(count.map_or(0, |(count,)| row::number(count)))
    }
}

impl Columns {
    fn read(self) -> Result<Assignment, StoreError> {
        let id = format!("{}/{}", self.change_id, self.device);
        let whole = |number: i64| {
            u32::try_from(number).map_err(|error| StoreError::corrupt("assignment", &id, error))
        };
        Ok(Assignment {
            tenant: row::word("assignment", &id, &self.tenant)?,
            change: row::word("assignment", &id, &self.change_id)?,
            device: row::word("assignment", &id, &self.device)?,
            rank: whole(self.rank)?,
            state: row::word("assignment", &id, &self.state)?,
            action: whole(self.action)?,
            artifact: row::word("assignment", &id, &self.artifact)?,
            version: self.version,
            version_before: self.version_before,
            artifact_before: self
                .artifact_before
                .map(|digest| row::word("assignment", &id, &digest))
                .transpose()?,
            touched_at: Timestamp::from_millis(self.touched_ms),
            detail: self.detail,
            revision: row::number(self.revision),
        })
    }
}

impl WithState {
    fn read(self) -> Result<(Assignment, State), StoreError> {
        let state = row::word("change", &self.assignment.change_id, &self.change_state)?;
        Ok((self.assignment.read()?, state))
    }
}

impl Polled {
    fn live(self, tenant: &TenantId, device: &DeviceId) -> Option<WithState> {
        Some(WithState {
            assignment: Columns {
                tenant: tenant.to_string(),
                change_id: self.change_id?,
                device: device.to_string(),
                rank: self.rank?,
                state: self.state?,
                action: self.action?,
                artifact: self.artifact?,
                version: self.version?,
                version_before: self.version_before,
                artifact_before: self.artifact_before,
                touched_ms: self.touched_ms?,
                detail: self.detail?,
                revision: self.revision?,
            },
            change_state: self.change_state?,
        })
    }
}

fn of_state(progress: &mut Progress, state: AssignmentState) -> &mut u64 {
    use AssignmentState as S;
    match state {
        S::Pending => &mut progress.pending,
        S::Offered => &mut progress.offered,
        S::Downloading => &mut progress.downloading,
        S::Installing => &mut progress.installing,
        S::Installed => &mut progress.installed,
        S::Verified => &mut progress.verified,
        S::Failed => &mut progress.failed,
        S::Silent => &mut progress.silent,
        S::Cancelling | S::Confirming | S::Restoring => &mut progress.rolling_back,
        S::RolledBack => &mut progress.rolled_back,
        S::RollbackFailed => &mut progress.rollback_failed,
        S::Released => &mut progress.released,
    }
}
