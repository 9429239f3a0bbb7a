//! A timestamp token (RFC 3161), read and verified: that it is over this digest, answers this request, and is signed by a timestamp
//! authority whose certificate leads to one that is trusted.

use aws_lc_rs::digest;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs as algorithms};

use super::der::{Der, INTEGER, OCTETS, OID, SEQUENCE, SET, TIME, Value, value};

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SIGNING_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c];
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
/// The key purpose of timestamp authorities, without tag and length.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// What a token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamped {
    /// When, as the authority writes it: `20261120180000Z`.
    pub(super) time: String,
    /// Its number, hexadecimal.
    pub(super) serial: String,
}

/// The request for a timestamp over a digest.
pub(super) fn request(sha256: &[u8; 32], nonce: &[u8; 8]) -> Vec<u8> {
    let imprint = value(SEQUENCE, &[algorithm(SHA256), value(OCTETS, sha256)].concat());
    // Its certificate is to be in the token: who checks it later may not find it elsewhere.
    let with_certificate = [0x01, 0x01, 0xff].to_vec();
    let parts = [value(INTEGER, &[1]), imprint, value(INTEGER, nonce), with_certificate];
    value(SEQUENCE, &parts.concat())
}

fn algorithm(oid: &[u8]) -> Vec<u8> {
    value(SEQUENCE, &[value(OID, oid), vec![0x05, 0x00]].concat())
}

/// Reads an answer and verifies the token in it.
pub(super) fn verify(
    answer: &[u8],
    sha256: &[u8; 32],
    nonce: &[u8; 8],
    trusted: &[TrustAnchor<'_>],
) -> Result<Stamped, String> {
    let no = |what: &str| format!("its answer is no timestamp: {what}");
    let mut answer = Der::new(answer).expect(SEQUENCE).ok_or_else(|| no("it is no sequence"))?.inside();
    let mut status = answer.expect(SEQUENCE).ok_or_else(|| no("it has no status"))?.inside();
    let granted = status.expect(INTEGER).ok_or_else(|| no("its status is no number"))?.content;
    // Granted, or granted with modifications.
    if !matches!(granted, [0] | [1]) {
        return Err(format!("it refused: status {}", hex::encode(granted)));
    }
    let token = answer.expect(SEQUENCE).ok_or_else(|| no("it has no token"))?;
    let signed = Signed::read(token).ok_or_else(|| no("its token cannot be read"))?;
    let stamped =
        info(signed.content, sha256, nonce).ok_or_else(|| no("what it stamps cannot be read"))??;
    signed.verify(&stamped, trusted)?;
    Ok(stamped)
}

/// What the authority says, when it is about this digest and request.
fn info(content: &[u8], sha256: &[u8; 32], nonce: &[u8; 8]) -> Option<Result<Stamped, String>> {
    let mut info = Der::new(content).expect(SEQUENCE)?.inside();
    info.expect(INTEGER)?;
    info.expect(OID)?;
    let mut imprint = info.expect(SEQUENCE)?.inside();
    let hashed = imprint.expect(SEQUENCE)?.inside().expect(OID)?.content;
    let digest = imprint.expect(OCTETS)?.content;
    let serial = hex::encode(info.expect(INTEGER)?.content);
    let time = String::from_utf8(info.expect(TIME)?.content.to_vec()).ok()?;
    info.take(SEQUENCE);
    info.take(0x01);
    let answered = info.take(INTEGER).map(|nonce| nonce.content);
    if hashed != SHA256 || digest != sha256 {
        return Some(Err("its timestamp is over something else than the checkpoint".to_owned()));
    }
    if answered != Some(&nonce[..]) {
        return Some(Err("its timestamp answers another request".to_owned()));
    }
    Some(Ok(Stamped { time, serial }))
}

/// A CMS signed-data with one signer.
struct Signed<'a> {
    content: &'a [u8],
    certificates: Vec<Value<'a>>,
    hash: &'static digest::Algorithm,
    attributes: Value<'a>,
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn read(token: Value<'a>) -> Option<Self> {
        let mut token = token.inside();
        token.expect(OID).filter(|oid| oid.content == SIGNED_DATA)?;
        let mut signed = token.expect(0xa0)?.inside().expect(SEQUENCE)?.inside();
        signed.expect(INTEGER)?;
        signed.expect(SET)?;
        let mut inner = signed.expect(SEQUENCE)?.inside();
        inner.expect(OID).filter(|oid| oid.content == TST_INFO)?;
        let content = inner.expect(0xa0)?.inside().expect(OCTETS)?.content;
        let certificates = signed.take(0xa0).map(|set| set.inside().rest()).unwrap_or_default();
        signed.take(0xa1);
        let mut signers = signed.expect(SET)?.inside();
        let mut signer = signers.expect(SEQUENCE)?.inside();
        if signers.next().is_some() {
            return None;
        }
        signer.expect(INTEGER)?;
        // By whom it is comes from what was signed, not from here.
        signer.next()?;
        let hash = hash_of(signer.expect(SEQUENCE)?)?;
        let attributes = signer.expect(0xa0)?;
        signer.expect(SEQUENCE)?;
        let signature = signer.expect(OCTETS)?.content;
        Some(Self { content, certificates, hash, attributes, signature })
    }

    /// The one value of a signed attribute.
    fn attribute(&self, oid: &[u8]) -> Option<Value<'a>> {
        let mut found = self.attributes.inside().rest().into_iter().filter_map(|attribute| {
            let mut attribute = attribute.inside();
            attribute.expect(OID).filter(|found| found.content == oid)?;
            let mut values = attribute.expect(SET)?.inside();
            values.next().filter(|_| values.next().is_none())
        });
        found.next().filter(|_| found.next().is_none())
    }

    fn verify(&self, stamped: &Stamped, trusted: &[TrustAnchor<'_>]) -> Result<(), String> {
        let no = |what: &str| Err(format!("its timestamp does not hold: {what}"));
        if self.attribute(CONTENT_TYPE).map(|oid| oid.content) != Some(TST_INFO) {
            return no("what is signed is no timestamp");
        }
        let digest = digest::digest(self.hash, self.content);
        if self.attribute(MESSAGE_DIGEST).map(|digest| digest.content) != Some(digest.as_ref()) {
            return no("what is signed is another timestamp");
        }
        // The certificate is named in what was signed, so that no other can be put in its place.
        let Some(certificate) = self.certificates.iter().find(|certificate| self.names(certificate)) else {
            return no("the certificate that it names is not there");
        };
        let der = CertificateDer::from(certificate.whole);
        let Ok(authority) = EndEntityCert::try_from(&der) else {
            return no("its certificate cannot be read");
        };
        // Signed is the set, not the field that it stands in.
        let signed = value(SET, self.attributes.content);
        let mut fitting = algorithms_of(self.hash).into_iter();
        if !fitting.any(|algorithm| authority.verify_signature(algorithm, &signed, self.signature).is_ok()) {
            return no("its signature is wrong");
        }
        let Some(at) = unix(&stamped.time) else { return no("its time cannot be read") };
        let others: Vec<CertificateDer<'_>> =
            self.certificates.iter().map(|certificate| CertificateDer::from(certificate.whole)).collect();
        let led = authority.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            trusted,
            &others,
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(at)),
            KeyUsage::required(TIME_STAMPING),
            None,
            None,
        );
        match led {
            Ok(_) => Ok(()),
            Err(error) => {
                no(&format!("its certificate does not lead to one of `timestamp_trust_file`: {error}"))
            }
        }
    }

    /// Whether what was signed names this certificate (RFC 2634, RFC 5035).
    fn names(&self, certificate: &Value<'_>) -> bool {
        let named = |attribute: Value<'a>, usual: &'static digest::Algorithm| {
            let mut first = attribute.inside().expect(SEQUENCE)?.inside().expect(SEQUENCE)?.inside();
            let hash = match first.take(SEQUENCE) {
                Some(algorithm) => hash_of(algorithm)?,
                None => usual,
            };
            let hashed = first.expect(OCTETS)?.content;
            Some(digest::digest(hash, certificate.whole).as_ref() == hashed)
        };
        let newer = self.attribute(SIGNING_CERTIFICATE_V2).and_then(|id| named(id, &digest::SHA256));
        let older = || {
            let id = self.attribute(SIGNING_CERTIFICATE)?;
            named(id, &digest::SHA1_FOR_LEGACY_USE_ONLY)
        };
        newer.or_else(older).unwrap_or(false)
    }
}

