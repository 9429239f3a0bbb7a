//! A change for people: all that its digest stands for, and how far it has come. Approvers read this before they say yes.

use serde_json::{Map, Value, json};

use crate::{
    cmd::plugin::signed_by,
    output::{Column, at, lines, rows},
};

/// The whole sheet.
pub(crate) fn sheet(change: &Value) -> String {
    let waits = matches!(change["state"].as_str(), Some("gating" | "approving"));
    let deadline: &[Column] = if waits { &[("expires", "/expires_at")] } else { &[] };
    // A change of plugins or policies reaches no target.
    let reaches = change.pointer("/manifest/strategy").is_some();
    let parts = [
        lines(change, &[super::FIELDS, deadline].concat()),
        artifacts(change),
        if reaches { population(change) } else { steps(change) + &policies(change) },
        if reaches { plan(change) } else { String::new() },
        gates(change),
        groups(change),
        if reaches { health(change) } else { String::new() },
        way_back(change),
        approvals(change),
        super::levels::levels(&change["profile"]),
        if reaches { format!("progress: {}\n", progress_line(change)) } else { String::new() },
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// Where targets are, in the order of their way. What a newer server knows besides comes last.
const WAY: [&str; 14] = [
    "pending",
    "waiting",
    "offered",
    "downloading",
    "installing",
    "installed",
    "verified",
    "failed",
    "silent",
    "rolling_back",
    "rolled_back",
    "rollback_failed",
    "released",
    "superseded",
];

/// How many targets are where.
pub(super) fn progress_line(change: &Value) -> String {
    let progress = change.get("progress").and_then(Value::as_object);
    let mut counts: Vec<(&String, u64)> = progress
        .into_iter()
        .flatten()
        .filter_map(|(name, count)| Some((name, count.as_u64().filter(|count| *count > 0)?)))
        .collect();
    counts.sort_by_key(|(name, _)| WAY.iter().position(|known| known == name).unwrap_or(WAY.len()));
    let parts: Vec<String> =
        counts.into_iter().map(|(name, count)| format!("{count} {}", name.replace('_', " "))).collect();
    if parts.is_empty() { "no targets yet".to_owned() } else { parts.join(", ") }
}

fn artifacts(change: &Value) -> String {
    let columns =
        [("ARTIFACT", "/name"), ("VERSION", "/version"), ("BYTES", "/size_bytes"), ("DIGEST", "/digest")];
    let artifacts = list(change, "/manifest/artifacts");
    if artifacts.is_empty() { String::new() } else { rows(artifacts, &columns) }
}

/// Who is meant, as it was asked for and as it was resolved.
fn population(change: &Value) -> String {
    let selector = change.pointer("/manifest/selector").and_then(Value::as_object);
    let chosen: Vec<String> = selector
        .into_iter()
        .flatten()
        .map(|(name, value)| match value {
            Value::Bool(_) => "every device of the environment".to_owned(),
            Value::Object(labels) => format!("{} {}", name.replace('_', " "), counted(labels, "=")),
            _ => format!("{} {}", name.replace('_', " "), at(value, "")),
        })
        .collect();
    let mut text = format!(
        "population: {} targets ({})\n  {}\n",
        at(change, "/manifest/population/size"),
        chosen.join("; "),
        at(change, "/manifest/population/digest")
    );
    for part in ["groups", "models"] {
        let counts = change.pointer(&format!("/manifest/population/{part}")).and_then(Value::as_object);
        if let Some(counts) = counts.filter(|counts| !counts.is_empty()) {
            text.push_str(&format!("  {}\n", counted(counts, " ")));
        }
    }
    text
}

/// What a `policy` change does: which policies differ, and how that may let more through.
fn policies(change: &Value) -> String {
    let Some(plan) = change.pointer("/manifest/policies") else { return String::new() };
    let side = |side: &str| {
        format!(
            "{} revision {} ({})",
            at(plan, &format!("/{side}/name")),
            at(plan, &format!("/{side}/revision")),
            at(plan, &format!("/{side}/digest"))
        )
    };
    let mut text = format!("policies: {}\n      now: {}\n", side("to"), side("from"));
    if plan.get("source").is_some_and(Value::is_object) {
        let source = |part: &str| at(plan, &format!("/source/{part}"));
        let (commit, reference, signers) = (source("commit"), source("reference"), source("signers"));
        text.push_str(&format!("  from git: commit {commit} of {reference}, signed by {signers}\n"));
    }
    for part in ["added", "removed", "altered"] {
        let ids = at(plan, &format!("/{part}"));
        if !ids.is_empty() {
            text.push_str(&format!("  {part}: {ids}\n"));
        }
    }
    for why in list(plan, "/weakens") {
        text.push_str(&format!("  ! may let more through: {}\n", at(why, "")));
    }
    let digest = |side: &str| at(plan, &format!("/{side}/digest"));
    text.push_str(&format!(
        "  read them: interlock policy fetch {} --into new; interlock policy fetch {} --into now; interlock policy diff now new\n",
        digest("to"),
        digest("from")
    ));
    text
}

/// What a `plugin` change does, each step with before and after.
fn steps(change: &Value) -> String {
    let steps: Vec<Value> = list(change, "/manifest/plugins/steps")
        .iter()
        .map(|step| {
            let name = ["name", "id", "plugin"].iter().find_map(|member| step.get(*member));
            json!({
                "step": step["step"],
                "name": name,
                "from": side(step.get("from")),
                "to": side(step.get("to")),
            })
        })
        .collect();
    let columns = [("STEP", "/step"), ("OF", "/name"), ("BEFORE", "/from"), ("AFTER", "/to")];
    if steps.is_empty() { String::new() } else { rows(&steps, &columns) + &signers(change) }
}

/// Who vouched for each component that the change activates.
fn signers(change: &Value) -> String {
    let plan = change.pointer("/manifest/plugins").unwrap_or(&Value::Null);
    let activated = list(plan, "/steps").iter().filter(|step| step["step"] == "activate");
    let mut text = String::new();
    for component in activated.filter_map(|step| step.get("to")) {
        let digest = at(component, "/digest");
        text.push_str(&format!(
            "{} {} ({digest}) is signed by {}\n",
            at(component, "/name"),
            at(component, "/version"),
            signed_by(&plan["signers"][&digest])
        ));
    }
    text
}

/// One side of a step, as short as it can be said exactly.
fn side(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::Array(sources)) if sources.is_empty() => "nothing".to_owned(),
        Some(plugin) if plugin.get("digest").is_some() => {
            format!("{} {}", at(plugin, "/version"), at(plugin, "/digest"))
        }
        Some(group) if group.get("expression").is_some() => {
            format!("{}: {}", at(group, "/mode"), at(group, "/expression"))
        }
        Some(binding) if binding.get("role").is_some() => {
            let group = binding.get("group").map(|_| format!(", group {}", at(binding, "/group")));
            let text = format!(
                "{} {}, {}, for {}{} {}",
                at(binding, "/role"),
                at(binding, "/plugin"),
                at(binding, "/mode"),
                at(binding, "/kinds"),
                group.unwrap_or_default(),
                settings(binding)
            );
            text.trim_end().to_owned()
        }
        Some(other) => at(other, ""),
    }
}

