//! The HTTP server, and the line between servers.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The HTTP server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where to listen.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// How others reach it; device links begin with it, and are taken from the request's `Host` when it is empty. AuthZEN's
    /// metadata page is there only when it is set.
    pub public_url: String,
    /// Where everything is kept that has no place of its own.
    pub data_dir: PathBuf,
    /// Largest request body in bytes; artifacts have their own limit.
    pub body_bytes_max: usize,
    /// How long a request may take in milliseconds; uploads, downloads, replays and verifying the ledger are not counted.
    pub request_timeout_ms: u64,
    /// How long an idempotency key is remembered, in milliseconds.
    pub idempotency_keep_ms: u64,
}

/// The line between replicas. It only makes things faster: without it, or while Redis is away, replicas find out by
/// themselves, within a tick or a few seconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bus {
    /// `redis://…` or `rediss://…` (TLS); no line when empty, as a single server needs none.
    pub url: String,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            data_dir: PathBuf::from("interlock-data"),
            body_bytes_max: 1 << 20,
            request_timeout_ms: 30_000,
            idempotency_keep_ms: 24 * 3_600_000,
        }
    }
}
