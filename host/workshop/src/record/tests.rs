use std::sync::Arc;

use interlock_ledger::Digest;
use interlock_sandbox::types::{
    Aggregation, Artifact, Change, ChangeKind, Directive, Exposure, Finding, Group, HealthVerdict,
    Observation, Outcome, Population, Progress, Query, Response, RollbackTarget, Series, Severity, Situation,
    Stage, Verdict,
};
use interlock_sandbox::{Document, EvidenceLookup, Record, Refusal};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A decision as a server would have recorded it.
fn recorded(request: &Request, response: &Response, evidence: Vec<EvidenceLookup>) -> Recorded {
    let input = serde_json::to_value(request).unwrap();
    let output = serde_json::to_value(response).unwrap();
    let record = Record {
        plugin: Digest::of("plugin"),
        function: request.function().to_owned(),
        input_digest: Digest::of_canonical(&input).unwrap(),
        input,
        output_digest: Some(Digest::of_canonical(&output).unwrap()),
        output: Some(output),
        error: None,
        fuel: 1,
        elapsed_us: 1,
        host_calls: 0,
        memory_bytes_peak: 1,
        evidence,
        logs: Vec::new(),
    };
    let decision = json!({
        "id": "dec_1", "change": "chg_1", "at": "2026-03-02T12:00:00.000Z",
        "subject": { "type": "plugin", "name": "p", "digest": record.plugin, "function": record.function,
            "transcript": record },
    });
    Recorded::from_value("decision", decision).unwrap()
}

/// Writes the case and reads it again; whether it asks what was asked.
fn round(recorded: &Recorded, needs: Option<&Recorded>) -> Result<String, String> {
    let written = write::case("case", recorded, needs, true)?;
    let recorder = Recorder {
        path: "c.yaml".into(),
        file: "c.yaml".to_owned(),
        text: String::new(),
        has_defaults: false,
        names: Vec::new(),
        added: Vec::new(),
        evidence_bytes_max: EVIDENCE_BYTES_MAX,
    };
    let case = recorder.read_back(&written).map_err(|error| error.to_string())?;
    asks_the_same(&case, recorded)?;
    Ok(serde_yaml_ng::to_string(&written).unwrap())
}

/// Text with all that YAML and JSON find difficult.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        Just("null".to_owned()),
        Just("yes".to_owned()),
        Just("1e3".to_owned()),
        Just("2026-03-02".to_owned()),
        Just("a\nb\n\n".to_owned()),
        Just(" \t- x: #\r\n".to_owned()),
        Just("\u{7f}\u{85}\u{2028}\u{feff}".to_owned()),
    ]
}

fn instant() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4_000_000_000_000, Just(0), Just((1 << 53) - 1)]
}

