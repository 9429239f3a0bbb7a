//! What plugins may look up outside, and how much.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

use super::ConfigError;

/// What the host itself knows: sources without an address, of which `evidence.sources` may speak.
pub(crate) const INSIDE: [&str; 9] =
    ["artifact", "manifest", "document", "device", "fleet", "telemetry", "config", "calendar", "advisory"];

/// Evidence: what plugins may look up. Whether a plugin may is for the policies and its grants to say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// How long one look-up may take, in milliseconds, unless its source says otherwise.
    pub timeout_ms: u64,
    /// Largest answer to one look-up, in bytes, unless its source says otherwise.
    pub bytes_max: u64,
    /// How long an answer from outside is good, in milliseconds, unless its source says otherwise; with 0 each look-up asks
    /// anew. What the host itself knows is looked up anew, unless `sources` says otherwise.
    pub cache_ms: u64,
    /// How much of what was looked up is kept in memory while it is good, in bytes.
    pub cache_bytes_max: usize,
    /// How long a source that failed a tenant shows as failing when nobody asks it again, in milliseconds.
    pub failing_ms: u64,
    /// Largest document about an artifact, in bytes.
    pub document_bytes_max: usize,
    /// What `config` looks up: values that the operator wrote here, by key. Until Interlock keeps configuration itself.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Limits of sources that are not outside, by name: `sources.fleet` has `timeout_ms`, `bytes_max` and `cache_ms`. `artifact`
    /// is never kept, because its signature is verified anew each time.
    pub sources: BTreeMap<String, SourceLimits>,
    /// Prometheus, asked by the names of queries.
    pub prometheus: Prometheus,
    /// Connectors: `http.NAME` looks a key up at a fixed address. Each has an `url` with `{key}` once in its path or query,
    /// `headers`, whose values are `{ file = PATH }`, `{ env = VARIABLE }` or, when nothing about them is secret, `{ plain = TEXT }`, and
    /// if it needs them limits of its own: `timeout_ms`, `bytes_max` and `cache_ms`. An answer that holds the value of a header
    /// of 8 bytes or more is refused, so that a secret is not recorded.
    pub http: BTreeMap<String, Connector>,
    /// Calendars by name.
    pub calendars: BTreeMap<String, Vec<CalendarEntry>>,
}

/// Prometheus.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prometheus {
    /// Its address, `http://…`; not asked when empty.
    pub url: String,
    /// Queries (PromQL) by name. A plugin names one and never writes one.
    pub queries: BTreeMap<String, String>,
    /// How long one query may take, in milliseconds; `evidence.timeout_ms` when absent.
    pub timeout_ms: Option<u64>,
    /// Largest answer, in bytes; `evidence.bytes_max` when absent.
    pub bytes_max: Option<u64>,
    /// How long an answer is good, in milliseconds; `evidence.cache_ms` when absent.
    pub cache_ms: Option<u64>,
}

/// What bounds the look-ups of one source, where it is not what bounds all.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceLimits {
    /// How long one look-up may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Largest answer, in bytes.
    pub bytes_max: Option<u64>,
    /// How long an answer is good, in milliseconds.
    pub cache_ms: Option<u64>,
}

/// A fixed address outside that answers with JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// The address with `{key}` once in its path or query, where the key goes, percent-encoded.
    pub url: String,
    /// Headers of each request.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderValue>,
    /// How long one request may take, in milliseconds; `evidence.timeout_ms` when absent.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Largest answer, in bytes; `evidence.bytes_max` when absent.
    #[serde(default)]
    pub bytes_max: Option<u64>,
    /// How long an answer is good, in milliseconds; `evidence.cache_ms` when absent.
    #[serde(default)]
    pub cache_ms: Option<u64>,
}

/// Where a header's value comes from. Secrets stand in files or variables, never here.
#[derive(Clone, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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

/// Says where a value comes from, and never the value.
impl std::fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeaderValue::Plain(_) => f.write_str("Plain(***)"),
            HeaderValue::File(path) => f.debug_tuple("File").field(path).finish(),
            HeaderValue::Env(variable) => f.debug_tuple("Env").field(variable).finish(),
        }
    }
}

