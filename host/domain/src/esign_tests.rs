use uuid::Uuid;

use std::collections::BTreeSet;

use super::{
    view::{disorders, plan, policies, steps},
    *,
};

fn intent() -> Intent {
    Intent {
        v: 1,
        origin: "log".to_owned(),
        sig_id: SignatureId::new(Uuid::from_u128(1)),
        signer: Signer {
            person: PersonId::new(Uuid::from_u128(2)),
            account: AccountId::new(Uuid::from_u128(3)),
            name: "Ana Sousa".to_owned(),
            title: "clinical_safety".to_owned(),
            organization: "mercy".parse().unwrap(),
        },
        meaning: Meaning::Approval,
        sentence: sentence(Meaning::Approval).to_owned(),
        extent: Extent::default(),
        reason: "read".to_owned(),
        record: SignedRecord {
            kind: "change".to_owned(),
            id: ChangeId::new(Uuid::from_u128(4)),
            version: 3,
            digest: Digest::of("manifest"),
        },
        view_sha256: Digest::of("view"),
        session_sha256: Digest::of("session"),
        issued_at: Timestamp::from_millis(0),
        expires_at: Timestamp::from_millis(300_000),
    }
}

#[test]
fn whatever_differs_is_another_challenge() {
    let challenge = intent().challenge().unwrap();
    let alter: [fn(&mut Intent); 8] = [
        |intent| intent.record.id = ChangeId::new(Uuid::from_u128(5)),
        |intent| intent.record.digest = Digest::of("another"),
        |intent| intent.meaning = Meaning::Review,
        |intent| intent.reason.push('.'),
        |intent| intent.view_sha256 = Digest::of("another"),
        |intent| intent.extent.stage = Some(0),
        |intent| intent.extent.delegation = Some(lent()),
        |intent| intent.sig_id = SignatureId::new(Uuid::from_u128(9)),
    ];
    for alter in alter {
        let mut other = intent();
        alter(&mut other);
        assert_ne!(other.challenge().unwrap(), challenge, "{other:?}");
    }
}

fn lent() -> UsedDelegation {
    let id = crate::DelegationId::new(Uuid::from_u128(7));
    UsedDelegation { id, on_behalf_of: PersonId::new(Uuid::from_u128(8)), name: "Rolf".to_owned() }
}

#[test]
fn an_intent_for_the_whole_change_is_written_as_before_and_one_for_a_stage_is_read_back() {
    let text = serde_json::to_string(&intent()).unwrap();
    assert!(!text.contains("stage") && !text.contains("delegation") && !text.contains("extent"), "{text}");
    let extent = Extent { stage: Some(2), delegation: Some(lent()) };
    let partial = Intent { extent, ..intent() };
    let back: Intent = serde_json::from_str(&serde_json::to_string(&partial).unwrap()).unwrap();
    assert_eq!(back, partial);
}

#[test]
fn an_intent_read_back_from_a_record_has_the_same_challenge() {
    let text = serde_json::to_string(&intent()).unwrap();
    let back: Intent = serde_json::from_str(&text).unwrap();
    assert_eq!(back.challenge().unwrap(), intent().challenge().unwrap());
}

#[test]
fn what_breaks_a_line_or_turns_the_order_of_characters_is_not_shown() {
    for c in "\n\r\t\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{61c}".chars() {
        assert!(disorders(c), "{c:?}");
    }
    assert!(!"Ana Conceição – 日本 שלום 100%".chars().any(disorders));
}

#[test]
fn the_ledger_learns_nothing_of_what_somebody_is_called_or_wrote() {
    let signature = Signature {
        id: SignatureId::new(Uuid::from_u128(1)),
        tenant: "mercy".parse().unwrap(),
        change: ChangeId::new(Uuid::from_u128(4)),
        person: PersonId::new(Uuid::from_u128(2)),
        digest: Digest::of("manifest"),
        meaning: Meaning::Approval,
        binding: SignatureBinding::Server,
        signed_at: Timestamp::from_millis(0),
        envelope: serde_json::to_string(&intent()).unwrap(),
    };
    let shown = signature.shown().to_string();
    assert!(!shown.contains("Ana") && !shown.contains("read"), "{shown}");
}

fn lines(write: impl FnOnce(&mut dyn FnMut(&str, &str))) -> Vec<String> {
    let mut lines = Vec::new();
    write(&mut |name, value| lines.push(format!("{name}: {value}")));
    lines
}

