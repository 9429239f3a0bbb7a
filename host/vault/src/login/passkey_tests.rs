use super::*;
use crate::login::testing::Authenticator;

const PAGE: &str = "https://gate.mercy.example";
const DOMAIN: &str = "mercy.example";
const CHALLENGE: &[u8] = b"thirty-two bytes, or any number.";

fn party() -> RelyingParty {
    RelyingParty { id: DOMAIN.to_owned(), origins: vec![PAGE.to_owned()] }
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(CHALLENGE)
}

#[test]
fn both_kinds_of_passkey_are_made_and_answer() {
    for mut key in [Authenticator::new(DOMAIN, PAGE), Authenticator::ed25519(DOMAIN, PAGE)] {
        let made = register(&party(), CHALLENGE, &key.register(&challenge())).unwrap();
        let answer = key.answer(&challenge());
        assert_eq!(answer.credential, made.id);
        assert_eq!(verify(&party(), CHALLENGE, &made.key, &answer), Ok(0));
        let other = register(&party(), CHALLENGE, &Authenticator::new(DOMAIN, PAGE).register(&challenge()));
        assert_eq!(
            verify(&party(), CHALLENGE, &other.unwrap().key, &answer),
            Err(PasskeyError::Signature),
            "by another key"
        );
    }
}

#[test]
fn an_answer_to_anything_else_is_none() {
    let mut key = Authenticator::new(DOMAIN, PAGE);
    let made = register(&party(), CHALLENGE, &key.register(&challenge())).unwrap();
    let refused = |answer: &Assertion| verify(&party(), CHALLENGE, &made.key, answer).unwrap_err();
    assert_eq!(refused(&key.answer("YW5vdGhlcg")), PasskeyError::Other("challenge"));
    key.origin = "https://gate.mercy.example.evil.test".to_owned();
    assert_eq!(refused(&key.answer(&challenge())), PasskeyError::Other("origin"));
    key.origin = PAGE.to_owned();
    key.rp_id = "evil.test".to_owned();
    assert_eq!(refused(&key.answer(&challenge())), PasskeyError::Other("relying party"));
    key.rp_id = DOMAIN.to_owned();
    key.verifies = false;
    assert_eq!(refused(&key.answer(&challenge())), PasskeyError::Unverified);
    key.verifies = true;
    let good = key.answer(&challenge());
    let made_as_answer = Assertion { client_data: key.register(&challenge()).client_data, ..good.clone() };
    assert_eq!(refused(&made_as_answer), PasskeyError::Other("type"));
    let altered = Assertion { authenticator_data: good.authenticator_data.replace('A', "B"), ..good.clone() };
    assert_ne!(altered, good);
    refused(&altered);
    for (name, broken) in [
        ("client_data", Assertion { client_data: "!".to_owned(), ..good.clone() }),
        ("authenticator_data", Assertion { authenticator_data: "AA".to_owned(), ..good.clone() }),
        ("signature", Assertion { signature: "A".repeat(20_000), ..good.clone() }),
    ] {
        assert_eq!(refused(&broken), PasskeyError::Unreadable(name));
    }
}

#[test]
fn a_registration_of_anything_else_is_none() {
    let mut key = Authenticator::new(DOMAIN, PAGE);
    let refused = |given: &Registration| register(&party(), CHALLENGE, given).unwrap_err();
    assert_eq!(refused(&key.register("YW5vdGhlcg")), PasskeyError::Other("challenge"));
    key.verifies = false;
    assert_eq!(refused(&key.register(&challenge())), PasskeyError::Unverified);
    key.verifies = true;
    let good = key.register(&challenge());
    let object = URL_SAFE_NO_PAD.decode(&good.attestation_object).unwrap();
    for at in 0..object.len() {
        let cut = URL_SAFE_NO_PAD.encode(object.get(..at).unwrap());
        refused(&Registration { attestation_object: cut, ..good.clone() });
    }
    let mut said = object;
    let at = said.windows(4).position(|word| word == b"none").unwrap();
    said.splice(at..at + 4, *b"self");
    let said = Registration { attestation_object: URL_SAFE_NO_PAD.encode(said), ..good };
    assert_eq!(refused(&said), PasskeyError::Attestation);
}
