//! Talking to a server: one request, its answer, or a failure that says what to do.

use std::{fmt, time::Duration};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// How to reach a server, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// The server.
    #[arg(long, global = true, env = "INTERLOCK_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// Your API key.
    #[arg(long, global = true, env = "INTERLOCK_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// The tenant.
    #[arg(long, global = true, env = "INTERLOCK_TENANT", default_value = "default")]
    pub(crate) tenant: String,
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server said no, and why.
    Refused { status: u16, problem: Box<Value> },
    /// The server cannot be reached or did not answer as a server of ours.
    Unreachable(String),
    /// Something on this side is not as it should be.
    Local(String),
    /// The command line does not fit.
    Usage(String),
}

impl Failure {
    pub(crate) fn local(error: impl fmt::Display) -> Self {
        Self::Local(error.to_string())
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Refused { .. } => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable(_) | Failure::Local(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused { status, problem } => {
                let text = |key: &str| problem.get(key).and_then(Value::as_str);
                write!(f, "{}", text("title").unwrap_or("refused"))?;
                if let Some(detail) = text("detail") {
                    write!(f, ": {detail}")?;
                }
                if let Some(field) = text("field") {
                    write!(f, "\n  field: {field}")?;
                }
                for reason in problem.get("reasons").and_then(Value::as_array).into_iter().flatten() {
                    write!(f, "\n  because: {}", reason.as_str().unwrap_or_default())?;
                }
                if let Some(decision) = text("decision") {
                    write!(f, "\n  decision: {decision}")?;
                }
                match text("trace_id") {
                    Some(trace) => write!(f, "\n  status {status}, trace {trace}"),
                    None => write!(f, "\n  status {status}"),
                }
            }
            Failure::Unreachable(why) => write!(f, "{why}"),
            Failure::Local(why) | Failure::Usage(why) => write!(f, "{why}"),
        }
    }
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
    key: String,
}

impl Connection {
    /// A client, when there is a key.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let key = self.key.clone().ok_or_else(|| {
            Failure::Usage(
                "no API key: give --key or set INTERLOCK_KEY; `interlock key create` makes one".to_owned(),
            )
        })?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("interlock/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Failure::local)?;
        let server = self.server.trim_end_matches('/').to_owned();
        let base = format!("{server}/v1/tenants/{}", self.tenant);
        Ok(Client { http, server, base, key })
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

    /// All items of a paged list.
    pub(crate) async fn list(&self, path: &str, limit: usize) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let sign = if path.contains('?') { '&' } else { '?' };
            let size = (limit - items.len()).min(200);
            let page = match &cursor {
                Some(cursor) => format!("{path}{sign}limit={size}&cursor={cursor}"),
                None => format!("{path}{sign}limit={size}"),
            };
            let mut body = self.get(&page).await?.body;
            if let Some(Value::Array(more)) = body.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            cursor = body.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(items)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = request.send().await.map_err(|error| {
            Failure::Unreachable(format!(
                "cannot reach {}: {}; is `interlock serve` running there?",
                self.server,
                root_cause(&error)
            ))
        })?;
        let status = response.status();
        let text = response.text().await.map_err(|error| Failure::Unreachable(root_cause(&error)))?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() {
            return Ok(Answer { body });
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let detail = body.get("detail").and_then(Value::as_str).unwrap_or("the server is not ready");
            return Err(Failure::Unreachable(format!("{detail}; try again in a moment")));
        }
        Err(Failure::Refused { status: status.as_u16(), problem: Box::new(body) })
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
