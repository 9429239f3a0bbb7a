//! What a case expects against what the plugin said: every difference, not the first.

use interlock_sandbox::types::{Directive, Finding, Query, SettingsProblem, Stage};

use crate::expect::{Expect, ExpectedDirective, ExpectedFinding, ExpectedQuery, ExpectedStage};
use crate::moment::shown;
use crate::run::Asked;
use crate::short::Short;

/// All differences, in words; empty when everything is as expected.
pub(crate) fn differences(expect: &Expect, asked: &Asked, now: u64) -> Vec<String> {
    let mut found = Vec::new();
    settings(expect, asked, &mut found);
    error(expect, asked, &mut found);
    if !found.is_empty() {
        // What follows from these is not worth a line of its own.
        return found;
    }
    verdict(expect, asked, &mut found);
    queries(expect, asked, &mut found);
    stages(expect, asked, &mut found);
    directive(expect, asked, now, &mut found);
    found
}

fn settings(expect: &Expect, asked: &Asked, found: &mut Vec<String>) {
    let got = |problem: &SettingsProblem| format!("`{}`: {}", problem.path, problem.message);
    let all = || list(asked.settings.iter().map(got), "nothing");
    match &expect.settings {
        None if asked.settings.is_empty() => {}
        None => found.push(format!("the settings do not fit: {}", all())),
        Some(expected) => {
            for Short(problem) in expected {
                let holds = |said: &SettingsProblem| {
                    said.path == problem.path && contains(&said.message, problem.message.as_deref())
                };
                if !asked.settings.iter().any(holds) {
                    let words = words(problem.message.as_deref());
                    found.push(format!(
                        "settings at `{}`{words} are not refused; refused is {}",
                        problem.path,
                        all()
                    ));
                }
            }
        }
    }
}

fn error(expect: &Expect, asked: &Asked, found: &mut Vec<String>) {
    match (&expect.error, &asked.error) {
        (None, None) => {}
        (None, Some(error)) => found.push(format!("error `{}`: {error}", error.code())),
        (Some(code), None) => found.push(format!("expected error `{code}`, but the plugin answered")),
        (Some(code), Some(error)) => {
            if code != error.code() {
                found.push(format!("expected error `{code}`, found `{}`: {error}", error.code()));
            } else if !contains(&error.to_string(), expect.message.as_deref()) {
                found.push(format!(
                    "error `{code}`{} expected, found: {error}",
                    words(expect.message.as_deref())
                ));
            }
        }
    }
}

fn verdict(expect: &Expect, asked: &Asked, found: &mut Vec<String>) {
    if expect.outcome.is_none() && expect.findings.is_none() {
        return;
    }
    let Some(verdict) = &asked.verdict else {
        found.push("there is no verdict: only gates and health checks give one".to_owned());
        return;
    };
    if let Some(outcome) = expect.outcome.filter(|outcome| *outcome != verdict.outcome) {
        let (expected, got) = (snake(&outcome), snake(&verdict.outcome));
        found.push(format!(
            "expected outcome `{expected}`, found `{got}` with {}",
            findings(&verdict.findings)
        ));
    }
    match expect.findings.as_deref() {
        None => {}
        Some([]) if verdict.findings.is_empty() => {}
        Some([]) => found.push(format!("expected no finding, found {}", findings(&verdict.findings))),
        Some(expected) => {
            let mut left: Vec<&Finding> = verdict.findings.iter().collect();
            for Short(finding) in expected {
                // One finding answers one expectation, so that two of a kind are told from one.
                match left.iter().position(|said| is(said, finding)) {
                    Some(index) => drop(left.remove(index)),
                    None => found.push(format!(
                        "no finding {}; found {}",
                        described(finding),
                        findings(&verdict.findings)
                    )),
                }
            }
        }
    }
}

fn is(said: &Finding, expected: &ExpectedFinding) -> bool {
    expected.code.as_ref().is_none_or(|code| *code == said.code)
        && expected.severity.is_none_or(|severity| severity == said.severity)
        && contains(&said.message, expected.message.as_deref())
        && expected.subject.as_ref().is_none_or(|subject| *subject == said.subject)
}

fn described(expected: &ExpectedFinding) -> String {
    let ExpectedFinding { code, severity, message, subject } = expected;
    let mut text = format!("`{}`", code.as_deref().unwrap_or("of any code"));
    text.extend(severity.map(|severity| format!(", {}", snake(&severity))));
    text.push_str(&words(message.as_deref()));
    text.extend(subject.iter().map(|subject| format!(", about `{subject}`")));
    text
}

