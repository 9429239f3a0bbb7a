//! Health checks and strategies: their records cross the border whole, in both directions.

use std::sync::Arc;

use interlock_sandbox::types::{
    Aggregation, Directive, Exposure, Finding, HealthVerdict, Observation, Outcome, PluginKind, Population,
    Progress, Query, Request, Response, Series, Severity, Situation, Stage, Verdict,
};
use interlock_sandbox::{NoEvidence, Plugin, PluginError};

use crate::support::*;

async fn call(plugin: &Plugin, request: Request) -> Result<Response, PluginError> {
    let call = plugin.call(request, Arc::new(NoEvidence)).await;
    let record = call.record().unwrap();
    let replayed = plugin.replay(&record).await;
    assert!(replayed.identical, "{:?}", replayed.differences);
    call.outcome
}

#[tokio::test]
async fn a_gate_sees_the_change_and_its_settings() {
    // A finding whose message is the settings' text and whose subject is the change's id.
    let mut guest = Guest::new("compliance-gate");
    let (code, code_len) = guest.text("seen");
    let finding = guest.words(&[code as u32, code_len as u32, 1, 0, 0, 0, 0]);
    let verdict = guest.words(&[0, 1, finding as u32, 1]);
    let body = format!(
        "(i32.store offset=12 (i32.const {finding}) (i32.load offset={SETTINGS_POINTER} (local.get $in)))
         (i32.store offset=16 (i32.const {finding}) (i32.load offset={SETTINGS_LENGTH} (local.get $in)))
         (i64.store offset=20 align=4 (i32.const {finding}) (i64.load (local.get $in)))
         (i32.const {verdict})"
    );
    guest.export("gate", "evaluate", "(param $in i32) (result i32)", &body);
    let plugin = install(small(), guest).await;
    let request = Request::Evaluate { change: change(), settings: r#"{"days":3}"#.into(), now: 5 };
    let finding = Finding {
        code: "seen".into(),
        severity: Severity::Warning,
        message: r#"{"days":3}"#.into(),
        subject: "chg_1".into(),
    };
    let verdict = Verdict { outcome: Outcome::Warn, findings: vec![finding] };
    assert_eq!(call(&plugin, request).await, Ok(Response::Verdict(verdict)));
}

fn health(judge: &str) -> Guest {
    let mut guest = Guest::new("health-check");
    let (id, id_len) = guest.text("errors");
    let (metric, metric_len) = guest.text("error_rate");
    // id, metric, window (u64, 60,000), aggregation (p95)
    let query = guest.words(&[id as u32, id_len as u32, metric as u32, metric_len as u32, 60_000, 0, 7, 0]);
    let needs = guest.words(&[0, query as u32, 1, 0]);
    guest.export("health", "needs", "(param i32) (result i32)", &format!("(i32.const {needs})"));
    guest.export(
        "health",
        "judge",
        "(param $seen i32) (param $n i32) (param i32 i32 i64) (result i32)",
        judge,
    );
    guest
}

fn series(value: Option<f64>, raw: Vec<f64>) -> Series {
    Series { targets: 10, samples: 100, value, raw }
}

fn judge(treatment: Series) -> Request {
    let query = Query {
        id: "errors".into(),
        metric: "error_rate".into(),
        window_ms: 60_000,
        aggregation: Aggregation::P95,
    };
    let observation = Observation { query, treatment, control: series(None, vec![0.25]) };
    Request::Judge { observations: vec![observation], settings: "{}".into(), now: 5 }
}

#[tokio::test]
async fn a_health_check_says_what_it_needs() {
    let plugin = install(small(), health("$pass")).await;
    assert_eq!(plugin.kind(), PluginKind::HealthCheck);
    let Response::Queries(queries) =
        call(&plugin, Request::Needs { change: change(), settings: "{}".into() }).await.unwrap()
    else {
        panic!("queries")
    };
    let Request::Judge { observations, .. } = judge(series(None, vec![])) else { unreachable!() };
    assert_eq!(queries, [observations[0].query.clone()]);
}

#[tokio::test]
async fn a_health_check_sees_the_numbers_as_they_are() {
    // Passes only when the treatment's value is present and exactly 0.1; traps otherwise. The observation's layout:
    // query 32 bytes, then treatment: targets, samples, option<f64> (case, value), raw.
    let body = "(if (i32.eqz (i32.and (i32.load8_u offset=48 (local.get $seen))
        (f64.eq (f64.load offset=56 (local.get $seen)) (f64.const 0.1)))) (then (unreachable))) $pass";
    let plugin = install(small(), health(body)).await;
    assert_eq!(call(&plugin, judge(series(Some(0.1), vec![f64::INFINITY]))).await, Ok(pass()));
    assert_eq!(call(&plugin, judge(series(Some(0.2), vec![]))).await.unwrap_err().code(), "trapped");
    assert_eq!(call(&plugin, judge(series(None, vec![]))).await.unwrap_err().code(), "trapped");
}

