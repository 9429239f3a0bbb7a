//! An authenticator without hardware, for tests: it makes passkeys and answers challenges as a browser would, and says
//! whatever a test wants it to say.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value;
use sha2::{Digest as _, Sha256};

use super::passkey::{Assertion, Registration};

/// The secret in the address that an authenticator app reads: base 32 (RFC 4648), without padding.
pub fn secret_in(otpauth: &str) -> Vec<u8> {
    let text = otpauth.split_once("secret=").unwrap().1.split('&').next().unwrap();
    let (mut held, mut bits, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = if letter.is_ascii_uppercase() { letter - b'A' } else { letter - b'2' + 26 };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).unwrap());
        }
    }
    bytes
}

/// An authenticator with one passkey.
pub struct Authenticator {
    pair: Pair,
    id: Vec<u8>,
    /// The domain that it thinks it is asked for.
    pub rp_id: String,
    /// The page that it thinks asks.
    pub origin: String,
    /// Whether it verifies the person.
    pub verifies: bool,
    /// How often it says it has signed; 0 when it does not count.
    pub counter: u32,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Authenticator {
    /// One with an ES256 passkey.
    pub fn new(rp_id: &str, origin: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self::of(Pair::P256(pair), rp_id, origin)
    }

    /// One with an EdDSA passkey.
    pub fn ed25519(rp_id: &str, origin: &str) -> Self {
        Self::of(Pair::Ed25519(Ed25519KeyPair::generate().unwrap()), rp_id, origin)
    }

    fn of(pair: Pair, rp_id: &str, origin: &str) -> Self {
        let mut id = vec![0; 16];
        aws_lc_rs::rand::fill(&mut id).unwrap();
        let (rp_id, origin) = (rp_id.to_owned(), origin.to_owned());
        Self { pair, id, rp_id, origin, verifies: true, counter: 0 }
    }

    /// Answers `navigator.credentials.create()`.
    pub fn register(&self, challenge: &str) -> Registration {
        let mut data = self.data(0x40);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        ciborium::into_writer(&self.key(), &mut data).unwrap();
        let object = Value::Map(vec![
            (Value::from("fmt"), Value::from("none")),
            (Value::from("attStmt"), Value::Map(Vec::new())),
            (Value::from("authData"), Value::Bytes(data)),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&object, &mut bytes).unwrap();
        Registration {
            client_data: encoded(&self.client_data("webauthn.create", challenge)),
            attestation_object: encoded(&bytes),
        }
    }

    /// Answers `navigator.credentials.get()`.
    pub fn answer(&mut self, challenge: &str) -> Assertion {
        if self.counter > 0 {
            self.counter += 1;
        }
        let (data, client_data) = (self.data(0), self.client_data("webauthn.get", challenge));
        let mut signed = data.clone();
        signed.extend(Sha256::digest(&client_data));
        let signature = match &self.pair {
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(&signed).as_ref().to_vec(),
        };
        Assertion {
            credential: encoded(&self.id),
            client_data: encoded(&client_data),
            authenticator_data: encoded(&data),
            signature: encoded(&signature),
        }
    }

    fn key(&self) -> Value {
        let entry = |name: i64, value: Value| (Value::from(name), value);
        let number = |value: i64| Value::from(value);
        match &self.pair {
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                let part =
                    |range: std::ops::Range<usize>| Value::Bytes(point.get(range).expect("a point").to_vec());
                Value::Map(vec![
                    entry(1, number(2)),
                    entry(3, number(-7)),
                    entry(-1, number(1)),
                    entry(-2, part(1..33)),
                    entry(-3, part(33..65)),
                ])
            }
            Pair::Ed25519(pair) => Value::Map(vec![
                entry(1, number(1)),
                entry(3, number(-8)),
                entry(-1, number(6)),
                entry(-2, Value::Bytes(pair.public_key().as_ref().to_vec())),
            ]),
        }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let origin = &self.origin;
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false}}"#)
            .into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let mut data = Sha256::digest(&self.rp_id).to_vec();
        data.push(0x01 | more | if self.verifies { 0x04 } else { 0 });
        data.extend(self.counter.to_be_bytes());
        data
    }
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
