//! Work on many assignments at once, in a few statements whatever the size of the fleet. Each task leaves one entry,
//! with how many targets it touched and the digest of their ids; one that writes a roster, with the roster.
//!
//! **Invariant:** what a task does to one row is what the domain's rule does to one assignment; a test compares them.

use std::collections::BTreeMap;

use interlock_domain::{
    AssignmentState, BundleRef, Change, ChangeId, DeviceId, Manifest, RosterRecord, Task, Timestamp,
    Transition, WaysBack,
};
use interlock_ledger::{Digest, to_canonical};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    BundleFloor, LedgerKeys, StoreError,
    assignments::busy,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, pieces, values},
    draft::{Happening, Scribe, Staged},
    floor,
    places::{self, Candidates},
    rosters, row,
};

/// The device protocol has 31 bits for an action; a way back takes the number above its way forward.
const ACTION_MAX: i64 = (1 << 31) - 3;

/// Why a target that cannot be restored needs a person, as the domain words it.
const NO_WAY_BACK: &str = "no stored artifact brings it back; install it by hand";

/// What a recalled target shows, as the domain words it.
const RECALLED: &str = "the rollout was called back";

/// What a target shows whose turn on the way back it is, as the domain words it.
const ITS_TURN: &str = "its old artifact is offered";

/// What a task touched, as its entry's payload.
#[derive(Serialize)]
struct Touched {
    count: usize,
    /// Over the sorted ids, each followed by a line feed, as for a manifest's population.
    targets: Digest,
    /// How many targets came to which state.
    states: BTreeMap<&'static str, usize>,
    /// What older changes, which are over, lost to this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taken_over: Vec<TakenOver>,
}

/// Targets of an older change that this one took over.
#[derive(Serialize)]
struct TakenOver {
    change: ChangeId,
    count: usize,
    targets: Digest,
}

/// What a task did.
#[derive(Default)]
struct Touch {
    moved: Moved,
    taken_over: BTreeMap<ChangeId, Vec<DeviceId>>,
}

impl From<Moved> for Touch {
    fn from(moved: Moved) -> Self {
        Self { moved, taken_over: BTreeMap::new() }
    }
}

/// The targets that came to a state.
type Moved = Vec<(AssignmentState, DeviceId)>;

/// Runs the tasks of a transition in order and returns an entry for each.
pub(crate) async fn run(
    tx: &mut Tx,
    scribe: &Scribe,
    transition: &Transition,
    ids: &[Uuid],
    keys: &LedgerKeys,
) -> Result<Vec<Staged>, StoreError> {
    let change = &transition.change;
    let now = scribe.now.as_millis();
    let mut entries = Vec::with_capacity(transition.tasks.len());
    for (task, id) in transition.tasks.iter().zip(ids) {
        let (kind, touch) = match task {
            Task::Assign { targets } => ("assignments.made", assign(tx, change, targets, now).await?.into()),
            Task::ExposeRanks { below, back } => {
                let reached = Reached::Ranks { below: *below };
                ("assignments.offered", expose(tx, change, reached, back, now).await?)
            }
            Task::ExposeGroups { names, back } => {
                ("assignments.offered", expose_groups(tx, change, names, back, now).await?)
            }
            Task::OfferWaiting { back } => {
                ("assignments.offered", expose(tx, change, Reached::Waiting, back, now).await?)
            }
            Task::Renew => ("assignments.renewed", renew(tx, change, now).await?.into()),
            Task::Recall => ("assignments.recalled", recall(tx, change, now).await?.into()),
            Task::RestoreNext => ("assignments.restored", restore_next(tx, change, now).await?.into()),
            Task::Release => ("assignments.released", release(tx, change, now).await?.into()),
            Task::Adopt { bundle } => {
                entries.push(scribe.sign(*id, adopt(tx, change, bundle, scribe.now).await?, keys)?);
                continue;
            }
            Task::Enroll { record } => {
                entries.push(scribe.sign(*id, enroll(tx, change, record).await?, keys)?);
                continue;
            }
        };
        let Touch { moved, taken_over } = touch;
        let mut states = BTreeMap::new();
        for (state, _) in &moved {
            *states.entry(state.as_str()).or_default() += 1;
        }
        let targets = Manifest::population_digest(moved.iter().map(|(_, device)| device));
        let taken_over = taken_over.into_iter().map(|(change, devices)| TakenOver {
            count: devices.len(),
            targets: Manifest::population_digest(&devices),
            change,
        });
        let touched = Touched { count: moved.len(), targets, states, taken_over: taken_over.collect() };
        let what = Happening {
            kind,
            object_kind: "change",
            object_id: change.id.to_string(),
            object_digest: Some(change.digest),
            payload: Some(to_canonical(&touched)?),
            ..Happening::default()
        };
        entries.push(scribe.sign(*id, what, keys)?);
    }
    Ok(entries)
}

