use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::canonical::to_canonical;
use crate::keys::SigningKey;
use crate::tree::leaf_hash;

const ORIGIN: &str = "interlock.example.com/ledger/t1";

fn emitter() -> Emitter {
    Emitter::new(SigningKey::from_seed("node-3", &[3; 32]).unwrap())
}

fn trusted() -> Keyring {
    [emitter().verifying_key().clone()].into_iter().collect()
}

fn draft() -> EntryDraft {
    EntryDraft {
        id: "0190a3f2-7b1e-7c44-9d3e-5a6b7c8d9e0f".into(),
        ts_ms: 1_795_197_600_123,
        kind: "change.approved".into(),
        tenant: "t1".into(),
        actor: Actor { account: "a-9".into(), auth: Some("webauthn-uv".into()), person: Some("p-17".into()) },
        object: Object { digest: Some(Digest::of("manifest")), id: "c-55".into(), kind: "change".into() },
        before: Some(Digest::of("before")),
        after: Some(Digest::of("after")),
        data: Some(Digest::of("payload")),
        outcome: Some("allow".into()),
        policy: Some(PolicyRef { bundle: Digest::of("bundle"), determining: vec!["p12".into()] }),
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    }
}

fn sealed() -> Sealed {
    draft().seal(ORIGIN, 10_423, [7; 32], &emitter()).unwrap()
}

fn refusal(body: &[u8]) -> String {
    Entry::parse(body).unwrap_err().to_string()
}

/// The body with one change to its JSON, in canonical form again.
fn altered(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = parse_strict(&sealed().body).unwrap();
    change(&mut value);
    to_canonical(&value).unwrap()
}