fn strategy(directive: &[u32]) -> Guest {
    let mut guest = Guest::new("rollout-strategy");
    let (name, name_len) = guest.text("first");
    let (rest, rest_len) = guest.text("rest");
    let (group, group_len) = guest.text("site-a");
    let groups = guest.words(&[group as u32, group_len as u32]);
    // name, exposure (case, payload), hold (u64)
    let stages = guest.words(
        &[
            &[name as u32, name_len as u32, 1, 500, 0, 0, 60_000, 0][..],
            &[rest as u32, rest_len as u32, 2, groups as u32, 1, 0, 0, 0],
        ]
        .concat(),
    );
    let plan = guest.words(&[0, stages as u32, 2, 0]);
    let answer = guest.words(directive);
    guest.export("strategy", "plan", "(param i32) (result i32)", &format!("(i32.const {plan})"));
    guest.export("strategy", "advance", "(param i32) (result i32)", &format!("(i32.const {answer})"));
    guest
}

fn stages() -> Vec<Stage> {
    vec![
        Stage { name: "first".into(), exposure: Exposure::PercentBp(500), hold_ms: 60_000 },
        Stage { name: "rest".into(), exposure: Exposure::Groups(vec!["site-a".into()]), hold_ms: 0 },
    ]
}

fn advance(stage: Option<u32>) -> Request {
    let verdict = Verdict { outcome: Outcome::Warn, findings: vec![] };
    Request::Advance {
        situation: Box::new(Situation {
            change: change(),
            settings: "{}".into(),
            now: 5,
            plan: stages(),
            stage,
            entered_at: stage.map(|_| 3),
            settled_at: None,
            progress: Progress { pending: 1, rolled_back: 9, ..Progress::default() },
            health: vec![HealthVerdict { check: "thresholds".into(), at: 4, verdict }],
            promoted: true,
        }),
    }
}

#[tokio::test]
async fn a_strategy_plans() {
    let plugin = install(small(), strategy(&[0, 0, 2, 0, 0, 0])).await;
    assert_eq!(plugin.kind(), PluginKind::RolloutStrategy);
    let population = Population { size: 3, digest: String::new(), groups: vec![] };
    let request = Request::Plan { change: change(), population, settings: "{}".into() };
    assert_eq!(call(&plugin, request).await, Ok(Response::Stages(stages())));
}

#[tokio::test]
async fn a_strategy_directs() {
    // result<directive, fault>: case, padding, directive case, padding, payload (align 8)
    let cases = [
        (&[0, 0, 0, 0, 0, 0][..], Directive::EnterStage(0)),
        (&[0, 0, 1, 0, 1_234, 0], Directive::Wait(1_234)),
        (&[0, 0, 2, 0, 0, 0], Directive::Complete),
    ];
    for (words, directive) in cases {
        let plugin = install(small(), strategy(words)).await;
        assert_eq!(call(&plugin, advance(None)).await, Ok(Response::Directive(directive)));
    }
}

#[tokio::test]
async fn a_strategy_may_not_skip_or_repeat_a_stage() {
    let enter = |index| strategy(&[0, 0, 0, 0, index, 0]);
    let next = install(small(), enter(1)).await;
    assert_eq!(call(&next, advance(Some(0))).await, Ok(Response::Directive(Directive::EnterStage(1))));
    for stage in [None, Some(1)] {
        assert_eq!(call(&next, advance(stage)).await.unwrap_err().code(), "bad-output");
    }
    let beyond = install(small(), enter(2)).await;
    assert_eq!(call(&beyond, advance(Some(1))).await.unwrap_err().code(), "bad-output");
}

#[tokio::test]
async fn an_instant_that_cannot_be_recorded_is_bad_output() {
    let plugin = install(small(), strategy(&[0, 0, 1, 0, 0, 1 << 21])).await;
    let error = call(&plugin, advance(None)).await.unwrap_err();
    assert_eq!(error.code(), "bad-output");
}
