//! Signing requests (RFC 9421) with a key that never leaves this machine.

use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_server::{
    Clock as _, SystemClock,
    message::{self, Message, TAG},
};
use reqwest::{
    Request,
    header::{HeaderName, HeaderValue},
};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// How long a signature is good: time for a slow upload, and little for whoever copied it.
const LIFE_SECS: i64 = 120;

/// A key that signs, and its id.
#[derive(Debug)]
pub(crate) struct Signer {
    key_id: String,
    key: Ed25519KeyPair,
}

impl Signer {
    /// Reads the key from a PEM file.
    pub(crate) fn read(file: &Path, key_id: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| Failure::Usage(format!("`{}`: {why}", file.display()));
        if !key_id.starts_with("key_") {
            return Err(Failure::Usage(
                "with --signing-key, --key is the id of that key: `key_…`".to_owned(),
            ));
        }
        let pem = std::fs::read_to_string(file).map_err(|error| refuse(&error.to_string()))?;
        let inside = pem
            .split_once("-----BEGIN PRIVATE KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"));
        let (inside, _) =
            inside.ok_or_else(|| refuse("no PKCS#8 key; make one: `openssl genpkey -algorithm ed25519`"))?;
        let text: String = inside.split_ascii_whitespace().collect();
        let der = STANDARD.decode(text).map_err(|error| refuse(&error.to_string()))?;
        let key =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| refuse("it is no Ed25519 key"))?;
        Ok(Self { key_id: key_id.to_owned(), key })
    }

    /// Adds a digest of the body, and the signature over it and what else matters.
    pub(crate) fn sign(&self, request: &mut Request) -> Result<(), Failure> {
        let body = request.body().and_then(reqwest::Body::as_bytes).map(Sha256::digest);
        if let Some(digest) = body
            && !request.headers().contains_key("content-digest")
        {
            let digest = format!("sha-256=:{}:", STANDARD.encode(digest));
            set(request, "content-digest", &digest)?;
        }
        let mut covered = vec!["@method".to_owned(), "@target-uri".to_owned()];
        let headers = ["content-digest", "content-type", "idempotency-key"];
        covered.extend(
            headers
                .iter()
                .filter(|name| request.headers().contains_key(**name))
                .map(|name| (*name).to_owned()),
        );
        let names: Vec<String> = covered.iter().map(|name| format!("\"{name}\"")).collect();
        let created = SystemClock.now().as_millis().div_euclid(1_000);
        let parameters = format!(
            "({});created={created};expires={};nonce=\"{}\";keyid=\"{}\";tag=\"{TAG}\"",
            names.join(" "),
            created + LIFE_SECS,
            nonce()?,
            self.key_id
        );
        let url = request.url().clone();
        let host = url.host_str().unwrap_or_default();
        let authority = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let message = Message {
            method: request.method().as_str(),
            scheme: url.scheme(),
            authority: &authority,
            path: url.path(),
            query: url.query(),
            headers: request.headers(),
        };
        let base = message::base(&covered, &parameters, &message).map_err(Failure::local)?;
        let signature = STANDARD.encode(self.key.sign(base.as_bytes()));
        set(request, "signature-input", &format!("sig={parameters}"))?;
        set(request, "signature", &format!("sig=:{signature}:"))
    }
}

fn set(request: &mut Request, name: &'static str, value: &str) -> Result<(), Failure> {
    let value = HeaderValue::from_str(value).map_err(Failure::local)?;
    request.headers_mut().insert(HeaderName::from_static(name), value);
    Ok(())
}

fn nonce() -> Result<String, Failure> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::Local("the machine gave no random bytes".to_owned()))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, KeyPair as _, UnparsedPublicKey};

    use super::*;

    /// RFC 9421, appendix B.1.4: a key for tests.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n";

    fn signer() -> Signer {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("signing.pem");
        std::fs::write(&file, KEY).unwrap();
        Signer::read(&file, "key_1").unwrap()
    }

    fn check(request: &mut Request, authority: &str, has_body: bool) {
        let signer = signer();
        signer.sign(request).unwrap();
        let signed = message::read(request.headers()).unwrap();
        assert_eq!(signed.key_id, "key_1");
        let message = Message {
            method: request.method().as_str(),
            scheme: request.url().scheme(),
            authority,
            path: request.url().path(),
            query: request.url().query(),
            headers: request.headers(),
        };
        signed.check(&message, has_body, signed.created, 300, 0).unwrap();
        let base = signed.base(&message).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, signer.key.public_key().as_ref());
        key.verify(base.as_bytes(), &signed.signature).unwrap();
    }

    #[test]
    fn what_the_program_signs_is_what_the_server_wants_signed() {
        let http = reqwest::Client::new();
        let post = http.post("https://interlock.mercy.example/v1/tenants/mercy/groups");
        let post = post.header("Idempotency-Key", "k").json(&serde_json::json!({ "name": "canaries" }));
        check(&mut post.build().unwrap(), "interlock.mercy.example", true);
        let get = http.get("http://127.0.0.1:8080/v1/tenants/mercy/groups?limit=2");
        check(&mut get.build().unwrap(), "127.0.0.1:8080", false);
    }

    #[test]
    fn a_key_that_is_none_is_refused_by_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("signing.pem");
        std::fs::write(&file, "hello").unwrap();
        assert!(Signer::read(&file, "key_1").unwrap_err().to_string().contains("signing.pem"));
        assert!(Signer::read(&file, "ilk_1").unwrap_err().to_string().contains("`key_…`"));
    }
}
