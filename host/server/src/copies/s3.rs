//! A copy in S3-compatible storage with Object Lock in compliance mode: until its day comes, nobody removes or alters a version,
//! whoever holds the keys. Our own signed requests: the lock is asked for in headers that must be signed.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use interlock_domain::{Digest, Timestamp};
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::sigv4::{Credentials, Signing, signed};
use crate::config::LedgerCopy;

/// Most bytes of an answer that are read: a bundle of the longest entries has less.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// A bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    base: Url,
    bucket: String,
    prefix: String,
    region: String,
    credentials: Credentials,
    legal_hold: bool,
    http: Client,
}

/// An object and the version of it that was put.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) version: String,
}

impl Bucket {
    pub(super) fn open(config: &LedgerCopy) -> Result<Self, String> {
        let text = std::fs::read_to_string(&config.s3_credentials_file)
            .map_err(|error| format!("`{}`: {error}", config.s3_credentials_file.display()))?;
        let credentials = Credentials::parse(&text)
            .map_err(|error| format!("`{}`: {error}", config.s3_credentials_file.display()))?;
        let base = Url::parse(config.s3_url.trim_end_matches('/')).map_err(|error| error.to_string())?;
        let http = Client::builder()
            .timeout(Duration::from_millis(config.s3_timeout_ms))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            base,
            bucket: config.s3_bucket.clone(),
            prefix: config.s3_prefix.clone(),
            region: config.s3_region.clone(),
            credentials,
            legal_hold: config.legal_hold,
            http,
        })
    }

    /// Whether the bucket locks what is put there. One that does not is no copy.
    pub(super) async fn expect_lock(&self, now: Timestamp) -> Result<(), String> {
        let answer = self.ask(Method::GET, "", "object-lock=", Vec::new(), Vec::new(), now).await?;
        let (status, text) = (answer.status(), read(answer).await?);
        let text = String::from_utf8_lossy(&text);
        if status.is_success() && text.contains("<ObjectLockEnabled>Enabled</ObjectLockEnabled>") {
            return Ok(());
        }
        if status.is_success() || text.contains("ObjectLockConfigurationNotFound") {
            return Err(format!(
                "the bucket `{}` has no Object Lock, so that whoever holds its keys could remove what is there; make one with it",
                self.bucket
            ));
        }
        Err(refused("the bucket's Object Lock could not be read", status, &text))
    }

    /// Puts an object in its place, locked until then, unless it is there as it is. One that holds something else stays.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: &[u8],
        until: &str,
        now: Timestamp,
    ) -> Result<Locked, String> {
        match self.write(key, bytes, until, true, now).await? {
            Some(locked) => Ok(locked),
            None => self.there(key, bytes, until, now).await,
        }
    }

    /// Puts a new version of the one object that has several: what points at the newest.
    pub(super) async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        until: &str,
        now: Timestamp,
    ) -> Result<Locked, String> {
        let written = self.write(key, bytes, until, false, now).await?;
        written.ok_or_else(|| format!("`{key}` could not be replaced"))
    }

    /// `None` when something is there already.
    async fn write(
        &self,
        key: &str,
        bytes: &[u8],
        until: &str,
        only_new: bool,
        now: Timestamp,
    ) -> Result<Option<Locked>, String> {
        let checksum = STANDARD.encode(Digest::of(bytes).as_bytes());
        let mut headers = vec![
            ("content-type", "application/octet-stream".to_owned()),
            // Object Lock asks for a checksum, and the storage compares it.
            ("x-amz-checksum-sha256", checksum),
            ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
            ("x-amz-object-lock-retain-until-date", until.to_owned()),
        ];
        if self.legal_hold {
            headers.push(("x-amz-object-lock-legal-hold", "ON".to_owned()));
        }
        if only_new {
            headers.push(("if-none-match", "*".to_owned()));
        }
        let answer = self.ask(Method::PUT, key, "", headers, bytes.to_vec(), now).await?;
        let (status, version) = (answer.status(), header(&answer, "x-amz-version-id"));
        // 409: somebody else is putting it just now.
        if only_new && matches!(status, StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT) {
            return Ok(None);
        }
        if !status.is_success() {
            let text = read(answer).await?;
            return Err(refused(&format!("`{key}` was not taken"), status, &String::from_utf8_lossy(&text)));
        }
        let version = version.ok_or_else(|| format!("`{key}` got no version: the bucket keeps none"))?;
        self.expect_locked(key, &version, until, now).await?;
        Ok(Some(Locked { version }))
    }

    /// What is there already, when it is the same and locked for long enough.
    async fn there(&self, key: &str, bytes: &[u8], until: &str, now: Timestamp) -> Result<Locked, String> {
        let answer = self.ask(Method::GET, key, "", Vec::new(), Vec::new(), now).await?;
        let (status, version) = (answer.status(), header(&answer, "x-amz-version-id"));
        let found = read(answer).await?;
        if !status.is_success() {
            return Err(refused(
                &format!("`{key}` is there and cannot be read"),
                status,
                &String::from_utf8_lossy(&found),
            ));
        }
        if found != bytes {
            return Err(format!(
                "`{key}` holds something else than the log has there; it is left as it is: find out which of the two was altered"
            ));
        }
        let version = version.ok_or_else(|| format!("`{key}` has no version: the bucket keeps none"))?;
        // Put some days ago, perhaps: a day of that time is as good.
        let least = until.get(..4).and_then(|year| year.parse::<u16>().ok()).unwrap_or_default();
        let least = format!("{:04}{}", least.saturating_sub(1), until.get(4..).unwrap_or_default());
        self.expect_locked(key, &version, &least, now).await?;
        Ok(Locked { version })
    }

    /// The storage says that it is locked for at least so long. What it was asked for proves nothing.
    async fn expect_locked(
        &self,
        key: &str,
        version: &str,
        least: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let query = format!("versionId={}", encoded(version));
        let answer = self.ask(Method::HEAD, key, &query, Vec::new(), Vec::new(), now).await?;
        if !answer.status().is_success() {
            return Err(format!(
                "`{key}` was put and cannot be seen: the storage answered {}",
                answer.status()
            ));
        }
        let mode = header(&answer, "x-amz-object-lock-mode").unwrap_or_default();
        let until = header(&answer, "x-amz-object-lock-retain-until-date").unwrap_or_default();
        // Both are RFC 3339 in UTC, so that the text's order is that of time.
        if mode != "COMPLIANCE" || until.get(..19) < least.get(..19) {
            return Err(format!(
                "`{key}` is locked in mode `{mode}` until `{until}`, and not in COMPLIANCE until {least}"
            ));
        }
        Ok(())
    }

    async fn ask(
        &self,
        method: Method,
        key: &str,
        query: &str,
        headers: Vec<(&str, String)>,
        payload: Vec<u8>,
        now: Timestamp,
    ) -> Result<Response, String> {
        // Logs, prefixes and tiles are called by letters that need no encoding.
        let name = if key.is_empty() { String::new() } else { format!("/{}{key}", self.prefix) };
        let path = format!("{}/{}{name}", self.base.path().trim_end_matches('/'), self.bucket);
        let host = match (self.base.host_str().unwrap_or_default(), self.base.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let signing = Signing {
            method: method.as_str(),
            host: &host,
            path: &path,
            query,
            headers,
            payload: &payload,
            region: &self.region,
        };
        let sent = signed(signing, &self.credentials, now);
        let mut url = self.base.clone();
        url.set_path(&path);
        url.set_query((!query.is_empty()).then_some(query));
        let mut request = self.http.request(method, url).body(payload);
        for (name, value) in sent.into_iter().filter(|(name, _)| name != "host") {
            let mut value =
                reqwest::header::HeaderValue::try_from(value).map_err(|error| error.to_string())?;
            value.set_sensitive(name == "authorization" || name == "x-amz-security-token");
            request = request.header(name, value);
        }
        request.send().await.map_err(|error| reason(&error))
    }
}

fn header(answer: &Response, name: &str) -> Option<String> {
    let value = answer.headers().get(name)?.to_str().ok()?;
    // `null` is what a bucket without versions says.
    Some(value.to_owned()).filter(|value| !value.is_empty() && value != "null")
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

async fn read(mut answer: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| reason(&error))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err("the storage's answer is too long".to_owned());
        }
    }
    Ok(bytes)
}

/// What the storage says is wrong, in a line.
fn refused(what: &str, status: StatusCode, text: &str) -> String {
    let within = |tag: &str| {
        let after = text.split_once(&format!("<{tag}>"))?.1;
        Some(after.split_once(&format!("</{tag}>"))?.0.chars().take(200).collect::<String>())
    };
    let why = [within("Code"), within("Message")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    format!("{what}: the storage answered {status} {why}").trim_end().to_owned()
}

fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the storage does not answer in time (`s3_timeout_ms`)".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("the storage cannot be reached: {cause}")
}
