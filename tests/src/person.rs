//! A person at the API.

use anyhow::{Context, bail};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use interlock_domain::{Digest, SignedStatement};
use serde_json::Value;

/// Somebody with a key.
#[derive(Debug, Clone)]
pub struct Person {
    /// What they are called.
    pub name: String,
    /// Their API key.
    pub key: String,
    http: reqwest::Client,
    base: String,
}

/// The server's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status code.
    pub status: u16,
    /// What kind of problem: the last part of its type.
    pub kind: String,
    /// What happened.
    pub title: String,
    /// To what, why, and what to do next.
    pub detail: String,
    /// The field at fault, if one is.
    pub field: Option<String>,
}

impl Person {
    /// Somebody of a tenant.
    pub fn new(server: &str, tenant: &str, name: &str, key: String) -> Self {
        let base = format!("{server}/v1/tenants/{tenant}");
        Self { name: name.to_owned(), key, http: reqwest::Client::new(), base }
    }

    /// Another person of the same tenant.
    pub fn colleague(&self, name: &str, key: String) -> Self {
        Self { name: name.to_owned(), key, ..self.clone() }
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.http.get(format!("{}{path}", self.base));
        self.expect(request).await
    }

    /// Does something that must not be refused.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        match self.try_post(path, body).await? {
            Ok(body) => Ok(body),
            Err(refused) => {
                bail!("{} {path}: {} {}: {}", self.name, refused.status, refused.title, refused.detail)
            }
        }
    }

    /// Posts something that may be refused.
    pub async fn try_post(&self, path: &str, body: &Value) -> anyhow::Result<Result<Value, Refused>> {
        // The same request of the same person is a repetition, so that a story may try again after a crash.
        let key = format!("story-{}", Digest::of(format!("{}{path}{body}", self.name).as_bytes()).to_hex());
        let request =
            self.http.post(format!("{}{path}", self.base)).header("Idempotency-Key", key).json(body);
        self.try_send(request).await
    }

    async fn try_send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Result<Value, Refused>> {
        let response = request.bearer_auth(&self.key).send().await?;
        let status = response.status();
        let body: Value = response.json().await.context("the answer is no JSON")?;
        if status.is_success() {
            return Ok(Ok(body));
        }
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Ok(Err(Refused {
            status: status.as_u16(),
            kind: text("type").rsplit('/').next().unwrap_or_default().to_owned(),
            title: text("title"),
            detail: text("detail"),
            field: body["field"].as_str().map(str::to_owned),
        }))
    }

    /// Replaces something that must not be refused.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.expect(self.http.put(format!("{}{path}", self.base)).json(body)).await
    }

    /// Removes something that must not be refused.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.expect(self.http.delete(format!("{}{path}", self.base))).await
    }

    /// Pushes content, with a statement that may or may not be about it.
    pub async fn push(
        &self,
        name: &str,
        version: &str,
        content: Vec<u8>,
        signed: &SignedStatement,
    ) -> anyhow::Result<Value> {
        let announced = content.clone();
        match self.push_as(name, version, content, &announced, signed).await? {
            Ok(body) => Ok(body),
            Err(refused) => {
                bail!("{name} {version}: {} {}: {}", refused.status, refused.title, refused.detail)
            }
        }
    }

    /// Pushes content that was announced as other content.
    pub async fn push_as(
        &self,
        name: &str,
        version: &str,
        content: Vec<u8>,
        announced: &[u8],
        signed: &SignedStatement,
    ) -> anyhow::Result<Result<Value, Refused>> {
        let digest = Digest::of(announced);
        let request = self
            .http
            .put(format!("{}/artifacts/{name}/{version}", self.base))
            .header("Content-Type", "application/octet-stream")
            .header("Content-Digest", format!("sha-256=:{}:", STANDARD.encode(digest.as_bytes())))
            .header("Interlock-Kind", "firmware")
            .header("Interlock-File-Name", format!("{name}-{version}.swu"))
            .header("Interlock-Signed", URL_SAFE_NO_PAD.encode(serde_json::to_vec(signed)?))
            .body(content);
        self.try_send(request).await
    }

    async fn expect(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.bearer_auth(&self.key).send().await?;
        let (status, url) = (response.status(), response.url().clone());
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{url}: {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{url}: no JSON: {text}"))
    }
}

/// The text under a JSON pointer; empty when there is none.
pub fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}