/// Writes the roster of the change's environment. Its entry holds all of it, and is what the row is compared with.
async fn enroll(tx: &mut Tx, change: &Change, record: &RosterRecord) -> Result<Happening, StoreError> {
    let place = (&record.tenant, &record.environment);
    if place != (change.tenant(), &change.manifest.environment) {
        let detail = format!("change `{}` writes the roster of another environment", change.id);
        return Err(StoreError::Malformed { detail });
    }
    rosters::write(tx, record, &serde_json::to_string(record)?).await?;
    Ok(Happening {
        kind: "roster.written",
        object_kind: "roster",
        object_id: record.environment.to_string(),
        object_digest: Some(change.digest),
        after: Some(Digest::of_canonical(record)?),
        payload: Some(to_canonical(record)?),
        ..Happening::default()
    })
}

/// Has a bundle in force. Who looks for what was in force when finds it in the log of the tenant that decided it.
async fn adopt(
    tx: &mut Tx,
    change: &Change,
    bundle: &BundleRef,
    now: Timestamp,
) -> Result<Happening, StoreError> {
    floor::raise(tx, &BundleFloor { revision: bundle.revision, digest: bundle.digest }, now).await?;
    Ok(Happening {
        kind: "bundle.adopted",
        object_kind: "bundle",
        object_id: bundle.digest.to_string(),
        object_digest: Some(change.digest),
        payload: Some(to_canonical(bundle)?),
        ..Happening::default()
    })
}

/// Makes the assignments anew. What a target runs now, and which stored artifact brings it back to that, is looked
/// up here, in the same transaction.
async fn assign(tx: &mut Tx, change: &Change, targets: &[DeviceId], now: i64) -> Result<Moved, StoreError> {
    let artifact = change.manifest.artifacts.first().ok_or_else(|| StoreError::Malformed {
        detail: format!("change `{}` brings no artifact", change.id),
    })?;
    execute!(tx.conn(), "DELETE FROM assignments WHERE change_id = $1", change.id.as_str())?;
    let first = take_actions(tx, change, targets.len()).await?;
    let ranked: Vec<(i64, &str)> = (0..).zip(targets.iter().map(DeviceId::as_str)).collect();
    for piece in pieces(&ranked) {
        let sql = format!(
            "WITH target (rank, device) AS (VALUES {})
             INSERT INTO assignments (change_id, device, tenant, rank, state, live, action, artifact, version,
                                      version_before, artifact_before, touched_ms, detail, revision)
             SELECT $1, d.id, d.tenant, t.rank, 'pending', 0, $2 + 2 * t.rank, $3, $4,
                    d.firmware, b.digest, $5, '', 1
             FROM target t
             JOIN devices d ON d.tenant = $6 AND d.id = t.device
             LEFT JOIN artifacts b ON b.tenant = $6 AND b.name = $7 AND b.version = d.firmware",
            values(piece.len(), 2, 8)
        );
        let made = execute_rows!(
            tx.conn(),
            sql,
            [
                change.id.as_str(),
                first,
                artifact.digest.to_string(),
                &artifact.version,
                now,
                change.tenant().as_str(),
                &artifact.name
            ],
            piece,
            |(rank, device)| [rank, device]
        )?;
        if made != piece.len() as u64 {
            return Err(unknown_target(tx, change, piece).await?);
        }
    }
    Ok(targets.iter().map(|device| (AssignmentState::Pending, device.clone())).collect())
}