/// What gate groups came to, each with the part of its members.
fn groups(change: &Value) -> String {
    let judged = list(change, "/groups");
    let bound: Vec<String> = list(change, "/manifest/groups")
        .iter()
        .map(|bound| match judged.iter().find(|judged| judged["name"] == bound["name"]) {
            Some(judged) => group(judged) + "\n",
            None => format!(
                "gate group {} ({}): not yet: {}\n",
                at(bound, "/name"),
                at(bound, "/mode"),
                at(bound, "/expression")
            ),
        })
        .collect();
    bound.concat()
}

/// `gate group size (enforce): fail: strict && lax; because of strict (fail)`
pub(super) fn group(judged: &Value) -> String {
    let because: Vec<String> = list(judged, "/members")
        .iter()
        .filter(|member| member["decides"] == true)
        .map(|member| {
            let said =
                if member["unanswered"] == true { "no answer".to_owned() } else { at(member, "/outcome") };
            format!("{} ({said})", at(member, "/id"))
        })
        .collect();
    format!(
        "gate group {} ({}): {}: {}; because of {}",
        at(judged, "/name"),
        at(judged, "/mode"),
        at(judged, "/outcome"),
        at(judged, "/expression"),
        because.join(", ")
    )
}

fn counted(values: &Map<String, Value>, sign: &str) -> String {
    let parts: Vec<String> =
        values.iter().map(|(name, value)| format!("{name}{sign}{}", at(value, ""))).collect();
    parts.join(", ")
}

/// The stages as the strategy planned them, with when they were entered.
fn plan(change: &Value) -> String {
    let entered = list(change, "/rollout/stages");
    let stages: Vec<Value> = list(change, "/manifest/strategy/plan")
        .iter()
        .enumerate()
        .map(|(index, stage)| {
            let record = entered.iter().find(|record| record["index"] == index);
            json!({
                "number": index + 1,
                "name": stage["name"],
                "reaches": reach(&stage["exposure"]),
                "holds": duration(&stage["hold_ms"]),
                "entered": record.map(|record| &record["entered_at"]),
            })
        })
        .collect();
    let mut columns =
        vec![("STAGE", "/number"), ("NAME", "/name"), ("REACHES", "/reaches"), ("HOLDS", "/holds")];
    if !entered.is_empty() {
        columns.push(("ENTERED", "/entered"));
    }
    let strategy = change.pointer("/manifest/strategy").unwrap_or(&Value::Null);
    format!("strategy: {}\n{}{}", plugin(strategy), rows(&stages, &columns), at_once(change))
}

