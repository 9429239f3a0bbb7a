//! What a plugin may answer: the rules of the contract that WIT cannot express.

use crate::limits::INTEGER_MAX;
use crate::types::{
    Description, Directive, Exposure, Finding, Outcome, Query, Request, Response, Situation, Stage, Verdict,
};

/// Holds an answer against them.
///
/// # Errors
/// Says which rule is broken, and where.
pub(crate) fn check(request: &Request, response: &Response) -> Result<(), String> {
    match (request, response) {
        (_, Response::Description(description)) => check_description(description),
        (_, Response::Problems(problems)) => each(problems, "problem", |problem| {
            let pointer = problem.path.is_empty() || problem.path.starts_with('/');
            ensure(pointer, || format!("`{}` is no JSON pointer", problem.path))?;
            said("its message", &problem.message)
        }),
        (_, Response::Verdict(verdict)) => check_verdict(verdict),
        (_, Response::Queries(queries)) => {
            each(queries, "query", check_query)?;
            distinct("query id", queries.iter().map(|query| query.id.as_str()))
        }
        (_, Response::Stages(stages)) => {
            ensure(!stages.is_empty(), || "a plan needs at least one stage".into())?;
            each(stages, "stage", check_stage)?;
            distinct("stage name", stages.iter().map(|stage| stage.name.as_str()))
        }
        (Request::Advance { situation }, Response::Directive(directive)) => {
            check_directive(situation, directive)
        }
        (_, Response::Directive(_)) => Err("a directive answers only `advance`".into()),
    }
}

fn check_description(description: &Description) -> Result<(), String> {
    let Description { name, version, summary, settings_schema: _, evidence_sources } = description;
    ensure(is_kebab(name), || format!("name `{name}` must be lower-case words with dashes"))?;
    ensure(is_semantic(version), || {
        format!("version `{version}` must be a semantic version such as `1.4.0`")
    })?;
    said("the summary", summary)?;
    each(evidence_sources, "evidence source", |source| {
        // `http.ticket` is one of several connectors.
        ensure(source.split('.').all(is_kebab), || {
            format!("`{source}` must be lower-case words with dashes, or some with dots between them")
        })
    })?;
    distinct("evidence source", evidence_sources.iter().map(String::as_str))
}

fn check_verdict(verdict: &Verdict) -> Result<(), String> {
    let stops = matches!(verdict.outcome, Outcome::Hold | Outcome::Fail);
    ensure(!(stops && verdict.findings.is_empty()), || "`hold` and `fail` need at least one finding".into())?;
    each(&verdict.findings, "finding", |Finding { code, severity: _, message, subject: _ }| {
        ensure(is_kebab(code), || format!("code `{code}` must be lower-case words with dashes"))?;
        said("its message", message)
    })
}

fn check_query(query: &Query) -> Result<(), String> {
    said("its id", &query.id)?;
    said("its metric", &query.metric)?;
    ensure(query.window_ms > 0, || "its window must be longer than nothing".into())?;
    recordable("its window", query.window_ms)
}

fn check_stage(stage: &Stage) -> Result<(), String> {
    said("its name", &stage.name)?;
    recordable("its hold time", stage.hold_ms)?;
    match &stage.exposure {
        Exposure::Shadow | Exposure::All => Ok(()),
        Exposure::PercentBp(bp) => {
            ensure((1..=10_000).contains(bp), || format!("`{bp}` basis points are not between 1 and 10000"))
        }
        Exposure::Groups(names) => {
            ensure(!names.is_empty(), || "it names no group".into())?;
            each(names, "group", |name| said("its name", name))
        }
    }
}

fn check_directive(situation: &Situation, directive: &Directive) -> Result<(), String> {
    match directive {
        Directive::EnterStage(index) => {
            let next = situation.stage.map_or(Some(0), |stage| stage.checked_add(1));
            let exists = usize::try_from(*index).is_ok_and(|index| index < situation.plan.len());
            ensure(exists && next == Some(*index), || {
                format!("stage `{index}` is not the one after the current stage")
            })
        }
        Directive::Wait(until) => recordable("the instant to wait for", *until),
        Directive::Complete => Ok(()),
        Directive::Pause(reason) | Directive::RollBack(reason) => said("the reason", reason),
    }
}