/// Allots action numbers, which never come again in a tenant, and returns the first.
async fn take_actions(tx: &mut Tx, change: &Change, count: usize) -> Result<i64, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let tenant = change.tenant().as_str();
    let last = fetch_optional!(
        tx.conn(),
        (i64,),
        "INSERT INTO action_numbers (tenant, last) VALUES ($1, $2)
         ON CONFLICT (tenant) DO UPDATE SET last = action_numbers.last + $2 RETURNING last",
        tenant,
        count
    )?;
    let last = last.map_or(i64::MAX, |(last,)| last);
    if last > ACTION_MAX / 2 {
        return Err(StoreError::ActionsExhausted { tenant: tenant.to_owned() });
    }
    Ok(2 * (last - count + 1))
}

async fn unknown_target(
    tx: &mut Tx,
    change: &Change,
    piece: &[(i64, &str)],
) -> Result<StoreError, StoreError> {
    for (_, device) in piece {
        let known = fetch_optional!(
            tx.conn(),
            (i64,),
            "SELECT revision FROM devices WHERE tenant = $1 AND id = $2",
            change.tenant().as_str(),
            *device
        )?;
        if known.is_none() {
            return Ok(StoreError::missing("device", device));
        }
    }
    Ok(StoreError::Malformed { detail: format!("change `{}` names a target twice", change.id) })
}

/// Which of a change's targets a statement offers the artifact to, in terms of a row of `assignments`.
enum Reached<'a> {
    Ranks { below: u64 },
    Site(&'a str),
    Group(&'a str),
    Waiting,
}

/// Offers the artifact to targets. One that another change is at work on waits for that; one that left the change's
/// environment or service meanwhile is let go.
async fn expose(
    tx: &mut Tx,
    change: &Change,
    reached: Reached<'_>,
    back: &WaysBack,
    now: i64,
) -> Result<Touch, StoreError> {
    // `$4` and `$5` stand in each form, so that all take the same arguments.
    let (which, below, name) = match reached {
        Reached::Ranks { below } => ("state = 'pending' AND rank < $4 AND $5 = ''", below, ""),
        Reached::Site(site) => (
            "state = 'pending' AND $4 = 0 AND device IN (SELECT id FROM devices WHERE tenant = $2 AND site = $5)",
            0,
            site,
        ),
        Reached::Group(group) => (
            "state = 'pending' AND $4 = 0
             AND device IN (SELECT device FROM device_groups WHERE tenant = $2 AND name = $5)",
            0,
            group,
        ),
        Reached::Waiting => (places::WAITING, 0, ""),
    };
    let of = Exposed { change, which, below, name, now };
    let mut moved = of.let_go(tx).await?;
    moved.extend(of.offer(tx).await?);
    let taken_over = of.take_over(tx).await?;
    of.note_ways_back(tx, back).await?;
    Ok(Touch { moved, taken_over })
}

/// A statement's targets and arguments.
struct Exposed<'a> {
    change: &'a Change,
    which: &'static str,
    below: u64,
    name: &'a str,
    now: i64,
}