fn manifest() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{"a":[1,{"b":"x"}],"c":true}"#.to_owned()),
        Just(r#"{"a":null}"#.to_owned()),
        Just(r#"{ "spaced" : 1 }"#.to_owned()),
        Just(r#"{"b":1,"a":1.50}"#.to_owned()),
        text(),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let kind = prop_oneof![Just(ChangeKind::Release), Just(ChangeKind::Config), Just(ChangeKind::Plugin)];
    let artifact = (text(), text(), 0_u64..1 << 53).prop_map(|(name, version, size_bytes)| Artifact {
        digest: Digest::of(&name).to_string(),
        name,
        version,
        size_bytes,
    });
    let group = (text(), 0_u64..100).prop_map(|(name, size)| Group { name, size });
    let target = (text(), proptest::option::of(text()), 0_u64..100)
        .prop_map(|(version, artifact, targets)| RollbackTarget { version, artifact, targets });
    (
        kind,
        (text(), text(), text()),
        instant(),
        vec(artifact, 0..3),
        vec(group, 0..3),
        vec(target, 0..3),
        manifest(),
    )
        .prop_map(
            |(kind, (title, author, digest), proposed_at, artifacts, groups, rollback, manifest)| Change {
                id: "chg_1".into(),
                tenant: "mercy".into(),
                environment: "production".into(),
                kind,
                digest: digest.clone(),
                title,
                author,
                proposed_at,
                artifacts,
                population: Population { size: 7, digest, groups },
                rollback,
                manifest,
            },
        )
}

fn settings() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{"days":1,"list":[{"a":1}],"text":"yes"}"#.to_owned()),
        Just(r#"{"days":null,"deep":{"x":null,"y":2}}"#.to_owned()),
    ]
}

fn lookups() -> impl Strategy<Value = Vec<EvidenceLookup>> {
    let content = prop_oneof![
        vec(any::<u8>(), 0..12),
        text().prop_map(String::into_bytes),
        manifest().prop_map(String::into_bytes),
    ];
    let answer = prop_oneof![
        (text(), content, instant())
            .prop_map(|(media, content, at)| EvidenceAnswer::Found(Document::new(media, content, at))),
        Just(EvidenceAnswer::Refused(Refusal::NotFound)),
        text().prop_map(|why| EvidenceAnswer::Refused(Refusal::Denied(why))),
        text().prop_map(|why| EvidenceAnswer::Refused(Refusal::Unavailable(why))),
    ];
    proptest::collection::btree_map(("[a-c]", text()), answer, 0..3).prop_map(|answers| {
        answers.into_iter().map(|((source, key), answer)| EvidenceLookup { source, key, answer }).collect()
    })
}

fn finding() -> impl Strategy<Value = Finding> {
    ("[a-z]{1,4}", text(), text()).prop_map(|(code, message, subject)| Finding {
        code,
        severity: Severity::Warning,
        message,
        subject,
    })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    vec(finding(), 0..3).prop_map(|findings| Verdict { outcome: Outcome::Warn, findings })
}

fn series() -> impl Strategy<Value = Series> {
    let raw = vec(any::<f64>(), 0..4);
    (0_u64..1 << 53, 0_u64..1 << 53, proptest::option::of(any::<f64>()), raw)
        .prop_map(|(targets, samples, value, raw)| Series { targets, samples, value, raw })
}

fn situation() -> impl Strategy<Value = Situation> {
    let stage = (text(), 0_u32..=10_000, 0_u64..1 << 53).prop_map(|(name, bp, hold_ms)| Stage {
        name,
        exposure: Exposure::PercentBp(bp),
        hold_ms,
    });
    let groups = vec(text(), 1..3).prop_map(|names| Stage {
        name: "groups".into(),
        exposure: Exposure::Groups(names),
        hold_ms: 0,
    });
    let health =
        (text(), instant(), verdict()).prop_map(|(check, at, verdict)| HealthVerdict { check, at, verdict });
    let (plan, health) = (vec(prop_oneof![stage, groups], 0..3), vec(health, 0..3));
    let at = || proptest::option::of(instant());
    (change(), settings(), instant(), plan, (any::<bool>(), at(), at()), 0_u64..9, health).prop_map(
        |(change, settings, now, plan, (staged, entered_at, settled_at), count, health)| Situation {
            change: Arc::new(change),
            settings,
            now,
            plan,
            stage: staged.then_some(1),
            // A rollout in a stage has entered it.
            entered_at: if staged { Some(entered_at.unwrap_or(now)) } else { None },
            settled_at,
            progress: Progress { verified: count, failed: count / 2, ..Progress::default() },
            health,
            promoted: count == 3,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recorded_gate_call_is_asked_again_to_the_last_byte(
        change in change(), settings in settings(), now in instant(), evidence in lookups(), verdict in verdict(),
    ) {
        let request = Request::Evaluate { change: Arc::new(change), settings, now };
        let recorded = recorded(&request, &Response::Verdict(verdict), evidence);
        prop_assert!(round(&recorded, None).is_ok(), "{:?}", round(&recorded, None));
    }

    #[test]
    fn a_recorded_judgement_is_asked_again_to_the_last_bit(
        change in change(), settings in settings(), now in instant(), treatment in series(), control in series(),
        id in "[a-z0-9_.]{1,8}", verdict in verdict(),
    ) {
        let query = Query { id, metric: "m".into(), window_ms: 60_000, aggregation: Aggregation::P95 };
        let needs = Request::Needs { change: Arc::new(change), settings: settings.clone() };
        let needs = recorded(&needs, &Response::Queries(vec![query.clone()]), Vec::new());
        prop_assert!(round(&needs, None).is_ok(), "{:?}", round(&needs, None));
        let judge = Request::Judge { observations: vec![Observation { query, treatment, control }], settings, now };
        let judged = recorded(&judge, &Response::Verdict(verdict), Vec::new());
        prop_assert!(round(&judged, Some(&needs)).is_ok(), "{:?}", round(&judged, Some(&needs)));
    }

    #[test]
    fn a_recorded_situation_is_put_again_to_the_last_target(situation in situation()) {
        let plan = Request::Plan {
            change: Arc::clone(&situation.change),
            population: situation.change.population.clone(),
            settings: situation.settings.clone(),
        };
        let planned = recorded(&plan, &Response::Stages(situation.plan.clone()), Vec::new());
        prop_assert!(round(&planned, None).is_ok(), "{:?}", round(&planned, None));
        let advance = Request::Advance { situation: Box::new(situation) };
        let advanced = recorded(&advance, &Response::Directive(Directive::Wait(7)), Vec::new());
        prop_assert!(round(&advanced, None).is_ok(), "{:?}", round(&advanced, None));
    }
}

#[test]
fn a_recorded_case_reads_like_one_that_somebody_wrote() {
    let change = Change {
        id: "chg_1".into(),
        tenant: "mercy".into(),
        environment: "production".into(),
        kind: ChangeKind::Release,
        digest: Digest::of("change").to_string(),
        title: "Pump firmware 2.1.0".into(),
        author: "Ana".into(),
        proposed_at: crate::NOON,
        artifacts: Vec::new(),
        population: Population {
            size: 3,
            digest: Digest::of("population").to_string(),
            groups: vec![Group { name: "north".into(), size: 1 }, Group { name: "south".into(), size: 2 }],
        },
        rollback: vec![RollbackTarget { version: "2.0.0".into(), artifact: None, targets: 3 }],
        manifest: r#"{"title":"Pump firmware 2.1.0"}"#.into(),
    };
    let found =
        |content: &[u8]| EvidenceAnswer::Found(Document::new("application/json", content, crate::NOON));
    let lookup = |key: &str, answer| EvidenceLookup { source: "artifact".into(), key: key.into(), answer };
    let evidence = vec![
        lookup("a", found(br#"{"size":7}"#)),
        lookup("b", found(&[0, 255])),
        lookup("c", EvidenceAnswer::Refused(Refusal::NotFound)),
    ];
    let finding = Finding {
        code: "too-large".into(),
        severity: Severity::Critical,
        message: "7 bytes are too many".into(),
        subject: "a".into(),
    };
    let request =
        Request::Evaluate { change: Arc::new(change), settings: r#"{"max":1}"#.into(), now: crate::NOON };
    let verdict = Verdict { outcome: Outcome::Fail, findings: vec![finding] };
    let recorded = recorded(&request, &Response::Verdict(verdict), evidence);
    assert_eq!(write::name(&recorded, None), "Pump firmware 2.1.0: fail (dec_1)");
    insta::assert_snapshot!(round(&recorded, None).unwrap());
}

#[test]
fn what_the_record_does_not_hold_becomes_no_case() {
    let change = Change {
        id: "chg_1".into(),
        tenant: "mercy".into(),
        environment: "production".into(),
        kind: ChangeKind::Config,
        digest: String::new(),
        title: String::new(),
        author: String::new(),
        proposed_at: 0,
        artifacts: Vec::new(),
        population: Population { size: 0, digest: String::new(), groups: Vec::new() },
        rollback: Vec::new(),
        manifest: "{}".into(),
    };
    let request = Request::Evaluate { change: Arc::new(change), settings: "{}".into(), now: 0 };
    let lookup = |answer| EvidenceLookup { source: "s".into(), key: "k".into(), answer };
    let case = |evidence| {
        let verdict = Verdict { outcome: Outcome::Pass, findings: Vec::new() };
        round(&recorded(&request, &Response::Verdict(verdict), evidence), None)
    };
    let ended = EvidenceAnswer::Ended(interlock_sandbox::Ending::Unanswered);
    assert!(case(vec![lookup(ended)]).unwrap_err().contains("ended the call"));
    let found = |text: &str| EvidenceAnswer::Found(Document::new("text/plain", text, 0));
    let twice = vec![lookup(found("a")), lookup(found("b"))];
    assert!(case(twice).unwrap_err().contains("answered in two ways"));
    assert!(case(vec![lookup(found("a")), lookup(found("a"))]).is_ok());
}
