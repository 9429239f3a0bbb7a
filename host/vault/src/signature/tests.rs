use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA512, RsaEncoding, RsaPssSaltLength,
};
use proptest::prelude::*;

use super::*;
use crate::signing::{SigningKey, testkeys};

const CONTENT: &[u8] = b"pump firmware";

fn now() -> Timestamp {
    "2026-11-20T18:00:00.000Z".parse().unwrap()
}

fn about() -> About<'static> {
    About { name: "pump-fw", version: "2.0", digest: Digest::of(CONTENT), size_bytes: CONTENT.len() as u64 }
}

fn statement() -> ArtifactStatement {
    ArtifactStatement {
        v: 1,
        name: "pump-fw".to_owned(),
        version: "2.0".to_owned(),
        digest: Digest::of(CONTENT),
        size_bytes: CONTENT.len() as u64,
        release_counter: 7,
        models: vec!["pump-x2".to_owned()],
        not_before: Some(now()),
        expires_at: Some(now()),
    }
}

fn trusted() -> TrustStore {
    let mut store = TrustStore::default();
    store.add("a", &testkeys::rsa4096_a().public_pem()).unwrap();
    store
}

fn outcome(signed: &SignedStatement) -> SignatureOutcome {
    verify(Some(signed), &about(), &trusted(), now()).outcome
}

/// Any text signed by key A in any way.
fn signed_as(pem: &str, encoding: &'static dyn RsaEncoding, text: &str) -> SignedStatement {
    let pair = testkeys::pair(pem);
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    SignedStatement {
        statement: text.to_owned(),
        signature: STANDARD.encode(signature),
        key_id: testkeys::rsa4096_a().key_id(),
    }
}

fn signed_text(text: &str) -> SignedStatement {
    signed_as(testkeys::RSA4096_A, &RSA_PSS_SHA512, text)
}

fn canonical() -> String {
    String::from_utf8(to_canonical(&statement()).unwrap()).unwrap()
}

fn check(encoding: &'static dyn RsaEncoding, expected: SignatureOutcome, detail: &str) {
    let facts =
        verify(Some(&signed_as(testkeys::RSA4096_A, encoding, &canonical())), &about(), &trusted(), now());
    assert_eq!((facts.outcome, facts.detail.as_str()), (expected, detail));
}

#[test]
fn a_sound_signature_over_this_artifact_is_verified() {
    let key = testkeys::rsa4096_a();
    let signed = key.sign(&statement()).unwrap();
    let facts = verify(Some(&signed), &about(), &trusted(), now());
    assert_eq!(facts.outcome, SignatureOutcome::Verified);
    assert_eq!(facts.key_id.as_deref(), Some(key.key_id().as_str()));
    assert_eq!(facts.detail, format!("`pump-fw` 2.0 is signed by trusted key `{}`", key.key_id()));
    assert_eq!(read_statement(&signed).unwrap(), statement());
    assert_eq!(verify(None, &about(), &trusted(), now()).outcome, SignatureOutcome::Missing);
}

#[test]
fn a_signature_made_another_way_is_refused_with_how_it_was_made() {
    use SignatureOutcome::{BadSignature, WrongPadding, WrongSalt};
    check(
        &RSA_PKCS1_SHA512,
        WrongPadding,
        "the signature is PKCS#1 v1.5 with SHA-512: sign with RSASSA-PSS, SHA-512 and a salt of 64 bytes",
    );
    check(
        &RSA_PKCS1_SHA256,
        WrongPadding,
        "the signature is PKCS#1 v1.5 with SHA-256: sign with RSASSA-PSS, SHA-512 and a salt of 64 bytes",
    );
    check(
        const { &RSA_PSS_SHA512.with_pss_salt_length(RsaPssSaltLength::Custom(32)) },
        WrongSalt,
        "the signature has a salt of 32 bytes: sign with a salt of 64 bytes",
    );
    check(
        const { &RSA_PSS_SHA512.with_pss_salt_length(RsaPssSaltLength::Custom(0)) },
        WrongSalt,
        "the signature has a salt of 0 bytes: sign with a salt of 64 bytes",
    );
    check(
        const { &RSA_PSS_SHA512.with_pss_salt_length(RsaPssSaltLength::Max) },
        WrongSalt,
        "the signature has a salt of 446 bytes: sign with a salt of 64 bytes",
    );
    check(
        &RSA_PSS_SHA256,
        BadSignature,
        "the signature is RSASSA-PSS with SHA-256 and a salt of 32 bytes: sign with SHA-512 and a salt of 64 bytes",
    );
}

