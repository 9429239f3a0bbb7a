//! AWS Signature Version 4, which S3-compatible storage asks for: each request is signed with the secret key, its headers among
//! what is signed. <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use std::fmt::Write as _;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use interlock_domain::{Digest, Timestamp};

/// Keys for the storage. They are never shown.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) session: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl Credentials {
    /// Reads them as other tools write them; what else stands there is theirs.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let found = |wanted: &str| {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            let mut values = pairs.filter(|(key, _)| key.trim() == wanted).map(|(_, value)| value.trim());
            values.find(|value| !value.is_empty()).map(str::to_owned)
        };
        let needed = |key: &str| found(key).ok_or_else(|| format!("it has no line `{key} = …`"));
        Ok(Self {
            id: needed("aws_access_key_id")?,
            secret: needed("aws_secret_access_key")?,
            session: found("aws_session_token"),
        })
    }
}

/// A request as it is signed. Path and query are encoded already.
pub(super) struct Signing<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// `name=value`, sorted.
    pub(super) query: &'a str,
    /// Names in small letters.
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) payload: &'a [u8],
    pub(super) region: &'a str,
}

/// The headers to send: those that were given, and what the signature adds.
pub(super) fn signed(
    request: Signing<'_>,
    credentials: &Credentials,
    now: Timestamp,
) -> Vec<(String, String)> {
    let Signing { method, host, path, query, headers, payload, region } = request;
    let (date, time) = stamp(now);
    let digest = Digest::of(payload).to_hex();
    let mut sent: Vec<(String, String)> =
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    sent.extend([
        ("host".to_owned(), host.to_owned()),
        ("x-amz-content-sha256".to_owned(), digest.clone()),
        ("x-amz-date".to_owned(), time.clone()),
    ]);
    sent.extend(credentials.session.clone().map(|token| ("x-amz-security-token".to_owned(), token)));
    sent.sort();
    let names = sent.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{method}\n{path}\n{query}\n");
    for (name, value) in &sent {
        // Writing into a string cannot fail.
        let _ = writeln!(canonical, "{name}:{}", value.trim());
    }
    let _ = write!(canonical, "\n{names}\n{digest}");
    let scope = format!("{date}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", Digest::of(&canonical).to_hex());
    let mut key = format!("AWS4{}", credentials.secret).into_bytes();
    for part in [date.as_str(), region, "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &text));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        credentials.id
    );
    sent.push(("authorization".to_owned(), authorization));
    sent
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// The day, and the second, as signatures have them.
fn stamp(now: Timestamp) -> (String, String) {
    // 2026-11-20T18:00:00.123Z
    let text = now.to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    let (date, time) = digits.split_at(digits.len().min(8));
    (date.to_owned(), format!("{date}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Credentials, Timestamp) {
        let credentials = Credentials::parse(
            "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
             aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n",
        );
        (credentials.unwrap(), "2013-05-24T00:00:00.000Z".parse().unwrap())
    }

    /// The examples of the specification.
    #[test]
    fn requests_are_signed_as_the_specification_signs_them() {
        let (credentials, now) = example();
        let put = Signing {
            method: "PUT",
            host: "examplebucket.s3.amazonaws.com",
            path: "/test%24file.text",
            query: "",
            headers: vec![
                ("date", "Fri, 24 May 2013 00:00:00 GMT".to_owned()),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned()),
            ],
            payload: b"Welcome to Amazon S3.",
            region: "us-east-1",
        };
        let get = Signing {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/",
            query: "lifecycle=",
            headers: Vec::new(),
            payload: b"",
            region: "us-east-1",
        };
        for (request, expected) in [
            (put, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
            (get, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ] {
            let sent = signed(request, &credentials, now);
            let (_, authorization) = sent.last().unwrap();
            assert!(authorization.ends_with(&format!("Signature={expected}")), "{authorization}");
        }
    }

    #[test]
    fn keys_are_read_as_other_tools_write_them_and_never_shown() {
        let (credentials, _) = example();
        assert_eq!(credentials.id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(format!("{credentials:?}"), "Credentials(***)");
        let said = Credentials::parse("aws_access_key_id = x").unwrap_err();
        assert!(said.contains("aws_secret_access_key"), "{said}");
    }
}