fn hash_of(algorithm: Value<'_>) -> Option<&'static digest::Algorithm> {
    match algorithm.inside().expect(OID)?.content {
        SHA256 => Some(&digest::SHA256),
        SHA384 => Some(&digest::SHA384),
        SHA512 => Some(&digest::SHA512),
        _ => None,
    }
}

fn algorithms_of(hash: &'static digest::Algorithm) -> [&'static dyn SignatureVerificationAlgorithm; 3] {
    if hash == &digest::SHA256 {
        [algorithms::RSA_PKCS1_2048_8192_SHA256, algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256]
    } else if hash == &digest::SHA384 {
        [algorithms::RSA_PKCS1_2048_8192_SHA384, algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384]
    } else {
        [algorithms::RSA_PKCS1_2048_8192_SHA512, algorithms::ECDSA_P256_SHA512, algorithms::ECDSA_P384_SHA512]
    }
}

/// Seconds since 1970 of `20261120180000.123Z`.
fn unix(time: &str) -> Option<u64> {
    let digits = time.strip_suffix('Z')?.split('.').next()?;
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (day, clock) = digits.split_at(8);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &day[..4],
        &day[4..6],
        &day[6..],
        &clock[..2],
        &clock[2..4],
        &clock[4..]
    );
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_authorities_write_them() {
        assert_eq!(unix("20261120180000Z"), Some(1_795_197_600));
        assert_eq!(unix("20261120180000.25Z"), Some(1_795_197_600));
        for wrong in ["", "Z", "20261320180000Z", "202611201800Z", "20261120180000", "2026112018000\u{e9}Z"] {
            assert_eq!(unix(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_answer_that_is_no_timestamp_is_said_to_be_none() {
        for bytes in [&b""[..], b"<html>", &[0x30, 0x80], &[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00]] {
            let said = verify(bytes, &[0; 32], &[1; 8], &[]).unwrap_err();
            assert!(said.contains("no timestamp"), "{said}");
        }
        let refused =
            verify(&[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02], &[0; 32], &[1; 8], &[]).unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }
}
