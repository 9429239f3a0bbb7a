//! Requests to a registry: credentials, tokens, limits on what is read.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use crate::{Credentials, RegistryError};

const REDIRECTS_MAX: usize = 5;
const TOKEN_BYTES_MAX: u64 = 64 << 10;
/// So much of an error's text is shown.
const DETAIL_BYTES_MAX: u64 = 2 << 10;

/// What a request is about: for errors, and for what a token is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) reference: &'a str,
    pub(crate) host: &'a str,
    pub(crate) repository: &'a str,
    /// `pull` or `pull,push`.
    pub(crate) actions: &'static str,
}

#[derive(Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    plain: BTreeSet<String>,
    credentials: Credentials,
    timeout: Duration,
    tokens: Mutex<BTreeMap<String, String>>,
}

/// A request that can be made again with a token.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'static str,
    pub(crate) body: Option<(&'static str, Bytes)>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl Http {
    pub(crate) fn new(
        plain: BTreeSet<String>,
        credentials: Credentials,
        timeout: Duration,
    ) -> Result<Self, RegistryError> {
        let allowed = plain.clone();
        // Registries send blobs from elsewhere. reqwest leaves credentials behind; we never go back to plain HTTP.
        let redirect = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS_MAX {
                attempt.error("too many redirects")
            } else if attempt.url().scheme() == "https" || allowed.contains(&host_of(attempt.url())) {
                attempt.follow()
            } else {
                attempt.error("a redirect to plain HTTP")
            }
        });
        let client = reqwest::Client::builder()
            .redirect(redirect)
            .connect_timeout(timeout)
            .timeout(timeout)
            .user_agent(concat!("interlock/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| RegistryError::Down { reference: String::new(), reason: error.to_string() })?;
        Ok(Self { client, plain, credentials, timeout, tokens: Mutex::default() })
    }

    pub(crate) fn url(&self, about: &About<'_>, path: &str) -> Result<Url, RegistryError> {
        let scheme = if self.plain.contains(about.host) { "http" } else { "https" };
        let url = format!("{scheme}://{}/v2/{}/{path}", about.host, about.repository);
        Url::parse(&url).map_err(|error| malformed(about, "address", &error))
    }

    /// Where a registry wants an upload to go: relative to where it was asked, never to plain HTTP of a host without leave.
    pub(crate) fn location(
        &self,
        about: &About<'_>,
        asked: &Url,
        headers: &HeaderMap,
    ) -> Result<Url, RegistryError> {
        let text = headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let url = asked.join(text).map_err(|error| malformed(about, "upload location", &error))?;
        if text.is_empty() || (url.scheme() != "https" && !self.plain.contains(&host_of(&url))) {
            return Err(malformed(about, "upload location", &format!("`{text}` is no place to upload to")));
        }
        Ok(url)
    }

    /// Sends, and sends again with credentials when they are asked for. Statuses other than 401 are the caller's.
    pub(crate) async fn send(&self, about: &About<'_>, request: &Request) -> Result<Response, RegistryError> {
        let scope = format!("repository:{}:{}", about.repository, about.actions);
        let key = format!("{} {scope}", about.host);
        // Credentials are for the registry alone, also when an upload goes elsewhere.
        let own = host_of(&request.url) == about.host;
        let known = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let response = self.once(about, request, known.filter(|_| own)).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !own {
            return Ok(response);
        }
        let Some(authorization) = self.authorize(about, response.headers(), &scope).await? else {
            return Ok(response);
        };
        let response = self.once(about, request, Some(authorization.clone())).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(key, authorization);
        }
        Ok(response)
    }

    async fn once(
        &self,
        about: &About<'_>,
        request: &Request,
        authorization: Option<String>,
    ) -> Result<Response, RegistryError> {
        let mut builder = self.client.request(request.method.clone(), request.url.clone());
        builder = builder.header(ACCEPT, request.accept);
        if let Some(authorization) = authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        if let Some((kind, body)) = &request.body {
            builder = builder.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        builder.send().await.map_err(|error| self.said(about, "answer", &error))
    }

    /// The value of an `Authorization` header, as the registry's challenge wants it; nothing when we have none.
    async fn authorize(
        &self,
        about: &About<'_>,
        headers: &HeaderMap,
        scope: &str,
    ) -> Result<Option<String>, RegistryError> {
        let basic = self.credentials.basic(about.host);
        let challenge =
            headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(parameters) = strip_word(challenge, "bearer") else { return Ok(basic) };
        let realm = parameter(parameters, "realm").and_then(|realm| Url::parse(&realm).ok());
        let Some(mut url) = realm else {
            return Err(malformed(about, "challenge", &"it names no token server"));
        };
        if url.scheme() != "https" && !self.plain.contains(&host_of(&url)) {
            return Err(malformed(about, "challenge", &"its token server speaks plain HTTP"));
        }
        if let Some(service) = parameter(parameters, "service") {
            url.query_pairs_mut().append_pair("service", &service);
        }
        url.query_pairs_mut().append_pair("scope", scope);
        let request = Request { method: Method::GET, url, accept: "application/json", body: None };
        let response = self.once(about, &request, basic).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(about, status.as_u16(), String::new(), "token"));
        }
        let bytes = self.body(about, response, TOKEN_BYTES_MAX, "token").await?;
        let token: Token =
            serde_json::from_slice(&bytes).map_err(|_| malformed(about, "token", &"not JSON"))?;
        Ok(Some(format!("Bearer {}", token.token)))
    }

    /// The body, of at most `limit` bytes: what is announced to be larger is not begun.
    pub(crate) async fn body(
        &self,
        about: &About<'_>,
        response: Response,
        limit: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, RegistryError> {
        let reference = about.reference.to_owned();
        let announced = response.content_length();
        if let Some(found) = announced.filter(|found| *found > limit) {
            return Err(RegistryError::TooLarge { reference, what, found, limit });
        }
        let mut bytes = Vec::with_capacity(announced.and_then(|n| usize::try_from(n).ok()).unwrap_or(0));
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.said(about, what, &error))?;
            let found = (bytes.len() + chunk.len()) as u64;
            if found > limit {
                return Err(RegistryError::TooLarge { reference, what, found, limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// A status that is no success, with the beginning of what was said.
    pub(crate) async fn refusal(
        &self,
        about: &About<'_>,
        response: Response,
        what: &'static str,
    ) -> RegistryError {
        let status = response.status().as_u16();
        let detail = self.body(about, response, DETAIL_BYTES_MAX, "error").await.unwrap_or_default();
        let detail: String =
            String::from_utf8_lossy(&detail).chars().filter(|c| !c.is_control()).take(300).collect();
        refused(about, status, detail, what)
    }

    fn said(&self, about: &About<'_>, what: &'static str, error: &reqwest::Error) -> RegistryError {
        let reference = about.reference.to_owned();
        let reason = root(error);
        if error.is_timeout() {
            RegistryError::Slow { reference, after_ms: self.timeout.as_millis() }
        } else if error.is_body() || error.is_decode() {
            RegistryError::Truncated { reference, what, reason }
        } else {
            RegistryError::Down { reference, reason }
        }
    }
}

pub(crate) fn malformed(
    about: &About<'_>,
    what: &'static str,
    reason: &dyn std::fmt::Display,
) -> RegistryError {
    RegistryError::Malformed { reference: about.reference.to_owned(), what, reason: reason.to_string() }
}

fn refused(about: &About<'_>, status: u16, detail: String, what: &'static str) -> RegistryError {
    let reference = about.reference.to_owned();
    match status {
        401 | 403 => RegistryError::Unauthorized { reference, status },
        404 => RegistryError::NotFound { reference, what },
        _ => RegistryError::Status { reference, status, detail },
    }
}

/// The innermost cause: `Connection refused`, not `error sending request`.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    let mut next = error.source();
    while let Some(source) = next {
        cause = source;
        next = source.source();
    }
    cause.to_string()
}

/// Host and port as a reference writes them.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.split_once(' ')?;
    first.eq_ignore_ascii_case(word).then_some(rest)
}

/// `realm="…"` of a challenge.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let found = parameters.split(',').find_map(|part| {
        let (key, value) = part.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').to_owned())
    });
    found.filter(|value| !value.is_empty())
}
