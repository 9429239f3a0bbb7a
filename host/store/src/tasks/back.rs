//! The way back: targets are called back, and those whose turn it is are given what they ran before.

use interlock_domain::{AssignmentState, Change};

use super::{Moved, heard_before, move_all, moved_to};
use crate::{
    StoreError,
    db::{Tx, execute, execute_rows, fetch_all, pieces, values},
    places::{self, Candidates},
};

/// Why a target that cannot be restored needs a person, as the domain words it.
const NO_WAY_BACK: &str = "no stored artifact brings it back; install it by hand";

/// What a recalled target shows, as the domain words it.
const RECALLED: &str = "the rollout was called back";

/// What a target shows whose turn on the way back it is, as the domain words it.
const ITS_TURN: &str = "its old artifact is offered";

/// Calls every target back, each as [`AssignmentState::recalled`] says. No state that a target comes to is one that
/// is called back from, so that the order does not matter.
pub(super) async fn recall(tx: &mut Tx, change: &Change, now: i64) -> Result<Moved, StoreError> {
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
pub(super) async fn restore_next(tx: &mut Tx, change: &Change, now: i64) -> Result<Moved, StoreError> {
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