#[test]
fn a_key_that_does_not_count_is_refused_before_anything_is_computed() {
    let signed = testkeys::rsa4096_a().sign(&statement()).unwrap();
    let facts = verify(Some(&signed), &about(), &TrustStore::default(), now());
    assert_eq!(facts.outcome, SignatureOutcome::UnknownKey);
    assert!(facts.detail.starts_with(&format!("no trusted key has id `{}`", signed.key_id)));

    let mut store = trusted();
    store.revoke(&signed.key_id);
    assert_eq!(verify(Some(&signed), &about(), &store, now()).outcome, SignatureOutcome::RevokedKey);
    // Revoked stays revoked when the key itself is no longer there.
    let mut store = TrustStore::default();
    store.revoke(&signed.key_id);
    assert_eq!(verify(Some(&signed), &about(), &store, now()).outcome, SignatureOutcome::RevokedKey);

    let mut store = TrustStore::default();
    let small = crate::pem::encode(crate::pem::PUBLIC_KEY, &testkeys::rsa2048_spki());
    let key_id = store.add("small", &small).unwrap().remove(0);
    let signed = SignedStatement { key_id, ..signed_as(testkeys::RSA2048, &RSA_PSS_SHA512, &canonical()) };
    let facts = verify(Some(&signed), &about(), &store, now());
    assert_eq!(facts.outcome, SignatureOutcome::KeyTooSmall);
    assert!(facts.detail.ends_with("has 2048 bits but at least 4096 are asked for: sign with a larger key"));
}

#[test]
fn a_signature_by_another_key_or_over_another_text_is_bad() {
    let signed = testkeys::rsa4096_a().sign(&statement()).unwrap();
    let of_b = testkeys::rsa4096_b().sign(&statement()).unwrap();
    for forged in [
        SignedStatement { signature: of_b.signature, ..signed.clone() },
        SignedStatement { statement: signed.statement.replace("\"2.0\"", "\"2.1\""), ..signed.clone() },
        // The signature is looked at before the statement: what is not even JSON is still a bad signature.
        SignedStatement { statement: "{".to_owned(), ..signed.clone() },
        SignedStatement { signature: String::new(), ..signed.clone() },
        SignedStatement { signature: "?".to_owned(), ..signed.clone() },
        SignedStatement { signature: STANDARD.encode([0xff; 512]), ..signed.clone() },
        SignedStatement { signature: STANDARD.encode([0; 512]), ..signed.clone() },
    ] {
        assert_eq!(outcome(&forged), SignatureOutcome::BadSignature, "{forged:?}");
    }
}

#[test]
fn a_signed_text_that_is_not_a_statement_is_malformed() {
    let text = canonical();
    for (wrong, reason) in [
        ("hello".to_owned(), "not valid JSON"),
        (text.replace("\"v\":1", "\"v\":2"), "it has `v` = 2 but only 1 is known"),
        (text.replace("\"v\":1", "\"v\":1.5"), "is not an integer"),
        (text.replace("\"v\":1", "\"v\": 1"), "it is not canonical JSON"),
        (text.replace("{\"digest\"", "{\"a\":1,\"digest\""), "unknown field `a`"),
        (text.replace("\"name\"", "\"name\":\"x\",\"name\""), "key `/name` stands twice"),
        (text.replace("\"release_counter\":7,", ""), "missing field `release_counter`"),
        (text.replace("sha256:", "sha512:"), "is no digest"),
    ] {
        let facts = verify(Some(&signed_text(&wrong)), &about(), &trusted(), now());
        assert_eq!(facts.outcome, SignatureOutcome::MalformedStatement, "{wrong}");
        assert!(facts.detail.contains(reason), "{}", facts.detail);
    }
    let long = " ".repeat(STATEMENT_BYTES_MAX + 1);
    assert_eq!(outcome(&signed_text(&long)), SignatureOutcome::MalformedStatement);
}