fn each<T>(items: &[T], what: &str, rule: impl Fn(&T) -> Result<(), String>) -> Result<(), String> {
    items
        .iter()
        .enumerate()
        .try_for_each(|(index, item)| rule(item).map_err(|reason| format!("{what} {index}: {reason}")))
}

fn distinct<'a>(what: &str, mut names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = std::collections::HashSet::new();
    names.try_for_each(|name| ensure(seen.insert(name), || format!("{what} `{name}` stands twice")))
}

fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

fn said(what: &str, text: &str) -> Result<(), String> {
    ensure(!text.trim().is_empty(), || format!("{what} is empty"))
}

/// Canonical JSON has no larger integers.
fn recordable(what: &str, number: u64) -> Result<(), String> {
    ensure(number <= INTEGER_MAX, || format!("{what} `{number}` lies beyond 2^53"))
}

/// `maintenance-window`: what codes and names look like.
fn is_kebab(text: &str) -> bool {
    text.len() <= 80
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

/// `1.4.0`, with a pre-release or build part as Semantic Versioning 2.0 has them.
fn is_semantic(version: &str) -> bool {
    let (version, build) = version.split_once('+').map_or((version, None), |(v, b)| (v, Some(b)));
    let (numbers, pre) = version.split_once('-').map_or((version, None), |(v, p)| (v, Some(p)));
    let is_number =
        |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && (n == "0" || !n.starts_with('0'));
    let is_tail = |tail: &str| {
        tail.split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && [build, pre].into_iter().flatten().all(is_tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_lower_case_words_with_dashes() {
        for good in ["a", "signature-missing", "level-2", "sha256-differs"] {
            assert!(is_kebab(good), "{good}");
        }
        for bad in ["", "-", "a-", "-a", "a--b", "A", "a_b", "2fast", "ä", "a b", &"a".repeat(81)] {
            assert!(!is_kebab(bad), "{bad}");
        }
    }

    #[test]
    fn versions_are_semantic() {
        for good in ["0.1.0", "10.20.30", "1.0.0-rc.1", "1.0.0+build.5", "1.0.0-a-b.7+x-y"] {
            assert!(is_semantic(good), "{good}");
        }
        for bad in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0+", "1..0", "1.0.x"] {
            assert!(!is_semantic(bad), "{bad}");
        }
    }

    fn refused(response: &Response) -> String {
        check(&Request::Describe, response).unwrap_err()
    }

    fn stage(name: &str, exposure: Exposure) -> Stage {
        Stage { name: name.into(), exposure, hold_ms: 0 }
    }

    #[test]
    fn a_fail_without_findings_breaks_the_contract() {
        let verdict = |outcome| Response::Verdict(Verdict { outcome, findings: vec![] });
        assert_eq!(refused(&verdict(Outcome::Fail)), "`hold` and `fail` need at least one finding");
        check(&Request::Describe, &verdict(Outcome::Pass)).unwrap();
    }

    #[test]
    fn plans_are_held_to_the_rules() {
        let refused = |stages| refused(&Response::Stages(stages));
        assert_eq!(refused(vec![]), "a plan needs at least one stage");
        let zero = refused(vec![stage("a", Exposure::All), stage("b", Exposure::PercentBp(0))]);
        assert_eq!(zero, "stage 1: `0` basis points are not between 1 and 10000");
        assert!(refused(vec![stage("a", Exposure::PercentBp(10_001))]).contains("`10001`"));
        assert_eq!(refused(vec![stage("a", Exposure::Groups(vec![]))]), "stage 0: it names no group");
        let twice = vec![stage("a", Exposure::Shadow), stage("a", Exposure::All)];
        assert_eq!(refused(twice), "stage name `a` stands twice");
        let edge = vec![stage("a", Exposure::PercentBp(1)), stage("b", Exposure::PercentBp(10_000))];
        check(&Request::Describe, &Response::Stages(edge)).unwrap();
    }

    #[test]
    fn numbers_that_cannot_be_recorded_break_the_contract() {
        let stage = |hold_ms| vec![Stage { name: "a".into(), exposure: Exposure::All, hold_ms }];
        check(&Request::Describe, &Response::Stages(stage(INTEGER_MAX))).unwrap();
        assert!(refused(&Response::Stages(stage(INTEGER_MAX + 1))).contains("beyond 2^53"));
    }
}