impl Exposed<'_> {
    /// What a population was approved for may no longer be true of each of its devices.
    async fn let_go(&self, tx: &mut Tx) -> Result<Moved, StoreError> {
        let sql = format!(
            "UPDATE assignments SET state = 'released', touched_ms = $3, detail = $7, revision = revision + 1
             WHERE change_id = $1 AND tenant = $2 AND {which}
               AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.tenant = $2 AND d.id = assignments.device
                               AND d.state = 'active' AND d.environment = $6)
             RETURNING device",
            which = self.which
        );
        let rows = fetch_all!(
            tx.conn(),
            (String,),
            sqlx::AssertSqlSafe(sql),
            self.change.id.as_str(),
            self.change.tenant().as_str(),
            self.now,
            row::column(self.below),
            self.name,
            self.change.manifest.environment.as_str(),
            "it is out of service or has moved to another environment"
        )?;
        moved_to(AssignmentState::Released, rows)
    }

    /// Offers the artifact to those that nobody is at work on, and lets the others wait.
    async fn offer(&self, tx: &mut Tx) -> Result<Moved, StoreError> {
        if !self.change.manifest.at_once.is_empty() {
            return self.offer_in_turn(tx).await;
        }
        let waits = if self.which == places::WAITING { "FALSE" } else { "TRUE" };
        let sql = format!(
            "UPDATE assignments SET touched_ms = $6, exposed_ms = $6, revision = revision + 1,
                    state = CASE WHEN {busy} THEN 'waiting' ELSE 'offered' END,
                    live = CASE WHEN {busy} THEN 0 ELSE 1 END
             WHERE change_id = $1 AND tenant = $2 AND {which} AND ({waits} OR NOT {busy})
             RETURNING state, device",
            busy = busy!(),
            which = self.which
        );
        let rows = fetch_all!(
            tx.conn(),
            (String, String),
            sqlx::AssertSqlSafe(sql),
            self.change.id.as_str(),
            self.change.tenant().as_str(),
            self.heard_before(),
            row::column(self.below),
            self.name,
            self.now
        )?;
        let read = |(state, device): (String, String)| {
            Ok((row::word("state", &device, &state)?, row::word("device", &device, &device)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Offers the artifact to those that have a place in each of their sites and groups, and lets the others wait.
    async fn offer_in_turn(&self, tx: &mut Tx) -> Result<Moved, StoreError> {
        let Exposed { which, below, name, .. } = *self;
        let candidates = Candidates { which, below, name, heard_before: self.heard_before() };
        let turn = places::turn(tx, self.change, candidates).await?;
        let mut moved = Moved::new();
        for piece in pieces(&turn) {
            let sql = format!(
                "UPDATE assignments SET state = 'offered', live = 1, touched_ms = $3, exposed_ms = $3, revision = revision + 1
                 WHERE change_id = $1 AND tenant = $2 AND device IN ({})",
                values(piece.len(), 1, 4)
            );
            let (change, tenant) = (self.change.id.as_str(), self.change.tenant().as_str());
            execute_rows!(tx.conn(), sql, [change, tenant, self.now], piece, |device| [device.as_str()])?;
            moved.extend(piece.iter().map(|device| (AssignmentState::Offered, device.clone())));
        }
        if which != places::WAITING {
            let sql = format!(
                "UPDATE assignments SET state = 'waiting', touched_ms = $3, exposed_ms = $3, revision = revision + 1
                 WHERE change_id = $1 AND tenant = $2 AND {which} RETURNING device"
            );
            let rows = fetch_all!(
                tx.conn(),
                (String,),
                sqlx::AssertSqlSafe(sql),
                self.change.id.as_str(),
                self.change.tenant().as_str(),
                self.now,
                row::column(below),
                name
            )?;
            moved.extend(moved_to(AssignmentState::Waiting, rows)?);
        }
        Ok(moved)
    }

    /// What an older change, which is over, still has on offer to the targets that were offered this one's artifact just
    /// now is out of date.
    async fn take_over(&self, tx: &mut Tx) -> Result<BTreeMap<ChangeId, Vec<DeviceId>>, StoreError> {
        let rows = fetch_all!(
            tx.conn(),
            (String, String),
            "UPDATE assignments SET state = 'superseded', live = 0, touched_ms = $3, detail = $4,
                    revision = revision + 1
             WHERE tenant = $2 AND live = 1 AND change_id <> $1
               AND device IN (SELECT device FROM assignments mine WHERE mine.change_id = $1 AND mine.tenant = $2
                              AND mine.state = 'offered' AND mine.exposed_ms = $3)
             RETURNING change_id, device",
            self.change.id.as_str(),
            self.change.tenant().as_str(),
            self.now,
            format!("taken over by {}", self.change.id)
        )?;
        let mut taken_over: BTreeMap<ChangeId, Vec<DeviceId>> = BTreeMap::new();
        for (change, device) in rows {
            let devices = taken_over.entry(row::word("change", &change, &change)?).or_default();
            devices.push(row::word("device", &device, &device)?);
        }
        Ok(taken_over)
    }

    /// Where the targets come from, as of now: what they ran when the change was proposed may be long gone.
    async fn note_ways_back(&self, tx: &mut Tx, back: &WaysBack) -> Result<(), StoreError> {
        execute!(
            tx.conn(),
            "UPDATE assignments SET artifact_before = NULL, version_before =
                    (SELECT d.firmware FROM devices d WHERE d.tenant = $2 AND d.id = assignments.device)
             WHERE change_id = $1 AND tenant = $2 AND state = 'offered' AND exposed_ms = $3",
            self.change.id.as_str(),
            self.change.tenant().as_str(),
            self.now
        )?;
        for (version, artifact) in back {
            execute!(
                tx.conn(),
                "UPDATE assignments SET artifact_before = $5
                 WHERE change_id = $1 AND tenant = $2 AND state = 'offered' AND exposed_ms = $3 AND version_before = $4",
                self.change.id.as_str(),
                self.change.tenant().as_str(),
                self.now,
                version,
                artifact.to_string()
            )?;
        }
        Ok(())
    }

    fn heard_before(&self) -> i64 {
        heard_before(self.change, self.now)
    }
}

/// An older change that is over has no claim on a target that it heard nothing of for this change's patience.
fn heard_before(change: &Change, now: i64) -> i64 {
    now - i64::try_from(change.manifest.silent_after_ms).unwrap_or(i64::MAX)
}

/// Offers the artifact to the pending targets of these sites and groups. A name of neither kind reaches nobody.
async fn expose_groups(
    tx: &mut Tx,
    change: &Change,
    names: &[String],
    back: &WaysBack,
    now: i64,
) -> Result<Touch, StoreError> {
    let mut touch = Touch::default();
    for name in names {
        let reached = match name.split_once(':') {
            Some(("site", site)) => Reached::Site(site),
            Some(("group", group)) => Reached::Group(group),
            _ => continue,
        };
        let more = expose(tx, change, reached, back, now).await?;
        touch.moved.extend(more.moved);
        for (change, devices) in more.taken_over {
            touch.taken_over.entry(change).or_default().extend(devices);
        }
    }
    Ok(touch)
}

/// Gives the targets that have not begun their time anew.
async fn renew(tx: &mut Tx, change: &Change, now: i64) -> Result<Moved, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String,),
        "UPDATE assignments SET touched_ms = $3, revision = revision + 1
         WHERE change_id = $1 AND tenant = $2 AND state = 'offered' AND begun = 0 RETURNING device",
        change.id.as_str(),
        change.tenant().as_str(),
        now
    )?;
    moved_to(AssignmentState::Offered, rows)
}