#[test]
fn a_statement_about_something_else_is_refused_with_what_differs() {
    let refused = |statement: ArtifactStatement| {
        let signed = testkeys::rsa4096_a().sign(&statement).unwrap();
        let facts = verify(Some(&signed), &about(), &trusted(), now());
        (facts.outcome, facts.detail)
    };
    let other_name = ArtifactStatement { name: "pump-ui".to_owned(), ..statement() };
    assert_eq!(
        refused(other_name),
        (
            SignatureOutcome::OtherArtifact,
            "the statement is about `pump-ui` 2.0 and not about `pump-fw` 2.0: push the statement that belongs to it"
                .to_owned()
        )
    );
    let other_version = ArtifactStatement { version: "1.9".to_owned(), ..statement() };
    assert_eq!(refused(other_version).0, SignatureOutcome::OtherArtifact);
    let other_size = ArtifactStatement { size_bytes: 14, digest: Digest::of("x"), ..statement() };
    assert_eq!(
        refused(other_size),
        (
            SignatureOutcome::SizeMismatch,
            "the statement is about 14 bytes but the content has 13: push the content that was signed"
                .to_owned()
        )
    );
    let other_content = ArtifactStatement { digest: Digest::of("pump firmwarE"), ..statement() };
    assert_eq!(refused(other_content).0, SignatureOutcome::DigestMismatch);
}

#[test]
fn a_statement_counts_from_its_first_to_its_last_millisecond() {
    let signed = testkeys::rsa4096_a().sign(&statement()).unwrap();
    let at = |now| verify(Some(&signed), &about(), &trusted(), now).outcome;
    assert_eq!(at(now().plus_millis(-1)), SignatureOutcome::NotYetValid);
    assert_eq!(at(now()), SignatureOutcome::Verified);
    assert_eq!(at(now().plus_millis(1)), SignatureOutcome::Expired);
    let open = ArtifactStatement { not_before: None, expires_at: None, ..statement() };
    assert_eq!(outcome(&testkeys::rsa4096_a().sign(&open).unwrap()), SignatureOutcome::Verified);
}

#[test]
fn a_signature_by_openssl_is_accepted() {
    let signed = SignedStatement {
        statement: include_str!("../../testkeys/openssl-statement.json").to_owned(),
        signature: include_str!("../../testkeys/openssl-signature.b64").to_owned(),
        key_id: testkeys::rsa4096_a().key_id(),
    };
    assert_eq!(signed.statement, canonical());
    assert_eq!(outcome(&signed), SignatureOutcome::Verified);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_changed_bit_anywhere_is_never_verified(bit in 0_usize..4096, in_text: bool) {
        static SIGNED: std::sync::OnceLock<SignedStatement> = std::sync::OnceLock::new();
        let mut signed = SIGNED.get_or_init(|| SigningKey::sign(&testkeys::rsa4096_a(), &statement()).unwrap()).clone();
        if in_text {
            let mut text = signed.statement.into_bytes();
            // The lowest six bits, so that the text stays ASCII.
            let at = bit / 6 % text.len();
            text[at] ^= 1 << (bit % 6);
            signed.statement = String::from_utf8(text).unwrap();
        } else {
            let mut signature = STANDARD.decode(&signed.signature).unwrap();
            signature[bit / 8] ^= 1 << (bit % 8);
            signed.signature = STANDARD.encode(signature);
        }
        prop_assert_eq!(outcome(&signed), SignatureOutcome::BadSignature);
    }

    #[test]
    fn no_text_makes_the_statement_reader_panic(statement in "[ -~]{0,60}|\\{\"v\":1(,\"[a-z_]{1,9}\":[0-9]{1,3}){0,4}\\}") {
        let signed = SignedStatement { statement, signature: String::new(), key_id: String::new() };
        prop_assert!(read_statement(&signed).is_err());
    }
}