/// How many of a site or group are on their way at once.
fn at_once(change: &Value) -> String {
    let rules = list(change, "/manifest/at_once");
    let each: Vec<String> =
        rules.iter().map(|rule| format!("{} of each `{}…`", at(rule, "/targets"), at(rule, "/of"))).collect();
    if each.is_empty() { String::new() } else { format!("at once, at most: {}\n", each.join("; ")) }
}

fn reach(exposure: &Value) -> String {
    match exposure["type"].as_str() {
        Some("shadow") => "nobody (shadow)".to_owned(),
        Some("percent") => percent(exposure["basis_points"].as_u64().unwrap_or(0)),
        Some("groups") => at(exposure, "/names"),
        Some("all") => "everybody".to_owned(),
        _ => exposure.to_string(),
    }
}

/// 500 is `5 %`, 250 is `2.5 %`, 25 is `0.25 %`.
fn percent(basis_points: u64) -> String {
    let text = format!("{}.{:02}", basis_points / 100, basis_points % 100);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// In the largest unit that says it exactly.
fn duration(ms: &Value) -> String {
    let ms = ms.as_u64().unwrap_or(0);
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    match units.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", ms / unit),
        None => "0 s".to_owned(),
    }
}

/// Every gate that is bound, also one that has not judged this digest yet.
fn gates(change: &Value) -> String {
    let reports = list(change, "/gates");
    let bound: Vec<Value> = list(change, "/manifest/gates")
        .iter()
        .map(|gate| {
            let same = |report: &&Value| match gate.get("id") {
                Some(id) => report.get("id") == Some(id),
                None => report["plugin"]["name"] == gate["plugin"]["name"],
            };
            let report = reports.iter().find(same);
            let findings = report.map(|report| findings(&report["verdict"])).unwrap_or_default();
            json!({
                "gate": called(gate),
                "mode": match gate.get("group") {
                    Some(_) => format!("in group {}", at(gate, "/group")),
                    None => at(gate, "/mode"),
                },
                "outcome": report.map_or("not yet".into(), |report| report["verdict"]["outcome"].clone()),
                "settings": settings(gate),
                "findings": findings,
                "decision": report.map(|report| &report["decision"]),
            })
        })
        .collect();
    if bound.is_empty() {
        return "gates: none is bound\n".to_owned();
    }
    let columns = [
        ("GATE", "/gate"),
        ("MODE", "/mode"),
        ("VERDICT", "/outcome"),
        ("SETTINGS", "/settings"),
        ("FINDINGS", "/findings"),
        ("DECISION", "/decision"),
    ];
    rows(&bound, &columns)
}

/// What watches the rollout, and what it said last.
fn health(change: &Value) -> String {
    let verdicts = list(change, "/rollout/health");
    let checks: Vec<Value> = list(change, "/manifest/health")
        .iter()
        .map(|check| {
            let name = check.get("id").unwrap_or(&check["plugin"]["name"]);
            let verdict = verdicts.iter().find(|verdict| verdict["check"] == *name);
            json!({
                "check": match check.get("mode") {
                    Some(_) => format!("{} (monitor)", called(check)),
                    None => called(check),
                },
                "outcome": verdict.map_or("not yet".into(), |verdict| verdict["outcome"].clone()),
                "settings": settings(check),
                "findings": verdict.map(findings).unwrap_or_default(),
            })
        })
        .collect();
    let pace = format!(
        "judged every {}; a target without progress for {} counts as failed\n",
        duration(&change["manifest"]["judge_every_ms"]),
        duration(&change["manifest"]["silent_after_ms"])
    );
    if checks.is_empty() {
        return format!("health checks: none\n{pace}");
    }
    let columns = [
        ("HEALTH CHECK", "/check"),
        ("VERDICT", "/outcome"),
        ("SETTINGS", "/settings"),
        ("FINDINGS", "/findings"),
    ];
    format!("{}{pace}", rows(&checks, &columns))
}

/// `signature 1.0.0`, or with another id `strict: size-limit 1.0.0`.
fn called(binding: &Value) -> String {
    let plugin = format!("{} {}", at(binding, "/plugin/name"), at(binding, "/plugin/version"));
    match binding.get("id") {
        Some(id) if *id != binding["plugin"]["name"] => format!("{}: {plugin}", at(binding, "/id")),
        _ => plugin,
    }
}

