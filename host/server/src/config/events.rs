//! Who is told what happens, as it happens: streams of the API, and systems outside.

use std::{collections::BTreeSet, path::PathBuf};

use interlock_siem::Format;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// The port of syslog over TLS (RFC 5425).
const SYSLOG_TLS: u16 = 6_514;

/// Streams of events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// How often it is looked whether something happened, in milliseconds. Nothing is looked at while nobody follows.
    pub look_every_ms: u64,
    /// Most streams of the API at once.
    pub streams_max: usize,
    /// Most of them of one account.
    pub streams_per_account_max: usize,
    /// How long a stream lasts, in milliseconds. Clients come back by themselves and go on where they were; so a key that was
    /// revoked, or a role that was taken away, sees no more than this.
    pub stream_ms_max: u64,
}

/// A system outside that is told all that happens: a SIEM.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// What it is called here. How far it was told is kept under this name.
    pub name: String,
    /// Where it is: `tcp://HOST:PORT`, or `tls://HOST:PORT` (6514 when none is given). Syslog, octets counted (RFC 6587, RFC 5425).
    pub url: String,
    /// How messages are written: `rfc5424-sd`, `json-ocsf` or `cef`.
    #[serde(default = "structured")]
    #[schemars(with = "String")]
    pub format: Format,
    /// The logs that it is told of: tenants and `system`; all of them when empty.
    #[serde(default)]
    pub logs: Vec<String>,
    /// What it is told of: beginnings of types, such as `decision.` and `change.`; everything when empty.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Where it begins in a log that it was never told of: `first`, with all that ever happened, or `now`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub begin: Begin,
    /// When what was sent counts as received. `close`: once the other side has closed the connection that this side has ended,
    /// which it does when it has read all of it. `written`: once it is handed to the operating system; for receivers that never
    /// close, and what is under way when one dies is lost.
    #[serde(default)]
    #[schemars(with = "String")]
    pub confirm: Confirm,
    /// The certificates that sign the receiver's (PEM). Needed for `tls://`.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// The certificate that this server shows (PEM), with `client_key_file`; none when empty.
    #[serde(default)]
    pub client_cert_file: PathBuf,
    /// Its private key (PEM).
    #[serde(default)]
    pub client_key_file: PathBuf,
    /// How long connecting, sending a part and confirming may each take, in milliseconds.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// The host name in each message.
    #[serde(default = "host")]
    pub host: String,
    /// The private enterprise number that structured data is named under. 32473 is reserved for documentation.
    #[serde(default = "enterprise")]
    pub enterprise: u32,
}

/// Where a sink begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// With the first entry.
    #[default]
    First,
    /// With what happens from now on.
    Now,
}

/// When what was sent counts as received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirm {
    /// Once the other side has closed.
    #[default]
    Close,
    /// Once it was handed over.
    Written,
}

/// Where a sink is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
}

fn structured() -> Format {
    Format::StructuredData
}

fn timeout_ms() -> u64 {
    10_000
}

fn host() -> String {
    "interlock".to_owned()
}

fn enterprise() -> u32 {
    32_473
}

impl Default for Events {
    fn default() -> Self {
        Self { look_every_ms: 250, streams_max: 256, streams_per_account_max: 8, stream_ms_max: 60_000 }
    }
}

impl Events {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let least =
            [("events.look_every_ms", self.look_every_ms), ("events.stream_ms_max", self.stream_ms_max)];
        match least.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(ConfigError::Senseless { key, detail: "it must be at least 1".to_owned() }),
            None => Ok(()),
        }
    }
}

impl Sink {
    /// Where it is, or what is wrong with its address.
    pub(crate) fn address(&self) -> Result<Address, String> {
        let url = Url::parse(&self.url).map_err(|error| format!("`{}`: {error}", self.url))?;
        let tls = match url.scheme() {
            "tcp" => false,
            "tls" => true,
            other => return Err(format!("`{other}://` is not known here; use tcp:// or tls://")),
        };
        let host = url.host_str().ok_or("its address names no host")?.trim_matches(['[', ']']).to_owned();
        let port = url.port().or(tls.then_some(SYSLOG_TLS)).ok_or("its address needs a port")?;
        Ok(Address { host, port, tls })
    }

    /// Whether it is told of a log.
    pub(crate) fn takes_log(&self, log: &str) -> bool {
        self.logs.is_empty() || self.logs.iter().any(|name| name == log)
    }

    /// Whether it is told of a type.
    pub(crate) fn takes(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|begins| kind.starts_with(begins.as_str()))
    }

    /// Refuses sinks that could tell nobody anything.
    pub(super) fn check(all: &[Self]) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        for sink in all {
            let wrong = match sink.address() {
                Err(wrong) => Some(wrong),
                Ok(_) if sink.name.is_empty() => Some("it has no `name`".to_owned()),
                Ok(_) if !names.insert(&sink.name) => Some("two have this name".to_owned()),
                Ok(_) if sink.timeout_ms == 0 => Some("`timeout_ms` must be at least 1".to_owned()),
                Ok(address) if address.tls && sink.ca_file.as_os_str().is_empty() => {
                    Some("`tls://` needs `ca_file`, or anybody could be it".to_owned())
                }
                Ok(_)
                    if sink.client_cert_file.as_os_str().is_empty()
                        != sink.client_key_file.as_os_str().is_empty() =>
                {
                    Some("`client_cert_file` and `client_key_file` go together".to_owned())
                }
                Ok(_) => None,
            };
            if let Some(wrong) = wrong {
                let detail = format!("sink `{}`: {wrong}", sink.name);
                return Err(ConfigError::Senseless { key: "sinks", detail });
            }
        }
        Ok(())
    }
}
