//! Whose turn it is in a rollout of which only so many targets of a site or group may be on their way at once.
//!
//! The rule is the domain's ([`Places`]); here is who stands where. The writer asks inside its transaction, so that no
//! two changes take the last place of a ward; the reconciler asks before that, so that it writes nothing when nobody may go.

use std::collections::BTreeMap;

use interlock_domain::{AssignmentState, AtOnce, Change, DeviceId, Places, Timestamp};

use crate::{
    Store, StoreError,
    assignments::busy,
    db::{Tx, fetch_all},
    row,
};

/// Which targets of a change are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidates<'a> {
    /// In terms of a row of `assignments`, with `$4` and `$5`.
    pub(crate) which: &'static str,
    pub(crate) below: u64,
    pub(crate) name: &'a str,
    /// A target that is not heard of since then has no claim any more, in milliseconds.
    pub(crate) heard_before: i64,
}

/// Targets that wait, to be offered the artifact.
pub(crate) const WAITING: &str = "state = 'waiting' AND $4 = 0 AND $5 = ''";
/// Targets that were called back, to be given their old artifact.
pub(crate) const RECALLED: &str = "state = 'recalled' AND $4 = 0 AND $5 = ''";

/// A target with its site and one of its groups.
type Standing = (String, String, Option<String>);

/// A site or group with as many targets on their way as may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Full {
    /// `site:north`, `group:pair-7`.
    pub name: String,
    /// The rule.
    pub rule: AtOnce,
    /// The targets that take its places, also those of other changes.
    pub devices: Vec<DeviceId>,
}

impl Candidates<'_> {
    fn is_back(&self) -> bool {
        self.which == RECALLED
    }

    fn sql(&self) -> String {
        // A target on its way back is its change's own; whatever else is at work on it waits for that.
        let free = if self.is_back() {
            "CAST($3 AS BIGINT) IS NOT NULL".to_owned()
        } else {
            format!("NOT {}", busy!())
        };
        format!(
            "SELECT c.device, d.site, g.name
             FROM (SELECT rank, device FROM assignments WHERE change_id = $1 AND tenant = $2 AND {which} AND {free}) c
             JOIN devices d ON d.tenant = $2 AND d.id = c.device
             LEFT JOIN device_groups g ON g.tenant = $2 AND g.device = c.device
             ORDER BY c.rank, c.device",
            which = self.which
        )
    }
}

/// The targets on their way, of this change and of others. A device that is out of service takes no place.
fn on_their_way(back: bool) -> String {
    let states: Vec<String> = AssignmentState::ALL
        .into_iter()
        .filter(|state| state.takes_a_place(back))
        .map(|state| format!("'{state}'"))
        .collect();
    let heard = if back { "touched_ms >= $3" } else { "TRUE" };
    format!(
        "SELECT DISTINCT a.device, d.site, g.name
         FROM (SELECT device FROM assignments WHERE change_id = $1 AND tenant = $2 AND state IN ({}) AND {heard}
               UNION
               SELECT device FROM assignments WHERE tenant = $2 AND live = 1 AND change_id <> $1
                      AND state <> 'recalled' AND touched_ms >= $3) a
         JOIN devices d ON d.tenant = $2 AND d.id = a.device AND d.state = 'active'
         LEFT JOIN device_groups g ON g.tenant = $2 AND g.device = a.device
         ORDER BY a.device",
        states.join(", ")
    )
}

/// Looks at who is on the way and who asks to be, on a connection or a pool.
macro_rules! standing {
    ($on:expr, $change:expr, $candidates:expr) => {{
        let (change, candidates): (&Change, Candidates<'_>) = ($change, $candidates);
        let taken = fetch_all!(
            $on,
            Standing,
            sqlx::AssertSqlSafe(on_their_way(candidates.is_back())),
            change.id.as_str(),
            change.tenant().as_str(),
            candidates.heard_before
        )?;
        let asking = fetch_all!(
            $on,
            Standing,
            sqlx::AssertSqlSafe(candidates.sql()),
            change.id.as_str(),
            change.tenant().as_str(),
            candidates.heard_before,
            row::column(candidates.below),
            candidates.name
        )?;
        (together(taken), together(asking))
    }};
}

/// The targets of a change whose turn it is, in its order.
pub(crate) async fn turn(
    tx: &mut Tx,
    change: &Change,
    candidates: Candidates<'_>,
) -> Result<Vec<DeviceId>, StoreError> {
    let (taken, asking) = standing!(tx.conn(), change, candidates);
    let mut places = Places::new(&change.manifest.at_once);
    taken.iter().for_each(|(_, names)| places.occupy(names));
    let going = asking.into_iter().filter(|(_, names)| places.take(names));
    going.map(|(device, _)| row::word("device", &device, &device)).collect()
}

impl Store {
    /// How many targets that were called back could go on their way back now.
    pub async fn recalled_free(&self, change: &Change, touched_before: Timestamp) -> Result<u64, StoreError> {
        self.free(change, RECALLED, touched_before).await
    }

    /// How many waiting targets could be offered the artifact now, of a change that is paced.
    pub(crate) async fn waiting_with_a_place(
        &self,
        change: &Change,
        touched_before: Timestamp,
    ) -> Result<u64, StoreError> {
        self.free(change, WAITING, touched_before).await
    }

    async fn free(
        &self,
        change: &Change,
        which: &'static str,
        touched_before: Timestamp,
    ) -> Result<u64, StoreError> {
        let candidates = Candidates { which, below: 0, name: "", heard_before: touched_before.as_millis() };
        let (taken, asking) = standing!(self.db().reader(), change, candidates);
        let mut places = Places::new(&change.manifest.at_once);
        taken.iter().for_each(|(_, names)| places.occupy(names));
        Ok(asking.iter().filter(|(_, names)| places.take(names)).count() as u64)
    }

    /// The sites and groups for which targets of this change wait, with who takes their places.
    pub async fn full_places(
        &self,
        change: &Change,
        touched_before: Timestamp,
    ) -> Result<Vec<Full>, StoreError> {
        let back = change.state == interlock_domain::State::RollingBack;
        let which = if back { RECALLED } else { WAITING };
        let candidates = Candidates { which, below: 0, name: "", heard_before: touched_before.as_millis() };
        let (taken, asking) = standing!(self.db().reader(), change, candidates);
        let mut places = Places::new(&change.manifest.at_once);
        let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (device, names) in &taken {
            places.occupy(names);
            names.iter().for_each(|name| by_name.entry(name).or_default().push(device));
        }
        let wanted: std::collections::BTreeSet<&String> =
            asking.iter().flat_map(|(_, names)| names).collect();
        let full = wanted.into_iter().filter_map(|name| Some((name, places.fullest(name)?)));
        full.map(|(name, rule)| {
            let devices = by_name.get(name.as_str()).into_iter().flatten();
            Ok(Full {
                name: name.clone(),
                rule: rule.clone(),
                devices: devices
                    .map(|device| row::word("device", device, device))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect()
    }
}

/// The rows of each target put together, in their order.
fn together(rows: Vec<Standing>) -> Vec<(String, Vec<String>)> {
    let mut targets: Vec<(String, Vec<String>)> = Vec::new();
    for (device, site, group) in rows {
        if targets.last().is_none_or(|(last, _)| *last != device) {
            let site = (!site.is_empty()).then(|| format!("site:{site}"));
            targets.push((device, site.into_iter().collect()));
        }
        if let (Some((_, names)), Some(group)) = (targets.last_mut(), group) {
            names.push(format!("group:{group}"));
        }
    }
    targets
}
