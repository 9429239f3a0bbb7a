//! What an entry's payload says, for people: the few things that matter, and what differs from before.

use serde_json::Value;

/// Longest value that is shown whole, in characters. All of it is in the payloads.
const VALUE_MAX: usize = 300;
/// Most differences that are listed.
const DIFFERENCES_MAX: usize = 12;

/// Where in a payload stands what a reader wants to know, and what to call it.
const TELLING: [(&str, &str); 21] = [
    ("/manifest/title", "title"),
    ("/author_name", "author"),
    ("/approval/name", "by"),
    ("/approval/meaning", "meaning"),
    ("/approval/reason", "reason"),
    ("/glass/name", "by"),
    ("/glass/reason", "reason"),
    ("/cause/name", "by"),
    ("/cause/reason", "reason"),
    ("/hold/reasons", "held because"),
    ("/escalation/level", "level"),
    ("/stage/index", "stage"),
    ("/policies", "policies"),
    ("/reason", "reason"),
    ("/from", "from"),
    ("/to", "to"),
    ("/detail", "detail"),
    ("/review/name", "reviewed by"),
    ("/review/findings", "findings"),
    ("/findings", "findings"),
    ("/meaning", "meaning"),
];

/// Whether entries about this say how it is from then on, so that two of them can be compared.
pub(super) fn is_state(object_kind: &str) -> bool {
    matches!(
        object_kind,
        "device"
            | "group"
            | "account"
            | "key"
            | "login"
            | "subject"
            | "roster"
            | "gate"
            | "delegation"
            | "access_request"
            | "incident"
    )
}

/// What a payload says; what differs where it was something before.
pub(super) fn of(payload: Option<&Value>, before: Option<&Value>) -> String {
    let Some(payload) = payload else { return String::new() };
    let mut said: Vec<String> = match before {
        Some(before) => differences(before, payload),
        None => Vec::new(),
    };
    for (pointer, name) in TELLING {
        // A value that differs has been said.
        let known = before.is_some_and(|before| before.pointer(pointer) != payload.pointer(pointer));
        if let Some(value) = payload.pointer(pointer).filter(|value| !value.is_null() && !known) {
            said.push(format!("{name}: {}", shown(value)));
        }
    }
    for (at, report) in payload["reports"].as_array().into_iter().flatten().enumerate().take(DIFFERENCES_MAX)
    {
        let name = report["plugin"]["name"].as_str().unwrap_or("gate");
        said.push(format!("gate {}: {name} {}", at + 1, shown(&report["verdict"]["outcome"])));
    }
    for verdict in payload["verdicts"].as_array().into_iter().flatten().take(DIFFERENCES_MAX) {
        said.push(format!("health {}: {}", shown(&verdict["check"]), shown(&verdict["outcome"])));
    }
    said.join("; ")
}

/// The fields that differ: what was, and what is.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else { return Vec::new() };
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name) && *name != "revision");
    let shown_or_none = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), shown);
    let listed = differ
        .map(|name| format!("{name}: {} → {}", shown_or_none(old.get(name)), shown_or_none(new.get(name))));
    listed.take(DIFFERENCES_MAX).collect()
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_and_what_is_are_both_said() {
        let before = json!({ "firmware": "1.0", "site": "north", "revision": 1 });
        let after = json!({ "firmware": "2.0", "site": "north", "health": "ok", "revision": 2 });
        assert_eq!(of(Some(&after), Some(&before)), "firmware: 1.0 → 2.0; health: nothing → ok");
    }

    #[test]
    fn an_approval_says_by_whom_what_for_and_why() {
        let payload = json!({ "approval": { "name": "Ana", "meaning": "approval", "reason": "fits" } });
        assert_eq!(of(Some(&payload), None), "by: Ana; meaning: approval; reason: fits");
        assert_eq!(of(None, None), "");
    }
}
