//! Work on many assignments at once, in a few statements whatever the size of the fleet. Each task leaves one entry,
//! with how many targets it touched and the digest of their ids; one that writes a roster, with the roster.
//!
//! **Invariant:** what a task does to one row is what the domain's rule does to one assignment; a test compares them.

mod back;
mod forward;

use std::collections::BTreeMap;

use interlock_domain::{
    AssignmentState, BundleRef, Change, ChangeId, DeviceId, Manifest, RosterRecord, Task, Transition,
};
use interlock_ledger::{Digest, to_canonical};
use serde::Serialize;
use uuid::Uuid;

use self::{
    back::{recall, restore_next},
    forward::{Reached, expose, expose_groups},
};
use crate::{
    BundleFloor, LedgerKeys, StoreError,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, pieces, values},
    draft::{Happening, Scribe, Staged},
    floor, rosters, row,
};

/// The device protocol has 31 bits for an action; a way back takes the number above its way forward.
const ACTION_MAX: i64 = (1 << 31) - 3;

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
                entries.push(scribe.sign(*id, adopt(tx, change, bundle).await?, keys)?);
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
async fn adopt(tx: &mut Tx, change: &Change, bundle: &BundleRef) -> Result<Happening, StoreError> {
    floor::raise(tx, &BundleFloor { revision: bundle.revision, digest: bundle.digest }).await?;
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

/// An older change that is over has no claim on a target that it heard nothing of for this change's patience.
fn heard_before(change: &Change, now: i64) -> i64 {
    now - i64::try_from(change.manifest.silent_after_ms).unwrap_or(i64::MAX)
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

fn moved_to(state: AssignmentState, rows: Vec<(String,)>) -> Result<Moved, StoreError> {
    rows.into_iter().map(|(device,)| Ok((state, row::word("device", &device, &device)?))).collect()
}