/// What every target runs now, and what would bring it back.
fn way_back(change: &Value) -> String {
    let ways: Vec<Value> = list(change, "/manifest/rollback")
        .iter()
        .map(|way| {
            json!({
                "now": way["version"].as_str().unwrap_or("unknown"),
                "targets": way["targets"],
                "back": way["artifact"].as_str().unwrap_or("no way back: this version is not stored"),
            })
        })
        .collect();
    let columns = [("RUNS NOW", "/now"), ("TARGETS", "/targets"), ("WAY BACK", "/back")];
    if ways.is_empty() { String::new() } else { rows(&ways, &columns) }
}

/// What persons said; what was said of an older digest no longer counts.
fn approvals(change: &Value) -> String {
    let said: Vec<Value> = list(change, "/approvals")
        .iter()
        .map(|approval| {
            let mut said = approval.clone();
            let counts = approval["digest"] == change["digest"];
            said["counts"] = if counts { "yes" } else { "no: an older digest" }.into();
            said
        })
        .collect();
    if said.is_empty() {
        return String::new();
    }
    let columns = [
        ("PERSON", "/name"),
        ("MEANING", "/meaning"),
        ("ROLES", "/roles"),
        ("AT", "/at"),
        ("REASON", "/reason"),
        ("COUNTS", "/counts"),
    ];
    rows(&said, &columns)
}

fn findings(verdict: &Value) -> String {
    let each: Vec<String> = list(verdict, "/findings")
        .iter()
        .map(|finding| format!("{}: {}", at(finding, "/code"), at(finding, "/message")))
        .collect();
    each.join("; ")
}

/// `canary 1.0.0 {"stages":[…]}`
fn plugin(binding: &Value) -> String {
    let name = format!("{} {}", at(binding, "/plugin/name"), at(binding, "/plugin/version"));
    format!("{name} {}", settings(binding)).trim_end().to_owned()
}

/// Empty when nothing was set.
fn settings(binding: &Value) -> String {
    match binding.get("settings") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Object(settings)) if settings.is_empty() => String::new(),
        Some(settings) => settings.to_string(),
    }
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_change_shows_each_step_and_a_group_its_cause() {
        let binding = json!({ "plugin": "size", "role": "gate", "mode": "monitor", "kinds": ["release"],
            "settings": { "max": 1 } });
        let step =
            |step: &str, from: Value, to: Value| json!({ "step": step, "id": "x", "from": from, "to": to });
        let plugin = json!({ "version": "1.0.0", "digest": "sha256:00" });
        let change = json!({ "manifest": { "plugins": { "steps": [
            step("bind", Value::Null, binding), step("activate", plugin, Value::Null),
            step("grant", json!([]), json!(["fleet", "artifact"])),
        ] } } });
        let shown = steps(&change);
        for part in
            ["nothing", "gate size, monitor, for release {\"max\":1}", "1.0.0 sha256:00", "fleet, artifact"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let activates = |signers: Value| {
            let to = json!({ "name": "size", "version": "1.0.0", "digest": "sha256:00" });
            let plan = json!({ "steps": [step("activate", Value::Null, to)], "signers": signers });
            steps(&json!({ "manifest": { "plugins": plan } }))
        };
        let two = json!({ "sha256:00": { "0123456789abcdef": "ana", "fedcba9876543210": "vendor" } });
        let said = "size 1.0.0 (sha256:00) is signed by ana (0123456789ab…), vendor (fedcba987654…)";
        assert!(activates(two).contains(said), "{}", activates(json!({})));
        assert!(activates(json!({})).contains("is signed by nobody"));
        let judged = json!({ "name": "size", "mode": "enforce", "outcome": "fail", "expression": "a && !b",
            "members": [{ "id": "a", "outcome": "pass", "decides": false },
                { "id": "b", "outcome": "fail", "unanswered": true, "decides": true }] });
        assert_eq!(group(&judged), "gate group size (enforce): fail: a && !b; because of b (no answer)");
    }

    #[test]
    fn shares_and_durations_are_said_exactly() {
        let shares = [(500, "5 %"), (250, "2.5 %"), (25, "0.25 %"), (10_000, "100 %"), (0, "0 %")];
        for (basis_points, text) in shares {
            assert_eq!(percent(basis_points), text);
        }
        let durations =
            [(0, "0 s"), (250, "250 ms"), (90_000, "90 s"), (600_000, "10 min"), (86_400_000, "1 d")];
        for (ms, text) in durations {
            assert_eq!(duration(&json!(ms)), text);
        }
    }
}
