//! Table `assignments`. Its rows have no JSON body: tasks alter them by the thousand, see [`crate::tasks`].

use interlock_domain::{
    Assignment, AssignmentState, Change, ChangeId, Device, DeviceId, Progress, State, TenantId, Timestamp,
};

use crate::{
    AssignmentFilter, Page, Store, StoreError,
    db::{Tx, execute, fetch_all, fetch_optional, text},
    row,
    writer::Work,
};

/// The columns of an assignment `a`, in the order of [`Columns`].
macro_rules! columns {
    () => {
        "a.tenant, a.change_id, a.device, a.rank, a.state, a.action, a.artifact, a.version, a.version_before,
         a.artifact_before, a.begun, a.answered_back, a.touched_ms, a.detail, a.revision"
    };
}

/// Whether another change is at work on the target of the row of `assignments` at hand, in tenant `$2`. One that is over
/// and whose target was not heard of since `$3` is not: it would keep every later change waiting.
macro_rules! busy {
    () => {
        "EXISTS (SELECT 1 FROM assignments other WHERE other.tenant = $2 AND other.device = assignments.device
                 AND other.change_id <> assignments.change_id AND other.live = 1
                 AND NOT ((other.state = 'silent' OR other.touched_ms < $3)
                          AND other.change_id IN (SELECT id FROM changes WHERE is_final = 1)))"
    };
}
pub(crate) use busy;

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
    begun: i64,
    answered_back: i64,
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

/// A device's row with its newest live assignment, if it has one: everything of the latter may be absent.
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
    begun: Option<i64>,
    answered_back: Option<i64>,
    touched_ms: Option<i64>,
    detail: Option<String>,
    revision: Option<i64>,
    change_state: Option<String>,
}

/// Writes the assignment as it is after a step, unless it has moved on meanwhile.
pub(crate) async fn write(tx: &mut Tx, assignment: &Assignment) -> Result<(), StoreError> {
    let moved = execute!(
        tx.conn(),
        "UPDATE assignments SET state = $5, live = $6, touched_ms = $7, detail = $8, begun = $10, answered_back = $11,
                revision = $4,
                installed_ms = CASE WHEN $5 IN ('installed', 'verified', 'failed') THEN COALESCE(installed_ms, $7)
                                    ELSE installed_ms END
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
        i64::from(assignment.begun),
        i64::from(assignment.answered_back),
    )?;
    if moved == 0 {
        return Err(StoreError::conflict(
            "assignment",
            format!("{}/{}", assignment.change, assignment.device),
        ));
    }
    Ok(())
}