/// Calls every target back, each as [`AssignmentState::recalled`] says. No state that a target comes to is one that
/// is called back from, so that the order does not matter.
async fn recall(tx: &mut Tx, change: &Change, now: i64) -> Result<Moved, StoreError> {
    let mut moved = Vec::new();
    let paced = !change.manifest.at_once.is_empty();
    for from in AssignmentState::ALL {
        if from.recalled(true, paced) == Some(AssignmentState::Superseded) {
            moved.extend(leave_to_later(tx, change, from, now).await?);
        }
        let Some(to) = from.recalled(false, paced) else { continue };
        if matches!(to, AssignmentState::Recalled | AssignmentState::Restoring) {
            moved.extend(give_up(tx, change, from, now).await?);
        }
        moved.extend(move_all(tx, change, from, to, RECALLED, now).await?);
    }
    Ok(moved)
}

/// Gives the called-back targets that have a place their old artifact.
async fn restore_next(tx: &mut Tx, change: &Change, now: i64) -> Result<Moved, StoreError> {
    let mut moved = give_up(tx, change, AssignmentState::Recalled, now).await?;
    let heard_before = heard_before(change, now);
    let candidates = Candidates { which: places::RECALLED, below: 0, name: "", heard_before };
    let turn = places::turn(tx, change, candidates).await?;
    for piece in pieces(&turn) {
        let sql = format!(
            "UPDATE assignments SET state = 'restoring', touched_ms = $3, detail = $4, answered_back = 0,
                    revision = revision + 1
             WHERE change_id = $1 AND tenant = $2 AND device IN ({})",
            values(piece.len(), 1, 5)
        );
        let (id, tenant) = (change.id.as_str(), change.tenant().as_str());
        execute_rows!(tx.conn(), sql, [id, tenant, now, ITS_TURN], piece, |device| [device.as_str()])?;
    }
    moved.extend(turn.into_iter().map(|device| (AssignmentState::Restoring, device)));
    Ok(moved)
}

