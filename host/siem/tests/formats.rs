//! What each format looks like, and that nothing of an entry gets out of its place.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use interlock_siem::{Format, Happening, Severity, Source, framed, message};
use proptest::prelude::*;
use serde_json::{Value, json};

fn source() -> Source {
    Source {
        host: "gate.example.com".to_owned(),
        app: "interlock".to_owned(),
        version: "1.2.3".to_owned(),
        enterprise: 32_473,
    }
}

fn approved() -> Happening {
    Happening {
        log: "mercy".to_owned(),
        idx: 42,
        leaf_hash: "ab".repeat(32),
        part: None,
        id: "0193e0".to_owned(),
        at_ms: 1_764_344_096_789,
        kind: "change.approved".to_owned(),
        account: "acc_1".to_owned(),
        auth: Some("webauthn-uv".to_owned()),
        person: Some("per_1".to_owned()),
        object_kind: "change".to_owned(),
        object: "chg_1".to_owned(),
        outcome: Some("allow".to_owned()),
        policies: vec!["approvals.two".to_owned()],
        trace: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
    }
}

#[test]
fn an_entry_is_a_message_with_structured_data_and_a_sentence() {
    let text = message(&approved(), Format::StructuredData, &source());
    assert_eq!(
        text,
        format!(
            "<110>1 2025-11-28T15:34:56.789Z gate.example.com interlock - change.approved [interlock@32473 log=\"mercy\" \
             idx=\"42\" leaf_hash=\"{}\" id=\"0193e0\" account=\"acc_1\" person=\"per_1\" auth=\"webauthn-uv\" \
             object_type=\"change\" object=\"chg_1\" outcome=\"allow\" policies=\"approvals.two\" \
             trace=\"0af7651916cd43dd8448eb211c80319c\"] \u{feff}change.approved change chg_1 by acc_1: allow",
            "ab".repeat(32)
        )
    );
    assert_eq!(framed("<1>é"), "5 <1>é".as_bytes(), "octets are counted, not letters");
}

#[test]
fn an_entry_is_an_event_of_ocsf() {
    let text = message(&approved(), Format::Ocsf, &source());
    let event: Value = serde_json::from_str(text.split_once('\u{feff}').unwrap().1).unwrap();
    assert_eq!(event["class_uid"], 6003);
    assert_eq!(event["type_uid"], 600_399);
    assert_eq!(event["unmapped"]["leaf_hash"], "ab".repeat(32));
    assert_eq!(
        (&event["metadata"]["log_name"], &event["metadata"]["sequence"]),
        (&json!("mercy"), &json!(42))
    );
    for (kind, type_uid, status) in [
        ("session.begun", 300_201, "Success"),
        ("session.ended", 300_202, "Success"),
        ("login.failed", 300_201, "Failure"),
        ("login.locked", 300_109, "Success"),
        ("delegation.created", 300_501, "Success"),
        ("access.revoked", 300_502, "Success"),
        ("key.created", 300_199, "Success"),
        ("change.proposed", 600_301, "Success"),
    ] {
        let text = message(&Happening { kind: kind.to_owned(), ..approved() }, Format::Ocsf, &source());
        let event: Value = serde_json::from_str(text.split_once('\u{feff}').unwrap().1).unwrap();
        assert_eq!((&event["type_uid"], &event["status"]), (&json!(type_uid), &json!(status)), "{kind}");
        // What the schema demands of every event, and of these classes.
        for field in
            ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"]
        {
            assert!(event.get(field).is_some(), "{kind} lacks {field}");
        }
        let demanded = if type_uid >= 600_300 { "api" } else { "user" };
        assert!(event.get(demanded).is_some(), "{kind} lacks {demanded}");
    }
}

#[test]
fn an_entry_is_an_event_of_cef() {
    let text = message(&approved(), Format::Cef, &source());
    let event = text.split_once('\u{feff}').unwrap().1;
    assert!(
        event.starts_with(
            "CEF:0|Interlock|Interlock|1.2.3|change.approved|change.approved change chg_1 by acc_1: allow|1|"
        ),
        "{event}"
    );
    for field in
        ["rt=1764344096789", "cn1Label=idx cn1=42", "cs1Label=log cs1=mercy", "outcome=allow", "suser=acc_1"]
    {
        assert!(event.contains(field), "{field} in {event}");
    }
}

