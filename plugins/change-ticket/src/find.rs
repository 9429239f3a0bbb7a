//! Which tickets a change names.

use interlock_plugin_sdk::prelude::*;
use serde_json::Value;

use crate::settings::Settings;

/// More tickets than this in one change are a list of something else.
const TICKETS_MAX: usize = 20;

/// The ids of the tickets, each once, in the order in which they are named.
pub(crate) fn tickets(change: &Change, settings: &Settings) -> Result<Vec<String>, Fault> {
    if let Some(ticket) = &settings.ticket {
        return Ok(vec![ticket.clone()]);
    }
    let manifest: Value = serde_json::from_str(&change.manifest)
        .map_err(|e| Fault::evidence(format_args!("the manifest cannot be read: {e}")))?;
    let named = settings.look_in.iter().filter_map(|pointer| manifest.pointer(pointer));
    let texts = [change.title.as_str()].into_iter().chain(named.filter_map(Value::as_str));
    let mut ids = Vec::new();
    for id in texts.flat_map(|text| settings.prefixes.iter().flat_map(|prefix| named_in(text, prefix))) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    match ids.len() {
        0..=TICKETS_MAX => Ok(ids),
        many => Err(Fault::evidence(format_args!(
            "the change names {many} tickets, at most {TICKETS_MAX} are looked up"
        ))),
    }
}

/// The prefix and the digits after it, wherever both stand as a word of their own: `OPS-12` is in `(OPS-12)`, but neither in
/// `DEVOPS-12` nor in `OPS-12a`.
fn named_in(text: &str, prefix: &str) -> Vec<String> {
    let found = text.match_indices(prefix).filter_map(|(at, _)| {
        let (before, rest) = (text.get(..at)?, text.get(at + prefix.len()..)?);
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let after = rest.get(digits..)?;
        let apart = |next: Option<char>| next.is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
        (digits > 0 && apart(before.chars().next_back()) && apart(after.chars().next()))
            .then(|| format!("{prefix}{}", &rest[..digits]))
    });
    found.collect()
}
