use uuid::Uuid;

use super::*;

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