fn queries(expect: &Expect, asked: &Asked, found: &mut Vec<String>) {
    let Some(expected) = &expect.queries else { return };
    let Some(got) = &asked.queries else {
        found.push("there are no queries: only health checks have some".to_owned());
        return;
    };
    let all = || list(got.iter().map(|query| format!("`{}`", query.id)), "none");
    let is = |query: &Query, expected: &ExpectedQuery| {
        query.id == expected.id
            && expected.metric.as_ref().is_none_or(|metric| *metric == query.metric)
            && expected.window.is_none_or(|window| window.millis == query.window_ms)
            && expected.aggregation.is_none_or(|aggregation| aggregation == query.aggregation)
    };
    for Short(query) in expected {
        if !got.iter().any(|said| is(said, query)) {
            let near = got.iter().find(|said| said.id == query.id);
            let near = near.map_or_else(all, |said| {
                let Query { metric, window_ms, aggregation, .. } = said;
                format!("`{metric}` over {window_ms} ms as {}", snake(aggregation))
            });
            found.push(format!("query `{}` is not as expected; found {near}", query.id));
        }
    }
    if got.len() != expected.len() {
        found.push(format!("expected {} queries, found {}: {}", expected.len(), got.len(), all()));
    }
}

fn stages(expect: &Expect, asked: &Asked, found: &mut Vec<String>) {
    let Some(expected) = &expect.stages else { return };
    let Some(got) = &asked.stages else {
        found.push("there are no stages: only strategies plan some".to_owned());
        return;
    };
    let text = |said: &Stage| format!("`{}` {}", said.name, stage(said));
    let is = |stage: &Stage, expected: &ExpectedStage| {
        expected.name.as_ref().is_none_or(|name| *name == stage.name)
            && expected.exposure.as_ref().is_none_or(|exposure| *exposure == stage.exposure)
            && expected.hold.is_none_or(|hold| hold.millis == stage.hold_ms)
    };
    for (index, (Short(wanted), said)) in expected.iter().zip(got).enumerate() {
        if !is(said, wanted) {
            found.push(format!("stage {index} is {}", text(said)));
        }
    }
    if got.len() != expected.len() {
        let all = list(got.iter().map(text), "none");
        found.push(format!("expected {} stages, found {}: {all}", expected.len(), got.len()));
    }
}

fn directive(expect: &Expect, asked: &Asked, now: u64, found: &mut Vec<String>) {
    let Some(expected) = expect.directive else { return };
    let Some(got) = &asked.directive else {
        found.push("there is no directive: only strategies give one".to_owned());
        return;
    };
    let (kind, fits) = match got {
        Directive::EnterStage(index) => {
            (ExpectedDirective::EnterStage, expect.stage.is_none_or(|stage| stage == *index))
        }
        Directive::Wait(until) => {
            (ExpectedDirective::Wait, expect.until.is_none_or(|at| at.instant(now) == *until))
        }
        Directive::Complete => (ExpectedDirective::Complete, true),
        Directive::Pause(why) => (ExpectedDirective::Pause, contains(why, expect.reason.as_deref())),
        Directive::RollBack(why) => (ExpectedDirective::RollBack, contains(why, expect.reason.as_deref())),
    };
    if kind != expected || !fits {
        found.push(format!("the directive is {}", said(got)));
    }
}

/// A directive for people.
#[must_use]
pub fn said(directive: &Directive) -> String {
    match directive {
        Directive::EnterStage(index) => format!("`enter_stage` {index}"),
        Directive::Wait(until) => format!("`wait` until {}", shown(*until)),
        Directive::Complete => "`complete`".to_owned(),
        Directive::Pause(why) => format!("`pause`: {why}"),
        Directive::RollBack(why) => format!("`roll_back`: {why}"),
    }
}

/// What a stage does, for people.
pub(crate) fn stage(Stage { exposure, hold_ms, .. }: &Stage) -> String {
    format!("reaching {}, held {hold_ms} ms", json(exposure))
}

fn findings(findings: &[Finding]) -> String {
    list(findings.iter().map(|finding| format!("`{}` ({})", finding.code, finding.message)), "no finding")
}

fn list(items: impl Iterator<Item = String>, none: &str) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { none.to_owned() } else { items.join(", ") }
}

fn contains(text: &str, words: Option<&str>) -> bool {
    words.is_none_or(|words| text.contains(words))
}

fn words(words: Option<&str>) -> String {
    words.map(|words| format!(" with the words `{words}`")).unwrap_or_default()
}

/// An enum as cases write it.
pub(crate) fn snake(value: &impl serde::Serialize) -> String {
    json(value).trim_matches('"').to_owned()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