#[test]
fn what_somebody_has_to_look_at_is_louder() {
    let severity = |kind: &str, outcome: Option<&str>| {
        let outcome = outcome.map(str::to_owned);
        Happening { kind: kind.to_owned(), outcome, ..approved() }.severity()
    };
    assert_eq!(severity("change.glass_broken", None), Severity::Error);
    assert_eq!(severity("rollout.rollback_begun", None), Severity::Warning);
    assert_eq!(severity("decision.policy", Some("deny")), Severity::Notice);
    assert_eq!(severity("decision.policy", Some("allow")), Severity::Informational);
}

/// The parameters of structured data, read as RFC 5424 says, and what follows them.
fn parameters(data: &str) -> (Vec<(String, String)>, &str) {
    let mut rest = data.strip_prefix("[interlock@32473").unwrap();
    let mut found = Vec::new();
    while let Some(more) = rest.strip_prefix(' ') {
        let (name, value) = more.split_once("=\"").unwrap();
        let (mut text, mut characters) = (String::new(), value.char_indices());
        let end = loop {
            match characters.next().unwrap() {
                (_, '\\') => text.push(characters.next().unwrap().1),
                (at, '"') => break at,
                (_, other) => text.push(other),
            }
        };
        found.push((name.to_owned(), text));
        rest = &value[end + 1..];
    }
    (found, rest.strip_prefix(']').unwrap())
}

/// The fields of a CEF extension: each begins behind a blank, with a name and a bare equals sign.
fn fields(extension: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for word in extension.split(' ') {
        let bare = word.find('=').filter(|at| !word[..*at].ends_with('\\'));
        match (bare, found.last_mut()) {
            (Some(at), _) => found.push((word[..at].to_owned(), word[at + 1..].to_owned())),
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) => panic!("{extension}"),
        }
    }
    let plain = |value: &str| value.replace("\\=", "=").replace("\\\\", "\\");
    found.into_iter().map(|(name, value)| (name, plain(&value))).collect()
}

proptest! {
    #[test]
    fn nothing_of_an_entry_gets_out_of_its_place(object in "[\\PC\n\r\t]{0,40}", account in "[a-z\"\\]\\[=|\\\\ ]{1,20}", kind in "[a-z. =|\"\\]]{1,50}") {
        let happening = Happening { object: object.clone(), account: account.clone(), kind, ..approved() };
        let text = message(&happening, Format::StructuredData, &source());
        prop_assert!(!text.chars().any(char::is_control));
        let words: Vec<&str> = text.splitn(7, ' ').collect();
        prop_assert_eq!(words.len(), 7);
        let (found, after) = parameters(words[6]);
        prop_assert!(after.starts_with(" \u{feff}"), "{}", after);
        let shown: String = object.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        prop_assert!(found.contains(&("object".to_owned(), shown.clone())));
        prop_assert!(found.contains(&("account".to_owned(), account.clone())));
        prop_assert_eq!(found.len(), 12);

        let text = message(&happening, Format::Cef, &source());
        prop_assert!(!text.chars().any(char::is_control));
        let event = text.split_once('\u{feff}').unwrap().1;
        // Seven bars that nobody escaped end the header's fields.
        let mut bars = 0;
        let mut after = event.char_indices();
        let begin = loop {
            match after.next() {
                Some((_, '\\')) => _ = after.next(),
                Some((at, '|')) => {
                    bars += 1;
                    if bars == 7 {
                        break at + 1;
                    }
                }
                Some(_) => {}
                None => prop_assert!(false, "{}", event),
            }
        };
        let found = fields(&event[begin..]);
        prop_assert!(found.iter().any(|(name, value)| name == "cn1" && value == "42"));
        prop_assert_eq!(found.iter().filter(|(name, _)| name == "suser").count(), 1);

        let text = message(&happening, Format::Ocsf, &source());
        let event: Value = serde_json::from_str(text.split_once('\u{feff}').unwrap().1).unwrap();
        prop_assert_eq!(&event["unmapped"]["object"]["uid"], &json!(object));
        prop_assert!(!text.contains('\n'));
    }
}
