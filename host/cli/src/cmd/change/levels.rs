//! What has come together of a change's approval profile, for people.

use serde_json::Value;

use crate::output::at;

/// What has come together of the approval profile, a line a level.
pub(super) fn levels(profile: &Value) -> String {
    let names = |level: &Value, list: &str| -> String {
        let names: Vec<String> = members(level, list).iter().map(|person| at(person, "/name")).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    };
    let levels = members(profile, "/levels");
    if levels.is_empty() {
        return String::new();
    }
    let stage = match profile["stage"].as_u64() {
        Some(stage) => format!(", stage {stage}"),
        None => String::new(),
    };
    let mut text =
        format!("approval profile: {} ({}{stage})\n", at(profile, "/profile"), at(profile, "/mode"));
    for level in levels {
        let what = match (level["complete"] == true, level["open"] == true) {
            (true, _) => "complete".to_owned(),
            (false, true) => "open".to_owned(),
            (false, false) => "waits for the level before".to_owned(),
        };
        let signed = if level["signature"] == true { ", signed" } else { "" };
        text.push_str(&format!(
            "  {}: {what}: {} of {} ({}{signed}); counted {}",
            at(level, "/name"),
            members(level, "/counted").len(),
            at(level, "/count"),
            at(level, "/roles"),
            names(level, "/counted"),
        ));
        if level["complete"] != true {
            text.push_str(&format!("; could be given by {}", names(level, "/could")));
        }
        for (what, pointer) in [
            ("expires", "/expires_at"),
            ("escalates", "/escalates_at"),
            ("escalated since", "/escalated_since"),
        ] {
            let when = at(level, pointer);
            if !when.is_empty() {
                text.push_str(&format!("; {what} {when}"));
            }
        }
        text.push('\n');
    }
    let glass = at(profile, "/broken_glass_until");
    if !glass.is_empty() {
        text.push_str(&format!("  ! the glass is broken until {glass}: missing approvals do not keep it\n"));
    }
    text
}

fn members<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_level_says_who_counted_who_could_and_what_ends_when() {
        let profile = json!({
            "profile": "guarded", "mode": "ordered", "stage": 1, "complete": false,
            "broken_glass_until": "2026-11-20T19:00:00.000Z",
            "levels": [
                { "name": "clinic", "roles": ["clinical_safety"], "count": 1, "signature": true, "complete": true,
                  "open": false, "counted": [{ "name": "Ben" }], "could": [], "expires_at": "2026-11-21T18:00:00.000Z" },
                { "name": "regulator", "roles": ["regulatory"], "count": 1, "signature": false, "complete": false,
                  "open": true, "counted": [], "could": [{ "name": "Rolf" }, { "name": "Otto" }],
                  "escalates_at": "2026-11-20T22:00:00.000Z" },
            ],
        });
        insta::assert_snapshot!(levels(&profile), @r"
        approval profile: guarded (ordered, stage 1)
          clinic: complete: 1 of 1 (clinical_safety, signed); counted Ben; expires 2026-11-21T18:00:00.000Z
          regulator: open: 0 of 1 (regulatory); counted nobody; could be given by Rolf, Otto; escalates 2026-11-20T22:00:00.000Z
          ! the glass is broken until 2026-11-20T19:00:00.000Z: missing approvals do not keep it
        ");
        assert_eq!(levels(&Value::Null), "");
    }
}
