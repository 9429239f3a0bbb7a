use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use ed25519_dalek::{Signer as _, SigningKey};
use interlock_plugin_sdk::testing::{self, Evidence, NOON};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::*;
use crate::envelope::{PAYLOAD_TYPE, pae};

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> String {
    STANDARD.encode(signing(seed).verifying_key().as_bytes())
}

fn settings(altered: Value) -> Value {
    let mut settings = json!({
        "builders": ["https://builds.example.com/", "https://ci.example.com/runner"],
        "keys": [{ "signer": "ana", "public_key": public(1) }, { "signer": "bea", "public_key": public(2) }],
    });
    settings.as_object_mut().unwrap().extend(altered.as_object().unwrap().clone());
    settings
}

fn sha256() -> String {
    testing::change().artifacts[0].digest.trim_start_matches("sha256:").to_owned()
}

fn statement(builder: &str, subject: Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://ci.example.com/make",
                "resolvedDependencies": [{ "uri": "git+https://git.example.com/pump" }],
            },
            "runDetails": { "builder": { "id": builder } },
        },
    })
}

fn good() -> Value {
    statement("https://builds.example.com/linux", json!([{ "digest": { "sha256": sha256() } }]))
}

fn envelope(statement: &Value, seeds: &[u8]) -> Value {
    let payload = statement.to_string();
    let message = pae(PAYLOAD_TYPE.as_bytes(), payload.as_bytes());
    let sign = |seed: &u8| json!({ "sig": STANDARD.encode(signing(*seed).sign(&message).to_bytes()) });
    json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": STANDARD.encode(&payload),
        "signatures": seeds.iter().map(sign).collect::<Vec<_>>(),
    })
}

fn codes_with(document: impl ToString, altered: Value) -> Vec<String> {
    let change = testing::change();
    let key = format!("{}/provenance", change.artifacts[0].digest);
    let evidence = Evidence::new().json("document", &key, document);
    let verdict =
        evidence.during(|| testing::evaluate::<super::Provenance>(&change, settings(altered), NOON)).unwrap();
    verdict.findings.into_iter().map(|finding| finding.code).collect()
}

fn codes(document: impl ToString) -> Vec<String> {
    codes_with(document, json!({}))
}

/// The example of the specification: <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>.
#[test]
fn the_vector_of_the_dsse_specification_verifies() {
    let message = pae(b"http://example.com/HelloWorld", b"hello world");
    assert_eq!(message, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    let pem = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr\n\
        CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==\n\
        -----END PUBLIC KEY-----\n";
    let key = Key::read("specification", pem).unwrap();
    let fixed = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";
    let der =
        "MEQCIANyarEBrVbCdjtsaqyOSHJ14qeRk6CdxfhZ2fjvPEo7AiBR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";
    for signature in [fixed, der].map(|text| STANDARD.decode(text).unwrap()) {
        assert!(key.verifies(&message, &signature));
        assert!(!key.verifies(b"DSSEv1 29 http://example.com/HelloWorld 11 hello World", &signature));
        assert!(!Key::read("ana", &public(1)).unwrap().verifies(&message, &signature));
    }
}

#[test]
fn lengths_are_in_bytes() {
    assert_eq!(pae(b"", b""), b"DSSEv1 0  0 ");
    assert_eq!(pae("é".as_bytes(), b"1 2"), "DSSEv1 2 é 3 1 2".as_bytes());
}

#[test]
fn keys_are_read_in_every_form() {
    let spki = [
        &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..],
        signing(1).verifying_key().as_bytes(),
    ]
    .concat();
    let raw = Key::read("ana", &public(1)).unwrap();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
    for text in [STANDARD.encode(&spki), pem] {
        assert!(raw.is(&Key::read("ana", &text).unwrap()), "{text}");
    }
    let weak = STANDARD.encode([0_u8; 32]);
    for bad in ["", "?", "c2VjcmV0", weak.as_str(), "-----BEGIN PUBLIC KEY-----"] {
        assert!(Key::read("ana", bad).is_err(), "{bad}");
    }
}

#[test]
fn good_provenance_passes() {
    assert_eq!(codes(envelope(&good(), &[1])), [""; 0]);
    assert_eq!(
        codes(envelope(&statement("https://ci.example.com/runner", good()["subject"].clone()), &[2])),
        [""; 0]
    );
    let everything = json!({
        "min_signers": 2, "build_types": ["https://ci.example.com/make"], "materials": ["git+https://git.example.com/"]
    });
    assert_eq!(codes_with(envelope(&good(), &[2, 1]), everything), [""; 0]);
}