/// By hand, because a derived one repeats what it cannot read: a secret that was written where its place belongs would
/// stand in the error, and in the log.
impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "snake_case")]
        enum Table {
            Plain(String),
            File(PathBuf),
            Env(String),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Table(Table),
            Other(IgnoredAny),
        }
        match Written::deserialize(from)? {
            Written::Table(Table::Plain(text)) => Ok(HeaderValue::Plain(text)),
            Written::Table(Table::File(path)) => Ok(HeaderValue::File(path)),
            Written::Table(Table::Env(variable)) => Ok(HeaderValue::Env(variable)),
            Written::Other(_) => Err(serde::de::Error::custom(
                "the value of a header is `{ file = PATH }`, `{ env = VARIABLE }` or, when it is no secret, `{ plain = TEXT }`",
            )),
        }
    }
}

/// What bounds the look-ups of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) timeout_ms: Bound,
    pub(crate) bytes_max: Bound,
    pub(crate) cache_ms: u64,
}

/// A limit, and the key of the configuration that set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) most: u64,
    pub(crate) key: String,
}

impl Evidence {
    /// What bounds this source: what it says itself, or else what is said of all.
    pub(crate) fn bounds(&self, source: &str) -> Bounds {
        let own = self.own_limits(source);
        let place = match source {
            "prometheus" => "evidence.prometheus".to_owned(),
            _ if is_outside(source) => format!("evidence.{source}"),
            _ => format!("evidence.sources.{source}"),
        };
        let bound = |own: Option<u64>, all: u64, name: &str| match own {
            Some(most) => Bound { most, key: format!("{place}.{name}") },
            None => Bound { most: all, key: format!("evidence.{name}") },
        };
        let cache_ms = if is_outside(source) { self.cache_ms } else { 0 };
        Bounds {
            timeout_ms: bound(own.timeout_ms, self.timeout_ms, "timeout_ms"),
            bytes_max: bound(own.bytes_max, self.bytes_max, "bytes_max"),
            cache_ms: own.cache_ms.unwrap_or(cache_ms),
        }
    }

    fn own_limits(&self, source: &str) -> SourceLimits {
        if source == "prometheus" {
            let Prometheus { timeout_ms, bytes_max, cache_ms, .. } = self.prometheus;
            return SourceLimits { timeout_ms, bytes_max, cache_ms };
        }
        match source.strip_prefix("http.") {
            Some(name) => self.http.get(name).map_or_else(SourceLimits::default, |connector| SourceLimits {
                timeout_ms: connector.timeout_ms,
                bytes_max: connector.bytes_max,
                cache_ms: connector.cache_ms,
            }),
            None => self.sources.get(source).cloned().unwrap_or_default(),
        }
    }

    /// Refuses limits of sources that there are not, and limits under which nothing could be told.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, detail| Err(ConfigError::Senseless { key, detail });
        for (source, limits) in &self.sources {
            if is_outside(source) {
                let detail = format!("`{source}` is outside: write its limits under `[evidence.{source}]`");
                return refuse("evidence.sources", detail);
            }
            if !INSIDE.contains(&source.as_str()) {
                let detail = format!("there is no source `{source}`; there are {}", INSIDE.join(", "));
                return refuse("evidence.sources", detail);
            }
            if source == "artifact" && limits.cache_ms.is_some_and(|cache_ms| cache_ms > 0) {
                let detail = "`artifact` is never kept: what a signature is worth is found out anew each time, because keys are \
                              revoked; leave out `cache_ms`";
                return refuse("evidence.sources", detail.to_owned());
            }
        }
        let named = self.http.keys().map(|name| format!("http.{name}"));
        for source in self.sources.keys().cloned().chain(named).chain(["prometheus".to_owned()]) {
            let Bounds { timeout_ms, bytes_max, .. } = self.bounds(&source);
            if let Some(bound) = [timeout_ms, bytes_max].into_iter().find(|bound| bound.most == 0) {
                return refuse("evidence", format!("`{}` must be at least 1", bound.key));
            }
        }
        Ok(())
    }
}

/// Whether a source is asked over the network.
pub(crate) fn is_outside(source: &str) -> bool {
    source == "prometheus" || source.starts_with("http.")
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            timeout_ms: 4_000,
            bytes_max: 4 << 20,
            cache_ms: 30_000,
            cache_bytes_max: 64 << 20,
            failing_ms: 300_000,
            document_bytes_max: 8 << 20,
            values: BTreeMap::new(),
            sources: BTreeMap::new(),
            prometheus: Prometheus::default(),
            http: BTreeMap::new(),
            calendars: BTreeMap::new(),
        }
    }
}
