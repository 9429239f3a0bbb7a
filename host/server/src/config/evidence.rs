//! What plugins may look up outside, and how much.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Evidence: what plugins may look up. Whether a plugin may is for the policies and its grants to say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// How long one look-up may take, in milliseconds.
    pub timeout_ms: u64,
    /// Largest answer to one look-up, in bytes.
    pub bytes_max: u64,
    /// How much of what was fetched outside is kept in memory, in bytes.
    pub cache_bytes_max: usize,
    /// How long a source that failed a tenant shows as failing when nobody asks it again, in milliseconds.
    pub failing_ms: u64,
    /// Largest document about an artifact, in bytes.
    pub document_bytes_max: usize,
    /// What `config` looks up: values that the operator wrote here, by key. Until Interlock keeps configuration itself.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Prometheus, asked by the names of queries.
    pub prometheus: Prometheus,
    /// Connectors: `http.NAME` looks a key up at a fixed address.
    pub http: BTreeMap<String, Connector>,
    /// Calendars by name.
    pub calendars: BTreeMap<String, Vec<CalendarEntry>>,
}

/// Prometheus.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prometheus {
    /// Its address, `http://…`; not asked when empty.
    pub url: String,
    /// Queries (PromQL) by name. A plugin names one and never writes one.
    pub queries: BTreeMap<String, String>,
    /// How long an answer is good, in milliseconds.
    pub cache_ms: u64,
}

/// A fixed address outside that answers with JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// The address with `{key}` once in its path or query, where the key goes, percent-encoded.
    pub url: String,
    /// Headers of each request.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderValue>,
    /// How long an answer is good, in milliseconds.
    #[serde(default = "half_a_minute")]
    pub cache_ms: u64,
}

/// Where a header's value comes from. Secrets stand in files or variables, never here.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum HeaderValue {
    /// As it is; nothing secret.
    Plain(String),
    /// The content of a file, without the line feed at its end.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// A time in a calendar.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarEntry {
    /// `freeze`, `window`, or a word of your own.
    pub kind: String,
    /// When it begins: RFC 3339.
    pub from: String,
    /// When it is over: RFC 3339.
    pub to: String,
    /// For people.
    #[serde(default)]
    pub title: String,
}

fn half_a_minute() -> u64 {
    30_000
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            timeout_ms: 4_000,
            bytes_max: 4 << 20,
            cache_bytes_max: 64 << 20,
            failing_ms: 300_000,
            document_bytes_max: 8 << 20,
            values: BTreeMap::new(),
            prometheus: Prometheus::default(),
            http: BTreeMap::new(),
            calendars: BTreeMap::new(),
        }
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { url: String::new(), queries: BTreeMap::new(), cache_ms: half_a_minute() }
    }
}