#[test]
fn both_alphabets_of_base64_are_read() {
    let mut url_safe = envelope(&good(), &[1]);
    let payload = STANDARD.decode(url_safe["payload"].as_str().unwrap()).unwrap();
    url_safe["payload"] = URL_SAFE.encode(payload).trim_end_matches('=').into();
    let signature = STANDARD.decode(url_safe["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    url_safe["signatures"][0]["sig"] = URL_SAFE.encode(signature).into();
    assert_eq!(codes(url_safe), [""; 0]);
}

#[test]
fn one_subject_of_several_may_be_the_artifact() {
    let subject = |subject| codes(envelope(&statement("https://builds.example.com/x", subject), &[1]));
    let mine = json!({ "name": "b", "digest": { "sha512": "00", "sha256": sha256().to_uppercase() } });
    assert_eq!(subject(json!([{ "name": "a", "digest": { "sha256": "00" } }, mine])), [""; 0]);
    for other in [
        json!([]),
        json!([{ "name": "a" }]),
        json!([{ "digest": { "sha256": "00" } }]),
        json!([{ "digest": { "sha512": sha256() } }]),
        json!([{ "digest": { "sha256": &sha256()[..63] } }]),
    ] {
        assert_eq!(subject(other.clone()), ["provenance-other-subject"], "{other}");
    }
    let mut without = good();
    without.as_object_mut().unwrap().remove("subject");
    assert_eq!(codes(envelope(&without, &[1])), ["provenance-other-subject"]);
}

#[test]
fn older_provenance_is_read_as_well() {
    let older = |builder: &str| {
        json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "subject": good()["subject"],
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "predicate": { "builder": { "id": builder }, "buildType": "x", "materials": [{ "uri": "git+https://elsewhere/" }] },
        })
    };
    assert_eq!(codes(envelope(&older("https://builds.example.com/x"), &[1])), [""; 0]);
    assert_eq!(codes(envelope(&older("https://evil.example.com/x"), &[1])), ["provenance-builder"]);
    let strict = json!({ "build_types": ["y"], "materials": ["git+https://git.example.com/"] });
    let found = codes_with(envelope(&older("https://builds.example.com/x"), &[1]), strict);
    assert_eq!(found, ["provenance-build-type", "provenance-materials"]);
}

#[test]
fn builders_are_whole_or_below_a_prefix() {
    for builder in [
        "https://ci.example.com/runner/2",
        "https://ci.example.com/runner2",
        "https://ci.example.com",
        "https://builds.example.com",
        "https://builds.example.com.evil.org/",
        "https://builds.example.com/../evil",
        "https://builds.example.com/%2E%2e/evil",
        "HTTPS://builds.example.com/x",
        "",
    ] {
        let found = codes(envelope(&statement(builder, good()["subject"].clone()), &[1]));
        assert_eq!(found, ["provenance-builder"], "{builder}");
    }
}

#[test]
fn a_signer_counts_once_and_key_ids_do_not_count() {
    let two = json!({ "min_signers": 2 });
    assert_eq!(codes_with(envelope(&good(), &[1, 1, 3]), two.clone()), ["provenance-signature"]);
    let mut lying = envelope(&good(), &[1, 2]);
    for signature in lying["signatures"].as_array_mut().unwrap() {
        signature["keyid"] = "bea".into();
    }
    assert_eq!(codes_with(lying, two), [""; 0]);
    // Two keys of one signer are one signer.
    let keys = json!({ "min_signers": 2, "keys": [
        { "signer": "ana", "public_key": public(1) }, { "signer": "ana", "public_key": public(2) },
        { "signer": "bea", "public_key": public(3) },
    ] });
    assert_eq!(codes_with(envelope(&good(), &[1, 2]), keys), ["provenance-signature"]);
    assert_eq!(codes(envelope(&good(), &[])), ["provenance-signature"]);
    assert_eq!(codes(envelope(&good(), &[3])), ["provenance-signature"]);
}

#[test]
fn what_was_altered_after_signing_fails() {
    let mut payload = envelope(&good(), &[1]);
    payload["payload"] =
        envelope(&statement("https://builds.example.com/y", good()["subject"].clone()), &[3])["payload"]
            .clone();
    assert_eq!(codes(payload), ["provenance-signature"]);
    let mut other_type = envelope(&good(), &[1]);
    other_type["payloadType"] = "application/json".into();
    assert_eq!(codes(other_type), ["provenance-malformed"]);
}