#[test]
fn a_leaf_is_written_as_the_contract_says() {
    insta::assert_snapshot!(String::from_utf8(sealed().body).unwrap(), @r#"{"actor":{"account":"a-9","auth":"webauthn-uv","person":"p-17"},"after":"sha256:f39592393ef0859cb196a52693d2cea00fb2df784b3c04ae54aa7cadb8e562f8","before":"sha256:6db7d803e74f1ffa7d8f5adc0bf95b3e15bf4c8373fffadf546227cc6c6742cb","data":"sha256:239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5","emitter":{"key":"node-3+4306cbe3","sig":"9F2CyVC0EwZyr8OYVDiP0JopCWPb1JT9SmVBsx76Fheq5meifbzPb+W8io+6XleQ46vJZfcecCEfUh8SfPGOBA=="},"id":"0190a3f2-7b1e-7c44-9d3e-5a6b7c8d9e0f","idx":"10423","object":{"digest":"sha256:05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f","id":"c-55","type":"change"},"origin":"interlock.example.com/ledger/t1","outcome":"allow","policy":{"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","determining":["p12"]},"prev":"0707070707070707070707070707070707070707070707070707070707070707","tenant":"t1","trace":"4bf92f3577b34da6a3ce929d0e0e4736","ts":"2026-11-20T18:00:00.123Z","type":"change.approved","v":1}"#);
}

#[test]
fn a_leaf_reads_back_and_is_the_canonical_form_of_itself() {
    let bare = EntryDraft {
        actor: Actor { account: "system".into(), ..Actor::default() },
        object: Object { digest: None, ..draft().object },
        before: None,
        after: None,
        data: None,
        outcome: None,
        policy: None,
        trace: None,
        ..draft()
    };
    for draft in [draft(), bare, EntryDraft { tenant: "t\"\\/é\u{1f600}".into(), ..draft() }] {
        let sealed = draft.clone().seal(ORIGIN, u64::MAX, [7; 32], &emitter()).unwrap();
        assert_eq!(to_canonical(&parse_strict(&sealed.body).unwrap()).unwrap(), sealed.body);
        assert_eq!(sealed.leaf_hash, leaf_hash(&sealed.body));
        let entry = Entry::parse(&sealed.body).unwrap();
        assert_eq!((entry.idx, entry.prev, entry.ts_ms), (u64::MAX, [7; 32], draft.ts_ms));
        assert_eq!(
            (entry.kind.as_str(), &entry.actor, &entry.object),
            ("change.approved", &draft.actor, &draft.object)
        );
        assert_eq!((entry.before, entry.after, entry.data), (draft.before, draft.after, draft.data));
        assert_eq!((entry.outcome, entry.policy, entry.trace), (draft.outcome, draft.policy, draft.trace));
    }
}

#[test]
fn the_signature_covers_all_but_the_place() {
    let entry = Entry::parse(&sealed().body).unwrap();
    let mut value = parse_strict(&sealed().body).unwrap();
    for key in ["idx", "prev"] {
        value.as_object_mut().unwrap().remove(key).unwrap();
    }
    value["emitter"].as_object_mut().unwrap().remove("sig").unwrap();
    assert_eq!(entry.statement().unwrap(), to_canonical(&value).unwrap());

    let signed = |body: &[u8]| Entry::parse(body).unwrap().is_signed_by(&trusted()).unwrap();
    assert_eq!(signed(&sealed().body), Some(true));
    let moved = draft().seal(ORIGIN, 3, [9; 32], &emitter()).unwrap();
    assert_eq!(Entry::parse(&moved.body).unwrap().emitter, entry.emitter);
    assert_eq!(signed(&altered(|v| v["outcome"] = json!("deny"))), Some(false));
    assert_eq!(signed(&altered(|v| v["origin"] = json!("elsewhere"))), Some(false));
    assert_eq!(signed(&altered(|v| v["emitter"]["sig"] = json!("AAAA"))), Some(false));
    assert_eq!(signed(&altered(|v| v["emitter"]["sig"] = json!("?"))), Some(false));
    assert_eq!(signed(&altered(|v| v["emitter"]["key"] = json!("node-4+00000000"))), None);
}

#[test]
fn bodies_that_sealing_would_not_give_are_refused() {
    let body = String::from_utf8(sealed().body).unwrap();
    assert!(
        refusal(body.replace("\"v\":1", "\"v\":2").as_bytes()).starts_with("entry version `2` is unknown")
    );
    assert!(
        refusal(body.replace("\"v\":1", "\"new\":0,\"v\":2").as_bytes())
            .starts_with("entry version `2` is unknown")
    );
    assert!(
        refusal(body.replace("\"v\":1", "\"v\":256").as_bytes())
            .starts_with("entry version `256` is unknown")
    );
    assert!(refusal(body.replace("\"v\":1", "\"v\":1,\"v\":1").as_bytes()).contains("key `/v` stands twice"));
    assert!(refusal(body.replace("\"v\":1", "\"v\":9007199254740993").as_bytes()).contains("lies beyond"));
    assert!(refusal(body.replace("\"v\":1", "\"v\":1.5").as_bytes()).contains("`/v` is not an integer"));
    assert!(refusal(body.replace("\"v\":1", "\"v\":1,\"w\":1").as_bytes()).contains("unknown field `w`"));
    assert!(refusal(body.replace(",\"v\":1", "").as_bytes()).contains("missing field `v`"));
    assert!(refusal(&vec![b' '; 65_536]).contains("`65536` bytes"));
    for rewritten in [
        body.replace("\"v\":1", "\"v\": 1"),
        body.replace("\"10423\"", "\"010423\""),
        body.replace("\"10423\"", "\"+10423\""),
        body.replace("change.approved", "change\\u002eapproved"),
        body.replace(".123Z", ".1230Z"),
        body.replace(".123Z", ".123+00:00"),
        body.replace(",\"outcome\":\"allow\"", ",\"outcome\":null"),
        format!("{body}\n"),
    ] {
        assert_ne!(rewritten, body);
        assert_eq!(Entry::parse(rewritten.as_bytes()), Err(EntryError::NotCanonical), "{rewritten}");
    }
    assert!(refusal(body.replace("sha256:", "SHA256:").as_bytes()).contains("is no digest"));
    assert!(refusal(body.replace("\"idx\":\"10423\"", "\"idx\":10423").as_bytes()).contains("invalid type"));
    assert!(
        refusal(&altered(|v| v["ts"] = json!("yesterday"))).contains("`yesterday` is not an RFC 3339 time")
    );
}

#[test]
fn words_have_no_place_in_a_leaf() {
    let spoken = EntryDraft { outcome: Some("because Jane said so".into()), ..draft() };
    let error = spoken.seal(ORIGIN, 0, NO_PREDECESSOR, &emitter()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`because Jane said so` in `outcome` is no id: use 1 to 256 bytes without spaces, and put words into the payload"
    );
    for tenant in ["", "a\nb", "a\u{2003}b", &"x".repeat(257)] {
        let draft = EntryDraft { tenant: tenant.into(), ..draft() };
        assert!(matches!(draft.sign(ORIGIN, &emitter()), Err(EntryError::NoId { field: "tenant", .. })));
    }
    assert!(matches!(draft().sign("", &emitter()), Err(EntryError::NoId { field: "origin", .. })));
    assert!(
        refusal(&altered(|v| v["policy"]["determining"] = json!(["a b"]))).contains("policy.determining")
    );
}

#[test]
fn a_leaf_that_is_too_long_is_refused_when_signed_and_not_when_sealed() {
    let long = |count| {
        let determining = (0..count).map(|i| format!("{i:0>250}")).collect();
        EntryDraft { policy: Some(PolicyRef { bundle: Digest::of(""), determining }), ..draft() }
    };
    assert!(matches!(long(260).sign(ORIGIN, &emitter()), Err(EntryError::TooLong { .. })));
    assert!(long(250).seal(ORIGIN, u64::MAX, [7; 32], &emitter()).is_ok());
}

#[test]
fn times_that_cannot_be_written_are_refused() {
    for ts_ms in [i64::MIN, i64::MAX, -62_167_219_200_001] {
        let draft = EntryDraft { ts_ms, ..draft() };
        assert_eq!(draft.sign(ORIGIN, &emitter()), Err(EntryError::NoTime { ts_ms }));
    }
}

proptest! {
    #[test]
    fn every_time_reads_back(ts_ms in -62_167_219_200_000i64..253_402_207_200_000) {
        let sealed = EntryDraft { ts_ms, ..draft() }.seal(ORIGIN, 0, NO_PREDECESSOR, &emitter()).unwrap();
        prop_assert_eq!(Entry::parse(&sealed.body).unwrap().ts_ms, ts_ms);
    }

    #[test]
    fn no_single_byte_can_be_changed_in_silence(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut body = sealed().body;
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        // The place is guarded by the chain and the tree, all else already by form or signature.
        let signed = Entry::parse(&body).map(|e| (e.is_signed_by(&trusted()).unwrap(), e.idx, e.prev));
        if let Ok((Some(true), idx, prev)) = signed {
            prop_assert!(idx != 10_423 || prev != [7; 32]);
        }
    }
}
