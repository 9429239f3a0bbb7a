//! The gate `change-ticket`: the change has a ticket in the ticket system, approved and open for work now.
//!
//! The host asks the ticket system; where the facts stand in its answer, the settings say, so that any system will do.

use interlock_plugin_sdk::prelude::*;
use serde_json::Value;

mod find;
mod settings;
mod ticket;

pub use settings::{FieldSettings, Settings, Subject};
use ticket::Ticket;

/// Requires an approved change ticket whose time is now.
#[gate(name = "change-ticket", evidence = ["http.ticket"])]
pub fn change_ticket(change: &Change, settings: &Settings, now: Instant) -> Result<Verdict, Fault> {
    let ids = find::tickets(change, settings)?;
    if ids.is_empty() {
        let message = format!(
            "the change names no ticket; put one that begins with {} into its title or description",
            listed(&settings.prefixes)
        );
        return Ok(Finding::critical("ticket-missing", message).into());
    }
    let (mut findings, mut waiting) = (Vec::new(), false);
    for id in &ids {
        let Some(answer) = evidence::find_json::<Value>("http.ticket", id)? else {
            let message = format!("the ticket system knows no ticket `{id}`; correct it, or open one");
            findings.push(Finding::critical("ticket-not-found", message).about(id));
            continue;
        };
        let ticket = Ticket { id, answer: &answer, fields: &settings.fields };
        ticket.is_the_one()?;
        let objections =
            [ticket.state(settings), ticket.approval(settings), ticket.approver(settings, change)];
        findings.extend(objections.into_iter().flatten());
        findings.extend(ticket.subjects(settings, change));
        if let Some((closed, finding)) = ticket.window(settings, now) {
            waiting |= closed;
            findings.push(finding);
        }
    }
    let verdict: Verdict = findings.into_iter().collect();
    // A ticket that is wrong is not worth waiting for.
    Ok(if waiting && verdict.outcome != Outcome::Fail {
        Verdict { outcome: Outcome::Hold, ..verdict }
    } else {
        verdict
    })
}

fn listed(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(" or ")
}

#[cfg(test)]
mod tests;
