//! An anchor by a timestamp authority (RFC 3161): it signs that the checkpoint was there by then. What is kept is its whole answer,
//! which `openssl ts -verify` checks as well.

mod der;
mod token;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Url};
use rustls_pki_types::{CertificateDer, TrustAnchor};

use self::token::{Stamped, request, verify};
use super::{Known, Proof, answered, client, secret};
use crate::config::LedgerAnchor;

/// Most bytes of a token.
const TOKEN_BYTES_MAX: usize = 64 << 10;

/// A timestamp authority.
#[derive(Debug)]
pub(super) struct Authority {
    url: Url,
    trusted: Vec<TrustAnchor<'static>>,
    http: Client,
}

impl Authority {
    pub(super) fn open(config: &LedgerAnchor) -> Result<Self, String> {
        let path = &config.timestamp_trust_file;
        let text = secret(path)?;
        let unusable = |what: String| format!("`{}`: {what}", path.display());
        let mut trusted = Vec::new();
        for pem in text.split("-----BEGIN CERTIFICATE-----").skip(1) {
            let inside = pem.split("-----END CERTIFICATE-----").next().unwrap_or_default();
            let inside: String = inside.split_ascii_whitespace().collect();
            let der = STANDARD.decode(inside).map_err(|error| unusable(error.to_string()))?;
            let der = CertificateDer::from(der);
            let anchor =
                webpki::anchor_from_trusted_cert(&der).map_err(|error| unusable(error.to_string()))?;
            trusted.push(anchor.to_owned());
        }
        if trusted.is_empty() {
            return Err(unusable("it holds no certificate (PEM)".to_owned()));
        }
        let url = Url::parse(&config.url).map_err(|error| error.to_string())?;
        Ok(Self { url, trusted, http: client(config).build().map_err(|error| error.to_string())? })
    }

    pub(super) async fn know(&self, known: &Known<'_>) -> Result<Proof, String> {
        let mut nonce = [0; 8];
        SystemRandom::new().fill(&mut nonce).map_err(|_| "the machine gave no random bytes".to_owned())?;
        // A number that is positive and has no zero before it: it comes back as it was sent.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        let digest = known.digest.as_bytes();
        let asked = self
            .http
            .post(self.url.clone())
            .header("content-type", "application/timestamp-query")
            .header("accept", "application/timestamp-reply")
            .body(request(digest, &nonce));
        let (status, proof) = answered(asked, TOKEN_BYTES_MAX).await?;
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        let Stamped { time, serial } = verify(&proof, digest, &nonce, &self.trusted)?;
        Ok(Proof { reference: format!("{time}, number {serial}"), proof })
    }
}
