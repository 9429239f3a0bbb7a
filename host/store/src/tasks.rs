//! Work on many assignments at once, in a few statements whatever the size of the fleet. Each task leaves one entry,
//! with how many targets it touched and the digest of their ids.
//!
//! **Invariant:** what a task does to one row is what the domain's rule does to one assignment; a test compares them.

use std::collections::BTreeMap;

use interlock_domain::{AssignmentState, Change, DeviceId, Manifest, Task, Transition};
use interlock_ledger::{Digest, to_canonical};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    LedgerKeys, StoreError,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, pieces, values},
    draft::{Happening, Scribe, Staged},
    row,
};

/// The device protocol has 31 bits for an action; a way back takes the number above its way forward.
const ACTION_MAX: i64 = (1 << 31) - 3;

/// Why a target that cannot be restored needs a person, as the domain words it.
const NO_WAY_BACK: &str = "no stored artifact brings it back; install it by hand";

/// What a task touched, as its entry's payload.
#[derive(Serialize)]
struct Touched {
    count: usize,
    /// Over the sorted ids, each followed by a line feed, as for a manifest's population.
    targets: Digest,
    /// How many targets came to which state.
    states: BTreeMap<&'static str, usize>,
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
        let (kind, moved) = match task {
            Task::Assign { targets } => ("assignments.made", assign(tx, change, targets, now).await?),
            Task::ExposeRanks { below } => {
                ("assignments.offered", expose_ranks(tx, change, *below, now).await?)
            }
            Task::ExposeGroups { names } => {
                ("assignments.offered", expose_groups(tx, change, names, now).await?)
            }
            Task::Recall => ("assignments.recalled", recall(tx, change, now).await?),
            Task::Release => ("assignments.released", release(tx, change, now).await?),
        };
        let mut states = BTreeMap::new();
        for (state, _) in &moved {
            *states.entry(state.as_str()).or_default() += 1;
        }
        let targets = Manifest::population_digest(moved.iter().map(|(_, device)| device));
        let touched = Touched { count: moved.len(), targets, states };
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

/// Offers the artifact to pending targets by rank. A target that is busy with another change stays pending.
async fn expose_ranks(tx: &mut Tx, change: &Change, below: u64, now: i64) -> Result<Moved, StoreError> {
    let rows = fetch_all!(
        tx.conn(),
        (String,),
        "UPDATE assignments SET state = 'offered', live = 1, touched_ms = $3, revision = revision + 1
         WHERE change_id = $1 AND tenant = $2 AND state = 'pending' AND rank < $4
           AND NOT EXISTS (SELECT 1 FROM assignments other WHERE other.tenant = $2
                           AND other.device = assignments.device AND other.live = 1)
         RETURNING device",
        change.id.as_str(),
        change.tenant().as_str(),
        now,
        row::column(below)
    )?;
    moved_to(AssignmentState::Offered, rows)
}

/// Offers the artifact to the pending targets of these sites and groups. A name of neither kind reaches nobody.
async fn expose_groups(
    tx: &mut Tx,
    change: &Change,
    names: &[String],
    now: i64,
) -> Result<Moved, StoreError> {
    let mut moved = Vec::new();
    for name in names {
        let (site, group) = match name.split_once(':') {
            Some(("site", site)) => (Some(site), None),
            Some(("group", group)) => (None, Some(group)),
            _ => continue,
        };
        let rows = fetch_all!(
            tx.conn(),
            (String,),
            "UPDATE assignments SET state = 'offered', live = 1, touched_ms = $3, revision = revision + 1
             WHERE change_id = $1 AND tenant = $2 AND state = 'pending'
               AND (device IN (SELECT id FROM devices WHERE tenant = $2 AND site = $4)
                    OR device IN (SELECT device FROM device_groups WHERE tenant = $2 AND name = $5))
               AND NOT EXISTS (SELECT 1 FROM assignments other WHERE other.tenant = $2
                               AND other.device = assignments.device AND other.live = 1)
             RETURNING device",
            change.id.as_str(),
            change.tenant().as_str(),
            now,
            site,
            group
        )?;
        moved.extend(moved_to(AssignmentState::Offered, rows)?);
    }
    Ok(moved)
}

/// Calls every target back, each as [`AssignmentState::recalled`] says. No state that a target comes to is one that
/// is called back from, so that the order does not matter.
async fn recall(tx: &mut Tx, change: &Change, now: i64) -> Result<Moved, StoreError> {
    let mut moved = Vec::new();
    for from in AssignmentState::ALL {
        let Some(to) = from.recalled() else { continue };
        if to == AssignmentState::Restoring {
            moved.extend(give_up(tx, change, from, now).await?);
        }
        moved.extend(move_all(tx, change, from, to, "the rollout was called back", now).await?);
    }
    Ok(moved)
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
