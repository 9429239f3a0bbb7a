//! Talking to a server: one request, its answer, or a failure that says what to do.

use std::{path::PathBuf, sync::Arc, time::Duration};

use interlock_domain::TenantId;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode,
    header::{self, HeaderMap},
};
use serde_json::Value;

pub(crate) use crate::failure::Failure;
use crate::{login::Session, signer::Signer};

/// How to reach a server, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// The server.
    #[arg(long, global = true, env = "INTERLOCK_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// Your API key; with --signing-key the id of that one, `key_…`.
    #[arg(long, global = true, env = "INTERLOCK_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// Sign each request with this key instead of sending one: an Ed25519 key, PKCS#8 PEM.
    #[arg(long, global = true, env = "INTERLOCK_SIGNING_KEY", value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,
    /// The tenant.
    #[arg(long, global = true, env = "INTERLOCK_TENANT", default_value = "default", value_parser = tenant)]
    pub(crate) tenant: String,
}

/// It becomes part of an address.
fn tenant(text: &str) -> Result<String, interlock_domain::IdError> {
    text.parse::<TenantId>().map(|_| text.to_owned())
}

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Value,
}

/// A client of one tenant.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    base: String,
    proof: Proof,
}

/// As whom a client asks.
#[derive(Clone)]
enum Proof {
    Nobody,
    Key(String),
    Session(Session),
    Signer(Arc<Signer>),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Proof::Nobody => "nobody",
            Proof::Key(_) => "a key",
            Proof::Session(_) => "a session",
            Proof::Signer(_) => "a key that signs",
        })
    }
}

impl Connection {
    /// The server, as it is called everywhere.
    pub(crate) fn address(&self) -> String {
        self.server.trim_end_matches('/').to_owned()
    }

    /// A client, when there is a key or somebody logged in.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        if let Some(key) = &self.key {
            let proof = match &self.signing_key {
                Some(file) => Proof::Signer(Arc::new(Signer::read(file, key)?)),
                None => Proof::Key(key.clone()),
            };
            return self.with(proof);
        }
        if self.signing_key.is_some() {
            return Err(Failure::Usage(
                "--signing-key signs for a key: give its id with --key, `key_…`".to_owned(),
            ));
        }
        self.session_client()?.ok_or_else(|| {
            Failure::Usage(
                "no API key and no session: give --key or set INTERLOCK_KEY (`interlock key create` makes one), or log in: \
                 `interlock login`"
                    .to_owned(),
            )
        })
    }

    /// A client of whoever logged in here.
    pub(crate) fn session_client(&self) -> Result<Option<Client>, Failure> {
        let session = Session::load(&self.address(), &self.tenant)?;
        session.map(|session| self.with(Proof::Session(session))).transpose()
    }

    /// A client of somebody who is not known yet.
    pub(crate) fn nobody(&self) -> Result<Client, Failure> {
        self.with(Proof::Nobody)
    }

    fn with(&self, proof: Proof) -> Result<Client, Failure> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("interlock/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Failure::local)?;
        let server = self.address();
        let base = format!("{server}/v1/tenants/{}", self.tenant);
        Ok(Client { http, server, base, proof })
    }
}

impl Client {
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts with a fresh idempotency key: a command that is run again is a new request.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let request =
            self.request(Method::POST, path).header("Idempotency-Key", idempotency_key()?).json(body);
        self.send(request).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// What is no JSON, as it is.
    pub(crate) async fn bytes(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let response = self.answered(self.request(Method::GET, path)).await?;
        if response.status().is_success() {
            let bytes = response.bytes().await;
            return bytes.map(Vec::from).map_err(|error| Failure::Unreachable(root_cause(&error)));
        }
        self.read(response).await?;
        Ok(Vec::new())
    }

    /// The same, of a server with another address.
    pub(crate) fn at(self, server: &str) -> Self {
        let server = server.trim_end_matches('/').to_owned();
        Self { base: server.clone(), server, ..self }
    }

    /// A file outside any tenant's interface, of at most so many bytes; `None` when there is none.
    pub(crate) async fn file(&self, path: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
        let request = self.proved(self.http.get(format!("{}{path}", self.server)));
        let mut response = self.answered(request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !response.status().is_success() {
            return self.read(response).await.map(|_| None);
        }
        let mut bytes = Vec::new();
        let broken = |error: reqwest::Error| Failure::Unreachable(root_cause(&error));
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > bytes_max {
                let said =
                    format!("{}{path} is larger than the {bytes_max} bytes that it may have", self.server);
                return Err(Failure::Unreachable(said));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    /// All items of a paged list.
    pub(crate) async fn list(&self, path: &str, limit: usize) -> Result<Vec<Value>, Failure> {
        self.list_by(path, limit, 200).await
    }

    /// All items of a paged list, at most `page` at a time.
    pub(crate) async fn list_by(&self, path: &str, limit: usize, page: usize) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let (more, next) = self.part(path, (limit - items.len()).min(page), cursor.as_deref()).await?;
            items.extend(more);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(items)
    }

    /// One part of a paged list, and the cursor of the next one.
    pub(crate) async fn part(
        &self,
        path: &str,
        size: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>), Failure> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let part = match cursor {
            Some(cursor) => format!("{path}{sign}limit={size}&cursor={cursor}"),
            None => format!("{path}{sign}limit={size}"),
        };
        let mut body = self.get(&part).await?.body;
        let items = match body.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        Ok((items, body.get("next_cursor").and_then(Value::as_str).map(str::to_owned)))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.proved(self.http.request(method, format!("{}{path}", self.base)))
    }

    fn proved(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.proof {
            // A request that is signed is signed when it is whole.
            Proof::Nobody | Proof::Signer(_) => request,
            Proof::Key(key) => request.bearer_auth(key),
            Proof::Session(session) => {
                request.header(header::COOKIE, &session.cookie).header("X-CSRF-Token", &session.csrf)
            }
        }
    }

    /// Asks for what stands outside any tenant, and keeps the headers of the answer.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(HeaderMap, Value), Failure> {
        let mut request = self.proved(self.http.request(method, format!("{}{path}", self.server)));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.answered(request).await?;
        let headers = response.headers().clone();
        Ok((headers, self.read(response).await?.body))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        self.read(self.answered(request).await?).await
    }

    async fn answered(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let mut request = request.build().map_err(Failure::local)?;
        if let Proof::Signer(signer) = &self.proof {
            signer.sign(&mut request)?;
        }
        self.http.execute(request).await.map_err(|error| {
            Failure::Unreachable(format!(
                "cannot reach {}: {}; is `interlock serve` running there?",
                self.server,
                root_cause(&error)
            ))
        })
    }

    async fn read(&self, response: Response) -> Result<Answer, Failure> {
        let status = response.status();
        let text = response.text().await.map_err(|error| Failure::Unreachable(root_cause(&error)))?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() {
            return Ok(Answer { body });
        }
        // A proxy answers too, and a server that is no server of ours.
        if body.get("type").is_none() && body.get("title").is_none() {
            return Err(Failure::Unreachable(format!(
                "{} answered {status} and not as an Interlock server does; is the address right?",
                self.server
            )));
        }
        Err(Failure::Problem { status: status.as_u16(), problem: Box::new(body) })
    }
}

fn idempotency_key() -> Result<String, Failure> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::Local("the machine gave no random bytes".to_owned()))?;
    Ok(hex::encode(bytes))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