#[test]
fn one_good_envelope_of_several_is_enough() {
    let bad = envelope(&statement("https://evil.example.com/", good()["subject"].clone()), &[1]);
    let good = envelope(&good(), &[1]);
    assert_eq!(codes(format!("{bad}\n{good}\n")), [""; 0]);
    assert_eq!(codes(json!([bad, good])), [""; 0]);
    assert_eq!(codes(json!({ "mediaType": "bundle", "dsseEnvelope": good })), [""; 0]);
    // Two halves do not make a whole: signers are counted for each envelope.
    let other = envelope(&self::good(), &[2]);
    assert_eq!(codes_with(format!("{good}\n{other}"), json!({ "min_signers": 2 })).len(), 2);
}

#[test]
fn what_cannot_be_read_fails_and_is_no_trap() {
    let signed = |statement: Value| codes(envelope(&statement, &[1]));
    let altered = |field: &str, value: Value| {
        let mut statement = good();
        statement[field] = value;
        signed(statement)
    };
    let malformed = ["provenance-malformed"];
    assert_eq!(altered("_type", json!("https://in-toto.io/Statement/v2")), malformed);
    assert_eq!(altered("predicateType", json!("https://slsa.dev/provenance/v0.1")), malformed);
    assert_eq!(altered("predicate", json!({})), malformed);
    assert_eq!(
        altered("predicate", json!({ "buildDefinition": { "buildType": "x" }, "runDetails": {} })),
        malformed
    );
    assert_eq!(altered("subject", json!({})), malformed);
    let mut many = envelope(&good(), &[1]);
    many["signatures"] = (0..11).map(|_| json!({ "sig": "" })).collect();
    let lines = vec![envelope(&good(), &[3]).to_string(); 11].join("\n");
    for document in [
        "",
        "{",
        "[]",
        "7",
        r#"{"payload":"","payloadType":"","signatures":[{"sig":"!"}]}"#,
        &many.to_string(),
        &lines,
    ] {
        assert_eq!(codes(document), malformed, "{document}");
    }
}

#[test]
fn missing_provenance_fails_and_a_refusal_is_a_fault() {
    let change = testing::change();
    let evaluate = || testing::evaluate::<super::Provenance>(&change, settings(json!({})), NOON);
    assert_eq!(evaluate().unwrap().findings[0].code, "provenance-missing");
    let key = format!("{}/provenance", change.artifacts[0].digest);
    let refused =
        Evidence::new().refusing("document", &key, Refusal::Unavailable("down".into())).during(evaluate);
    assert!(matches!(refused, Err(Fault::Evidence(_))), "{refused:?}");
}

#[test]
fn settings_are_refused_by_their_path() {
    let twice =
        json!([{ "signer": "ana", "public_key": public(1) }, { "signer": "bea", "public_key": public(1) }]);
    for (altered, path) in [
        (json!({ "builders": [] }), "/builders"),
        (json!({ "builders": ["/"] }), "/builders/0"),
        (json!({ "build_types": [""] }), "/build_types/0"),
        (json!({ "keys": [] }), "/keys"),
        (json!({ "keys": twice }), "/keys/1/public_key"),
        (json!({ "keys": [{ "signer": "", "public_key": public(1) }] }), "/keys/0/signer"),
        (json!({ "min_signers": 0 }), "/min_signers"),
        (json!({ "min_signers": 3 }), "/min_signers"),
    ] {
        let problems = testing::check_settings::<super::Provenance>(settings(altered.clone()));
        assert_eq!(
            problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(),
            [path],
            "{altered}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Otherwise one signature would be good for two things.
    #[test]
    fn no_two_payloads_are_encoded_alike(a in any::<(Vec<u8>, Vec<u8>)>(), b in any::<(Vec<u8>, Vec<u8>)>()) {
        prop_assert_eq!(pae(&a.0, &a.1) == pae(&b.0, &b.1), a == b);
    }

    #[test]
    fn a_flipped_bit_of_payload_or_signature_is_noticed(at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
        let message = pae(PAYLOAD_TYPE.as_bytes(), good().to_string().as_bytes());
        let (mut signature, key) = (signing(1).sign(&message).to_bytes(), Key::read("ana", &public(1)).unwrap());
        prop_assert!(key.verifies(&message, &signature));
        let mut altered = message.clone();
        let index = at.index(altered.len());
        altered[index] ^= 1 << bit;
        prop_assert!(!key.verifies(&altered, &signature));
        let index = at.index(signature.len());
        signature[index] ^= 1 << bit;
        prop_assert!(!key.verifies(&message, &signature));
    }

    #[test]
    fn any_document_gets_an_answer(document in ".{0,200}") {
        prop_assert!(!codes(document).is_empty());
    }
}

#[test]
fn the_example_in_the_readme_fits() {
    let example = testing::readme_example(include_str!("../README.md"));
    assert_eq!(testing::check_settings::<super::Provenance>(example), []);
}
