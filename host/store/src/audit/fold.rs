//! State is what the ledger says: every change is the fold of its events, or something was altered.

use interlock_domain::{Change, Event};
use interlock_ledger::Finding;

use super::table::Recorded;

/// What is wrong with a change, given its events up to the newest entry that was read with its row.
pub(super) fn compare(recorded: &Recorded, payloads: Vec<(u64, Option<Vec<u8>>)>) -> Vec<Finding> {
    // That a row is gone has been said.
    let Some(body) = &recorded.body else { return Vec::new() };
    let name = format!("change `{}`", recorded.id);
    let (events, lost) = events(&name, payloads);
    if !lost.is_empty() {
        return lost;
    }
    let idx = Some(recorded.entry_idx());
    let change: Change = match serde_json::from_str(body) {
        Ok(change) => change,
        Err(error) => {
            let what = format!("{name} cannot be read");
            return vec![Finding::tampered(idx, what, "a change", error.to_string())];
        }
    };
    // A row from before it was noted when a change was revised does not say so.
    let folded = Change::from_events(&events).map(|folded| Change {
        revised_at: folded.revised_at.filter(|_| change.revised_at.is_some()),
        ..folded
    });
    if folded.as_ref() == Some(&change) {
        return Vec::new();
    }
    let expected = folded.as_ref().map_or("no change".to_owned(), place);
    vec![Finding::tampered(idx, format!("{name} is not what its events say"), expected, place(&change))]
}

/// The events, and what cannot be read of them.
fn events(name: &str, payloads: Vec<(u64, Option<Vec<u8>>)>) -> (Vec<Event>, Vec<Finding>) {
    let (mut events, mut lost) = (Vec::with_capacity(payloads.len()), Vec::new());
    for (idx, payload) in payloads {
        let Some(payload) = payload else {
            let what = format!("{name} cannot be rebuilt because this event's payload is not kept");
            lost.push(Finding::missing(Some(idx), what, "an event", "nothing"));
            continue;
        };
        match serde_json::from_slice(&payload) {
            Ok(event) => events.push(event),
            Err(error) => {
                let what = format!("{name} cannot be rebuilt because this event's payload is damaged");
                lost.push(Finding::tampered(Some(idx), what, "an event", error.to_string()));
            }
        }
    }
    (events, lost)
}

fn place(change: &Change) -> String {
    format!("{} at revision {}", change.state, change.revision)
}