/// Leaves settled targets that a later change has begun to alter to that change. Should it come back too, it goes all
/// the way to where this one came from.
async fn leave_to_later(
    tx: &mut Tx,
    change: &Change,
    from: AssignmentState,
    now: i64,
) -> Result<Moved, StoreError> {
    // What a later change has only offered waits until this one is back.
    execute!(
        tx.conn(),
        "UPDATE assignments SET state = 'waiting', live = 0, touched_ms = $4, revision = revision + 1
         WHERE tenant = $2 AND change_id <> $1 AND state IN ('offered', 'silent') AND begun = 0
           AND EXISTS (SELECT 1 FROM assignments mine WHERE mine.change_id = $1 AND mine.tenant = $2
                       AND mine.device = assignments.device AND mine.state = $3
                       AND mine.exposed_ms < assignments.exposed_ms)",
        change.id.as_str(),
        change.tenant().as_str(),
        from.as_str(),
        now
    )?;
    execute!(
        tx.conn(),
        "UPDATE assignments SET version_before = mine.version_before, artifact_before = mine.artifact_before
         FROM assignments mine
         WHERE mine.change_id = $1 AND mine.tenant = $2 AND mine.state = $3
           AND assignments.tenant = $2 AND assignments.device = mine.device
           AND assignments.exposed_ms > mine.exposed_ms AND assignments.version_before = mine.version
           AND assignments.state IN ('downloading', 'installing', 'installed', 'verified', 'silent')",
        change.id.as_str(),
        change.tenant().as_str(),
        from.as_str()
    )?;
    let rows = fetch_all!(
        tx.conn(),
        (String,),
        "UPDATE assignments SET state = 'superseded', touched_ms = $4, detail = $5, revision = revision + 1
         WHERE change_id = $1 AND tenant = $2 AND state = $3
           AND EXISTS (SELECT 1 FROM assignments later WHERE later.tenant = $2
                       AND later.device = assignments.device AND later.exposed_ms > assignments.exposed_ms
                       AND later.state IN ('downloading', 'installing', 'installed', 'verified', 'silent'))
         RETURNING device",
        change.id.as_str(),
        change.tenant().as_str(),
        from.as_str(),
        now,
        RECALLED
    )?;
    moved_to(AssignmentState::Superseded, rows)
}

/// Lets the untouched targets go.
async fn release(tx: &mut Tx, change: &Change, now: i64) -> Result<Moved, StoreError> {
    move_all(tx, change, AssignmentState::Pending, AssignmentState::Released, "the rollout ended", now).await
}

async fn move_all(
    tx: &mut Tx,
    change: &Change,
    from: AssignmentState,
    to: AssignmentState,
    detail: &str,
    now: i64,
) -> Result<Moved, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String,),
        "UPDATE assignments SET state = $4, live = $5, touched_ms = $6, detail = $7, revision = revision + 1
         WHERE change_id = $1 AND tenant = $2 AND state = $3 RETURNING device",
        change.id.as_str(),
        change.tenant().as_str(),
        from.as_str(),
        to.as_str(),
        i64::from(to.is_live()),
        now,
        detail
    )?;
    moved_to(to, rows)
}

/// Targets without anything to restore from need a person, at once.
async fn give_up(tx: &mut Tx, change: &Change, from: AssignmentState, now: i64) -> Result<Moved, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String,),
        "UPDATE assignments SET state = 'rollback_failed', live = 0, touched_ms = $4, detail = $5,
                revision = revision + 1
         WHERE change_id = $1 AND tenant = $2 AND state = $3 AND artifact_before IS NULL RETURNING device",
        change.id.as_str(),
        change.tenant().as_str(),
        from.as_str(),
        now,
        NO_WAY_BACK
    )?;
    moved_to(AssignmentState::RollbackFailed, rows)
}

fn moved_to(state: AssignmentState, rows: Vec<(String,)>) -> Result<Moved, StoreError> {
    rows.into_iter().map(|(device,)| Ok((state, row::word("device", &device, &device)?))).collect()
}
