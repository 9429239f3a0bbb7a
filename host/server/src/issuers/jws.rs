//! Signed tokens in their compact form (RFC 7515), and the public keys that verify them (RFC 7517, 7518, 8037).
//!
//! **Invariant:** which algorithm verifies is what the key is for and the configuration pins. A key of one family never
//! verifies an algorithm of another, so a public key is never taken for a secret.

use std::str::FromStr;

use aws_lc_rs::{
    digest, hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// What a token may be signed with here. `none` is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
    HS256,
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "RS256" => Algorithm::RS256,
            "RS384" => Algorithm::RS384,
            "RS512" => Algorithm::RS512,
            "PS256" => Algorithm::PS256,
            "PS384" => Algorithm::PS384,
            "PS512" => Algorithm::PS512,
            "ES256" => Algorithm::ES256,
            "ES384" => Algorithm::ES384,
            "EdDSA" => Algorithm::EdDSA,
            "HS256" => Algorithm::HS256,
            _ => return Err(()),
        })
    }
}

impl Algorithm {
    /// The left half of the digest that goes with it, as `at_hash` has it (OpenID Connect Core, 3.1.3.6).
    pub(crate) fn half_hash(self, text: &str) -> String {
        use Algorithm as A;
        let digest = match self {
            A::RS256 | A::PS256 | A::ES256 | A::HS256 => digest::digest(&digest::SHA256, text.as_bytes()),
            A::RS384 | A::PS384 | A::ES384 => digest::digest(&digest::SHA384, text.as_bytes()),
            A::RS512 | A::PS512 | A::EdDSA => digest::digest(&digest::SHA512, text.as_bytes()),
        };
        let half = digest.as_ref().len() / 2;
        URL_SAFE_NO_PAD.encode(&digest.as_ref()[..half])
    }
}

/// What stands in a token's header, of what is read.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Header {
    pub(crate) alg: String,
    #[serde(default)]
    pub(crate) kid: Option<String>,
    #[serde(default)]
    pub(crate) typ: Option<String>,
    #[serde(default)]
    pub(crate) crit: Option<Value>,
}

/// A token in its parts. Nothing is believed yet.
pub(crate) struct Token<'a> {
    pub(crate) header: Header,
    pub(crate) claims: Value,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes a text apart.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            header: part(header)?,
            claims: part::<Value>(claims).filter(Value::is_object)?,
            signed: signed.as_bytes(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Whether this key signed it with this algorithm.
    pub(crate) fn is_signed_by(&self, key: &Key, algorithm: Algorithm) -> bool {
        key.verifies(algorithm, self.signed, &self.signature)
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A key that verifies.
pub(crate) enum Key {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Box<hmac::Key>),
}

impl Key {
    /// The secret that HS256 is made with.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Key::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The public key in a JWK; nothing for one of another kind. A secret that is published is none.
    pub(crate) fn of_jwk(jwk: &Value) -> Option<Self> {
        let word = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(word(name)?).ok();
        match (word("kty")?, word("crv")) {
            ("RSA", _) => Some(Key::Rsa { modulus: bytes("n")?, exponent: bytes("e")? }),
            ("EC", Some("P-256")) => Some(Key::P256(point(bytes("x")?, bytes("y")?, 32)?)),
            ("EC", Some("P-384")) => Some(Key::P384(point(bytes("x")?, bytes("y")?, 48)?)),
            ("OKP", Some("Ed25519")) => bytes("x").filter(|x| x.len() == 32).map(Key::Ed25519),
            _ => None,
        }
    }

    /// Whether it is of the kind that the algorithm takes.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        match self {
            Key::Rsa { .. } => rsa(algorithm).is_some(),
            Key::P256(_) => algorithm == A::ES256,
            Key::P384(_) => algorithm == A::ES384,
            Key::Ed25519(_) => algorithm == A::EdDSA,
            Key::Secret(_) => algorithm == A::HS256,
        }
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        match self {
            Key::Rsa { modulus, exponent } => rsa(algorithm).is_some_and(|parameters| {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(parameters, message, signature).is_ok()
            }),
            Key::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Key::P384(point) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
            }
            Key::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
            Key::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// A point as it is written whole.
fn point(x: Vec<u8>, y: Vec<u8>, size: usize) -> Option<Vec<u8>> {
    (x.len() == size && y.len() == size).then(|| [vec![4], x, y].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.1.
    #[test]
    fn the_example_with_hs256_verifies_under_its_secret_alone() {
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
            cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = Key::secret(&URL_SAFE_NO_PAD.decode(secret).unwrap());
        let token = Token::read(token).unwrap();
        assert!(token.is_signed_by(&key, Algorithm::HS256));
        assert!(!token.is_signed_by(&key, Algorithm::RS256));
        assert!(!token.is_signed_by(&Key::secret(b"another"), Algorithm::HS256));
    }

    /// RFC 8037, appendix A.4.
    #[test]
    fn the_example_with_ed25519_verifies_and_its_key_is_no_secret() {
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4\
            ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let jwk = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let key = Key::of_jwk(&jwk).unwrap();
        // Its payload is no JSON, so it is no token of ours; its signature is good all the same.
        assert!(Token::read(token).is_none());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verifies(Algorithm::EdDSA, signed.as_bytes(), &signature));
        assert!(!key.verifies(Algorithm::HS256, signed.as_bytes(), &signature));
    }

    /// OpenID Connect Core, appendix A.4.
    #[test]
    fn the_example_of_a_hash_of_an_access_token_is_what_comes_out() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(Algorithm::RS256.half_hash(token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(Algorithm::ES384.half_hash(token).len(), 32);
        assert_eq!(Algorithm::EdDSA.half_hash(token).len(), 43);
    }

    #[test]
    fn keys_of_other_kinds_and_broken_ones_are_none() {
        for jwk in [
            serde_json::json!({ "kty": "oct", "k": "AAAA" }),
            serde_json::json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
            serde_json::json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
            serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" }),
            serde_json::json!({ "kty": "RSA", "n": "not base64!" }),
            serde_json::json!([]),
        ] {
            assert!(Key::of_jwk(&jwk).is_none(), "{jwk}");
        }
        assert!("none".parse::<Algorithm>().is_err() && "rs256".parse::<Algorithm>().is_err());
    }
}
