//! Anchors of the ledger: others who come to know of a checkpoint.

use std::{collections::BTreeSet, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Somebody outside who comes to know of each log's checkpoint from time to time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerAnchor {
    /// What it is called.
    pub name: String,
    /// `timestamp` (RFC 3161), `git`, `webhook` (Standard Webhooks) or `stellar`.
    #[schemars(with = "String")]
    pub kind: AnchorKind,
    /// Its address: of the timestamp authority, of the repository to push to (none: the commits stay in `git_dir`), of the webhook's
    /// receiver, of Stellar's Horizon.
    pub url: String,
    /// How often, in milliseconds; of days when it is 86400000.
    pub every_ms: u64,
    /// How long to wait after a failure, in milliseconds.
    pub retry_ms: u64,
    /// How long one try may take, in milliseconds.
    pub timeout_ms: u64,
    /// The file with the certificates (PEM) that the timestamp authority's must lead to.
    pub timestamp_trust_file: PathBuf,
    /// The bare repository in which the checkpoints are committed; made when there is none.
    pub git_dir: PathBuf,
    /// Its branch.
    pub git_branch: String,
    /// The file with the secret that the webhook is signed with: `whsec_…`.
    pub webhook_secret_file: PathBuf,
    /// Whether the webhook may go to an address inside: loopback, private and link-local ones are refused otherwise.
    pub webhook_inside: bool,
    /// The network of the Stellar account: its passphrase.
    pub stellar_passphrase: String,
    /// The file with the secret key of the account (`S…`) that pays.
    pub stellar_secret_file: PathBuf,
    /// The most that a transaction may cost, in stroops.
    pub stellar_fee: u32,
}

/// What kind of an anchor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorKind {
    /// A timestamp authority (RFC 3161).
    Timestamp,
    /// A git repository.
    Git,
    /// An HTTP webhook (Standard Webhooks).
    Webhook,
    /// The Stellar network, through Horizon.
    Stellar,
}

impl AnchorKind {
    /// Its word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            AnchorKind::Timestamp => "timestamp",
            AnchorKind::Git => "git",
            AnchorKind::Webhook => "webhook",
            AnchorKind::Stellar => "stellar",
        }
    }
}

impl Default for LedgerAnchor {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: AnchorKind::Timestamp,
            url: String::new(),
            every_ms: 86_400_000,
            retry_ms: 60_000,
            timeout_ms: 30_000,
            timestamp_trust_file: PathBuf::new(),
            git_dir: PathBuf::new(),
            git_branch: "main".to_owned(),
            webhook_secret_file: PathBuf::new(),
            webhook_inside: false,
            stellar_passphrase: "Public Global Stellar Network ; September 2015".to_owned(),
            stellar_secret_file: PathBuf::new(),
            stellar_fee: 10_000,
        }
    }
}

/// Refuses what could anchor nothing.
pub(super) fn check(anchors: &[LedgerAnchor]) -> Result<(), ConfigError> {
    let mut names = BTreeSet::new();
    for anchor in anchors {
        let name = &anchor.name;
        let senseless = |detail: &str| {
            let detail = format!("anchor `{name}`: {detail}");
            Err(ConfigError::Senseless { key: "ledger.anchors", detail })
        };
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if name.is_empty() || name.len() > 60 || !is_word(name) || name.contains('/') {
            return senseless("a name is 1 to 60 letters, digits, `-`, `_` and `.`");
        }
        if !names.insert(name) {
            return senseless("two have this name");
        }
        if anchor.every_ms == 0 || anchor.retry_ms == 0 || anchor.timeout_ms == 0 {
            return senseless("`every_ms`, `retry_ms` and `timeout_ms` must be at least 1");
        }
        let is_http = anchor.url.starts_with("http://") || anchor.url.starts_with("https://");
        if anchor.kind != AnchorKind::Git && !is_http {
            return senseless("`url` must be an http:// or https:// address");
        }
        let (missing, detail) = match anchor.kind {
            AnchorKind::Timestamp => {
                (&anchor.timestamp_trust_file, "`timestamp_trust_file` must name whom to trust")
            }
            AnchorKind::Git => (&anchor.git_dir, "`git_dir` must name a folder"),
            AnchorKind::Webhook => (&anchor.webhook_secret_file, "`webhook_secret_file` must name a file"),
            AnchorKind::Stellar => (&anchor.stellar_secret_file, "`stellar_secret_file` must name a file"),
        };
        if missing.as_os_str().is_empty() {
            return senseless(detail);
        }
        let branch = &anchor.git_branch;
        let bad_branch = branch.is_empty()
            || !is_word(branch)
            || branch.starts_with(['-', '/', '.'])
            || branch.contains("..");
        if anchor.kind == AnchorKind::Git && (bad_branch || anchor.url.starts_with('-')) {
            return senseless("`git_branch` must be a branch's name, and `url` an address");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (fn(&mut LedgerAnchor), &'static str);

    fn said(alter: impl FnOnce(&mut LedgerAnchor)) -> String {
        let mut anchor = LedgerAnchor {
            name: "tsa".to_owned(),
            url: "https://tsa.example".to_owned(),
            timestamp_trust_file: "/run/tsa.pem".into(),
            ..LedgerAnchor::default()
        };
        alter(&mut anchor);
        check(&[anchor]).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn anchors_that_could_anchor_nothing_are_refused_by_name() {
        assert_eq!(said(|_| {}), "");
        let table: [Case; 8] = [
            (|anchor| anchor.name = "a/b".to_owned(), "a name is"),
            (|anchor| anchor.url = "tsa.example".to_owned(), "`url`"),
            (|anchor| anchor.timestamp_trust_file = PathBuf::new(), "timestamp_trust_file"),
            (|anchor| anchor.kind = AnchorKind::Git, "git_dir"),
            (|anchor| anchor.kind = AnchorKind::Webhook, "webhook_secret_file"),
            (|anchor| anchor.kind = AnchorKind::Stellar, "stellar_secret_file"),
            (|anchor| anchor.every_ms = 0, "every_ms"),
            (
                |anchor| {
                    (anchor.kind, anchor.git_dir, anchor.git_branch) =
                        (AnchorKind::Git, "/a".into(), "--upload-pack=x".to_owned());
                },
                "git_branch",
            ),
        ];
        for (alter, expected) in table {
            assert!(said(alter).contains(expected), "{expected}: {}", said(alter));
        }
    }
}