/// Notes when a target was heard of, unless it has taken a step since.
pub(crate) async fn write_heard(
    tx: &mut Tx,
    assignment: &Assignment,
    now: Timestamp,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "UPDATE assignments SET touched_ms = $4
         WHERE change_id = $1 AND device = $2 AND revision = $3 AND touched_ms < $4",
        assignment.change.as_str(),
        assignment.device.as_str(),
        row::column(assignment.revision),
        now.as_millis()
    )?;
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

    /// The live assignment of a device that was offered last, with the state of its change. There are two only while
    /// two changes come back one after the other, and then the later one has to come back first.
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
                 WHERE a.tenant = $1 AND a.device = $2 AND a.live = 1 ORDER BY a.exposed_ms DESC, a.action DESC LIMIT 1"
            ),
            tenant.as_str(),
            device.as_str()
        )?;
        found.map(WithState::read).transpose()
    }

    /// The assignment that a version report of the device is about, with the state of its change: the live one, or
    /// else the one that reached it last.
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
                 WHERE a.tenant = $1 AND a.device = $2
                   AND a.state NOT IN ('pending', 'waiting', 'released', 'superseded')
                 ORDER BY a.live DESC, a.exposed_ms DESC, a.action DESC LIMIT 1"
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

    /// What a poll needs, in one round trip: the device, and its newest live assignment with its change's state.
    pub async fn poll(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
    ) -> Result<Option<(Device, Option<(Assignment, State)>)>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            Polled,
            "SELECT d.body, a.change_id, a.rank, a.state, a.action, a.artifact, a.version, a.version_before,
                    a.artifact_before, a.begun, a.answered_back, a.touched_ms, a.detail, a.revision, c.state AS change_state
             FROM devices d
             LEFT JOIN assignments a ON a.tenant = d.tenant AND a.device = d.id AND a.live = 1
             LEFT JOIN changes c ON c.id = a.change_id
             WHERE d.tenant = $1 AND d.id = $2 ORDER BY a.exposed_ms DESC, a.action DESC LIMIT 1",
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

    /// Targets on their way forward of which nothing was heard since this instant, the longest silent first; while the
    /// rollout stands still (`withheld`) only those that have begun.
    pub async fn silent_due(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
        touched_before: Timestamp,
        withheld: bool,
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
                   AND a.state IN ('offered', 'downloading', 'installing', 'installed') AND a.begun >= $5
                 ORDER BY a.touched_ms, a.device LIMIT $4"
            ),
            change.as_str(),
            tenant.as_str(),
            touched_before.as_millis(),
            i64::from(limit),
            i64::from(withheld)
        )?;
        rows.into_iter().map(Columns::read).collect()
    }

    /// Notes that a target reported progress that is no step. No entry: what counts is that it is not silent.
    pub async fn heard(&self, assignment: &Assignment, now: Timestamp) -> Result<(), StoreError> {
        self.queue().done(Work::Heard(Box::new(assignment.clone()), now)).await.map(|_| ())
    }

    /// How many targets wait for another change that is done with them by now, or was not heard of by them since this
    /// instant and is over; of a change that is paced, those of them that have a place.
    pub async fn waiting_free(&self, change: &Change, touched_before: Timestamp) -> Result<u64, StoreError> {
        if !change.manifest.at_once.is_empty() {
            return self.waiting_with_a_place(change, touched_before).await;
        }
        let count = fetch_optional!(
            self.db().reader(),
            (i64,),
            concat!(
                "SELECT COUNT(*) FROM assignments
                 WHERE change_id = $1 AND tenant = $2 AND state = 'waiting' AND NOT ",
                busy!()
            ),
            change.id.as_str(),
            change.tenant().as_str(),
            touched_before.as_millis()
        )?;
        Ok(count.map_or(0, |(count,)| row::number(count)))
    }

    /// The versions that the targets of a change run now which it has not been offered to yet.
    pub async fn versions_ahead(
        &self,
        tenant: &TenantId,
        change: &ChangeId,
    ) -> Result<Vec<Option<String>>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (Option<String>,),
            "SELECT DISTINCT d.firmware FROM assignments a JOIN devices d ON d.tenant = a.tenant AND d.id = a.device
             WHERE a.change_id = $1 AND a.tenant = $2 AND a.state IN ('pending', 'waiting')",
            change.as_str(),
            tenant.as_str()
        )?;
        Ok(rows.into_iter().map(|(version,)| version).collect())
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
            begun: self.begun != 0,
            answered_back: self.answered_back != 0,
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
                begun: self.begun?,
                answered_back: self.answered_back?,
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
        S::Waiting => &mut progress.waiting,
        S::Offered => &mut progress.offered,
        S::Downloading => &mut progress.downloading,
        S::Installing => &mut progress.installing,
        S::Installed => &mut progress.installed,
        S::Verified => &mut progress.verified,
        S::Failed => &mut progress.failed,
        S::Silent => &mut progress.silent,
        S::Cancelling | S::Confirming | S::Recalled | S::Restoring => &mut progress.rolling_back,
        S::RolledBack => &mut progress.rolled_back,
        S::RollbackFailed => &mut progress.rollback_failed,
        S::Released => &mut progress.released,
        S::Superseded => &mut progress.superseded,
    }
}
