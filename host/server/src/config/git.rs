//! Policies from git.

use std::{path::PathBuf, time::Duration};

use interlock_domain::AccountId;
use interlock_git::{CommitId, Limits, Revision, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Most that can be configured.
const WEBHOOK_BYTES_MAX: usize = 32 << 20;

/// Policies from git: every head that keeps to the rules is proposed as a `policy` change where policies are decided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Git {
    /// The repository: a folder, or an `https://` or `ssh://` address; none when empty.
    pub url: String,
    /// The branch.
    pub branch: String,
    /// The folder of the bundle in the repository; all of it when empty.
    pub path: String,
    /// The account in the tenant of `policies.home` that proposes what is in git.
    #[schemars(with = "Option<String>")]
    pub account: Option<AccountId>,
    /// The SSH keys that may sign commits, as OpenSSH writes `allowed_signers`. Every commit since the last one that was taken
    /// must be signed by one.
    pub allowed_signers_file: PathBuf,
    /// The commit at which trust begins: it and what is before it need no signature. Without it the whole history does.
    pub trusted_commit: String,
    /// How the names of tags begin that count, such as `policies/`: an annotated tag that an allowed key signed counts like a
    /// signature of the one commit that it names. No tag counts when empty.
    pub tag_prefix: String,
    /// The file with the token for HTTPS; none when empty.
    pub token_file: PathBuf,
    /// The file with the private key for SSH; what ssh's own configuration says when empty.
    pub ssh_key_file: PathBuf,
    /// The file with the keys of hosts for SSH, as OpenSSH writes `known_hosts`; that of ssh's own configuration when empty.
    pub ssh_known_hosts_file: PathBuf,
    /// The file with the secret that a webhook's `X-Hub-Signature-256` is made with (or that GitLab sends as
    /// `X-Gitlab-Token`); no webhook when empty.
    pub webhook_secret_file: PathBuf,
    /// Most bytes in the body of a webhook. It is not kept: only whether it is signed counts.
    pub webhook_bytes_max: usize,
    /// How often it is looked at, in milliseconds.
    pub poll_ms: u64,
    /// How soon it is looked at again at most, however often the webhook calls, in milliseconds.
    pub poll_ms_min: u64,
    /// How long one look may take, in milliseconds.
    pub deadline_ms: u64,
    /// How old the policies may be before it is said, in milliseconds: how long ago the branch was last seen with a head that keeps
    /// to the rules.
    pub max_age_ms: u64,
    /// Whether policies of that age permit nothing more but to stop a rollout, until the branch is seen again.
    pub deny_after_max_age: bool,
    /// Whether a bundle without policies is meant: it denies everything.
    pub allow_empty: bool,
    /// Most bytes that the repository may take on disk.
    pub repository_bytes_max: u64,
    /// Most commits in its history.
    pub commits_max: usize,
    /// Most files in the bundle's folder.
    pub files_max: usize,
    /// Most bytes in one file.
    pub file_bytes_max: u64,
    /// Most bytes in all of them.
    pub bundle_bytes_max: u64,
    /// Most bytes in one path.
    pub path_bytes_max: usize,
    /// Most folders inside each other.
    pub depth_max: usize,
}

impl Default for Git {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            url: String::new(),
            branch: "main".to_owned(),
            path: String::new(),
            account: None,
            allowed_signers_file: PathBuf::new(),
            trusted_commit: String::new(),
            tag_prefix: String::new(),
            ssh_key_file: PathBuf::new(),
            ssh_known_hosts_file: PathBuf::new(),
            token_file: PathBuf::new(),
            webhook_secret_file: PathBuf::new(),
            webhook_bytes_max: 4 << 20,
            poll_ms: 60_000,
            poll_ms_min: 1_000,
            deadline_ms: 60_000,
            max_age_ms: 24 * 3_600_000,
            deny_after_max_age: false,
            allow_empty: false,
            repository_bytes_max: limits.repository_bytes_max,
            commits_max: limits.commits_max,
            files_max: limits.files_max,
            file_bytes_max: limits.file_bytes_max,
            bundle_bytes_max: limits.bundle_bytes_max,
            path_bytes_max: limits.path_bytes_max,
            depth_max: limits.depth_max,
        }
    }
}

impl Git {
    /// Whether policies come from git.
    pub(crate) fn is_on(&self) -> bool {
        !self.url.is_empty()
    }

    /// Where they are.
    pub(crate) fn source(&self) -> Source {
        Source {
            url: self.url.clone(),
            revision: Revision::Branch(self.branch.clone()),
            path: self.path.clone(),
            tag_prefix: self.tag_prefix.clone(),
        }
    }

    /// How that is written down.
    pub(crate) fn named(&self) -> String {
        format!("{}#{}:{}", self.url, self.branch, self.path)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            repository_bytes_max: self.repository_bytes_max,
            commits_max: self.commits_max,
            files_max: self.files_max,
            file_bytes_max: self.file_bytes_max,
            bundle_bytes_max: self.bundle_bytes_max,
            path_bytes_max: self.path_bytes_max,
            depth_max: self.depth_max,
        }
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// Where trust begins.
    pub(crate) fn trusted(&self) -> Option<CommitId> {
        self.trusted_commit.parse().ok()
    }

    /// Refuses what would never take anything, or take too much.
    pub(super) fn check(&self, has_home: bool) -> Result<(), ConfigError> {
        if !self.is_on() {
            return Ok(());
        }
        let senseless = |key, detail: &str| Err(ConfigError::Senseless { key, detail: detail.to_owned() });
        if !has_home {
            return senseless(
                "policies.git.url",
                "what is in git is proposed as a change; say in `policies.home` where changes decide on policies",
            );
        }
        if self.account.is_none() {
            return senseless(
                "policies.git.account",
                "name the account (`acc_…`) in the tenant of `policies.home` that proposes what is in git",
            );
        }
        if self.allowed_signers_file.as_os_str().is_empty() {
            return senseless(
                "policies.git.allowed_signers_file",
                "name a file of SSH keys that may sign commits, in the format of OpenSSH's `allowed_signers`",
            );
        }
        if !self.trusted_commit.is_empty() && self.trusted().is_none() {
            return senseless("policies.git.trusted_commit", "give all 40 hexadecimal digits of the commit");
        }
        let userinfo = self.url.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
        if userinfo.is_some_and(|(user, _)| user.contains(':')) {
            return senseless(
                "policies.git.url",
                "a password has no place in it; use `policies.git.token_file`",
            );
        }
        if self.poll_ms == 0 || self.deadline_ms == 0 || self.max_age_ms == 0 {
            return senseless("policies.git", "`poll_ms`, `deadline_ms` and `max_age_ms` must be at least 1");
        }
        if self.webhook_bytes_max == 0 || self.webhook_bytes_max > WEBHOOK_BYTES_MAX {
            return senseless(
                "policies.git.webhook_bytes_max",
                "must be 1 to 33554432: GitHub sends at most 25 MiB",
            );
        }
        if self.deny_after_max_age && self.max_age_ms <= self.poll_ms {
            return senseless(
                "policies.git.max_age_ms",
                "with `deny_after_max_age` it must be longer than `poll_ms`, or everything is denied between two looks",
            );
        }
        Ok(())
    }
}
