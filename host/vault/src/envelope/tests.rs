use proptest::prelude::*;

use super::*;

fn statement(digest: Digest) -> PluginStatement {
    let text = str::to_owned;
    PluginStatement {
        v: 1,
        name: text("size-limit"),
        version: text("1.0.0"),
        kind: text("compliance-gate"),
        digest,
    }
}

fn keys(count: usize) -> Vec<AuthorKey> {
    (0..count).map(|_| AuthorKey::generate().unwrap()).collect()
}

fn signed(digest: Digest, keys: &[&AuthorKey]) -> Envelope {
    let mut envelope = Envelope::new(&statement(digest)).unwrap();
    for key in keys {
        envelope.sign(key).unwrap();
    }
    envelope
}

fn trusted(keys: &[(&str, &AuthorKey)]) -> Signers {
    let mut signers = Signers::default();
    for (name, key) in keys {
        signers.add(name, &key.public_pem()).unwrap();
    }
    signers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is repeated, in envelopes or in names, a key counts once.
    #[test]
    fn distinct_keys_are_counted_and_never_entries(
        signing in prop::collection::vec(prop::collection::vec(0usize..4, 0..6), 0..4),
        trusting in prop::collection::vec(0usize..4, 0..8),
        drop_ids in any::<bool>(),
    ) {
        let keys = keys(4);
        let digest = Digest::of(b"component");
        let envelopes: Vec<Envelope> = signing.iter().map(|by| {
            let mut envelope = signed(digest, &by.iter().map(|key| &keys[*key]).collect::<Vec<_>>());
            // Entries that `sign` itself would not write twice.
            let again = envelope.signatures.clone();
            envelope.signatures.extend(again);
            if drop_ids {
                envelope.signatures.iter_mut().for_each(|signature| signature.keyid.clear());
            }
            envelope
        }).collect();
        let mut signers = Signers::default();
        for (number, key) in trusting.iter().enumerate() {
            signers.add(&format!("name-{number}"), &keys[*key].public_pem()).unwrap();
        }
        let expected: std::collections::BTreeSet<String> = signing.iter().flatten()
            .filter(|key| trusting.contains(key)).map(|key| keys[*key].key_id()).collect();
        let vouched = verify(&envelopes, digest, &signers);
        prop_assert_eq!(vouched.signers.into_keys().collect::<std::collections::BTreeSet<_>>(), expected);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(text in prop::collection::vec(any::<u8>(), 0..200), wrap in any::<bool>()) {
        let text = if wrap { format!(r#"{{"payload":"{}","payloadType":"x","signatures":[]}}"#, STANDARD.encode(&text)).into_bytes() } else { text };
        if let Ok(envelope) = Envelope::from_json(&text) {
            let _ = envelope.statement();
            prop_assert!(verify(&[envelope], Digest::of(b"x"), &Signers::default()).signers.is_empty());
        }
    }
}

#[test]
fn the_signed_bytes_are_those_of_the_dsse_specification() {
    let envelope = Envelope {
        payload: STANDARD.encode("hello world"),
        payload_type: "http://example.com/HelloWorld".to_owned(),
        signatures: Vec::new(),
    };
    assert_eq!(envelope.signed_bytes().unwrap(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn each_signature_that_does_not_count_says_why() {
    let keys = keys(2);
    let (a, b) = (&keys[0], &keys[1]);
    let digest = Digest::of(b"component");
    let refused = |envelope: &Envelope, signers: &Signers| {
        let vouched = verify(std::slice::from_ref(envelope), digest, signers);
        assert!(vouched.signers.is_empty() && vouched.statement.is_none(), "{vouched:?}");
        vouched.refused.join("; ")
    };
    let by_a = signed(digest, &[a]);
    assert!(refused(&by_a, &trusted(&[("b", b)])).starts_with("no trusted signer has key `"));
    let mut revoked = trusted(&[("a", a)]);
    revoked.revoke(a.key_id());
    assert!(refused(&by_a, &revoked).contains("is revoked"));
    let mut nameless = by_a.clone();
    nameless.signatures[0].keyid.clear();
    assert_eq!(refused(&nameless, &revoked), "a signature without key id is by no trusted key");
    let mut altered = by_a.clone();
    altered.payload = signed(Digest::of(b"other"), &[]).payload;
    assert!(refused(&altered, &trusted(&[("a", a)])).contains("is not over this statement"));
    let mut claimed = by_a.clone();
    claimed.signatures[0].keyid = b.key_id();
    assert!(refused(&claimed, &trusted(&[("a", a), ("b", b)])).contains("by `b`"));
    let other = signed(Digest::of(b"other"), &[a]);
    assert!(refused(&other, &trusted(&[("a", a)])).contains("and not about"));
    let mut retyped = by_a;
    retyped.payload_type = "text/plain".to_owned();
    assert!(refused(&retyped, &trusted(&[("a", a)])).contains("is not over this statement"));
    let mut text = Envelope {
        payload: STANDARD.encode("{}"),
        payload_type: "text/plain".to_owned(),
        signatures: Vec::new(),
    };
    text.sign(a).unwrap();
    assert!(refused(&text, &trusted(&[("a", a)])).contains("`text/plain`"));
}

#[test]
fn a_folder_of_signers_takes_ed25519_keys_alone_and_names_them_after_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let key = AuthorKey::from_pkcs8_pem(&AuthorKey::generate().unwrap().to_pkcs8_pem().unwrap()).unwrap();
    std::fs::write(dir.path().join("vendor.pem"), key.public_pem()).unwrap();
    std::fs::write(dir.path().join("again.pem"), key.public_pem()).unwrap();
    let signers = Signers::load_dir(dir.path()).unwrap();
    assert_eq!(signers.keys().count(), 1);
    std::fs::write(dir.path().join("revoked"), key.key_id()).unwrap();
    assert_eq!(Signers::load_dir(dir.path()).unwrap().keys().count(), 0);
    let rsa = crate::signing::testkeys::rsa4096_a().public_pem();
    std::fs::write(dir.path().join("rsa.pem"), rsa).unwrap();
    let error = Signers::load_dir(dir.path()).unwrap_err().to_string();
    assert!(error.contains("rsa.pem` is no Ed25519 public key"), "{error}");
    std::fs::write(dir.path().join("rsa.pem"), &*key.to_pkcs8_pem().unwrap()).unwrap();
    assert!(Signers::load_dir(dir.path()).unwrap_err().to_string().contains("private key"));
}
