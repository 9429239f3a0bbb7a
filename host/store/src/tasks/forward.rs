//! The way forward: the artifact is offered to targets, or they wait for others.

use std::collections::BTreeMap;

use interlock_domain::{AssignmentState, Change, ChangeId, DeviceId, WaysBack};

use super::{Moved, Touch, heard_before, moved_to};
use crate::{
    StoreError,
    assignments::busy,
    db::{Tx, execute, execute_rows, fetch_all, pieces, values},
    places::{self, Candidates},
    row,
};

/// Which of a change's targets a statement offers the artifact to, in terms of a row of `assignments`.
pub(super) enum Reached<'a> {
    Ranks { below: u64 },
    Site(&'a str),
    Group(&'a str),
    Waiting,
}

/// Offers the artifact to targets. One that another change is at work on waits for that; one that left the change's
/// environment or service meanwhile is let go.
pub(super) async fn expose(
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

/// Offers the artifact to the pending targets of these sites and groups. A name of neither kind reaches nobody.
pub(super) async fn expose_groups(
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