fn reference(name: &str) -> crate::PluginRef {
    crate::PluginRef { name: name.to_owned(), version: "1.0.0".to_owned(), digest: Digest::of(name) }
}

#[test]
fn who_signs_sees_how_it_gets_there_and_what_watches_it() {
    let mut manifest: crate::Manifest = serde_json::from_value(serde_json::json!({
        "v": 1, "tenant": "mercy", "environment": "production", "kind": "release", "title": "2.0", "description": "",
        "artifacts": [], "selector": {}, "population": { "size": 0, "digest": Digest::of(""), "groups": {} },
        "health": [], "gates": [], "bundle": Digest::of("bundle"), "rollback": [], "silent_after_ms": 1,
        "judge_every_ms": 1,
    }))
    .unwrap();
    manifest.strategy = Some(crate::StrategyBinding {
        plugin: reference("staged"),
        settings: serde_json::json!({ "steps": 2 }),
        plan: vec![
            crate::Stage {
                name: "canary".to_owned(),
                exposure: crate::Exposure::Percent { basis_points: 505 },
                hold_ms: 60_000,
            },
            crate::Stage { name: "all".to_owned(), exposure: crate::Exposure::All, hold_ms: 0 },
        ],
    });
    manifest.health = vec![crate::HealthBinding {
        id: Some("alarms".to_owned()),
        plugin: reference("thresholds"),
        settings: serde_json::json!({ "max": 3 }),
        mode: crate::GateMode::Monitor,
    }];
    let shown = lines(|line| plan(&mut |name, value| line(name, value), &manifest)).join("\n");
    for part in [
        &format!("Strategy: staged 1.0.0 ({}) with {{\"steps\":2}}", Digest::of("staged")),
        "Stage 0: canary: 5.05 %, then good for 60000 ms",
        "Stage 1: all: everybody, then good for 0 ms",
        &format!(
            "Health check: alarms: thresholds 1.0.0 ({}) with {{\"max\":3}}, mode \"monitor\"",
            Digest::of("thresholds")
        ),
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
}

#[test]
fn who_signs_a_plugin_or_policy_change_sees_each_step_with_what_was_before() {
    let sources =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let group = crate::GateGroup { expression: "a && b".to_owned(), mode: crate::GateMode::Enforce };
    let plan = crate::PluginPlan {
        steps: vec![
            crate::PluginStep::Activate { name: "sbom".to_owned(), from: None, to: reference("sbom") },
            crate::PluginStep::Deactivate { name: "old".to_owned(), from: reference("old") },
            crate::PluginStep::Grant {
                plugin: "sbom".to_owned(),
                from: sources(&[]),
                to: sources(&["document"]),
            },
            crate::PluginStep::Ungroup { name: "both".to_owned(), from: group },
        ],
        signers: [(Digest::of("sbom"), [("key-1".to_owned(), "Vera's team".to_owned())].into())].into(),
    };
    let shown = lines(|line| steps(&mut |name, value| line(name, value), &plan));
    assert_eq!(
        shown,
        [
            format!("Step 0: activate sbom: sbom 1.0.0 ({}) in place of nothing", Digest::of("sbom")),
            format!("Step 1: deactivate old: old 1.0.0 ({})", Digest::of("old")),
            "Step 2: grant sbom: [\"document\"] in place of []".to_owned(),
            "Step 3: ungroup both: {\"expression\":\"a && b\",\"mode\":\"enforce\"}".to_owned(),
            format!("Vouched for: {} by {{\"key-1\":\"Vera's team\"}}", Digest::of("sbom")),
        ]
    );
    let bundle = |revision: u64| crate::BundleRef {
        digest: Digest::of(revision.to_string()),
        name: "mercy".to_owned(),
        revision,
    };
    let plan = crate::PolicyPlan {
        from: bundle(6),
        to: bundle(7),
        added: vec!["wards.icu".to_owned()],
        removed: vec!["approvals.profile".to_owned()],
        altered: vec![],
        weakens: vec!["`approvals.profile` is gone".to_owned()],
        source: None,
    };
    let shown = lines(|line| policies(&mut |name, value| line(name, value), &plan));
    assert_eq!(
        shown,
        [
            format!("Policies before: mercy revision 6 ({})", Digest::of("6")),
            format!("Policies after: mercy revision 7 ({})", Digest::of("7")),
            "Added policy: wards.icu".to_owned(),
            "Removed policy: approvals.profile".to_owned(),
            "Weakens: `approvals.profile` is gone".to_owned(),
        ]
    );
}
